//! Vision transformers: OpenAI's, open_clip's and timm's, MobileCLIP-B's with a convolutional stem, SigLIP's and Perception
//! Encoder's, which pool by attention.

pub(crate) mod config;
mod conv_stem;
mod forward;
mod tensors;

pub(crate) use config::VitConfig;
pub(crate) use forward::Vit;
