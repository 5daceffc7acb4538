//! Deterministic random checkpoints in the layouts in which CLIP models are published.
//!
//! A value depends only on the seed, the tensor's name and the element's index, so every layout of one seed holds the
//! same numbers, and `tools/reference/checkpoint_values.py` computes them bit for bit. The expected embeddings of such
//! checkpoints are in `tests/goldens/models`.
//!
//! Independent of the engine, its importer and its weights files, because those are under test.

pub mod edit;
pub mod error;
pub mod golden;
pub mod layout;
pub mod mobileclip;
pub mod model;
pub mod multilingual;
pub mod perception;
pub mod pieces;
pub mod random;
pub mod resnet;
pub mod siglip;
pub mod tensor;
mod timm;
pub mod trunk;
pub mod vit;

pub use error::Error;
pub use layout::{Layout, write};
pub use model::Model;
