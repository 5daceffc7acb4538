//! XLM-RoBERTa as a text tower: post-norm blocks over the tokens of a text, pooled to their mean.

pub(crate) mod config;
mod forward;
mod tensors;

pub(crate) use config::XlmRobertaConfig;
pub(crate) use forward::XlmRoberta;
