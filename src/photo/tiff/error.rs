//! Maps the errors of the `tiff` crate.

use tiff::TiffError;

use super::super::decode_error::DecodeError;

/// Maps an error of the codec.
pub(super) fn decode_error(error: TiffError) -> DecodeError {
    match error {
        TiffError::IoError(_) => DecodeError::Truncated,
        TiffError::UnsupportedError(kind) => DecodeError::unsupported(kind),
        TiffError::FormatError(kind) => DecodeError::damaged(kind),
        TiffError::LimitsExceeded => DecodeError::damaged("a value is too large"),
        other => DecodeError::damaged(other),
    }
}
