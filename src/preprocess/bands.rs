//! Reduces a photo while it is decoded: gathers its rows to bands and hands those to the resizer.
//!
//! A band is large enough to be shared by threads, and small enough that it is still in the cache when it is read.

use super::config::PreprocessConfig;
use super::decode::{Decoded, Problem, Sink};
use super::orient::{Orientation, STRIP};
use super::resize::Resizer;

/// Bytes of a band, if a few rows do not take more. From one row of units to 4 MiB all are equally fast on two
/// cores; this is 87 rows of a 12-megapixel photo, tasks for a few more.
const BAND: usize = 1 << 20;

/// A photo on its way to its square.
pub(super) struct Bands<'c> {
    config: &'c PreprocessConfig,
    resizer: Option<Resizer>,
    /// Bytes of a row.
    stride: usize,
    /// Room for the rows of a band.
    band: Vec<u8>,
    /// Bytes of them that are written.
    len: usize,
    /// Bytes that are lent.
    lent: usize,
    /// The first row of the band.
    first: usize,
}

impl<'c> Bands<'c> {
    pub fn new(config: &'c PreprocessConfig) -> Self {
        Bands { config, resizer: None, stride: 0, band: Vec::new(), len: 0, lent: 0, first: 0 }
    }

    /// Hands on what is there of a band.
    fn flush(&mut self) {
        if let Some(resizer) = self.resizer.as_mut().filter(|_| self.len > 0) {
            resizer.rows(self.first, &self.band[..self.len]);
            self.first += self.len / self.stride;
            self.len = 0;
        }
    }

    /// The square of the upright photo: `[image_size, image_size, 3]`.
    pub fn finish(mut self) -> Result<Vec<u8>, Problem> {
        self.flush();
        drop(self.band);
        self.resizer.map(Resizer::finish).ok_or(Problem::damaged("there is no photo"))
    }
}

impl Sink for Bands<'_> {
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), Problem> {
        let (stride, mut band) = (width * 3, Vec::new());
        // A row can be as long as a whole photo; an error then, instead of an abort.
        band.try_reserve_exact((stride * STRIP).max(BAND).min(stride * height))
            .map_err(|_| Problem::OutOfMemory { width: width as u64, height: height as u64 })?;
        let resizer = Some(Resizer::new(width, height, orientation, self.config));
        *self = Bands { resizer, stride, band, ..Bands::new(self.config) };
        Ok(())
    }

    fn room(&mut self, count: usize) -> &mut [u8] {
        self.lent = count * self.stride;
        if self.len + self.lent > BAND {
            self.flush();
        }
        let end = self.len + self.lent;
        if self.band.len() < end {
            self.band.resize(end, 0);
        }
        &mut self.band[self.len..end]
    }

    fn written(&mut self) {
        self.len += self.lent;
    }

    fn photo(&mut self, photo: Decoded) -> Result<(), Problem> {
        let mut resizer = Resizer::new(photo.width, photo.height, photo.orientation, self.config);
        resizer.rows(0, &photo.data);
        self.resizer = Some(resizer);
        Ok(())
    }
}
