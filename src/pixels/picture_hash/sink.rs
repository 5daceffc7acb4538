//! The row sink that hashes the rows on their way to another sink.

use super::{PictureHash, SIDE};
use crate::pixels::area::AreaSums;
use crate::pixels::{Orientation, RgbBuffer, RowSink, SinkError};

/// Hashes a photo and passes it on unchanged.
pub(crate) struct HashingSink<S> {
    inner: S,
    state: Option<State>,
}

struct State {
    sums: AreaSums,
    orientation: Orientation,
    /// Stored size.
    width: usize,
    height: usize,
    /// Rows handed out by the last `rows_mut`.
    pending: usize,
}

/// What a [`HashingSink`] saw.
pub(crate) struct Hashed {
    pub hash: PictureHash,
    /// Size of the upright photo.
    pub width: usize,
    pub height: usize,
}

impl<S> HashingSink<S> {
    pub fn new(inner: S) -> Self {
        HashingSink { inner, state: None }
    }

    /// Returns the inner sink, and the hash if there was a photo.
    pub fn finish(self) -> (S, Option<Hashed>) {
        let hashed = self.state.map(|State { sums, orientation, width, height, .. }| {
            let (width, height) = if orientation.swaps() { (height, width) } else { (width, height) };
            Hashed { hash: PictureHash::finish(&sums, orientation), width, height }
        });
        (self.inner, hashed)
    }

    fn start(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<&mut State, SinkError> {
        let sums = AreaSums::new(width, height, SIDE, SIDE).ok_or(SinkError::OutOfMemory { width, height })?;
        Ok(self.state.insert(State { sums, orientation, width, height, pending: 0 }))
    }
}

impl<S: RowSink> RowSink for HashingSink<S> {
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), SinkError> {
        self.start(width, height, orientation)?;
        self.inner.begin(width, height, orientation)
    }

    fn enough(&self) -> Option<usize> {
        self.inner.enough()
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        if let Some(state) = &mut self.state {
            state.pending = count;
        }
        self.inner.rows_mut(count)
    }

    fn commit(&mut self) {
        if let Some(State { sums, width, pending, .. }) = &mut self.state {
            sums.rows(self.inner.rows_mut(*pending), *width * 3);
        }
        self.inner.commit();
    }

    fn whole(&mut self, photo: RgbBuffer, orientation: Orientation) -> Result<(), SinkError> {
        let state = self.start(photo.width(), photo.height(), orientation)?;
        state.sums.rows(photo.data(), photo.width() * 3);
        self.inner.whole(photo, orientation)
    }
}
