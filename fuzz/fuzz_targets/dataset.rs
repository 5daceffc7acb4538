//! A data set: CIFAR-10's batches, idx files, captions.
#![no_main]

use clippie_rs_fuzz::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| targets::dataset(input));
