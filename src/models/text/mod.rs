//! Text transformers over token and position embeddings.

pub(crate) mod config;
mod forward;
mod tensors;

pub(crate) use config::TextTransformerConfig;
pub(crate) use forward::TextTransformer;
