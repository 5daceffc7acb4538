//! CLIP models on a CPU, from scratch: photos and sentences to embeddings, from memory-mapped weights.

pub mod models;
pub mod preprocess;
pub mod tokenizer;
pub mod weights;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "import")]
pub mod import;

mod kernels;
mod layers;
mod tensor;
