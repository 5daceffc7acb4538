//! Eight-bit RGB photos in memory, their orientation, what they look like, and the trait through which a decoder
//! delivers rows.
//!
//! Shared by `photo`, which makes pixels, and `preprocess`, which reduces them.
//! Knows no file format and no model.

mod area;
mod buffer;
mod error;
#[cfg_attr(not(feature = "decode"), allow(dead_code, reason = "photos without metadata are upright"))]
mod orientation;
mod picture_hash;
#[cfg(feature = "decode")]
mod sink;

#[cfg(feature = "decode")]
pub(crate) use area::AreaSums;
pub use buffer::{RgbBuffer, RgbView};
pub use error::Error;
pub(crate) use orientation::Orientation;
#[cfg(feature = "decode")]
pub(crate) use orientation::STRIP;
#[cfg(feature = "decode")]
pub(crate) use picture_hash::{Hashed, HashingSink};
pub use picture_hash::{Match, PictureHash, SamePicture, same_pictures};
#[cfg(feature = "decode")]
pub(crate) use sink::{RowSink, SinkError};
