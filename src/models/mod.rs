//! The towers: configuration, layers and forward pass of each architecture.
//!
//! An architecture is one folder: `config.rs` describes it, `tensors.rs` walks once over its layers in the order of
//! the file, `forward.rs` runs it. `image_tower.rs` and `text_tower.rs` list all architectures. Knows no checkpoints.

#![cfg_attr(
    not(feature = "import"),
    allow(dead_code, reason = "listing layers and open settings are for the importer")
)]

pub mod config;
mod conv_mlp;
mod error;
mod hybrid;
mod image_tower;
mod layer;
mod load;
mod loading;
mod mci;
mod resnet;
mod scope;
mod settings;
mod text;
mod text_tower;
mod token_embedding;
mod transformer;
mod vit;
mod xlm_roberta;

pub use error::Error;
pub(crate) use image_tower::ImageTower;
#[cfg(feature = "import")]
pub(crate) use layer::{EvenFirst, Layer, LayerKind, LinearSpec, WindowOrder};
#[cfg(feature = "import")]
pub(crate) use load::layers;
pub(crate) use load::load;

pub(crate) use text_tower::TextTower;

/// Points of a transformer's pass at which tests compare with the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The input of the first block.
    Embedded,
    /// The output of block i.
    Block(usize),
}

#[cfg(all(test, repository, feature = "import"))]
pub(crate) mod tests;
