//! Why the bytes of a photo cannot be decoded, before the photo has a name in the message.

use super::super::error::Error;
use super::format::Format;

/// The most pixels a photo may have: what Pillow accepts before it suspects a decompression bomb.
pub(super) const MAX_PIXELS: u64 = 178_956_970;

/// What a decoder of one format found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Problem {
    /// The header announces a side of zero.
    NoPixels { width: u64, height: u64 },
    /// The header announces more pixels than are accepted.
    TooManyPixels { width: u64, height: u64 },
    /// The data ends before the photo does.
    Truncated,
    /// The data contradicts the format.
    Damaged(String),
    /// The data is well formed but of a kind that is not read here.
    Unsupported(String),
    /// The pixels do not fit in memory.
    OutOfMemory { width: u64, height: u64 },
}

impl Problem {
    /// A contradiction of the format, in a few words.
    pub fn damaged(reason: impl ToString) -> Self {
        Problem::Damaged(tidy(&reason.to_string()))
    }

    /// A kind that is not read here, in a few words.
    pub fn unsupported(reason: impl ToString) -> Self {
        Problem::Unsupported(tidy(&reason.to_string()))
    }

    /// The public error, for the photo called `name`.
    pub(super) fn named(self, name: &str, format: Format) -> Error {
        let name = name.to_owned();
        match self {
            Problem::NoPixels { width, height } => Error::NoPixels { name, width, height },
            Problem::TooManyPixels { width, height } => Error::TooManyPixels { name, width, height, limit: MAX_PIXELS },
            Problem::Truncated => Error::Truncated { name, format: format.name() },
            Problem::Damaged(reason) => Error::Damaged { name, format: format.name(), reason },
            Problem::Unsupported(reason) => Error::Unsupported { name, format: format.name(), reason },
            Problem::OutOfMemory { width, height } => Error::OutOfMemory { name, width, height },
        }
    }
}

/// A crate's message as part of a sentence: no capital, no full stop, nothing unprintable, not too long.
fn tidy(reason: &str) -> String {
    const LONGEST: usize = 120;
    let printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
    let mut tidy: String = reason.trim_end_matches('.').chars().filter(printable).take(LONGEST).collect();
    // A name in capitals stays one.
    let name = tidy.bytes().take(2).all(|byte| byte.is_ascii_uppercase());
    if let Some(first) = tidy.get_mut(..1).filter(|_| !name) {
        first.make_ascii_lowercase();
    }
    tidy
}

/// The sides a header announces, if they can be accepted; nothing is allocated before this.
pub(super) fn accepted(width: impl Into<u64>, height: impl Into<u64>) -> Result<(usize, usize), Problem> {
    let (width, height) = (width.into(), height.into());
    if width == 0 || height == 0 {
        return Err(Problem::NoPixels { width, height });
    }
    match width.checked_mul(height) {
        Some(pixels) if pixels <= MAX_PIXELS => Ok((width as usize, height as usize)),
        _ => Err(Problem::TooManyPixels { width, height }),
    }
}

/// Memory for `each` values of every pixel, or an error instead of an abort.
pub(super) fn filled<T: Copy>(width: usize, height: usize, each: usize, value: T) -> Result<Vec<T>, Problem> {
    let problem = Problem::OutOfMemory { width: width as u64, height: height as u64 };
    let len = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(each)).ok_or(problem.clone())?;
    // Asked for and given back first, because `vec!` of zeros gets pages without touching them, but aborts
    // where it gets none.
    Vec::<T>::new().try_reserve_exact(len).map_err(|_| problem)?;
    Ok(vec![value; len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_parts_of_a_sentence() {
        assert_eq!(tidy("Invalid Huffman code."), "invalid Huffman code");
        assert_eq!(tidy("IDAT chunk is missing."), "IDAT chunk is missing");
        assert_eq!(tidy("type \u{1b}[31m\0\n\u{ff}"), "type [31m");
        assert_eq!(tidy(""), "");
        assert_eq!(tidy(&"x".repeat(1000)).len(), 120);
    }

    #[test]
    fn sides_are_accepted_up_to_the_limit() {
        assert_eq!(accepted(178_956_970u32, 1u32), Ok((178_956_970, 1)));
        assert_eq!(accepted(1u64, 178_956_971u64), Err(Problem::TooManyPixels { width: 1, height: 178_956_971 }));
        assert_eq!(accepted(u64::MAX, u64::MAX), Err(Problem::TooManyPixels { width: u64::MAX, height: u64::MAX }));
        assert_eq!(accepted(0u8, 7u8), Err(Problem::NoPixels { width: 0, height: 7 }));
    }
}
