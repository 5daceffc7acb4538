//! Raw files of cameras, by the largest JPEG file in them: DNG, CR2, CR3, NEF, NRW, ARW, ORF, RW2, PEF, RAF, SRW.
//!
//! Nearly all have a preview of full size, which shows the photo as the camera did. What the sensor saw is not looked at.

mod canon;
mod directories;

use std::borrow::Cow;

use super::decode_error::DecodeError;
use super::exif::{self, Block};
use super::headers::Headers;
use super::jpeg;
use crate::budget::Budget;
use crate::pixels::{Orientation, RgbBuffer, RowSink, SinkError};

const FUJI: &[u8] = b"FUJIFILMCCD-RAW";

/// Whether this is a raw file. Of files with the structure of TIFF, which scanners write too, their directories tell.
pub(super) fn is_raw(bytes: &[u8]) -> bool {
    let own = [FUJI, b"IIRO", b"IIRS", b"MMOR", b"IIU\0"];
    if own.iter().any(|magic| bytes.starts_with(magic)) || is_canon(bytes) {
        return true;
    }
    if !(bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*")) {
        return false;
    }
    bytes.get(8..10) == Some(b"CR") || Block::of(bytes).is_some_and(|block| directories::walk(&block).is_raw)
}

/// Whether this is Canon's CR3.
fn is_canon(bytes: &[u8]) -> bool {
    bytes.get(4..12) == Some(b"ftypcrx ")
}

/// The largest JPEG file in a raw file.
struct Preview<'a> {
    jpeg: &'a [u8],
    headers: Headers<'a>,
    /// The metadata of the raw file.
    exif: Option<Cow<'a, [u8]>>,
    /// Turns the preview upright.
    orientation: Orientation,
}

/// Finds the largest JPEG file in a raw file.
fn preview<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Preview<'a>, DecodeError> {
    budget.work(bytes.len() as u64)?;
    let (pictures, exif, orientation) = if is_canon(bytes) {
        let exif = canon::exif(bytes);
        let orientation = exif.as_deref().and_then(exif::tag);
        (canon::pictures(bytes), exif.map(Cow::Owned), orientation)
    } else if bytes.starts_with(FUJI) {
        let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
        let picture = number(84).zip(number(88)).and_then(|(offset, length)| {
            let rest = bytes.get(offset..)?;
            Some(&rest[..rest.len().min(length)])
        });
        (picture.into_iter().collect(), None, None)
    } else {
        let found = Block::of(bytes).map(|block| directories::walk(&block)).unwrap_or_default();
        (found.pictures, Some(Cow::Borrowed(bytes)), found.orientation)
    };
    let mut largest: Option<(&[u8], Headers<'_>)> = None;
    let mut reason = None;
    for jpeg in pictures.into_iter().filter(|picture| picture.starts_with(b"\xff\xd8\xff")) {
        // What the sensor saw may be lossless JPEG, which has no headers that can be read.
        budget.work(1 << 16)?;
        match jpeg::headers(jpeg, budget) {
            Ok(headers) => {
                let area = |headers: &Headers<'_>| headers.width * headers.height;
                if largest.as_ref().is_none_or(|(_, largest)| area(largest) < area(&headers)) {
                    largest = Some((jpeg, headers));
                }
            }
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    let Some((jpeg, headers)) = largest else {
        return Err(match reason {
            Some(error @ (DecodeError::Truncated | DecodeError::TooManyPixels { .. })) => error,
            _ => DecodeError::unsupported("it has no JPEG preview"),
        });
    };
    // A preview with an orientation of its own is turned by that.
    let own = headers.exif.as_deref().and_then(exif::tag).is_some() || headers.orientation != Orientation::Upright;
    let orientation = match orientation {
        Some(orientation) if !own => Orientation::from_exif(orientation),
        _ => headers.orientation,
    };
    Ok(Preview { jpeg, headers, exif, orientation })
}

/// Reads what a raw file states; its size is that of its preview.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let Preview { headers, exif, orientation, .. } = preview(bytes, budget)?;
    let exif_part = if matches!(exif, Some(Cow::Borrowed(_))) { bytes } else { &[] };
    Ok(match exif {
        Some(exif) => Headers { exif: Some(exif), exif_part, orientation, ..headers },
        None => Headers { orientation, ..headers },
    })
}

/// Decodes the preview of a raw file to `sink`; with `orient`, upright.
pub(super) fn decode(bytes: &[u8], orient: bool, budget: &Budget, sink: &mut dyn RowSink) -> Result<(), DecodeError> {
    let Preview { jpeg, headers, orientation, .. } = preview(bytes, budget)?;
    drop(headers);
    let orientation = if orient { orientation } else { Orientation::Upright };
    jpeg::decode(jpeg, false, budget, &mut Turned { sink, orientation })
}

/// Passes rows on, with an orientation that the decoder does not know.
struct Turned<'a> {
    sink: &'a mut dyn RowSink,
    orientation: Orientation,
}

impl RowSink for Turned<'_> {
    fn begin(&mut self, width: usize, height: usize, _: Orientation) -> Result<(), SinkError> {
        self.sink.begin(width, height, self.orientation)
    }

    fn rows_mut(&mut self, count: usize) -> &mut [u8] {
        self.sink.rows_mut(count)
    }

    fn commit(&mut self) {
        self.sink.commit();
    }

    fn whole(&mut self, photo: RgbBuffer, _: Orientation) -> Result<(), SinkError> {
        self.sink.whole(photo, self.orientation)
    }
}
