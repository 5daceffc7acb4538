//! GIF: the first picture, on its canvas as Pillow composes it.
//!
//! Indices are taken raw from the `gif` crate: pixels that are transparent keep the colour of their index, and
//! so do those around a picture smaller than its canvas.

use std::io::Cursor;
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::super::orient::Orientation;
use super::Decoded;
use super::problem::{MAX_PIXELS, Problem, accepted, filled};
use super::samples::palette_or_ramp;

/// Decodes a GIF file.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, Problem> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    if let Some(limit) = NonZeroU64::new(MAX_PIXELS) {
        options.set_memory_limit(MemoryLimit::Bytes(limit));
    }
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(problem)?;
    let (canvas_width, canvas_height) = (decoder.width(), decoder.height());
    let picture = decoder.next_frame_info().map_err(problem)?.ok_or(Problem::Truncated)?;
    let (left, top) = (usize::from(picture.left), usize::from(picture.top));
    let (picture_width, picture_height) = (picture.width, picture.height);
    let transparent = picture.transparent;
    let own_palette = picture.palette.clone();

    // A canvas too small for its first picture grows.
    let right = (left as u64 + u64::from(picture_width)).max(canvas_width.into());
    let bottom = (top as u64 + u64::from(picture_height)).max(canvas_height.into());
    let (width, height) = accepted(right, bottom)?;
    let (picture_width, picture_height) = accepted(picture_width, picture_height)?;

    let mut indices = filled(picture_width, picture_height, 1, 0u8)?;
    decoder.read_into_buffer(&mut indices).map_err(problem)?;
    let colours = own_palette.or_else(|| decoder.global_palette().map(<[u8]>::to_vec)).unwrap_or_default();
    let colours = palette_or_ramp(&colours);
    let around = colours[usize::from(transparent.unwrap_or(0))];

    let mut data = filled(width, height, 3, 0u8)?;
    if (picture_width, picture_height) != (width, height) && around != [0; 3] {
        data.as_chunks_mut().0.fill(around);
    }
    let rows = data.as_chunks_mut::<3>().0.chunks_exact_mut(width).skip(top);
    for (row, indices) in rows.zip(indices.chunks_exact(picture_width)) {
        for (pixel, &index) in row[left..].iter_mut().zip(indices) {
            *pixel = colours[usize::from(index)];
        }
    }
    Ok(Decoded { width, height, data, orientation: Orientation::Upright })
}

/// What an error of the crate means.
fn problem(error: DecodingError) -> Problem {
    match error {
        DecodingError::Io(_) | DecodingError::UnexpectedEof => Problem::Truncated,
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => Problem::damaged("a picture is too large"),
        other => Problem::damaged(other),
    }
}
