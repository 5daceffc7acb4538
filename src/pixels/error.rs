//! Errors of pixel buffers.

/// Why bytes cannot be taken as an RGB photo.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The length of a packed buffer does not match its sides.
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
    /// The length or the row stride of a view does not match its sides.
    #[error(
        "an rgb view of {width} x {height} pixels with a row stride of {stride} bytes has {len} bytes; the stride must be at least width * 3, all rows must fit, and no side may be zero"
    )]
    ViewLength {
        /// Pixels in a row.
        width: usize,
        /// Number of rows.
        height: usize,
        /// Bytes from the start of a row to the start of the next.
        stride: usize,
        /// Length of the slice in bytes.
        len: usize,
    },
}
