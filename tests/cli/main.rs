//! Drives the real binary as a user does, each test in a fresh folder.
//!
//! The model is a tiny one with random weights, converted by the binary itself: what its embeddings are is tested
//! elsewhere, here that they come, in which form, and what is said when they do not.

#![cfg(feature = "cli")]

mod bench;
mod convert;
mod encode;
mod failures;
mod formats;
mod info;
mod inputs;
mod models;
mod photos;
mod preprocess;
mod support;
mod tokenize;
mod usage;
mod weights;
