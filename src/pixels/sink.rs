//! The trait through which a decoder delivers a photo: row by row, or as a whole.

use super::{Orientation, RgbBuffer};

/// Receives one photo: either [`begin`](RowSink::begin) followed by all rows from the top, or
/// [`whole`](RowSink::whole) only.
pub(crate) trait RowSink {
    /// Announces a photo that is stored as `height` rows of `width` pixels and turned upright by `orientation`.
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), SinkError>;

    /// Returns the shorter side, in pixels, that is enough: a decoder that can may deliver a photo whose sides are divided
    /// by 2, 4 or 8, as long as neither is shorter than this.
    fn enough(&self) -> Option<usize> {
        None
    }

    /// Returns the buffer for the next `count` rows, `[count, width, 3]`; `count` must not exceed the rows that remain.
    /// About [`STRIP`](super::STRIP) rows at a time are best. Called again with the same count before they are committed,
    /// returns the same buffer with what was written to it.
    fn rows_mut(&mut self, count: usize) -> &mut [u8];

    /// Consumes the rows that were written to the last buffer.
    fn commit(&mut self);

    /// Consumes a photo that was decoded as a whole and is not yet turned upright.
    fn whole(&mut self, photo: RgbBuffer, orientation: Orientation) -> Result<(), SinkError>;
}

/// Why a sink has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SinkError {
    /// A buffer for a photo of this size cannot be allocated.
    OutOfMemory { width: usize, height: usize },
    /// The decoder delivered no photo.
    NoPhoto,
}
