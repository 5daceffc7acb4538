//! Models by name against a local hub server: pulling, resuming, failures, retries, caching. No test uses any other
//! network.
//!
//! `tests/parity.rs` tests that every catalogue name gives the right embeddings.

#![cfg(feature = "hub")]

#[path = "../common/parity.rs"]
mod parity;
#[cfg(all(unix, feature = "cli"))]
#[path = "../common/signals.rs"]
mod signals;

mod cache;
#[cfg(feature = "cli")]
mod cli;
mod faults;
mod hostile;
mod https;
mod links;
mod names;
mod parts;
mod pull;
mod remedies;
mod resume;
mod slow;
mod support;
mod tokens;
