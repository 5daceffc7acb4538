//! WebP: lossy and lossless, with or without transparency; of an animation, the first frame on its canvas.
//!
//! Rows of lossless pictures are delivered as they are decoded. The separate plane of transparency of a lossy picture is
//! not decoded at all, because it does not change colours; so damage there is not noticed. Around the first frame of an
//! animation the canvas is black.

mod container;
mod lossless;
mod lossy;

use super::decode_error::{DecodeError, checked_size};
use super::decoded::{Decoded, Notes};
use super::exif;
use super::headers::{Colours, Headers};
use crate::budget::Budget;
use crate::pixels::{Orientation, RowSink, STRIP};
use container::Contents;

/// Where a picture is on its canvas.
struct Place {
    canvas: (usize, usize),
    /// Column and row of the first pixel.
    corner: (usize, usize),
    size: (usize, usize),
}

/// Reads what a file states besides its pixels.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let contents = Contents::of(bytes)?;
    let (width, height) = match contents.canvas {
        Some((width, height)) => checked_size(width, height, budget)?,
        None if contents.picture.lossless => {
            let header = lossless::Header::read(contents.picture.data, budget)?;
            (header.width, header.height)
        }
        None => lossy::size(contents.picture.data, budget)?,
    };
    let orientation = exif::orientation(contents.exif.and_then(exif::tag), contents.xmp);
    let colours = Colours { profile: contents.profile.map(Into::into), ..Colours::default() };
    let (exif, exif_part) = (contents.exif.map(Into::into), contents.exif.unwrap_or_default());
    Ok(Headers { width, height, orientation, exif, exif_part, xmp: contents.xmp.map(Into::into), colours })
}

/// Decodes a WebP file to `sink`; with `orient`, upright.
pub(super) fn decode(bytes: &[u8], orient: bool, budget: &Budget, sink: &mut dyn RowSink) -> Result<(), DecodeError> {
    let contents = Contents::of(bytes)?;
    let canvas = match contents.canvas {
        Some((width, height)) => Some(checked_size(width, height, budget)?),
        None => None,
    };
    let orientation = match orient {
        true => exif::orientation(contents.exif.and_then(exif::tag), contents.xmp),
        false => Orientation::Upright,
    };
    let picture = &contents.picture;
    let place = |size: (usize, usize)| {
        let canvas = canvas.unwrap_or(size);
        if !contents.animated && canvas != size {
            return Err(DecodeError::damaged("its header contradicts the picture"));
        }
        let corner = (picture.left as usize, picture.top as usize);
        if corner.0 + size.0 > canvas.0 || corner.1 + size.1 > canvas.1 {
            return Err(DecodeError::damaged("a frame is outside of the picture"));
        }
        budget.grant_pixels((canvas.0 * canvas.1) as u64);
        Ok(Place { canvas, corner, size })
    };
    if picture.lossless {
        let header = lossless::Header::read(picture.data, budget)?;
        let place = place((header.width, header.height))?;
        let mut picture = header.open(budget)?;
        return deliver(&place, orientation, sink, |rgb| picture.next_row(rgb));
    }
    let header = lossy::Header::read(picture.data, budget)?;
    let (width, height) = (header.width, header.height);
    let place = place((width, height))?;
    let data = header.decode(budget)?;
    if place.canvas == place.size {
        let decoded = Decoded { width, height, data, orientation, notes: Notes::default() };
        sink.whole(decoded.into_buffer()?, orientation)?;
        return Ok(());
    }
    let mut rows = data.chunks_exact(width * 3);
    deliver(&place, orientation, sink, |rgb| {
        rgb.copy_from_slice(rows.next().ok_or(DecodeError::Truncated)?);
        Ok(())
    })
}

/// Delivers the rows of a picture, and black around it.
fn deliver(
    place: &Place,
    orientation: Orientation,
    sink: &mut dyn RowSink,
    mut next_row: impl FnMut(&mut [u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let (across, down) = place.canvas;
    let columns = place.corner.0 * 3..(place.corner.0 + place.size.0) * 3;
    let rows = place.corner.1..place.corner.1 + place.size.1;
    sink.begin(across, down, orientation)?;
    for top in (0..down).step_by(STRIP) {
        let strip = sink.rows_mut(STRIP.min(down - top)).chunks_exact_mut(across * 3);
        for (y, row) in (top..).zip(strip) {
            if rows.contains(&y) {
                row[..columns.start].fill(0);
                row[columns.end..].fill(0);
                next_row(&mut row[columns.clone()])?;
            } else {
                row.fill(0);
            }
        }
        sink.commit();
    }
    Ok(())
}
