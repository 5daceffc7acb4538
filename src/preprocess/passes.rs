//! The two passes of a resize, along rows and down columns, over whatever rows of a photo are at hand.
//!
//! Knows neither photos nor crops. Each pass rounds to eight bits. Sums are integers, so that the order in which
//! rows come, and how many come together, never shows in the result.

use std::ops::Range;

use rayon::prelude::*;

use super::windows::{Axis, FRACTION_BITS, HALF, Windows};

/// Multiplications that are worth a task of their own: about a tenth of a millisecond.
const TASK: usize = 1 << 19;

/// Bytes of a row that are accumulated together.
const BLOCK: usize = 32;

/// Rows of RGB somewhere in memory: row `i` starts at `i * stride`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub data: &'a [u8],
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len() / self.stride
    }

    /// Some of the rows.
    pub fn part(&self, rows: Range<usize>) -> Rows<'a> {
        Rows { data: &self.data[rows.start * self.stride..rows.end * self.stride], stride: self.stride }
    }

    /// Bytes `bytes` of row `row`.
    fn row(&self, row: usize, bytes: Range<usize>) -> &'a [u8] {
        &self.data[row * self.stride + bytes.start..row * self.stride + bytes.end]
    }
}

/// The pass along rows; it works on each row alone.
pub(super) struct Along {
    axis: Axis,
    /// The weights of all positions, unless there are too many to be kept.
    windows: Option<Windows>,
}

impl Along {
    pub fn new(axis: Axis) -> Self {
        let mut parts = axis.parts();
        let windows = match (parts.next(), parts.next()) {
            (Some(all), None) => Some(axis.windows(all)),
            _ => None,
        };
        Along { axis, windows }
    }

    /// The pixels of a row that the pass reads.
    pub fn input(&self) -> Range<usize> {
        self.axis.input()
    }

    /// Resamples each row to `out`: `[rows, outputs, 3]`. The rows start with pixel `first` of the input.
    pub fn resample(&self, source: Rows<'_>, first: usize, out: &mut [u8]) {
        let width = self.axis.outputs.clone().count() * 3;
        for part in self.axis.parts() {
            let left = (part.start - self.axis.outputs.start) as usize * 3;
            let fresh;
            let windows = match &self.windows {
                Some(windows) => windows,
                None => {
                    fresh = self.axis.windows(part);
                    &fresh
                }
            };
            let right = left + windows.len() * 3;
            let rows_a_task = (TASK / (windows.weights() * 3).max(1)).max(1);
            out.par_chunks_mut(width * rows_a_task).enumerate().for_each(|(task, chunk)| {
                for (i, out_row) in chunk.chunks_exact_mut(width).enumerate() {
                    let row = source.row(task * rows_a_task + i, 0..source.stride);
                    along_row(row, windows, first, &mut out_row[left..right]);
                }
            });
        }
    }
}

/// One row of the pass along rows.
fn along_row(row: &[u8], windows: &Windows, first: usize, out: &mut [u8]) {
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

/// The pass down columns; it remembers the rows that have begun and still lack some of their input.
pub(super) struct Down {
    axis: Axis,
    /// By output position: the rows it is made of.
    spans: Vec<Range<usize>>,
    /// By output position: what is known of it so far.
    begun: Vec<Option<Begun>>,
}

/// A row of output of which some input was there.
struct Begun {
    weights: Vec<i32>,
    sums: Vec<i32>,
    /// Rows of input that are still to come.
    missing: usize,
}

impl Down {
    pub fn new(axis: Axis) -> Self {
        let spans: Vec<_> = axis.outputs.clone().map(|index| axis.span(index)).collect();
        let begun = spans.iter().map(|_| None).collect();
        Down { axis, spans, begun }
    }

    /// The rows that the pass reads.
    pub fn input(&self) -> Range<usize> {
        self.axis.input()
    }

    /// Takes rows of input, of which the first is row `first`; each row comes once, in any order. Writes the rows
    /// of `out`, `[outputs, width, 3]`, for which these were the last, from byte `left` of each row on.
    pub fn resample(&mut self, source: Rows<'_>, first: usize, left: usize, out: &mut [u8]) {
        let bytes = out.len() / self.spans.len();
        let here = first..first + source.len();
        // Spans follow each other, upwards or downwards, so what these rows touch is a run of outputs.
        let touched = |span: &Range<usize>| !overlap(span, &here).is_empty();
        let Some(from) = self.spans.iter().position(touched) else {
            return;
        };
        let to = from + self.spans[from..].iter().take_while(|span| touched(span)).count();

        let axis = &self.axis;
        let outputs = (axis.outputs.start + from as u64..)
            .zip(&self.spans[from..to])
            .zip(&mut self.begun[from..to])
            .zip(out[from * bytes..].chunks_exact_mut(bytes))
            .map(|(((index, span), begun), out)| Output { index, span, begun, out });
        let weights: usize = self.spans[from..to].iter().map(|span| overlap(span, &here).len()).sum();
        if weights * bytes < 2 * TASK {
            outputs.for_each(|output| output.take(axis, source, &here, left));
        } else {
            let outputs: Vec<_> = outputs.collect();
            outputs.into_par_iter().for_each(|output| output.take(axis, source, &here, left));
        }
    }
}

/// A row of output of the pass down columns.
struct Output<'a> {
    index: u64,
    /// The rows it is made of.
    span: &'a Range<usize>,
    begun: &'a mut Option<Begun>,
    out: &'a mut [u8],
}

