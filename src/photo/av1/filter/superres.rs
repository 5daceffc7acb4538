//! Upscaling (section 7.16): stretches a frame that was coded narrower (`use_superres`).

use super::super::super::decode_error::DecodeError;
use super::super::plane::Frame;

/// Stretches every plane of a frame to `width` luma samples (`UpscaledWidth`).
///
/// # Errors
/// The memory cannot be allocated.
pub fn upscale(frame: &Frame, width: usize) -> Result<Frame, DecodeError> {
    todo!("{frame:?} {width}")
}
