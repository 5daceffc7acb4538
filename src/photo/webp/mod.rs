//! WebP: lossy and lossless, with or without transparency; of an animation, the first frame on its canvas.
//!
//! The `image-webp` crate decodes the bare picture; the container is read here. Transparency is not decoded at all,
//! because it does not change colours. Around the first frame of an animation the canvas is black.

mod container;

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::decode_error::{DecodeError, check_memory, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::exif;
use crate::budget::Budget;
use container::{Contents, Picture};

/// Bytes per pixel that the codec allocates for a lossy picture, in whole blocks of 16 x 16: its planes.
const LOSSY_BYTES: (usize, usize) = (3, 2);

/// Decodes a WebP file.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Decoded, DecodeError> {
    let contents = Contents::of(bytes)?;
    let picture = &contents.picture;
    let orientation = exif::orientation(contents.exif.and_then(exif::tag), contents.xmp);
    let canvas = match contents.canvas {
        Some((width, height)) => Some(checked_size(width, height)?),
        None => None,
    };

    let file = bare(picture)?;
    let mut decoder = WebPDecoder::new(Cursor::new(&file)).map_err(decode_error)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = checked_size(width, height)?;
    let (across, down) = canvas.unwrap_or((width, height));
    if !contents.animated && (across, down) != (width, height) {
        return Err(DecodeError::damaged("its header contradicts the picture"));
    }
    budget.grant_pixels((across * down) as u64);
    // The codec cannot be interrupted.
    budget.work((width * height) as u64)?;
    budget.memory(8 * (width * height) as u64)?;
    let blocks = width.next_multiple_of(16) * height.next_multiple_of(16);
    check_memory(blocks / LOSSY_BYTES.1 * LOSSY_BYTES.0, (width, height))?;

    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut data = try_filled(width, height, channels, 0u8)?;
    decoder.read_image(&mut data).map_err(decode_error)?;
    if channels == 4 {
        drop_alpha(&mut data);
    }
    if contents.animated {
        data = on_canvas(data, width, (picture.left as usize, picture.top as usize), (across, down))?;
    }
    Ok(Decoded { width: across, height: down, data, orientation, notes: Notes::default() })
}

/// Returns a file of the picture alone.
fn bare(picture: &Picture<'_>) -> Result<Vec<u8>, DecodeError> {
    /// The headers of the file and of its chunk.
    const HEADERS: usize = 20;
    let mut file = Vec::new();
    let length = picture.data.len();
    file.try_reserve_exact(HEADERS + length).map_err(|_| DecodeError::damaged("a picture is too large"))?;
    let size = |size: usize| (size as u32).to_le_bytes();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&size(length + HEADERS - 8));
    file.extend_from_slice(b"WEBP");
    file.extend_from_slice(if picture.lossless { b"VP8L" } else { b"VP8 " });
    file.extend_from_slice(&size(length));
    file.extend_from_slice(picture.data);
    // Whether transparency is used. Without it, the codec would decode to a buffer of its own first.
    if let Some(byte) = file.get_mut(HEADERS + 4).filter(|_| picture.lossless) {
        *byte |= 0x10;
    }
    Ok(file)
}

/// Places a picture on a black canvas.
fn on_canvas(
    data: Vec<u8>,
    width: usize,
    (left, top): (usize, usize),
    (across, down): (usize, usize),
) -> Result<Vec<u8>, DecodeError> {
    let height = data.len() / 3 / width;
    if left + width > across || top + height > down {
        return Err(DecodeError::damaged("a frame is outside of the picture"));
    }
    if (width, height) == (across, down) {
        return Ok(data);
    }
    let mut canvas = try_filled(across, down, 3, 0u8)?;
    for (row, picture) in canvas.chunks_exact_mut(across * 3).skip(top).zip(data.chunks_exact(width * 3)) {
        row[left * 3..(left + width) * 3].copy_from_slice(picture);
    }
    Ok(canvas)
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
