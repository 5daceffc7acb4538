//! The bodies of the fuzz targets, usable without libFuzzer: `tests/regressions.rs` runs past findings through them.
//!
//! Every target asserts that an input ends in a result or an error, in memory that its size justifies
//! ([`memory`]); libFuzzer's `-timeout` bounds the time.

pub mod files;
pub mod memory;
pub mod targets;
pub mod tiff;
