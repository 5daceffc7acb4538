//! Pre-norm transformer blocks, which several towers share.

pub(crate) mod config;
mod forward;
mod tensors;

pub(super) use forward::{Scratch, Sequence, Transformer};
