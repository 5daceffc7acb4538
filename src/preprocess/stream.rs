//! Resizes a photo while it is decoded: collects its rows into bands and passes those to the resizer.
//!
//! A band is large enough to be split among threads and small enough to stay in the cache.

use super::config::PreprocessConfig;
use super::error::Error;
use super::passes::Rows;
use super::resize::Resizer;
use super::{check, normalise};
use crate::pixels::{Orientation, RgbBuffer, RowSink, STRIP, SinkError};

/// Bytes of a band, unless a strip of rows takes more. On two cores, all sizes from one row of MCUs to 4 MiB are
/// equally fast; this one is 87 rows of a 12-megapixel photo and allows for more threads.
const BAND: usize = 1 << 20;

/// Computes the input of an image tower from the rows of a photo; never holds the whole photo.
pub(crate) struct StreamResizer<'a> {
    config: &'a PreprocessConfig,
    /// The input of the tower.
    out: &'a mut [f32],
    /// The shorter side that is enough, if the photo may be reduced before it is resized.
    enough: Option<usize>,
    state: Option<State>,
}

/// The resizer and the band that it gets next.
struct State {
    resizer: Resizer,
    /// Bytes of a row.
    stride: usize,
    band: Vec<u8>,
    /// Committed bytes of the band.
    len: usize,
    /// Bytes handed out by the last `rows_mut`.
    pending: usize,
    /// First row of the band.
    first: usize,
}

impl<'a> StreamResizer<'a> {
    /// Creates a sink that writes to `out`.
    ///
    /// # Errors
    /// The configuration is not valid, or `out` has another length than [`PreprocessConfig::pixel_len`].
    pub fn new(config: &'a PreprocessConfig, out: &'a mut [f32]) -> Result<Self, Error> {
        check(config, out)?;
        Ok(StreamResizer { config, out, enough: None, state: None })
    }

    /// Takes, if `fast`, a photo that is reduced to no less than twice the size that it will have.
    pub fn fast(mut self, fast: bool) -> Self {
        self.enough = fast.then_some(2 * self.config.image_size);
        self
    }

    /// Writes the output.
    pub fn finish(self) -> Result<(), SinkError> {
        let mut state = self.state.ok_or(SinkError::NoPhoto)?;
        state.flush();
        let State { resizer, band, .. } = state;
        drop(band);
        normalise::normalise(&resizer.finish(), self.config, self.out);
        Ok(())
    }
}

impl State {
    /// Passes the committed rows to the resizer.
    fn flush(&mut self) {
        if self.len > 0 {
            self.resizer.rows(self.first, Rows::packed(&self.band[..self.len], self.stride));
            self.first += self.len / self.stride;
            self.len = 0;
        }
    }
}

impl RowSink for StreamResizer<'_> {
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), SinkError> {
        let (stride, mut band) = (width * 3, Vec::new());
        // A row can be as long as the whole photo, so the allocation may fail.
        band.try_reserve_exact((stride * STRIP).max(BAND).min(stride * height))
            .map_err(|_| SinkError::OutOfMemory { width, height })?;
        let resizer = Resizer::new(width, height, orientation, self.config);
        self.state = Some(State { resizer, stride, band, len: 0, pending: 0, first: 0 });
        Ok(())
    }

    fn enough(&self) -> Option<usize> {
        self.enough
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        // Without `begin` there are no rows.
        let Some(state) = &mut self.state else { return &mut [] };
        state.pending = count * state.stride;
        if state.len + state.pending > BAND {
            state.flush();
        }
        let end = state.len + state.pending;
        if state.band.len() < end {
            state.band.resize(end, 0);
        }
        &mut state.band[state.len..end]
    }

    fn commit(&mut self) {
        if let Some(state) = &mut self.state {
            state.len += state.pending;
        }
    }

    fn whole(&mut self, photo: RgbBuffer, orientation: Orientation) -> Result<(), SinkError> {
        let mut resizer = Resizer::new(photo.width(), photo.height(), orientation, self.config);
        resizer.rows(0, Rows::of(photo.view()));
        let stride = photo.width() * 3;
        self.state = Some(State { resizer, stride, band: Vec::new(), len: 0, pending: 0, first: photo.height() });
        Ok(())
    }
}
