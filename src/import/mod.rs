//! Converts published checkpoints to weights files, without Python.
//!
//! ```text
//! file --> safetensors | pickle --> checkpoint --> recipes --> describe --> make, fold --> weights::Writer
//!          containers              one view       layouts    config       canonical tensors
//! ```
//!
//! Containers know no models, layouts know no containers, and only `recipes` knows the tensor names of other libraries.
//! Every byte of a checkpoint and of its configuration files is untrusted: sizes are capped and checked before
//! allocation, nothing in a pickle is resolved or run, and every mismatch is an error that names the tensor or field.

mod bytes;
mod checkpoint;
mod convert;
mod describe;
mod element;
mod error;
mod fold;
mod listing;
mod locate;
mod make;
mod mismatch;
mod options;
mod part;
mod pickle;
mod printable;
mod recipes;
mod safetensors;
mod shards;
mod sums;
mod tensor;

#[cfg(all(test, repository))]
mod tests;

pub use checkpoint::{Checkpoint, TensorInfo};
pub use convert::{Converted, Progress, Stage, convert};
pub use element::ElementType;
pub use error::Error;
pub use listing::Container;
#[cfg(feature = "hub")]
pub(crate) use locate::{Pick, pick};
pub use mismatch::{Mismatch, Misshapen};
pub use options::{ConvertOptions, TokenTable};
pub use recipes::SourceLayout;
#[cfg(feature = "hub")]
pub(crate) use shards::{is_index, other_parts, whole_name};
pub use tensor::Tensor;

/// Reads the content of a configuration file named `name`, for the fuzz targets.
///
/// # Errors
/// Any that a conversion has about such a file.
#[cfg(fuzzing)]
pub fn fuzz_config(name: &str, text: &[u8]) -> Result<(), Error> {
    describe::fuzz(std::path::Path::new(name), text)
}
