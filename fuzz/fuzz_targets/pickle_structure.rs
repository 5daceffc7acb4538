//! Pickles put together from opcodes.
#![no_main]

use clippie_rs_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: clippie_rs_fuzz::pickle::Program| targets::pickle_structure(&input));
