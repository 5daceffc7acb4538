//! A row sink in front of another one, which gets converted colours.

use super::Conversion;
use crate::pixels::{Orientation, RgbBuffer, RowSink, STRIP, SinkError};

/// Passes a photo on with its colours converted, if there is a conversion.
pub(crate) struct Converting<S> {
    inner: S,
    conversion: Option<Conversion>,
    /// What to warn of in the end: why there is no conversion.
    warning: Option<String>,
    /// Rows that were handed out and not passed on, if there is a conversion.
    strip: Vec<u8>,
    width: usize,
    /// Number of rows that were handed out.
    pending: usize,
}

impl<S> Converting<S> {
    /// A sink with the conversion of a photo, or a sentence that says why there is none.
    pub fn new(inner: S, conversion: Result<Option<Conversion>, String>) -> Converting<S> {
        let (conversion, warning) = match conversion {
            Ok(conversion) => (conversion, None),
            Err(warning) => (None, Some(warning)),
        };
        Converting { inner, conversion, warning, strip: Vec::new(), width: 0, pending: 0 }
    }

    /// The other sink, after the whole photo. Why its colours are not converted is warned of only now, because a photo that
    /// cannot be decoded has one reason, which is another.
    pub fn finish(self) -> S {
        if let Some(warning) = self.warning {
            tracing::warn!("{warning}");
        }
        self.inner
    }
}

impl<S: RowSink> RowSink for Converting<S> {
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), SinkError> {
        self.width = width;
        if self.conversion.is_some() {
            // A row can be as long as the whole photo, so the allocation may fail.
            let strip = (width * 3).checked_mul(STRIP.min(height)).ok_or(SinkError::OutOfMemory { width, height })?;
            self.strip.try_reserve_exact(strip).map_err(|_| SinkError::OutOfMemory { width, height })?;
        }
        self.inner.begin(width, height, orientation)
    }

    fn enough(&self) -> Option<usize> {
        self.inner.enough()
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        self.pending = count;
        match self.conversion {
            None => self.inner.rows_mut(count),
            Some(_) => {
                self.strip.resize(count * self.width * 3, 0);
                &mut self.strip
            }
        }
    }

    fn commit(&mut self) {
        if let Some(conversion) = &self.conversion {
            let rows = self.inner.rows_mut(self.pending);
            rows.copy_from_slice(&self.strip);
            conversion.apply(rows.as_chunks_mut().0);
        }
        self.inner.commit();
    }

    fn whole(&mut self, photo: RgbBuffer, orientation: Orientation) -> Result<(), SinkError> {
        let Some(conversion) = &self.conversion else { return self.inner.whole(photo, orientation) };
        let (width, height) = (photo.width(), photo.height());
        let mut data = photo.into_data();
        conversion.apply(data.as_chunks_mut().0);
        let photo = RgbBuffer::new(width, height, data).map_err(|_| SinkError::NoPhoto)?;
        self.inner.whole(photo, orientation)
    }
}
