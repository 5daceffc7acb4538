//! The two passes of a resize, over rows and over columns, for any subset of the rows of a photo.
//!
//! Knows neither photos nor crops. Each pass rounds to eight bits. Sums are integers, so the result does not depend on
//! the order or the grouping of rows.

use std::ops::Range;

use rayon::prelude::*;

use super::filter::{Axis, Windows};
use crate::kernels::Isa;
use crate::kernels::pixels::resample::{self, HALF, Lines, RowWeights, SLACK, Taps, to_byte};
use crate::pixels::RgbView;
use crate::threads;

/// Multiplications per task: about a tenth of a millisecond.
const TASK: usize = 1 << 19;

/// Rows that are resampled at once, so that weights are read once for them.
const TOGETHER: usize = 4;

/// Rows of RGB in memory: row `i` is the `width` bytes from `i * stride`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Ends with the last row, which has no padding.
    data: &'a [u8],
    stride: usize,
    width: usize,
}

impl<'a> Rows<'a> {
    /// Takes rows of `width` bytes without padding.
    pub fn packed(data: &'a [u8], width: usize) -> Self {
        Rows { data, stride: width, width }
    }

    /// Takes the rows of a photo.
    pub fn of(photo: RgbView<'a>) -> Self {
        Rows { data: photo.data(), stride: photo.stride(), width: photo.width() * 3 }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.data.len().div_ceil(self.stride)
    }

    /// Returns a range of rows, which must not be empty.
    pub fn part(&self, rows: Range<usize>) -> Rows<'a> {
        let end = (rows.end - 1) * self.stride + self.width;
        Rows { data: &self.data[rows.start * self.stride..end], ..*self }
    }

    /// Returns a range of the bytes of row `row`.
    fn row(&self, row: usize, bytes: Range<usize>) -> &'a [u8] {
        &self.data[row * self.stride + bytes.start..row * self.stride + bytes.end]
    }
}

/// The pass over rows, which resamples each row.
pub(super) struct RowPass {
    axis: Axis,
    /// The weights of all positions, unless they make more than one part.
    windows: Option<Windows>,
    /// The same for vectors, unless rows are too short.
    taps: Option<Taps>,
    /// The pixels that rows have.
    pixels: Range<usize>,
    isa: Isa,
}

impl RowPass {
    /// Prepares the pass; `whole` rows have all pixels of the input, others those that the pass reads.
    pub fn new(axis: Axis, whole: bool) -> Self {
        let pixels = if whole { 0..axis.from } else { axis.input() };
        let mut parts = axis.parts();
        let windows = match (parts.next(), parts.next()) {
            (Some(all), None) => Some(axis.windows(all)),
            _ => None,
        };
        let taps = windows.as_ref().and_then(|windows| {
            Taps::new(windows.iter().map(|(start, weights)| (start - pixels.start, weights)), pixels.len())
        });
        RowPass { axis, windows, taps, pixels, isa: Isa::detect_or_portable() }
    }

    /// Returns the pixels of a row that the pass reads.
    pub fn input(&self) -> Range<usize> {
        self.axis.input()
    }

    /// Resamples each row to `out`: `[rows, outputs, 3]`.
    pub fn resample(&self, source: Rows<'_>, out: &mut [u8]) {
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
            let rows_per_task = (TASK / (windows.weights() * 3).max(1)).max(1);
            threads::for_each(out.par_chunks_mut(width * rows_per_task).enumerate(), |(task, chunk)| {
                let row = |i: usize| source.row(task * rows_per_task + i, 0..source.width);
                if let Some(taps) = &self.taps {
                    return resample_rows(self.isa, source, task * rows_per_task, taps, width, chunk);
                }
                for (i, out_row) in chunk.chunks_exact_mut(width).enumerate() {
                    resample_row(row(i), windows, self.pixels.start, &mut out_row[left..right]);
                }
            });
        }
    }
}

/// Resamples the rows from `first` to `out`, each to `width` bytes.
fn resample_rows(isa: Isa, source: Rows<'_>, first: usize, taps: &Taps, width: usize, out: &mut [u8]) {
    // Only the last row may have too few bytes behind it.
    let last = source.len() - 1;
    let mut padded = Vec::new();
    if first + out.len() / width > last {
        padded = [source.row(last, 0..source.width), &[0; SLACK]].concat();
    }
    let row = |i: usize| if first + i < last { source.row(first + i, 0..source.width + SLACK) } else { &padded };
    let mut done = 0;
    for several in out.chunks_mut(width * TOGETHER) {
        let mut rows = several.chunks_exact_mut(width);
        match std::array::from_fn(|_| rows.next()) {
            [Some(a), Some(b), Some(c), Some(d)] => {
                let from: [_; TOGETHER] = std::array::from_fn(|i| row(done + i));
                resample::rows(isa, taps, from, [a, b, c, d]);
            }
            few => {
                for (i, to) in few.into_iter().flatten().enumerate() {
                    resample::rows(isa, taps, [row(done + i)], [to]);
                }
            }
        }
        done += TOGETHER;
    }
}

