//! From the bytes of a photo file to upright RGB: the pixels of `PIL.Image.open(file).convert("RGB")`.
//!
//! The content, not the file name, decides the format. Every decoder checks the declared size before it allocates,
//! and takes raw samples from its codec, so that the conversion to RGB is Pillow's and not the codec's. JPEG,
//! PNG and lossless WebP deliver rows as they decode them. Knows no models and no target sizes.

#[cfg(feature = "avif")]
mod av1;
mod bmp;
mod boxes;
mod decode_error;
mod decoded;
mod error;
mod exif;
mod format;
mod gif;
mod headers;
mod heif;
mod icc;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod metadata;
mod png;
mod raw;
mod samples;
#[cfg(test)]
mod tests;
mod thumbnail;
mod tiff;
mod webp;
mod whole;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::budget::Budget;
pub use crate::budget::Limits;
use crate::cancel::CancelToken;
use crate::pixels::{Orientation, RgbBuffer, RowSink, SinkError};
use decode_error::DecodeError;
use decoded::Notes;
pub use error::Error;
pub(crate) use error::NAMELESS;
pub use format::Format;
pub(crate) use icc::{Conversion, Converting};
pub use metadata::{Cicp, ColourSource, ColourSpace, DateTaken, Metadata, Place, metadata, metadata_within};
pub use thumbnail::thumbnail;
use whole::WholePhoto;

/// Decodes a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF or JPEG XL photo; of an animation, the first frame, and of a raw file the largest
/// JPEG in it.
///
/// With `orient`, turns the photo upright as its metadata states, which equals `PIL.ImageOps.exif_transpose`. Without,
/// pixels are as `PIL.Image.open` returns them (which always turns TIFF, HEIC and JPEG XL upright; AVIF is turned too). Transparency is dropped and the
/// colours under it are kept. Colour profiles and code points are not applied; [`decode_srgb`] does that.
///
/// Levels of 16 bits are reduced to eight as Pillow does: those of colours are scaled, those of grey clipped at 255. If
/// that changes a grey level, a `tracing` event of level `WARN` names the photo.
///
/// `name` stands for the photo in messages: its path, for example.
///
/// # Errors
/// The bytes are not a photo, the format is not supported, the data is truncated or damaged, or the photo is beyond the
/// default [`Limits`].
pub fn decode(bytes: &[u8], orient: bool, name: &str) -> Result<RgbBuffer, Error> {
    decode_within(bytes, &Limits::new(), orient, name)
}

/// Decodes as [`decode`] does, within other limits.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_within(bytes: &[u8], limits: &Limits, orient: bool, name: &str) -> Result<RgbBuffer, Error> {
    decode_to(bytes, limits, orient, name, &CancelToken::new(), WholePhoto::default(), WholePhoto::finish)
}

/// Decodes as [`decode`] does, and converts the colours to sRGB, if the photo has an ICC profile that can be applied: three
/// curves and a matrix, or one curve for grey. So it does if a PNG, HEIC, AVIF or JPEG XL photo states its colours by code
/// points of ITU-T H.273 ([`Cicp`]) that count: in PNG before the profile, in the others where there is none.
///
/// Colours that sRGB does not have become the nearest levels of each channel (relative colorimetry). PQ and HLG are shown as
/// on a display whose white has 203 cd/m2, and what is bright is compressed (Report ITU-R BT.2408-7, annex 5). A profile
/// that cannot be applied is ignored, and a `tracing` event of level `WARN` names the photo and the reason.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_srgb(bytes: &[u8], orient: bool, name: &str) -> Result<RgbBuffer, Error> {
    let limits = Limits::new();
    let sink = Converting::new(WholePhoto::default(), conversion(bytes, &limits, name));
    decode_to(bytes, &limits, orient, name, &CancelToken::new(), sink, |sink| sink.finish().finish())
}

/// Finds the conversion from the colours of a photo to sRGB; `None` if there is nothing to convert.
///
/// # Errors
/// A sentence that says why its levels are not converted, which matters if it can be decoded.
pub(crate) fn conversion(bytes: &[u8], limits: &Limits, name: &str) -> Result<Option<Conversion>, String> {
    let (format, budget) = match begin(bytes, limits, name, &CancelToken::new()) {
        Ok(begun) => begun,
        // It is not decoded either.
        Err(_) => return Ok(None),
    };
    match catch_panics(|| metadata::conversion(format, bytes, &budget)) {
        Ok(Ok(conversion)) => Ok(conversion),
        Ok(Err(reason)) => {
            Err(format!("{name} states colours that cannot be converted ({reason}); its levels are read as sRGB's"))
        }
        Err(error) => {
            let error = error.named(name, format);
            Err(format!("the colours of {name} cannot be found, so its levels are read as sRGB's: {error}"))
        }
    }
}

