//! `clippie-rs serve` through the binary, over real connections.
#![cfg(all(feature = "cli", feature = "serve", feature = "demo"))]

#[cfg(feature = "library")]
mod library;
