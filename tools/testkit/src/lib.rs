//! Helpers that the tests of `clippie-rs` share, compiled once for all test targets, benches and examples.
//!
//! Independent of the engine, so that unit tests inside the crate can use it, too. Helpers that need the engine are
//! modules in `tests/common`.

pub mod checkpoint;
pub mod goldens;
pub mod hub_server;
pub mod jpeg;
pub mod pickles;
pub mod scenes;
pub mod tiny_config;
