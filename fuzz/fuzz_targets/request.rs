//! Bodies of requests to the server: forms, Immich's and OpenAI's.
#![no_main]

use clippie_rs_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| targets::request(input));
