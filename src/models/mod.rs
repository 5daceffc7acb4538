//! The towers: model descriptions in terms of layers, and how their weights are named in a `.clippie` file.

pub mod config;
mod conv_mlp;
mod conv_stem;
mod error;
mod load;
mod mci;
mod text;
mod text_hybrid;
mod tower;
mod transformer;
mod vit;

pub use error::Error;
pub(crate) use tower::{ImageTower, TextTower};

#[cfg(all(test, repository, feature = "import"))]
pub(crate) mod tests;
