//! Black-box tests of the binary, each in a fresh folder.
//!
//! They use a tiny model with random weights, converted by the binary itself, and test output formats, messages and
//! exit codes. Other tests check the embeddings.

#![cfg(feature = "cli")]

#[cfg(target_os = "linux")]
#[path = "../common/absurd.rs"]
mod absurd;
mod archives;
mod bench;
mod classify;
mod convert;
#[cfg(unix)]
#[path = "../common/signals.rs"]
mod default_signals;
mod encode;
#[cfg(all(feature = "library", feature = "demo"))]
mod evaluate;
mod failures;
mod folders;
mod formats;
#[cfg(all(feature = "library", feature = "demo"))]
#[path = "../common/halves.rs"]
mod halves;
mod info;
mod inputs;
mod models;
mod multilingual;
mod outputs;
mod photos;
mod preprocess;
mod remedies;
mod siglip;
mod signals;
mod streams;
mod support;
#[cfg(feature = "parquet")]
mod tables;
mod tokenize;
mod usage;
mod weights;
