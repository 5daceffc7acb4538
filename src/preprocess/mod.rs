//! From a photo to the pixels an image tower gets: decode, orient, resize, crop, normalise.
//!
//! Reproduces what the reference libraries compute with Pillow and torchvision, to the bit, once a
//! photo is decoded to RGB. Knows nothing of models, weights or batches.

mod buffer;
mod config;
mod error;

pub use buffer::{RgbBuffer, RgbView};
pub use config::{Interpolation, PreprocessConfig, ResizeMode};
pub use error::Error;

/// Revision of the pixels computed here, part of every embedding's fingerprint.
///
/// Raised whenever any pixel of any input changes.
pub const REVISION: u32 = 1;
