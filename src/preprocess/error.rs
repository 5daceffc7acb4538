//! What can go wrong between a file's bytes and a tower's pixels.

/// Why a photo cannot be decoded or preprocessed. What comes from a file names it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configured size is not one a tower can have.
    #[error("preprocessing wants images of {size} x {size} pixels; the size must be 1 to 4096")]
    ImageSize {
        /// The configured side.
        size: usize,
    },
    /// A mean that is not a finite f32.
    #[error("preprocessing has a mean of {value}; it must be a finite number")]
    Mean {
        /// The configured mean.
        value: f64,
    },
    /// A standard deviation that is not a finite f32 above zero.
    #[error("preprocessing has a standard deviation of {value}; it must be a finite number above zero")]
    Std {
        /// The configured standard deviation.
        value: f64,
    },
    /// A pixel buffer whose length does not fit its sides.
    #[error(
        "an rgb buffer of {width} x {height} pixels has {len} bytes; it must have width * height * 3, and no side may be zero"
    )]
    BufferLength {
        /// Pixels in a row.
        width: usize,
        /// Number of rows.
        height: usize,
        /// Length of the buffer in bytes.
        len: usize,
    },
    /// An output slice whose length does not fit the configuration.
    #[error("the slice for preprocessed pixels has {len} values; it must have {expected}")]
    OutputLength {
        /// Length of the slice.
        len: usize,
        /// `3 · image_size²`.
        expected: usize,
    },
    /// Bytes that are in no known format.
    #[error("{name} is not an image that can be read here (JPEG, PNG, WebP, GIF, BMP, TIFF)")]
    NotAnImage {
        /// What the caller calls the photo.
        name: String,
    },
    /// Bytes in a format that is known but not read.
    #[error("{name} is a {format} file, which cannot be read here; convert it to JPEG first")]
    ForeignFormat {
        /// What the caller calls the photo.
        name: String,
        /// The format.
        format: &'static str,
    },
    /// A header that announces a side of zero.
    #[error("{name} is {width} x {height} pixels; there is nothing to see")]
    NoPixels {
        /// What the caller calls the photo.
        name: String,
        /// Pixels in a row.
        width: u64,
        /// Number of rows.
        height: u64,
    },
    /// A header that announces more pixels than are accepted; nothing was allocated.
    #[error("{name} is {width} x {height} pixels; the limit is {limit} pixels, so scale it down first")]
    TooManyPixels {
        /// What the caller calls the photo.
        name: String,
        /// Pixels in a row.
        width: u64,
        /// Number of rows.
        height: u64,
        /// The most pixels that are accepted.
        limit: u64,
    },
    /// Data that ends before the photo does.
    #[error("{name} is a truncated {format} image; copy it again from where it came")]
    Truncated {
        /// What the caller calls the photo.
        name: String,
        /// The format.
        format: &'static str,
    },
    /// Data that contradicts its format.
    #[error("{name} is a damaged {format} image ({reason}); copy it again from where it came")]
    Damaged {
        /// What the caller calls the photo.
        name: String,
        /// The format.
        format: &'static str,
        /// What is wrong, in a few words.
        reason: String,
    },
    /// Well-formed data of a kind that is not read.
    #[error(
        "{name} is a {format} image of a kind that cannot be read here ({reason}); save it as an ordinary JPEG or PNG"
    )]
    Unsupported {
        /// What the caller calls the photo.
        name: String,
        /// The format.
        format: &'static str,
        /// What is not supported, in a few words.
        reason: String,
    },
    /// Pixels that do not fit in memory.
    #[error("{name} is {width} x {height} pixels, which do not fit in memory")]
    OutOfMemory {
        /// What the caller calls the photo.
        name: String,
        /// Pixels in a row.
        width: u64,
        /// Number of rows.
        height: u64,
    },
}
