//! Errors of decoding a photo; each names the photo.

use std::time::Duration;

/// Stands in messages for a photo without a path or name.
pub(crate) const NAMELESS: &str = "the image";

/// Why a photo cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are no bytes.
    #[error("{name} is empty; copy it again from where it came")]
    Empty {
        /// The caller's name for the photo.
        name: String,
    },
    /// The bytes are in no known format.
    #[error("{name} is {} ({FORMATS})", unreadable(name))]
    NotAnImage {
        /// The caller's name for the photo.
        name: String,
    },
    /// The format is recognised but not supported.
    #[error("{name} is {} file, which cannot be read here; convert it to JPEG first", a(format))]
    UnsupportedFormat {
        /// The caller's name for the photo.
        name: String,
        /// The format.
        format: &'static str,
    },
    /// The header declares a side of zero.
    #[error("{name} is {width} x {height} pixels; there is nothing to see")]
    NoPixels {
        /// The caller's name for the photo.
        name: String,
        /// Pixels in a row.
        width: u64,
        /// Number of rows.
        height: u64,
    },
    /// The header declares more pixels than the limit; nothing was allocated.
    #[error(
        "{name} is {width} x {height} pixels; the limit is {limit} pixels: scale it down first, or raise the limit \
         (--max-pixels; Limits::pixels)"
    )]
    TooManyPixels {
        /// The caller's name for the photo.
        name: String,
        /// Pixels in a row.
        width: u64,
        /// Number of rows.
        height: u64,
        /// The maximum number of pixels.
        limit: u64,
    },
    /// The file has more bytes than the limit.
    #[error(
        "{name} has {bytes} bytes; the limit for a photo is {limit} bytes, unless it is raised (--max-bytes; Limits::bytes)"
    )]
    TooManyBytes {
        /// The caller's name for the photo.
        name: String,
        /// The bytes of the file.
        bytes: u64,
        /// The maximum number of bytes.
        limit: u64,
    },
    /// Decoding takes longer than the limit; it was given up.
    #[error(
        "{name} is {} image that takes longer than {} s to decode; save it anew as an ordinary JPEG or PNG, or raise \
         the limit (--max-seconds; Limits::time)", a(format), limit.as_secs_f64()
    )]
    TooSlow {
        /// The caller's name for the photo.
        name: String,
        /// The format.
        format: &'static str,
        /// The maximum time.
        limit: Duration,
    },
    /// The data ends before the photo is complete.
    #[error("{name} is a truncated {format} image; copy it again from where it came")]
    Truncated {
        /// The caller's name for the photo.
        name: String,
        /// The format.
        format: &'static str,
    },
    /// The data violates its format.
    #[error("{name} is a damaged {format} image ({reason}); copy it again from where it came")]
    Damaged {
        /// The caller's name for the photo.
        name: String,
        /// The format.
        format: &'static str,
        /// What is wrong, in a few words.
        reason: String,
    },
    /// The data is valid but uses a feature that is not supported.
    #[error(
        "{name} is {} image of a kind that cannot be read here ({reason}); save it as an ordinary JPEG or PNG",
        a(format)
    )]
    Unsupported {
        /// The caller's name for the photo.
        name: String,
        /// The format.
        format: &'static str,
        /// What is not supported, in a few words.
        reason: String,
    },
    /// The pixels do not fit in memory.
    #[error("{name} is {width} x {height} pixels, which do not fit in memory")]
    OutOfMemory {
        /// The caller's name for the photo.
        name: String,
        /// Pixels in a row.
        width: u64,
        /// Number of rows.
        height: u64,
    },
    /// Decoding needs far more time or memory than a photo of this size does; it was given up.
    #[error(
        "{name} is {} image that needs far more {resource} than its size justifies; save it anew as an ordinary JPEG or PNG{}",
        a(format),
        more_time(resource)
    )]
    TooCostly {
        /// The caller's name for the photo.
        name: String,
        /// The format.
        format: &'static str,
        /// `time` or `memory`.
        resource: &'static str,
    },
    /// The caller cancelled the call while the photo was decoded.
    #[error("{name} was not decoded because the call was cancelled")]
    Cancelled {
        /// The caller's name for the photo.
        name: String,
    },
}

/// The formats that can be read.
const FORMATS: &str = match (cfg!(feature = "heic"), cfg!(feature = "avif"), cfg!(feature = "jxl")) {
    (true, true, true) => "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, JPEG XL, raw",
    (true, true, false) => "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, raw",
    (true, false, true) => "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, JPEG XL, raw",
    (true, false, false) => "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, raw",
    (false, true, true) => "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG XL, raw",
    (false, true, false) => "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, raw",
    (false, false, true) => "JPEG, PNG, WebP, GIF, BMP, TIFF, JPEG XL, raw",
    (false, false, false) => "JPEG, PNG, WebP, GIF, BMP, TIFF, raw",
};

/// The predicate of [`Error::NotAnImage`]; "the image is not an image" would contradict itself.
fn unreadable(name: &str) -> &'static str {
    if name == NAMELESS { "not in a readable image format" } else { "not an image that can be read here" }
}

/// The name of a format with its article, by how it is spoken.
fn a(format: &str) -> String {
    let article = if matches!(format, "AVIF" | "ICO" | "OpenEXR" | "SVG") { "an" } else { "a" };
    format!("{article} {format}")
}

/// What else helps against [`Error::TooCostly`].
fn more_time(resource: &str) -> &'static str {
    if resource == "time" { ", or allow it more than 120 seconds (--max-seconds; Limits::time)" } else { "" }
}

impl Error {
    /// Returns the name of the photo, as the caller gave it to [`decode`](super::decode).
    pub fn name(&self) -> &str {
        match self {
            Error::Empty { name }
            | Error::NotAnImage { name }
            | Error::UnsupportedFormat { name, .. }
            | Error::NoPixels { name, .. }
            | Error::TooManyPixels { name, .. }
            | Error::TooManyBytes { name, .. }
            | Error::TooSlow { name, .. }
            | Error::Truncated { name, .. }
            | Error::Damaged { name, .. }
            | Error::Unsupported { name, .. }
            | Error::OutOfMemory { name, .. }
            | Error::TooCostly { name, .. }
            | Error::Cancelled { name } => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_name_has_its_own_sentence() {
        let message = |name: &str| Error::NotAnImage { name: name.into() }.to_string();
        let formats = format!("({FORMATS})");
        assert_eq!(message(NAMELESS), format!("the image is not in a readable image format {formats}"));
        assert_eq!(message("notes.jpg"), format!("notes.jpg is not an image that can be read here {formats}"));
    }

    #[test]
    fn formats_have_their_articles() {
        assert_eq!(["AVIF", "JPEG", "HEIC", "raw"].map(a), ["an AVIF", "a JPEG", "a HEIC", "a raw"]);
    }
}
