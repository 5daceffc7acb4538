//! The towers: model descriptions in terms of layers, and how their weights are named in a `.clippie` file.

pub mod config;
mod error;
mod load;
mod text;
mod transformer;
mod vit;

pub use error::Error;
pub(crate) use text::TextTower;
pub(crate) use vit::Vit;

#[cfg(all(test, feature = "import"))]
mod tests;
