//! WebP: lossy, lossless, with and without transparency; of an animation, the first picture on its canvas.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageError, Limits};

use super::problem::{MAX_PIXELS, Problem, accepted, filled};
use super::{Decoded, exif};

/// Decodes a WebP file.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, Problem> {
    // The crate makes up what is missing at the end; the file itself says how long it is.
    let length = bytes.get(4..).and_then(|rest| rest.first_chunk()).map(|&length| u32::from_le_bytes(length));
    if length.is_none_or(|length| u64::from(length) + 8 > bytes.len() as u64) {
        return Err(Problem::Truncated);
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(problem)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = accepted(width, height)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    decoder.set_limits(limits).map_err(problem)?;
    // Damaged metadata says nothing about the pixels.
    let block = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    let orientation = exif::orientation(block.as_deref().and_then(exif::tag), xmp.as_deref());

    let transparent = decoder.color_type() == ColorType::Rgba8;
    let mut data = filled(width, height, if transparent { 4 } else { 3 }, 0u8)?;
    decoder.read_image(&mut data).map_err(problem)?;
    if transparent {
        drop_fourth(&mut data);
    }
    Ok(Decoded { width, height, data, orientation })
}

/// Keeps the first three of every four bytes, in place.
fn drop_fourth(data: &mut Vec<u8>) {
    let pixels = data.len() / 4;
    for i in 0..pixels {
        data.copy_within(i * 4..i * 4 + 3, i * 3);
    }
    data.truncate(pixels * 3);
}

/// What an error of the crate means.
fn problem(error: ImageError) -> Problem {
    match error {
        ImageError::IoError(_) => Problem::Truncated,
        ImageError::Limits(_) => Problem::damaged("a picture is too large"),
        ImageError::Unsupported(error) => Problem::unsupported(error),
        other => Problem::damaged(reason(&other)),
    }
}

/// The innermost message: the outer ones repeat the format's name.
fn reason(error: &ImageError) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
