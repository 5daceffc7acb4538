//! GIF: the first frame, on its canvas as Pillow composes it.
//!
//! Takes raw indices from the `gif` crate: transparent pixels keep the colour of their index, and so does the canvas
//! around a smaller frame. The crate gets the first frame alone, because it refuses what Pillow passes over. A file without
//! any table of colours is grey.

mod blocks;

use std::io::{self, Read};
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::decode_error::{DecodeError, checked_size, try_filled};
use super::decoded::{Decoded, Notes};
use super::headers::Headers;
use super::samples::palette_or_ramp;
use crate::budget::Budget;
use crate::pixels::Orientation;
use blocks::FirstFrame;

/// Units of work for a byte of the file, which may stand for a few thousand pixels.
const BYTE_WORK: u64 = 32;

/// Most pixels that a byte of the file stands for: strings of up to 4096 pixels have codes of at least two bits.
const MAX_LZW_RATIO: u64 = 4096 * 4;

/// The bytes of a file, whose reading draws on a budget and ends when the call is cancelled.
struct Metered<'a> {
    parts: [&'a [u8]; 5],
    budget: &'a Budget,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        /// So that a few milliseconds of work lie between two looks at the budget.
        const CHUNK: usize = 1024;
        let count = buffer.len().min(CHUNK);
        let work = self.budget.work(count as u64 * BYTE_WORK);
        work.map_err(|_| io::Error::other("the budget is exhausted"))?;
        let part = self.parts.iter_mut().find(|part| !part.is_empty());
        part.map_or(Ok(0), |part| part.read(&mut buffer[..count]))
    }
}

/// Reads the size of the first frame.
pub(super) fn headers<'a>(bytes: &'a [u8], budget: &Budget) -> Result<Headers<'a>, DecodeError> {
    let (width, height) = FirstFrame::of(bytes)?.size()?;
    Ok(Headers::plain(checked_size(width, height, budget)?))
}

/// Decodes a GIF file.
pub(super) fn decode(bytes: &[u8], budget: &Budget) -> Result<Decoded, DecodeError> {
    decode_metered(bytes, budget).map_err(|error| match budget.work(0) {
        // The codec takes an exhausted budget for a failure to read.
        Err(exhausted) => exhausted.into(),
        Ok(()) => error,
    })
}

fn decode_metered(bytes: &[u8], budget: &Budget) -> Result<Decoded, DecodeError> {
    budget.work(bytes.len() as u64)?;
    let first = FirstFrame::of(bytes)?;
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.allow_unknown_blocks(true);
    if let Some(limit) = NonZeroU64::new(budget.most_pixels()) {
        options.set_memory_limit(MemoryLimit::Bytes(limit));
    }
    let mut decoder = options.read_info(Metered { parts: first.parts(), budget }).map_err(decode_error)?;
    let (canvas_width, canvas_height) = (decoder.width(), decoder.height());
    let frame = decoder.next_frame_info().map_err(decode_error)?.ok_or(DecodeError::Truncated)?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (frame.width, frame.height);
    let transparent = frame.transparent;
    let local_palette = frame.palette.clone();

    // The canvas grows to hold its first frame.
    let right = (left as u64 + u64::from(frame_width)).max(canvas_width.into());
    let bottom = (top as u64 + u64::from(frame_height)).max(canvas_height.into());
    let (width, height) = checked_size(right, bottom, budget)?;
    let (frame_width, frame_height) = checked_size(frame_width, frame_height, budget)?;
    budget.grant_pixels((width * height) as u64);
    // Allocate nothing for pixels that the file is too short to hold.
    if (frame_width * frame_height) as u64 > bytes.len() as u64 * MAX_LZW_RATIO {
        return Err(DecodeError::Truncated);
    }

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
        budget.work(frame_width as u64)?;
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
