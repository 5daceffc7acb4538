//! Bytes of a photo file in any format.
#![no_main]

use clippie_rs::photo;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = photo::decode(bytes, true, "photo");
});
