//! Errors of the preprocessing configuration.

/// Why a photo cannot be preprocessed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configured image size is out of range.
    #[error("preprocessing wants images of {size} x {size} pixels; the size must be 1 to 4096")]
    ImageSize {
        /// The configured side.
        size: usize,
    },
    /// A mean is not a finite f32.
    #[error("preprocessing has a mean of {value:?}; it must be a number from {:e} to {:e}", f32::MIN, f32::MAX)]
    Mean {
        /// The configured mean.
        value: f64,
    },
    /// A standard deviation is not a normal f32 above zero.
    #[error(
        "preprocessing has a standard deviation of {value:?}; it must be a number above zero, from {:e} to {:e}",
        f32::MIN_POSITIVE,
        f32::MAX
    )]
    Std {
        /// The configured standard deviation.
        value: f64,
    },
    /// The length of an output slice does not match the configuration.
    #[error("the slice for preprocessed pixels has {len} values; it must have {expected}")]
    OutputLength {
        /// Length of the slice.
        len: usize,
        /// `3 · image_size²`.
        expected: usize,
    },
}
