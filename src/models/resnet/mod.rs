//! CLIP's ResNets, RN50 to RN50x64.

pub(crate) mod config;
mod forward;
mod tensors;

pub(crate) use config::ResnetConfig;
pub(crate) use forward::Resnet;
#[cfg(all(test, feature = "import"))]
pub(crate) use forward::TracePoint;
