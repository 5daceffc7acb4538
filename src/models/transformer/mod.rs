//! Pre-norm transformer blocks, shared by several towers.

pub(crate) mod config;
mod forward;
mod tensors;

pub(super) use forward::{Scratch, Sequence, Transformer};
