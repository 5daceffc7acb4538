//! Why the bytes of a photo cannot be decoded, before the photo has a name in the message.

use super::super::error::Error;
use super::format::Format;

/// The most pixels a photo may have: what Pillow accepts before it suspects a decompression bomb.
pub(super) const MAX_PIXELS: u64 = 178_956_970;

/// What a decoder of one format found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
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
        Problem::Damaged(reason.to_string())
    }

    /// A kind that is not read here, in a few words.
    pub fn unsupported(reason: impl ToString) -> Self {
        Problem::Unsupported(reason.to_string())
    }

    /// The public error, for the photo called `name`.
    pub fn named(self, name: &str, format: Format) -> Error {
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
