//! WebP: lossy and lossless, with or without transparency; of an animation, the first frame on its canvas.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::decode_error::{DecodeError, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::exif;
use crate::budget::Budget;

/// Decodes a WebP file.
pub(super) fn decode(bytes: &[u8], _budget: &Budget) -> Result<Decoded, DecodeError> {
    // The codec invents what is missing at the end of a truncated file, so check the declared length.
    let length = bytes.get(4..).and_then(|rest| rest.first_chunk()).map(|&length| u32::from_le_bytes(length));
    if length.is_none_or(|length| u64::from(length) + 8 > bytes.len() as u64) {
        return Err(DecodeError::Truncated);
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(decode_error)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = checked_size(width, height)?;
    // Limits metadata only; a chunk larger than the file is not allocated.
    decoder.set_memory_limit(bytes.len());
    // Damaged metadata does not make the pixels unreadable.
    let block = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    let orientation = exif::orientation(block.as_deref().and_then(exif::tag), xmp.as_deref());

    let transparent = decoder.has_alpha();
    let mut data = try_filled(width, height, if transparent { 4 } else { 3 }, 0u8)?;
    decoder.read_image(&mut data).map_err(decode_error)?;
    if transparent {
        drop_alpha(&mut data);
    }
    Ok(Decoded { width, height, data, orientation, notes: Notes::default() })
}

/// Keeps the first three of every four bytes, in place.
fn drop_alpha(data: &mut Vec<u8>) {
    let pixels = data.len() / 4;
    for i in 0..pixels {
        data.copy_within(i * 4..i * 4 + 3, i * 3);
    }
    data.truncate(pixels * 3);
}

/// Maps an error of the codec.
fn decode_error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(_) => DecodeError::Truncated,
        other => DecodeError::damaged(other),
    }
}
