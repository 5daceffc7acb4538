//! AVIF files.
#![no_main]

use clippie_rs_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| targets::photo_avif(input));
