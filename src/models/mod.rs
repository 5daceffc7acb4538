//! The towers: what a model is, which layers it has, and its forward pass.
//!
//! An architecture is one folder: `config.rs` describes it, `tensors.rs` walks once over its layers in the order of
//! the file, `forward.rs` runs it. It joins the others in [`image_tower`] or [`text_tower`]. Knows no checkpoints.

#![cfg_attr(
    not(feature = "import"),
    allow(dead_code, reason = "listing layers and open settings are for the importer")
)]

pub mod config;
mod conv_mlp;
mod error;
mod hybrid;
mod image_tower;
mod mci;
mod scope;
mod text;
mod text_tower;
mod token_embedding;
mod transformer;
mod vit;

pub use error::Error;
pub(crate) use image_tower::ImageTower;
#[cfg(feature = "import")]
pub(crate) use scope::{EvenFirst, Layer, LayerKind, layers};
pub(crate) use scope::{load_image, load_text};
pub(crate) use text_tower::TextTower;

/// Stages of a transformer's pass, for tests that compare with the reference one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Rows that enter the first block.
    Embedded,
    /// Rows after block i.
    Block(usize),
}

#[cfg(all(test, repository, feature = "import"))]
pub(crate) mod tests;