/// Resamples one row in the pass over rows, without vectors.
fn resample_row(row: &[u8], windows: &Windows, first: usize, out: &mut [u8]) {
    for ((start, weights), out) in windows.iter().zip(out.as_chunks_mut::<3>().0) {
        let start = (start - first) * 3;
        let pixels = row[start..start + weights.len() * 3].as_chunks::<3>().0;
        let mut sums = [HALF; 3];
        for (pixel, &weight) in pixels.iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                // Cannot overflow: the magnitudes of the weights sum to less than 1.5. Unchecked, so it vectorises.
                *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(value)));
            }
        }
        *out = sums.map(to_byte);
    }
}

/// The pass over columns, which keeps partial sums of the output rows whose input is incomplete.
pub(super) struct ColumnPass {
    axis: Axis,
    /// By output row: its input rows.
    spans: Vec<Range<usize>>,
    /// By output row: its partial sums, if a part of its input has been processed.
    partial: Vec<Option<PartialRow>>,
}

/// The partial sums of an output row.
struct PartialRow {
    weights: Vec<i32>,
    sums: Vec<i32>,
    /// Number of input rows to come.
    missing: usize,
}

impl ColumnPass {
    pub fn new(axis: Axis) -> Self {
        let spans: Vec<_> = axis.outputs.clone().map(|index| axis.span(index)).collect();
        let partial = spans.iter().map(|_| None).collect();
        ColumnPass { axis, spans, partial }
    }

    /// Returns the rows that the pass reads.
    pub fn input(&self) -> Range<usize> {
        self.axis.input()
    }

    /// Adds input rows, the first of which is row `first`; each row comes once, in any order. Reads each row from byte
    /// `left` and writes the rows of `out`, `[outputs, width, 3]`, whose input is now complete.
    pub fn resample(&mut self, source: Rows<'_>, first: usize, left: usize, out: &mut [u8]) {
        let bytes = out.len() / self.spans.len();
        let input = first..first + source.len();
        // Spans are ordered, so the affected outputs are consecutive.
        let affected = |span: &Range<usize>| !overlap(span, &input).is_empty();
        let Some(from) = self.spans.iter().position(affected) else {
            return;
        };
        let to = from + self.spans[from..].iter().take_while(|span| affected(span)).count();

        let axis = &self.axis;
        let outputs = (axis.outputs.start + from as u64..)
            .zip(&self.spans[from..to])
            .zip(&mut self.partial[from..to])
            .zip(out[from * bytes..].chunks_exact_mut(bytes))
            .map(|(((index, span), partial), out)| OutputRow { index, span, partial, out });
        let weights: usize = self.spans[from..to].iter().map(|span| overlap(span, &input).len()).sum();
        if weights * bytes < 2 * TASK {
            outputs.for_each(|output| output.add(axis, source, &input, left));
        } else {
            let outputs: Vec<_> = outputs.collect();
            threads::for_each(outputs.into_par_iter(), |output| output.add(axis, source, &input, left));
        }
    }
}

/// An output row of the pass over columns.
struct OutputRow<'a> {
    index: u64,
    /// Its input rows.
    span: &'a Range<usize>,
    partial: &'a mut Option<PartialRow>,
    out: &'a mut [u8],
}

impl OutputRow<'_> {
    /// Adds the rows of its span that are in `input`; reads each from byte `left`.
    fn add(self, axis: &Axis, source: Rows<'_>, input: &Range<usize>, left: usize) {
        let OutputRow { index, span, partial, out } = self;
        let rows = overlap(span, input);
        let top = rows.start - input.start;
        let weights = || {
            let mut weights = Vec::with_capacity(span.len());
            axis.weights(index, &mut weights);
            weights
        };
        let state = partial.get_or_insert_with(|| PartialRow {
            weights: weights(),
            sums: vec![HALF; out.len()],
            missing: span.len(),
        });
        let used = rows.start - span.start..rows.end - span.start;
        let isa = Isa::detect_or_portable();
        let lines = Lines { data: &source.data[top * source.stride + left..], stride: source.stride };
        resample::add_rows(isa, lines, &RowWeights::new(&state.weights[used]), &mut state.sums);
        state.missing -= rows.len();
        if state.missing == 0 {
            resample::to_bytes(isa, &state.sums, out);
            *partial = None;
        }
    }
}

/// Returns the intersection of two ranges.
pub(super) fn overlap(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}
