//! Pictures: the inverse DCT, colours and interpolated chroma of JPEG, and the sums of resizing.
//!
//! Exact on every instruction set. Knows no file format and no filter.

#[cfg(feature = "decode")]
pub(crate) mod colour;
#[cfg(feature = "decode")]
pub(crate) mod idct;
#[cfg(feature = "decode")]
pub(crate) mod reduced;
pub(crate) mod resample;
