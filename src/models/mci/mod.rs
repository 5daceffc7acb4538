//! FastViT towers of MobileCLIP: convolutions, RepMixer blocks, attention.

pub(crate) mod config;
mod forward;
mod tensors;

pub(crate) use config::MciConfig;
pub(crate) use forward::Mci;
#[cfg(all(test, feature = "import"))]
pub(crate) use forward::{TraceMap, TracePoint};
