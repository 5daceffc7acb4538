//! Black-box tests of the photo library: the binary on fresh folders of drawn photos, and the rows that it leaves.

#![cfg(all(feature = "cli", feature = "library", feature = "demo"))]

mod cut;
#[cfg(unix)]
#[path = "../common/signals.rs"]
mod default_signals;
#[path = "../common/demo.rs"]
mod demo;
mod duplicates;
mod exclusions;
mod export;
mod index;
mod kill;
mod models;
mod outputs;
mod precision;
mod roots;
mod search;
mod support;
mod trouble;
#[cfg(unix)]
mod watch;
