//! The error of a decoder, before the photo's name is added, and the checks that precede allocation.

use super::error::Error;
use super::format::Format;
use crate::budget::{Budget, Exhausted};
use crate::pixels::SinkError;

/// What a decoder found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// The header declares a side of zero.
    NoPixels { width: u64, height: u64 },
    /// The header declares more pixels than the limit.
    TooManyPixels { width: u64, height: u64, limit: u64 },
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
            DecodeError::TooManyPixels { width, height, limit } => Error::TooManyPixels { name, width, height, limit },
            DecodeError::Truncated => Error::Truncated { name, format: format.name() },
            DecodeError::Damaged(reason) => Error::Damaged { name, format: format.name(), reason },
            DecodeError::Unsupported(reason) => Error::Unsupported { name, format: format.name(), reason },
            DecodeError::OutOfMemory { width, height } => Error::OutOfMemory { name, width, height },
            DecodeError::Exhausted(Exhausted::Cancelled) => Error::Cancelled { name },
            DecodeError::Exhausted(Exhausted::Time(limit)) => Error::TooSlow { name, format: format.name(), limit },
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
pub(super) fn checked_size(
    width: impl Into<u64>,
    height: impl Into<u64>,
    budget: &Budget,
) -> Result<(usize, usize), DecodeError> {
    size_within(width.into(), height.into(), budget.most_pixels())
}

/// Checks a size against a limit of pixels, as [`checked_size`] does.
pub(super) fn size_within(width: u64, height: u64, limit: u64) -> Result<(usize, usize), DecodeError> {
    if width == 0 || height == 0 {
        return Err(DecodeError::NoPixels { width, height });
    }
    match width.checked_mul(height) {
        Some(pixels) if pixels <= limit => Ok((width as usize, height as usize)),
        _ => Err(DecodeError::TooManyPixels { width, height, limit }),
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
    use crate::budget::Limits;
    use crate::cancel::CancelToken;

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
        let budget = Budget::photo(0, &Limits::new(), &CancelToken::new());
        let checked = |width: u64, height: u64| checked_size(width, height, &budget);
        let too_many = |width, height| Err(DecodeError::TooManyPixels { width, height, limit: 178_956_970 });
        assert_eq!(checked(178_956_970, 1), Ok((178_956_970, 1)));
        assert_eq!(checked(1, 178_956_971), too_many(1, 178_956_971));
        assert_eq!(checked(u64::MAX, u64::MAX), too_many(u64::MAX, u64::MAX));
        assert_eq!(checked(0, 7), Err(DecodeError::NoPixels { width: 0, height: 7 }));
        let budget = Budget::photo(0, &Limits::new().pixels(99), &CancelToken::new());
        assert_eq!(checked_size(9u8, 11u8, &budget), Ok((9, 11)));
        let too_many = Err(DecodeError::TooManyPixels { width: 10, height: 10, limit: 99 });
        assert_eq!(checked_size(10u8, 10u8, &budget), too_many);
    }
}
