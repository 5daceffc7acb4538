//! Published checkpoints to weights files, without Python.
//!
//! ```text
//! file --> safetensors | pickle --> checkpoint --> names --> describe --> fold --> weights::Writer
//!          containers              one view       layouts   config       canonical tensors
//! ```
//!
//! Containers know no models, layouts no containers, and only `names` knows foreign names. Every byte of a
//! checkpoint and of the configuration files beside it may be hostile: sizes are capped and checked before
//! anything is allocated, nothing in a pickle is ever resolved or run, and whatever does not fit is an error
//! that says what and where.

mod bytes;
mod checkpoint;
mod convert;
mod describe;
mod element;
mod error;
mod fold;
mod jobs;
mod locate;
mod names;
mod options;
mod pickle;
mod safetensors;
mod tensor;

#[cfg(all(test, repository))]
mod tests;

pub use checkpoint::{Checkpoint, Container, TensorInfo};
pub use convert::{Converted, Progress, Stage, convert};
pub use describe::{known_models, known_preprocess};
pub use element::ElementType;
pub use error::Error;
#[cfg(feature = "hub")]
pub(crate) use locate::{Pick, pick};
pub use names::{Mismatch, Misshapen, SourceLayout};
pub use options::ConvertOptions;
pub use tensor::Tensor;
