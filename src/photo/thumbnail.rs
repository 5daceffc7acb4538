//! Small pictures of photos: the embedded one where it is good enough, else the photo, averaged while it is decoded.

use super::error::Error;
use super::{Limits, decode, decode_to, metadata};
use crate::cancel::CancelToken;
use crate::pixels::{AreaSums, Orientation, RgbBuffer, RowSink, SinkError};

/// The largest side of a thumbnail.
const MAX_SIDE: usize = 1024;

/// Returns a small upright picture of a photo whose longer side has at most `side` pixels, at most 1024; never larger
/// than the photo.
///
/// Takes the thumbnail in the photo's metadata, without decoding the photo, if there is one of at least half of that
/// size and of the same proportions. Else each pixel is the mean of the part of the photo that it shows; a JPEG or PNG
/// photo is not held in memory as a whole.
///
/// `name` stands for the photo in messages: its path, for example.
///
/// # Errors
/// Those of [`decode`].
pub fn thumbnail(bytes: &[u8], side: usize, name: &str) -> Result<RgbBuffer, Error> {
    let side = side.clamp(1, MAX_SIDE);
    let metadata = metadata(bytes, name)?;
    let (width, height) = metadata.upright_size();
    let embedded = metadata.thumbnail.and_then(|range| bytes.get(range)).filter(|_| width.max(height) > side);
    let embedded = embedded.and_then(|bytes| embedded_thumbnail(bytes, metadata.orientation, (width, height), side));
    match embedded {
        Some(small) => Ok(small),
        None => decode_small(bytes, true, side, name),
    }
}

/// Decodes an embedded thumbnail, turned like its photo; `None` if it is too small or does not show the whole photo.
fn embedded_thumbnail(
    bytes: &[u8],
    orientation: u8,
    (width, height): (usize, usize),
    side: usize,
) -> Option<RgbBuffer> {
    let size = metadata(bytes, "the thumbnail").ok()?;
    let stored = if orientation > 4 { (height, width) } else { (width, height) };
    let (across, down) = (size.width, size.height);
    // Proportions agree if a side is off by a pixel or so, as rounding leaves it.
    let expected = (stored.1 as u64 * across as u64).div_ceil(stored.0 as u64);
    let agree = expected.abs_diff(down as u64) <= 1 + down as u64 / 100;
    if !agree || across.max(down) < side.div_ceil(2) || across.max(down) > stored.0.max(stored.1) {
        return None;
    }
    // Its own orientation, if it states one, would be that of the photo.
    let small = match across.max(down) > side {
        true => decode_small(bytes, false, side, "the thumbnail").ok()?,
        false => decode(bytes, false, "the thumbnail").ok()?,
    };
    let (across, down) = (small.width(), small.height());
    let turned = Orientation::from_exif(orientation.into()).apply(across, down, small.into_data());
    turned.and_then(|(width, height, data)| RgbBuffer::new(width, height, data).ok())
}

/// Decodes a photo to a picture whose longer side has at most `side` pixels.
fn decode_small(bytes: &[u8], orient: bool, side: usize, name: &str) -> Result<RgbBuffer, Error> {
    let sink = Small { side, state: None };
    decode_to(bytes, &Limits::new(), orient, name, &CancelToken::new(), sink, Small::finish)
}

/// Averages the rows of a photo.
struct Small {
    side: usize,
    state: Option<State>,
}

struct State {
    sums: AreaSums,
    orientation: Orientation,
    width: usize,
    /// Size of the result before it is turned.
    across: usize,
    down: usize,
    /// Rows that were handed out.
    rows: Vec<u8>,
    pending: usize,
}

impl Small {
    fn start(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<&mut State, SinkError> {
        let longer = width.max(height);
        let scaled = |length: usize| match longer > self.side {
            true => ((length * self.side + longer / 2) / longer).max(1),
            false => length,
        };
        let (across, down) = (scaled(width), scaled(height));
        let sums = AreaSums::new(width, height, across, down).ok_or(SinkError::OutOfMemory { width, height })?;
        Ok(self.state.insert(State { sums, orientation, width, across, down, rows: Vec::new(), pending: 0 }))
    }

    fn finish(self) -> Result<RgbBuffer, SinkError> {
        let State { sums, orientation, across, down, .. } = self.state.ok_or(SinkError::NoPhoto)?;
        let data = sums.means(1).into_iter().map(|level| level as u8).collect();
        let no_memory = SinkError::OutOfMemory { width: across, height: down };
        let (width, height, data) = orientation.apply(across, down, data).ok_or(no_memory)?;
        RgbBuffer::new(width, height, data).map_err(|_| SinkError::NoPhoto)
    }
}

impl RowSink for Small {
    fn begin(&mut self, width: usize, height: usize, orientation: Orientation) -> Result<(), SinkError> {
        let state = self.start(width, height, orientation)?;
        // No decoder hands out more rows at a time than the highest MCU of JPEG has.
        let most = width * 3 * height.min(32);
        state.rows.try_reserve_exact(most).map_err(|_| SinkError::OutOfMemory { width, height })
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        let Some(state) = &mut self.state else { return &mut [] };
        state.pending = count;
        let length = count * state.width * 3;
        if state.rows.len() < length {
            state.rows.resize(length, 0);
        }
        &mut state.rows[..length]
    }

    fn commit(&mut self) {
        if let Some(State { sums, rows, width, pending, .. }) = &mut self.state {
            sums.rows(&rows[..*pending * *width * 3], *width * 3);
        }
    }

    fn whole(&mut self, photo: RgbBuffer, orientation: Orientation) -> Result<(), SinkError> {
        let state = self.start(photo.width(), photo.height(), orientation)?;
        state.sums.rows(photo.data(), photo.width() * 3);
        Ok(())
    }
}
