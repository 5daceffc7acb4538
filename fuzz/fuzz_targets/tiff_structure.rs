//! TIFF files put together from tags.
#![no_main]

use clippie_rs_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: clippie_rs_fuzz::tiff::File| targets::tiff_structure(&input));
