//! Models by name against a hub on this computer: pulling, resuming, failing, waiting, caching. No test asks any other
//! network.
//!
//! That every known name ends in the right embeddings is tested in `tests/parity.rs`.

#![cfg(feature = "hub")]

#[path = "../common/parity.rs"]
mod parity;

mod cache;
#[cfg(feature = "cli")]
mod cli;
mod faults;
mod hostile;
mod https;
mod names;
mod pull;
mod resume;
mod support;
mod tokens;
