//! A photo that a decoder returns as a whole.

use super::decode_error::DecodeError;
use crate::pixels::{Orientation, RgbBuffer};

/// What a decoder noticed about a photo that it could read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// Grey levels above 255 became white, as in Pillow.
    pub clipped: bool,
}

/// A decoded photo that is not yet turned upright.
pub(super) struct Decoded {
    pub width: usize,
    pub height: usize,
    /// `[height, width, 3]`
    pub data: Vec<u8>,
    /// The orientation that its metadata states.
    pub orientation: Orientation,
    pub notes: Notes,
}

impl Decoded {
    /// Returns the pixels, still not upright.
    pub fn into_buffer(self) -> Result<RgbBuffer, DecodeError> {
        RgbBuffer::new(self.width, self.height, self.data).map_err(DecodeError::damaged)
    }
}
