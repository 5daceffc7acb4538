//! Black-box tests of the server: the binary, real sockets, and a client that sends exactly what each test says.

#![cfg(all(feature = "cli", feature = "serve", feature = "demo"))]

mod batches;
#[path = "../common/converted.rs"]
mod converted;
#[cfg(unix)]
#[path = "../common/signals.rs"]
mod default_signals;
mod fetch;
#[cfg(feature = "library")]
#[path = "../common/halves.rs"]
mod halves;
mod immich;
#[cfg(feature = "library")]
mod library;
#[cfg(unix)]
mod lifecycle;
mod limits;
mod openai;
mod start;
mod support;
mod upstream;