impl Output<'_> {
    /// Takes what it needs of the rows `here`, from byte `left` of each on.
    fn take(self, axis: &Axis, source: Rows<'_>, here: &Range<usize>, left: usize) {
        let Output { index, span, begun, out } = self;
        let rows = overlap(span, here);
        let top = rows.start - here.start;
        let weights = || {
            let mut weights = Vec::with_capacity(span.len());
            axis.weights(index, &mut weights);
            weights
        };
        if rows == *span {
            return down_row(source, top, left, &weights(), out);
        }
        let state = begun.get_or_insert_with(|| Begun {
            weights: weights(),
            sums: vec![HALF; out.len().next_multiple_of(BLOCK)],
            missing: span.len(),
        });
        let used = rows.start - span.start..rows.end - span.start;
        add_rows(source, top, left, out.len(), &state.weights[used], &mut state.sums);
        state.missing -= rows.len();
        if state.missing == 0 {
            out.iter_mut().zip(&state.sums).for_each(|(byte, &sum)| *byte = to_byte(sum));
            *begun = None;
        }
    }
}

/// What two ranges share.
pub(super) fn overlap(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// A row of the pass down columns all of whose input is there: the rows from `top` on, from byte `left`.
fn down_row(source: Rows<'_>, top: usize, left: usize, weights: &[i32], out: &mut [u8]) {
    for (from, block) in (left..).step_by(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let mut sums = [HALF; BLOCK];
        add(source, top, from, block.len(), weights, &mut sums);
        block.iter_mut().zip(&sums).for_each(|(byte, &sum)| *byte = to_byte(sum));
    }
}

/// Adds some of the input of a row of the pass down columns to its sums.
fn add_rows(source: Rows<'_>, top: usize, left: usize, bytes: usize, weights: &[i32], sums: &mut [i32]) {
    for (column, sums) in (0..bytes).step_by(BLOCK).zip(sums.as_chunks_mut::<BLOCK>().0) {
        add(source, top, left + column, (bytes - column).min(BLOCK), weights, sums);
    }
}

/// Adds bytes `from..from + len` of the rows from `top` on, each times its weight.
#[inline(always)]
fn add(source: Rows<'_>, top: usize, from: usize, len: usize, weights: &[i32], sums: &mut [i32; BLOCK]) {
    // A length that the compiler knows keeps the sums in registers.
    if len == BLOCK {
        *sums = added(*sums, weights, |i| source.row(top + i, from..from + BLOCK));
    } else {
        *sums = added(*sums, weights, |i| source.row(top + i, from..from + len));
    }
}

#[inline(always)]
fn added<'a>(mut sums: [i32; BLOCK], weights: &[i32], row: impl Fn(usize) -> &'a [u8]) -> [i32; BLOCK] {
    for (i, &weight) in weights.iter().enumerate() {
        for (sum, &value) in sums.iter_mut().zip(row(i)) {
            *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
        }
    }
    sums
}

/// Ends an accumulator.
fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}
