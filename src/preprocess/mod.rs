//! From RGB pixels to the input of an image tower: resize, crop, normalise.
//!
//! Equals open_clip's evaluation transform with Pillow and torchvision, bit for bit. Knows no file format, model or
//! batch.

mod config;
mod error;
mod filter;
mod geometry;
mod normalise;
mod passes;
mod resize;
#[cfg(feature = "decode")]
mod stream;

pub use config::{Interpolation, PreprocessConfig, ResizeMode};
pub use error::Error;
#[cfg(feature = "decode")]
pub(crate) use stream::StreamResizer;

use crate::pixels::{Orientation, RgbView};
use passes::Rows;
use resize::Resizer;

/// Revision of the computed pixels, part of every embedding's fingerprint.
///
/// Incremented whenever decoding or preprocessing changes a pixel of any input.
pub const REVISION: u32 = 1;

/// Computes the input of an image tower: `[3, image_size, image_size]`, channels red, green, blue, rows from the top.
///
/// Equals open_clip's evaluation transform of the same RGB pixels, bit for bit.
///
/// # Errors
/// The configuration is not [valid](PreprocessConfig::validate).
pub fn pixels<'a>(photo: impl Into<RgbView<'a>>, config: &PreprocessConfig) -> Result<Vec<f32>, Error> {
    config.validate()?;
    let mut out = vec![0.0; config.pixel_len()];
    pixels_into(photo, config, &mut out)?;
    Ok(out)
}

/// Computes [`pixels`] into a slice of [`PreprocessConfig::pixel_len`] floats.
///
/// # Errors
/// The configuration is not [valid](PreprocessConfig::validate), or the slice has another length.
pub fn pixels_into<'a>(photo: impl Into<RgbView<'a>>, config: &PreprocessConfig, out: &mut [f32]) -> Result<(), Error> {
    check(config, out)?;
    let photo = photo.into();
    let mut resizer = Resizer::new(photo.width(), photo.height(), Orientation::Upright, config);
    resizer.rows(0, Rows::of(photo));
    normalise::normalise(&resizer.finish(), config, out);
    Ok(())
}

/// Checks the configuration and the length of the output.
fn check(config: &PreprocessConfig, out: &[f32]) -> Result<(), Error> {
    config.validate()?;
    let expected = config.pixel_len();
    if out.len() != expected {
        return Err(Error::OutputLength { len: out.len(), expected });
    }
    Ok(())
}
