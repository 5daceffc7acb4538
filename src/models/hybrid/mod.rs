//! MobileCLIP-S0's text tower: a transformer between two blocks of convolutions along the tokens.

pub(crate) mod config;
mod forward;
mod tensors;

pub(crate) use config::TextHybridConfig;
pub(crate) use forward::TextHybrid;
