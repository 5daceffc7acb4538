//! Memory of activations: cache-line aligned buffers and the scratch arena that a forward pass works in.
//!
//! Nothing here knows what the numbers mean.

#![allow(unsafe_code)]

mod aligned;
mod arena;

pub(crate) use aligned::AlignedBuf;
pub(crate) use arena::{Arena, ArenaPool};
