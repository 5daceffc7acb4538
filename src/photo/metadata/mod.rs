//! What a photo file states about itself: its size, when, where and with what it was taken, and its thumbnail.
//!
//! Reads headers alone. Where several places state the same, EXIF comes before XMP, as for the orientation that decoding
//! applies. Knows no pixels.

mod colours;
mod fields;
mod taken;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use colours::{Cicp, ColourSource, ColourSpace};
pub use taken::DateTaken;

use super::decode_error::DecodeError;
use super::error::Error;
use super::exif::Block;
use super::format::Format;
use super::headers::Headers;
use super::icc::Conversion;
use super::{begin, bmp, catch_panics, gif, heif, jpeg, png, raw, tiff, webp};
use crate::budget::{Budget, Limits};
use crate::cancel::CancelToken;

/// What a photo file states about itself: see [`metadata`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metadata {
    /// The format of the file.
    pub format: Format,
    /// Pixels in a row, as stored.
    pub width: usize,
    /// Number of rows, as stored.
    pub height: usize,
    /// The orientation that turns the stored pixels upright: 1 to 8, as in EXIF.
    pub orientation: u8,
    /// When the photo was taken: the first valid one of EXIF's `DateTimeOriginal`, `DateTimeDigitized` and `DateTime`,
    /// each with its own fraction of a second and distance from UTC, then of XMP's `exif:DateTimeOriginal`,
    /// `photoshop:DateCreated` and `xmp:CreateDate`.
    pub taken: Option<DateTaken>,
    /// The maker of the camera; at most 128 characters.
    pub make: Option<String>,
    /// The model of the camera; at most 128 characters.
    pub model: Option<String>,
    /// Where the photo was taken.
    pub place: Option<Place>,
    /// What it states about its colours, which decoding ignores unless it is told otherwise.
    pub colours: ColourSpace,
    /// The bytes of the file that are its embedded thumbnail: a JPEG file of its own, stored like the photo, not
    /// upright. `None` also if EXIF is encoded as text or split before the thumbnail's end.
    pub thumbnail: Option<Range<usize>>,
}

impl Metadata {
    /// Width and height of the upright photo.
    #[must_use]
    pub fn upright_size(&self) -> (usize, usize) {
        if self.orientation > 4 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// A place on Earth, as a satellite receiver states it (WGS 84).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Place {
    /// Degrees north of the equator, -90 to 90.
    pub latitude: f64,
    /// Degrees east of Greenwich, -180 to 180.
    pub longitude: f64,
}

/// Reads what a photo file states about itself, without decoding pixels: of JPEG, PNG, WebP, TIFF, HEIC, AVIF, JPEG XL and raw files EXIF and XMP,
/// of GIF and BMP files the size.
///
/// What makes no sense counts as absent: a 13th month, a longitude of 200 degrees, a directory outside of its block.
/// The place 0° N 0° E counts as absent too, since cameras write it while they have none.
///
/// `name` stands for the photo in messages: its path, for example.
///
/// # Errors
/// Those of [`decode`](super::decode) that show in the headers: the bytes are not a photo, the format is not supported,
/// the file ends before its size is stated, or the photo is beyond the default [`Limits`].
pub fn metadata(bytes: &[u8], name: &str) -> Result<Metadata, Error> {
    metadata_within(bytes, &Limits::new(), name)
}

/// Reads what [`metadata`] does, within other limits.
///
/// # Errors
/// Those of [`metadata`].
pub fn metadata_within(bytes: &[u8], limits: &Limits, name: &str) -> Result<Metadata, Error> {
    let (format, budget) = begin(bytes, limits, name, &CancelToken::new())?;
    catch_panics(|| read(format, bytes, &budget)).map_err(|error| error.named(name, format))
}

/// A conversion to sRGB, if there is something to convert, or why it cannot be, in a few words.
pub(super) type Converts = Result<Option<Conversion>, &'static str>;

/// Returns the conversion of a photo's levels to sRGB.
pub(super) fn conversion(format: Format, bytes: &[u8], budget: &Budget) -> Result<Converts, DecodeError> {
    Ok(headers(format, bytes, budget)?.colours.conversion())
}

fn headers<'a>(format: Format, bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    Ok(match format {
        Format::Jpeg => jpeg::headers(bytes, budget)?,
        Format::Png => png::headers(bytes, budget)?,
        Format::WebP => webp::headers(bytes, budget)?,
        Format::Gif => gif::headers(bytes, budget)?,
        Format::Bmp => bmp::headers(bytes, budget)?,
        Format::Tiff => tiff::headers(bytes, budget)?,
        #[cfg(feature = "jxl")]
        Format::JpegXl => super::jxl::headers(bytes, budget)?,
        #[cfg(not(feature = "jxl"))]
        Format::JpegXl => return Err(DecodeError::unsupported(super::NO_JXL)),
        Format::Raw => raw::headers(bytes, budget)?,
        Format::Heic | Format::Avif => heif::headers(bytes, budget)?,
    })
}

fn read(format: Format, bytes: &[u8], budget: &Budget) -> Result<Metadata, DecodeError> {
    let headers = headers(format, bytes, budget)?;
    let Headers { width, height, orientation, exif, exif_part, xmp, colours } = headers;
    let block = exif.as_deref().and_then(Block::of);
    let fields = block.map(|block| fields::read(&block)).unwrap_or_default();
    let thumbnail = fields.thumbnail.zip(block).and_then(|(range, block)| {
        // The block without its prefix begins this far into the EXIF data.
        let prefix = exif.as_deref().map_or(0, <[u8]>::len) - block.bytes().len();
        let range = prefix + range.start..prefix + range.end;
        exif_part.get(range.clone())?;
        let start = exif_part.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
        Some(start + range.start..start + range.end)
    });
    let taken = fields.taken.or_else(|| xmp.as_deref().and_then(fields::xmp_date));
    let (make, model, place) = (fields.make, fields.model, fields.place);
    let colours = ColourSpace {
        profile: colours.profile.as_deref().map(colours::description),
        cicp: colours.cicp,
        exif: fields.colour_space,
        converted: colours.source(),
    };
    let orientation = orientation.exif();
    Ok(Metadata { format, width, height, orientation, taken, make, model, place, colours, thumbnail })
}
