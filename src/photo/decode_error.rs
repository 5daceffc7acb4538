//! The error of a decoder, before the photo's name is added, and the checks that precede allocation.

use super::error::Error;
use super::format::Format;
use crate::budget::Exhausted;
use crate::pixels::SinkError;

/// The maximum number of pixels: Pillow's threshold for a decompression bomb. Fuzz targets use a smaller one, which
/// makes them try more files in the same time.
pub(super) const MAX_PIXELS: u64 = if cfg!(fuzzing) { 1 << 20 } else { 178_956_970 };

/// What a decoder found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// The header declares a side of zero.
    NoPixels { width: u64, height: u64 },
    /// The header declares more than [`MAX_PIXELS`].
    TooManyPixels { width: u64, height: u64 },
    /// The data ends before the photo is complete.
    Truncated,
    /// The data violates the format.
    Damaged(String),
    /// The data is valid but uses a feature that is not supported.
    Unsupported(String),
    /// The pixels do not fit in memory.
    OutOfMemory { width: u64, height: u64 },
    /// Reading it would cost more than its size justifies, or was cancelled.
    Exhausted(Exhausted),
}

impl DecodeError {
    /// A violation of the format, in a few words.
    pub fn damaged(reason: impl ToString) -> Self {
        DecodeError::Damaged(clean(&reason.to_string()))
    }

    /// An unsupported feature, in a few words.
    pub fn unsupported(reason: impl ToString) -> Self {
        DecodeError::Unsupported(clean(&reason.to_string()))
    }

    /// A buffer for this many pixels that cannot be allocated.
    pub fn out_of_memory(width: usize, height: usize) -> Self {
        DecodeError::OutOfMemory { width: width as u64, height: height as u64 }
    }

    /// Adds the photo's name and format.
    pub fn named(self, name: &str, format: Format) -> Error {
        let name = name.to_owned();
        match self {
            DecodeError::NoPixels { width, height } => Error::NoPixels { name, width, height },
            DecodeError::TooManyPixels { width, height } => {
                Error::TooManyPixels { name, width, height, limit: MAX_PIXELS }
            }
            DecodeError::Truncated => Error::Truncated { name, format: format.name() },
            DecodeError::Damaged(reason) => Error::Damaged { name, format: format.name(), reason },
            DecodeError::Unsupported(reason) => Error::Unsupported { name, format: format.name(), reason },
            DecodeError::OutOfMemory { width, height } => Error::OutOfMemory { name, width, height },
            DecodeError::Exhausted(Exhausted::Cancelled) => Error::Cancelled { name },
            DecodeError::Exhausted(Exhausted::Work) => {
                Error::TooCostly { name, format: format.name(), resource: "time" }
            }
            DecodeError::Exhausted(Exhausted::Memory | Exhausted::System) => {
                Error::TooCostly { name, format: format.name(), resource: "memory" }
            }
        }
    }
}

impl From<Exhausted> for DecodeError {
    fn from(exhausted: Exhausted) -> Self {
        DecodeError::Exhausted(exhausted)
    }
}

impl From<SinkError> for DecodeError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::OutOfMemory { width, height } => DecodeError::out_of_memory(width, height),
            SinkError::NoPhoto => DecodeError::damaged("there is no photo"),
        }
    }
}

/// Makes a codec's message a part of a sentence: no initial capital, full stop or control characters; at most 120
/// characters.
fn clean(reason: &str) -> String {
    const MAX_LEN: usize = 120;
    let printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let mut clean: String = reason.trim_end_matches('.').chars().filter(printable).take(MAX_LEN).collect();
    // An acronym such as IDAT keeps its capitals.
    let acronym = clean.bytes().take(2).all(|byte| byte.is_ascii_uppercase());
    if let Some(first) = clean.get_mut(..1).filter(|_| !acronym) {
        first.make_ascii_lowercase();
    }
    clean
}

/// Checks the size that a header declares. Decoders call this before they allocate anything.
pub(super) fn checked_size(width: impl Into<u64>, height: impl Into<u64>) -> Result<(usize, usize), DecodeError> {
    let (width, height) = (width.into(), height.into());
    if width == 0 || height == 0 {
        return Err(DecodeError::NoPixels { width, height });
    }
    match width.checked_mul(height) {
        Some(pixels) if pixels <= MAX_PIXELS => Ok((width as usize, height as usize)),
        _ => Err(DecodeError::TooManyPixels { width, height }),
    }
}

/// Allocates `each` values per pixel, all equal to `value`; fails instead of aborting if memory runs out.
pub(super) fn try_filled<T: Copy>(width: usize, height: usize, each: usize, value: T) -> Result<Vec<T>, DecodeError> {
    let error = || DecodeError::out_of_memory(width, height);
    let len = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(each)).ok_or_else(error)?;
    // `vec!` of zeros maps pages without touching them but aborts if that fails, so try the size first.
    Vec::<T>::new().try_reserve_exact(len).map_err(|_| error())?;
    Ok(vec![value; len])
}

/// Checks that a codec, whose allocations abort the process if they fail, can allocate `bytes` for this picture.
pub(super) fn check_memory(bytes: usize, (width, height): (usize, usize)) -> Result<(), DecodeError> {
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| DecodeError::out_of_memory(width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_parts_of_a_sentence() {
        assert_eq!(clean("Invalid Huffman code."), "invalid Huffman code");
        assert_eq!(clean("IDAT chunk is missing."), "IDAT chunk is missing");
        assert_eq!(clean("type \u{1b}[31m\0\n\u{ff}"), "type [31m");
        assert_eq!(clean(""), "");
        assert_eq!(clean(&"x".repeat(1000)).len(), 120);
    }

    #[test]
    fn sides_are_accepted_up_to_the_limit() {
        assert_eq!(checked_size(178_956_970u32, 1u32), Ok((178_956_970, 1)));
        assert_eq!(
            checked_size(1u64, 178_956_971u64),
            Err(DecodeError::TooManyPixels { width: 1, height: 178_956_971 })
        );
        assert_eq!(
            checked_size(u64::MAX, u64::MAX),
            Err(DecodeError::TooManyPixels { width: u64::MAX, height: u64::MAX })
        );
        assert_eq!(checked_size(0u8, 7u8), Err(DecodeError::NoPixels { width: 0, height: 7 }));
    }
}
