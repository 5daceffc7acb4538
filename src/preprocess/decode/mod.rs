//! From a photo file's bytes to RGB: the same pixels as `PIL.Image.open(file).convert("RGB")`, upright.
//!
//! Content decides the format. Knows nothing of sizes that towers want. Every decoder checks the announced
//! sides before it allocates, and gives its samples raw, so that the conversion to RGB is Pillow's and not
//! the codec's. Where a format lets it, a decoder hands on rows as it makes them (`sink`).

mod bmp;
mod exif;
mod format;
mod gif;
mod jpeg;
mod png;
mod problem;
mod samples;
mod sink;
mod tiff;
mod tiff_jpeg;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use format::Format;
pub(super) use problem::Problem;
pub(super) use sink::Sink;
use sink::Whole;

use super::buffer::RgbBuffer;
use super::error::Error;
use super::orient::Orientation;

/// What a decoder makes of a file as a whole.
pub(super) struct Decoded {
    pub width: usize,
    pub height: usize,
    /// `[height, width, 3]`
    pub data: Vec<u8>,
    /// What remains to be done to it.
    pub orientation: Orientation,
}

/// Decodes a photo: JPEG, PNG, WebP, GIF, BMP or TIFF, of an animation the first picture.
///
/// With `orient`, the photo is turned upright as its metadata says, which equals
/// `PIL.ImageOps.exif_transpose`; without, pixels are as `PIL.Image.open` gives them (which already turns
/// TIFF). Transparency is dropped, colours below it are kept. Colour profiles are not applied.
///
/// `name` is what messages call the photo: its path, say.
///
/// # Errors
/// When the bytes are not a photo, not one that is read here, truncated or damaged, or when the photo has
/// more than 178,956,970 pixels.
pub fn decode(bytes: &[u8], orient: bool, name: &str) -> Result<RgbBuffer, Error> {
    decode_to(bytes, orient, name, Whole::default(), Whole::finish)
}

/// As [`decode`], but hands the photo to `sink`; `finish` ends it.
pub(super) fn decode_to<S: Sink, T>(
    bytes: &[u8],
    orient: bool,
    name: &str,
    mut sink: S,
    finish: impl FnOnce(S) -> Result<T, Problem>,
) -> Result<T, Error> {
    let format = Format::of(bytes, name)?;
    let photo = move || {
        decode_as(format, bytes, orient, &mut sink)?;
        finish(sink)
    };
    contained(photo).map_err(|problem| problem.named(name, format))
}

/// Runs a decoder. Some of the codecs come from crates whose code can panic on contents that their authors did
/// not think of; the owner of one bad file shall get an error like for any other.
fn contained<T>(decoder: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    // What a decoder has half done is dropped with it, so nothing broken is seen afterwards.
    catch_unwind(AssertUnwindSafe(decoder)).unwrap_or_else(|_| Err(Problem::damaged("it confuses the decoder")))
}

fn decode_as(format: Format, bytes: &[u8], orient: bool, sink: &mut dyn Sink) -> Result<(), Problem> {
    let decoded = match format {
        Format::Jpeg => return jpeg::decode(bytes, orient, sink),
        Format::Png => return png::decode(bytes, orient, sink),
        Format::Gif => gif::decode(bytes)?,
        Format::Bmp => bmp::decode(bytes)?,
        Format::WebP => webp::decode(bytes)?,
        Format::Tiff => tiff::decode(bytes)?,
    };
    // Pillow turns TIFF upright when it decodes it, asked or not.
    let orientation = if orient || format == Format::Tiff { decoded.orientation } else { Orientation::Upright };
    sink.photo(Decoded { orientation, ..decoded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_codec_is_an_error() {
        let result: Result<(), Problem> = contained(|| panic!("a codec gives up; this message is part of a test"));
        let error = result.unwrap_err().named("x.webp", Format::WebP).to_string();
        assert!(error.starts_with("x.webp is a damaged WebP image (it confuses the decoder)"), "{error}");
    }
}
