//! A photo that a decoder returns as a whole.

use super::decode_error::DecodeError;
use crate::pixels::{Orientation, RgbBuffer};

/// A decoded photo that is not yet turned upright.
pub(super) struct Decoded {
    pub width: usize,
    pub height: usize,
    /// `[height, width, 3]`
    pub data: Vec<u8>,
    /// The orientation that its metadata states.
    pub orientation: Orientation,
}

impl Decoded {
    /// Returns the pixels, still not upright.
    pub fn into_buffer(self) -> Result<RgbBuffer, DecodeError> {
        RgbBuffer::new(self.width, self.height, self.data).map_err(DecodeError::damaged)
    }
}
