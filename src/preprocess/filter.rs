//! The weights of a resampling filter along one axis, in the fixed point of Pillow's eight-bit resampling.
//!
//! Knows no pixels and no channels. For each output position, the filter is stretched by the reduction, evaluated at
//! the centres of the input pixels in its support, normalised in f64, and rounded to 22 fractional bits. The rounded
//! weights are not normalised again.

use std::ops::Range;

use super::config::Interpolation;
use crate::kernels::pixels::resample::FRACTION_BITS;

/// One axis of a resize. Each output position is a weighted sum of input positions.
#[derive(Clone)]
pub(super) struct Axis {
    /// Length of the input.
    pub from: usize,
    /// Length of the whole output.
    pub to: u64,
    /// The output positions to compute.
    pub outputs: Range<u64>,
    /// Whether the input is stored from its last position to its first.
    pub mirrored: bool,
    /// The filter.
    pub filter: Interpolation,
}

/// The weights of consecutive output positions.
pub(super) struct Windows {
    spans: Vec<Span>,
    weights: Vec<i32>,
}

/// The first input position of an output position, and its range of weights.
struct Span {
    start: usize,
    weights: Range<usize>,
}

impl Interpolation {
    /// Half the width of the filter without reduction.
    fn support(self) -> f64 {
        match self {
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
        }
    }

    /// Evaluates the filter at distance `x` from its centre.
    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Interpolation::Bilinear if x < 1.0 => 1.0 - x,
            Interpolation::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Interpolation::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

impl Axis {
    /// Input pixels per output pixel. The length is rounded to f32, as in Pillow.
    fn scale(&self) -> f64 {
        f64::from(self.from as f32) / self.to as f64
    }

    /// Returns the input positions of output position `index`, ignoring `mirrored`.
    fn plain_span(&self, index: u64) -> Range<usize> {
        if self.from as u64 == self.to {
            // The axis is not resampled; avoid the roundings below.
            return index as usize..index as usize + 1;
        }
        let scale = self.scale();
        let support = self.filter.support() * scale.max(1.0);
        let center = (index as f64 + 0.5) * scale;
        // The cast truncates towards zero and saturates at zero.
        let start = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(self.from);
        start.min(end)..end
    }

    /// Returns the input positions of output position `index`.
    pub fn span(&self, index: u64) -> Range<usize> {
        let Range { start, end } = self.plain_span(index);
        if self.mirrored { self.from - end..self.from - start } else { start..end }
    }

    /// Returns the input positions of all `outputs`.
    pub fn input(&self) -> Range<usize> {
        let last = self.outputs.end.saturating_sub(1).max(self.outputs.start);
        let (first, last) = (self.span(self.outputs.start), self.span(last));
        first.start.min(last.start)..first.end.max(last.end)
    }

    /// Appends the weights of output position `index`, one for each position in its [`Axis::span`].
    pub fn weights(&self, index: u64, out: &mut Vec<i32>) {
        let scale = self.scale();
        let stretch = 1.0 / scale.max(1.0);
        let one = f64::from(1u32 << FRACTION_BITS);
        let center = (index as f64 + 0.5) * scale;
        // Evaluate the filter twice instead of storing it: the span can be as long as the input.
        let span = self.plain_span(index);
        let weights = span.map(|position| self.filter.weight((position as f64 - center + 0.5) * stretch));
        let sum: f64 = weights.clone().fold(0.0, |sum, weight| sum + weight);
        let first = out.len();
        out.extend(weights.map(|weight| {
            let fixed = if sum != 0.0 { weight / sum } else { weight } * one;
            // Round half away from zero.
            (if fixed < 0.0 { fixed - 0.5 } else { fixed + 0.5 }) as i32
        }));
        if self.mirrored {
            out[first..].reverse();
        }
    }

    /// Splits `outputs` into parts with a bounded number of weights each.
    pub fn parts(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        /// 4 MiB of weights. Photos need a tenth of that, which makes one part.
        const WEIGHTS: f64 = (1 << 20) as f64;
        let taps = 2.0 * self.filter.support() * self.scale().max(1.0) + 1.0;
        let step = ((WEIGHTS / taps) as u64).max(1);
        let Range { start, end } = self.outputs;
        (start..end).step_by(step as usize).map(move |start| start..(start + step).min(end))
    }

    /// Computes the weights of consecutive output positions.
    pub fn windows(&self, outputs: Range<u64>) -> Windows {
        let mut windows = Windows { spans: Vec::new(), weights: Vec::new() };
        for index in outputs {
            let first = windows.weights.len();
            self.weights(index, &mut windows.weights);
            windows.spans.push(Span { start: self.span(index).start, weights: first..windows.weights.len() });
        }
        windows
    }
}

impl Windows {
    /// Iterates over the output positions: the first input position and the weights from there.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.spans.iter().map(|span| (span.start, &self.weights[span.weights.clone()]))
    }

    /// Returns the number of output positions.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Returns the number of weights of all positions.
    pub fn weights(&self) -> usize {
        self.weights.len()
    }
}
