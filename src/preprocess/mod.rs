//! From a photo to the pixels an image tower gets: decode, orient, resize, crop, normalise.
//!
//! Reproduces what the reference libraries compute with Pillow and torchvision, to the bit, once a
//! photo is decoded to RGB. Knows nothing of models, weights or batches.

#[cfg(feature = "decode")]
mod bands;
mod buffer;
mod config;
#[cfg(feature = "decode")]
mod decode;
mod error;
mod geometry;
mod normalise;
#[cfg_attr(not(feature = "decode"), allow(dead_code, reason = "photos without metadata are upright"))]
mod orient;
mod passes;
mod resize;
mod windows;

pub use buffer::{RgbBuffer, RgbView};
pub use config::{Interpolation, PreprocessConfig, ResizeMode};
#[cfg(feature = "decode")]
pub use decode::decode;
pub use error::Error;

use orient::Orientation;
use resize::Resizer;

/// Revision of the pixels computed here, part of every embedding's fingerprint.
///
/// Raised whenever any pixel of any input changes.
pub const REVISION: u32 = 1;

/// What the image tower gets of a photo: `[3, image_size, image_size]`, channels red, green, blue, rows from
/// the top.
///
/// Equal, to the bit, to open_clip's evaluation transform of the same RGB pixels.
///
/// # Errors
/// When the configuration is not [valid](PreprocessConfig::validate).
pub fn pixels<'a>(photo: impl Into<RgbView<'a>>, config: &PreprocessConfig) -> Result<Vec<f32>, Error> {
    config.validate()?;
    let mut out = vec![0.0; config.pixel_len()];
    pixels_into(photo, config, &mut out)?;
    Ok(out)
}

/// As [`pixels`], written to a slice of [`PreprocessConfig::pixel_len`] floats.
///
/// # Errors
/// When the configuration is not [valid](PreprocessConfig::validate) or the slice has another length.
pub fn pixels_into<'a>(photo: impl Into<RgbView<'a>>, config: &PreprocessConfig, out: &mut [f32]) -> Result<(), Error> {
    check(config, out)?;
    let photo = photo.into();
    let mut resizer = Resizer::new(photo.width(), photo.height(), Orientation::Upright, config);
    resizer.rows(0, photo.data());
    normalise::normalise(&resizer.finish(), config, out);
    Ok(())
}

/// What the image tower gets of a photo file: as [`decode`] followed by [`pixels_into`], to the bit, but a JPEG or PNG
/// photo is reduced while it is decoded and never held as a whole.
///
/// # Errors
/// Those of [`decode`] and of [`pixels_into`].
#[cfg(feature = "decode")]
pub fn decode_pixels_into(
    bytes: &[u8],
    orient: bool,
    name: &str,
    config: &PreprocessConfig,
    out: &mut [f32],
) -> Result<(), Error> {
    check(config, out)?;
    let square = decode::decode_to(bytes, orient, name, bands::Bands::new(config), bands::Bands::finish)?;
    normalise::normalise(&square, config, out);
    Ok(())
}

/// Refuses a configuration that is not valid, and a slice that does not fit it.
fn check(config: &PreprocessConfig, out: &[f32]) -> Result<(), Error> {
    config.validate()?;
    let expected = config.pixel_len();
    if out.len() != expected {
        return Err(Error::OutputLength { len: out.len(), expected });
    }
    Ok(())
}