/// Decodes as [`decode`] does, but a large JPEG photo to a half, a quarter or an eighth of its size in each direction:
/// the smallest of these whose sides have at least `enough` pixels both. Takes less time by what is not computed.
///
/// Equals Pillow's `Image.draft` with a size of `enough` x `enough`, bit for bit. Other formats are decoded whole.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_reduced(bytes: &[u8], orient: bool, enough: usize, name: &str) -> Result<RgbBuffer, Error> {
    let sink = WholePhoto::reduced(enough);
    decode_to(bytes, &Limits::new(), orient, name, &CancelToken::new(), sink, WholePhoto::finish)
}

/// Decodes as [`decode_within`] does, but delivers the photo to `sink`; `finish` returns the sink's result. Stops soon after
/// `cancel` is set.
pub(crate) fn decode_to<S: RowSink, T>(
    bytes: &[u8],
    limits: &Limits,
    orient: bool,
    name: &str,
    cancel: &CancelToken,
    mut sink: S,
    finish: impl FnOnce(S) -> Result<T, SinkError>,
) -> Result<T, Error> {
    let (format, budget) = begin(bytes, limits, name, cancel)?;
    let photo = move || {
        let notes = decode_as(format, bytes, orient, &budget, &mut sink)?;
        Ok((finish(sink)?, notes))
    };
    let (photo, notes) = catch_panics(photo).map_err(|error| error.named(name, format))?;
    if notes.clipped {
        tracing::warn!(
            "{name} has 16-bit grey levels above 255, which are read as white, like in Pillow; save it with 8 bits to keep its shades"
        );
    }
    Ok(photo)
}

/// Finds the format of a file, and what reading it may cost.
fn begin(bytes: &[u8], limits: &Limits, name: &str, cancel: &CancelToken) -> Result<(Format, Budget), Error> {
    let (length, limit) = (bytes.len() as u64, limits.most_bytes());
    if length > limit {
        return Err(Error::TooManyBytes { name: name.to_owned(), bytes: length, limit });
    }
    Ok((Format::detect(bytes, name)?, Budget::photo(bytes.len(), limits, cancel)))
}

/// Why a JPEG XL file cannot be read without its feature.
#[cfg(not(feature = "jxl"))]
const NO_JXL: &str = "this build has no decoder of JPEG XL, the feature jxl";

/// Runs a decoder and turns a panic into an error. Codecs from other crates may panic on malformed files; one bad
/// file must not end the process.
fn catch_panics<T>(decoder: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    // The decoder owns all of its state, which is dropped with it, so nothing half-written is seen afterwards.
    catch_unwind(AssertUnwindSafe(decoder)).unwrap_or_else(|_| Err(DecodeError::damaged("it confuses the decoder")))
}

fn decode_as(
    format: Format,
    bytes: &[u8],
    orient: bool,
    budget: &Budget,
    sink: &mut dyn RowSink,
) -> Result<Notes, DecodeError> {
    let decoded = match format {
        Format::Jpeg => return jpeg::decode(bytes, orient, budget, sink).map(|()| Notes::default()),
        Format::Png => return png::decode(bytes, orient, budget, sink),
        Format::WebP => return webp::decode(bytes, orient, budget, sink).map(|()| Notes::default()),
        #[cfg(feature = "jxl")]
        Format::JpegXl => return jxl::decode(bytes, budget, sink).map(|()| Notes::default()),
        #[cfg(not(feature = "jxl"))]
        Format::JpegXl => return Err(DecodeError::unsupported(NO_JXL)),
        Format::Raw => return raw::decode(bytes, orient, budget, sink).map(|()| Notes::default()),
        Format::Heic | Format::Avif => return heif::decode(bytes, budget, sink).map(|()| Notes::default()),
        Format::Gif => gif::decode(bytes, budget)?,
        Format::Bmp => bmp::decode(bytes, budget)?,
        Format::Tiff => tiff::decode(bytes, budget)?,
    };
    // Pillow turns TIFF upright when it decodes it, whatever the caller asks for.
    let orientation = if orient || format == Format::Tiff { decoded.orientation } else { Orientation::Upright };
    let notes = decoded.notes;
    sink.whole(decoded.into_buffer()?, orientation)?;
    Ok(notes)
}
