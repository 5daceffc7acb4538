//! Deterministic random checkpoints in the layouts in which CLIP models are published.
//!
//! A value depends on the seed, the tensor's name and the element's index alone, so every layout of one
//! seed holds the same numbers, and `tools/reference/checkpoint_values.py` computes them bit for bit. The
//! expected embeddings of such checkpoints lie in `tests/goldens/models`.
//!
//! Nothing here knows of the engine, its importer or its weight files: those are what gets tested.

pub mod error;
pub mod golden;
pub mod layout;
pub mod mobileclip;
pub mod model;
pub mod random;
pub mod tensor;
pub mod trunk;
pub mod vit;

pub use error::Error;
pub use layout::{Layout, write};
pub use model::Model;
