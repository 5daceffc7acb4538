//! Pillow's two-pass, eight-bit resampling of RGB, computed only where the crop keeps it.
//!
//! Knows sizes and filters, no models. Equal to `PIL.Image.resize` of the whole photo followed by the
//! crop, byte for byte: each pass rounds to eight bits, and the order of the passes is Pillow's. The only
//! memory beside the result is the part of the first pass that the second one reads.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::RgbView;
use super::config::Interpolation;
use super::geometry::Geometry;
use super::windows::{Axis, FRACTION_BITS, HALF, Windows};

/// Multiplications that are worth a task of their own: about a tenth of a millisecond.
const TASK: usize = 1 << 19;

/// Bytes of a row that are accumulated together.
const BLOCK: usize = 32;

/// Rows of RGB somewhere in memory: row `i` starts at `i * stride`.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [u8],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Bytes `bytes` of row `row`.
    fn row(&self, row: usize, bytes: Range<usize>) -> &'a [u8] {
        &self.data[row * self.stride + bytes.start..row * self.stride + bytes.end]
    }
}

/// Resizes a photo and crops the square: `[side, side, 3]`, eight bits a channel.
pub(super) fn resize(photo: RgbView<'_>, geometry: &Geometry, filter: Interpolation) -> Vec<u8> {
    let side = geometry.side;
    let columns = geometry.left..geometry.left + side as u64;
    let rows = geometry.top..geometry.top + side as u64;
    let across = Axis { from: photo.width(), to: geometry.width, filter };
    let down = Axis { from: photo.height(), to: geometry.height, filter };
    let source = Rows { data: photo.data(), stride: photo.width() * 3 };
    let squeeze_across = across.from as u64 != across.to;
    let squeeze_down = down.from as u64 != down.to;

    match (squeeze_across, squeeze_down) {
        (false, false) => crop(source, position(columns.start), side, position(rows.start), side),
        (true, false) => horizontal(source, position(rows.start), side, &across, &columns),
        (false, true) => vertical(source, position(columns.start), side, &down, &rows, 0),
        (true, true) if vertical_first(&across, &down) => {
            let needed = across.input(&columns);
            let middle = vertical(source, needed.start, needed.len(), &down, &rows, 0);
            let middle = Rows { data: &middle, stride: needed.len() * 3 };
            horizontal_from(middle, 0, side, &across, &columns, needed.start)
        }
        (true, true) => {
            let needed = down.input(&rows);
            let middle = horizontal(source, needed.start, needed.len(), &across, &columns);
            let middle = Rows { data: &middle, stride: side * 3 };
            vertical(middle, 0, side, &down, &rows, needed.start)
        }
    }
}

/// Whether Pillow resamples the columns before the rows. Found by comparing its outputs (Pillow 13.0.0):
/// the height shrinks, and by more than twice what the width shrinks.
fn vertical_first(across: &Axis, down: &Axis) -> bool {
    let (from_width, to_width) = (across.from as i128, i128::from(across.to));
    let (from_height, to_height) = (down.from as i128, i128::from(down.to));
    to_height < from_height && from_height - to_height > 2 * (from_width - to_width)
}

/// A position that lies inside the photo, because its axis keeps its length.
fn position(index: u64) -> usize {
    index as usize
}

/// Copies a part of a photo.
fn crop(source: Rows<'_>, left: usize, width: usize, top: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(width * height * 3);
    for row in top..top + height {
        out.extend_from_slice(source.row(row, left * 3..(left + width) * 3));
    }
    out
}

/// Resamples rows `top..top + height` to the columns `columns`: `[height, columns, 3]`.
fn horizontal(source: Rows<'_>, top: usize, height: usize, axis: &Axis, columns: &Range<u64>) -> Vec<u8> {
    horizontal_from(source, top, height, axis, columns, 0)
}

/// As [`horizontal`], from rows whose first pixel is column `first` of the photo.
fn horizontal_from(
    source: Rows<'_>,
    top: usize,
    height: usize,
    axis: &Axis,
    columns: &Range<u64>,
    first: usize,
) -> Vec<u8> {
    let width = columns.clone().count();
    let mut out = vec![0; height * width * 3];
    for part in axis.parts(columns.clone()) {
        let windows = axis.windows(part.clone());
        let left = (part.start - columns.start) as usize * 3;
        let rows_a_task = (TASK / (windows.weights() * 3).max(1)).max(1);
        out.par_chunks_mut(width * 3 * rows_a_task).enumerate().for_each(|(task, chunk)| {
            for (i, out_row) in chunk.chunks_exact_mut(width * 3).enumerate() {
                let row = source.row(top + task * rows_a_task + i, 0..source.stride);
                horizontal_row(row, &windows, first, &mut out_row[left..left + windows.len() * 3]);
            }
        });
    }
    out
}

/// One row of the horizontal pass.
fn horizontal_row(row: &[u8], windows: &Windows, first: usize, out: &mut [u8]) {
    for ((start, weights), out) in windows.iter().zip(out.as_chunks_mut::<3>().0) {
        let start = (start - first) * 3;
        let pixels = row[start..start + weights.len() * 3].as_chunks::<3>().0;
        let mut sums = [HALF; 3];
        for (pixel, &weight) in pixels.iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                // Cannot wrap (the weights' magnitudes sum to less than 1.5); unchecked so that it vectorises.
                *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
            }
        }
        *out = sums.map(to_byte);
    }
}

/// Resamples columns `left..left + width` to the rows `rows`: `[rows, width, 3]`. Row zero of `source` is
/// row `first` of the photo.
fn vertical(source: Rows<'_>, left: usize, width: usize, axis: &Axis, rows: &Range<u64>, first: usize) -> Vec<u8> {
    let bytes = width * 3;
    let mut out = vec![0; rows.clone().count() * bytes];
    for part in axis.parts(rows.clone()) {
        let windows = axis.windows(part.clone());
        let top = (part.start - rows.start) as usize * bytes;
        let out = &mut out[top..top + windows.len() * bytes];
        let work = |(out_row, (start, weights)): (&mut [u8], (usize, &[i32]))| {
            vertical_row(source, left * 3, start - first, weights, out_row);
        };
        if windows.weights() * bytes < 2 * TASK {
            out.chunks_exact_mut(bytes).zip(windows.iter()).for_each(work);
        } else {
            let windows: Vec<_> = windows.iter().collect();
            out.par_chunks_exact_mut(bytes).zip(windows).for_each(work);
        }
    }
    out
}

/// One row of the vertical pass: the weighted sum of the rows from `top` on, from byte `left`.
fn vertical_row(source: Rows<'_>, left: usize, top: usize, weights: &[i32], out: &mut [u8]) {
    let mut column = 0;
    while column < out.len() {
        let rows = weights.iter().enumerate();
        let from = left + column;
        if let Some(block) = out[column..].first_chunk_mut::<BLOCK>() {
            let mut sums = [HALF; BLOCK];
            for (i, &weight) in rows {
                let row = source.row(top + i, from..from + BLOCK);
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
                }
            }
            *block = sums.map(to_byte);
        } else {
            let block = &mut out[column..];
            let mut sums = [HALF; BLOCK];
            for (i, &weight) in rows {
                let row = source.row(top + i, from..from + block.len());
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
                }
            }
            for (byte, &sum) in block.iter_mut().zip(&sums) {
                *byte = to_byte(sum);
            }
        }
        column += BLOCK;
    }
}

/// Ends an accumulator.
fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}
