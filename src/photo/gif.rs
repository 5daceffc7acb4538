//! GIF: the first frame, on its canvas as Pillow composes it.
//!
//! Takes raw indices from the `gif` crate: transparent pixels keep the colour of their index, and so does the canvas
//! around a smaller frame.

use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::decode_error::{DecodeError, MAX_PIXELS, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::samples::palette_or_ramp;
use crate::budget::Budget;
use crate::pixels::Orientation;

/// Decodes a GIF file.
pub(super) fn decode(bytes: &[u8], _budget: &Budget) -> Result<Decoded, DecodeError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    if let Some(limit) = NonZeroU64::new(MAX_PIXELS) {
        options.set_memory_limit(MemoryLimit::Bytes(limit));
    }
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(decode_error)?;
    let (canvas_width, canvas_height) = (decoder.width(), decoder.height());
    let frame = decoder.next_frame_info().map_err(decode_error)?.ok_or(DecodeError::Truncated)?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (frame.width, frame.height);
    let transparent = frame.transparent;
    let local_palette = frame.palette.clone();

    // The canvas grows to hold its first frame.
    let right = (left as u64 + u64::from(frame_width)).max(canvas_width.into());
    let bottom = (top as u64 + u64::from(frame_height)).max(canvas_height.into());
    let (width, height) = checked_size(right, bottom)?;
    let (frame_width, frame_height) = checked_size(frame_width, frame_height)?;

    let mut indices = try_filled(frame_width, frame_height, 1, 0u8)?;
    decoder.read_into_buffer(&mut indices).map_err(decode_error)?;
    let colours = local_palette.or_else(|| decoder.global_palette().map(<[u8]>::to_vec)).unwrap_or_default();
    let colours = palette_or_ramp(&colours);
    let background = colours[usize::from(transparent.unwrap_or(0))];

    let mut data = try_filled(width, height, 3, 0u8)?;
    if (frame_width, frame_height) != (width, height) && background != [0; 3] {
        data.as_chunks_mut().0.fill(background);
    }
    let rows = data.as_chunks_mut::<3>().0.chunks_exact_mut(width).skip(top);
    for (row, indices) in rows.zip(indices.chunks_exact(frame_width)) {
        for (pixel, &index) in row[left..].iter_mut().zip(indices) {
            *pixel = colours[usize::from(index)];
        }
    }
    Ok(Decoded { width, height, data, orientation: Orientation::Upright, notes: Notes::default() })
}

/// Maps an error of the codec.
fn decode_error(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::Io(_) | DecodingError::UnexpectedEof => DecodeError::Truncated,
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => DecodeError::damaged("a picture is too large"),
        other => DecodeError::damaged(other),
    }
}
