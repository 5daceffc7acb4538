//! Where a photo goes as it is decoded: rows as they are made, or the whole of it at once.
//!
//! What is done with the rows is the sink's affair; here is the one that keeps them.

use super::super::buffer::RgbBuffer;
use super::super::orient::{Orientation, STRIP};
use super::Decoded;
use super::problem::{Problem, filled};

/// Takes a photo: either [`begin`](Sink::begin) and then all rows from the top in order, or
/// [`photo`](Sink::photo) alone.
pub(in super::super) trait Sink {
    /// Announces rows of a photo that is `width` x `height` before it is turned as `orientation` says.
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), Problem>;

    /// Lends room for the next `count` rows, `[count, width, 3]`, of which there are no more than announced. About
    /// [`STRIP`] at a time are best.
    fn room(&mut self, count: usize) -> &mut [u8];

    /// Takes the rows that were lent last.
    fn written(&mut self);

    /// Takes a photo that was decoded as a whole, and still has to be turned.
    fn photo(&mut self, photo: Decoded) -> Result<(), Problem>;
}

/// Keeps the photo, upright.
#[derive(Default)]
pub(super) struct Whole {
    width: usize,
    height: usize,
    /// How the rows lie. Where that swaps width and height they are turned as they come, else at the end, in place.
    orientation: Orientation,
    data: Vec<u8>,
    /// Rows on their way to their place in a turned photo.
    strip: Vec<u8>,
    /// Rows so far.
    rows: usize,
    /// Rows that are lent.
    lent: usize,
}

impl Whole {
    /// The upright photo.
    pub fn finish(self) -> Result<RgbBuffer, Problem> {
        let Whole { width, height, orientation, data, .. } = self;
        if orientation.swaps() {
            return RgbBuffer::new(height, width, data).map_err(Problem::damaged);
        }
        upright(Decoded { width, height, data, orientation })
    }
}

/// Turns a whole photo.
fn upright(Decoded { width, height, data, orientation }: Decoded) -> Result<RgbBuffer, Problem> {
    let no_memory = Problem::OutOfMemory { width: width as u64, height: height as u64 };
    let (width, height, data) = orientation.apply(width, height, data).ok_or(no_memory)?;
    RgbBuffer::new(width, height, data).map_err(Problem::damaged)
}

impl Sink for Whole {
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), Problem> {
        let data = filled(width, height, 3, 0)?;
        let mut strip = Vec::new();
        if orientation.swaps() {
            strip
                .try_reserve_exact(width * 3 * STRIP.min(height))
                .map_err(|_| Problem::OutOfMemory { width: width as u64, height: height as u64 })?;
        }
        *self = Whole { width, height, orientation, data, strip, ..Whole::default() };
        Ok(())
    }

    fn room(&mut self, count: usize) -> &mut [u8] {
        self.lent = count;
        let row = self.width * 3;
        if self.orientation.swaps() {
            self.strip.resize(count * row, 0);
            return &mut self.strip;
        }
        &mut self.data[self.rows * row..(self.rows + count) * row]
    }

    fn written(&mut self) {
        if self.orientation.swaps() {
            self.orientation.turn(&self.strip, self.rows, self.width, self.height, &mut self.data);
        }
        self.rows += self.lent;
    }

    fn photo(&mut self, photo: Decoded) -> Result<(), Problem> {
        let photo = upright(photo)?;
        let (width, height, data) = (photo.width(), photo.height(), photo.into_data());
        *self = Whole { width, height, data, ..Whole::default() };
        Ok(())
    }
}
