//! What can go wrong between a file's bytes and a tower's pixels.

/// Why a photo cannot be preprocessed. Messages do not name the file: the caller knows it.
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
}
