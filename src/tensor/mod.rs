//! Memory of activations: cache-line aligned buffers and the scratch arena of a forward pass; what weights are made of.
//!
//! This module does not know what the numbers mean.

#![allow(unsafe_code)]

mod aligned;
mod arena;
mod half;
mod heap;

pub(crate) use aligned::AlignedBuf;
pub(crate) use arena::{Arena, ArenaPool, Kept, NoScratch};
pub use half::Half;
#[cfg(feature = "cli")]
pub(crate) use heap::share_heap;
pub(crate) use heap::trim;

/// Columns of a panel of packed weights and channels of a block of a feature map.
///
/// 16 floats are one AVX-512 register, two of AVX2, four of NEON or SSE, and one cache line, so the same layout serves
/// every instruction set. `weights/README.md` defines it for files.
pub const PANEL: usize = 16;

/// Steps of a column whose integers lie together in matrices of 8 bits: what one lane of 32 bits multiplies and adds.
pub(crate) const QUAD: usize = 4;

/// Most steps of such a matrix: so many products of a byte without sign and one with sign have a sum of 32 bits, and so many
/// integers a sum that binary32 holds exactly.
pub(crate) const MOST_QUAD_STEPS: usize = 1 << 16;
