//! The row sink that keeps the whole photo, upright.

use super::decode_error::{DecodeError, try_filled};
use crate::pixels::{Orientation, RgbBuffer, RowSink, STRIP, SinkError};

/// Collects rows into an upright photo.
#[derive(Default)]
pub(super) struct WholePhoto {
    width: usize,
    height: usize,
    /// An orientation that swaps width and height is applied strip by strip; any other at the end, in place.
    orientation: Orientation,
    data: Vec<u8>,
    /// Rows to be turned into `data`, if the orientation swaps width and height.
    strip: Vec<u8>,
    /// Number of committed rows.
    rows: usize,
    /// Number of rows handed out by the last `rows_mut`.
    pending: usize,
    /// The shorter side that is enough.
    enough: Option<usize>,
}

impl WholePhoto {
    /// Takes a photo that may be reduced as long as its sides have `enough` pixels.
    pub fn reduced(enough: usize) -> WholePhoto {
        WholePhoto { enough: Some(enough), ..WholePhoto::default() }
    }

    /// Returns the upright photo.
    pub fn finish(self) -> Result<RgbBuffer, SinkError> {
        let WholePhoto { width, height, orientation, data, .. } = self;
        let (width, height, data) = if orientation.swaps() {
            (height, width, data)
        } else {
            orientation.apply(width, height, data).ok_or(SinkError::OutOfMemory { width, height })?
        };
        // Only a sink that received nothing has no pixels.
        RgbBuffer::new(width, height, data).map_err(|_| SinkError::NoPhoto)
    }
}

impl RowSink for WholePhoto {
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), SinkError> {
        let out_of_memory = SinkError::OutOfMemory { width, height };
        let data = try_filled(width, height, 3, 0).map_err(|_: DecodeError| out_of_memory)?;
        let mut strip = Vec::new();
        if orientation.swaps() {
            strip.try_reserve_exact(width * 3 * STRIP.min(height)).map_err(|_| out_of_memory)?;
        }
        *self = WholePhoto { width, height, orientation, data, strip, ..WholePhoto::default() };
        Ok(())
    }

    fn enough(&self) -> Option<usize> {
        self.enough
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        self.pending = count;
        let row = self.width * 3;
        if self.orientation.swaps() {
            self.strip.resize(count * row, 0);
            return &mut self.strip;
        }
        &mut self.data[self.rows * row..(self.rows + count) * row]
    }

    fn commit(&mut self) {
        if self.orientation.swaps() {
            self.orientation.turn(&self.strip, self.rows, self.width, self.height, &mut self.data);
        }
        self.rows += self.pending;
    }

    fn whole(&mut self, photo: RgbBuffer, orientation: Orientation) -> Result<(), SinkError> {
        let (width, height) = (photo.width(), photo.height());
        let out_of_memory = SinkError::OutOfMemory { width, height };
        let (width, height, data) = orientation.apply(width, height, photo.into_data()).ok_or(out_of_memory)?;
        *self = WholePhoto { width, height, data, ..WholePhoto::default() };
        Ok(())
    }
}
