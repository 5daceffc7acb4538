//! Vision transformers: OpenAI's, open_clip's and timm's, and MobileCLIP-B's with a convolutional stem.

pub(crate) mod config;
mod conv_stem;
mod forward;
mod tensors;

pub(crate) use config::VitConfig;
pub(crate) use forward::Vit;
