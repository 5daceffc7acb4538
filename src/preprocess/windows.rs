//! The weights of a resampling filter along one axis, in the fixed point of Pillow's 8-bit resampling.
//!
//! Knows no pixels and no channels. The algorithm: for each output position the filter, stretched by the
//! reduction, is evaluated at the centres of the input pixels below it, normalised in f64, and rounded to
//! 22 fractional bits. The rounded weights are not normalised again.

use std::ops::Range;

use super::config::Interpolation;

/// Fractional bits of a weight: 32 less 8 of a pixel less 2 for the overshoot of the cubic.
pub(super) const FRACTION_BITS: u32 = 22;

/// What an accumulator starts from, so that the shift that ends it rounds.
pub(super) const HALF: i32 = 1 << (FRACTION_BITS - 1);

/// One axis of a resize: the positions of the result that are wanted, each a weighted sum of input positions.
#[derive(Clone)]
pub(super) struct Axis {
    /// Length of the input.
    pub from: usize,
    /// Length of the whole output.
    pub to: u64,
    /// The output positions that are wanted.
    pub outputs: Range<u64>,
    /// Whether the input is given from its last position to its first.
    pub mirrored: bool,
    /// The filter.
    pub filter: Interpolation,
}

/// The weights of a run of neighbouring output positions.
pub(super) struct Windows {
    spans: Vec<Span>,
    weights: Vec<i32>,
}

/// Where a position's input starts, and where its weights lie.
struct Span {
    start: usize,
    weights: Range<usize>,
}

impl Interpolation {
    /// Half the width of the filter at no reduction.
    fn support(self) -> f64 {
        match self {
            Interpolation::Bilinear => 1.0,
            Interpolation::Bicubic => 2.0,
        }
    }

    /// The filter at distance `x` from its centre.
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
    /// Input pixels for one output pixel. The length passes through f32, as it does in Pillow.
    fn scale(&self) -> f64 {
        f64::from(self.from as f32) / self.to as f64
    }

    /// The input positions below output position `index`, as if the input were not mirrored.
    fn plain_span(&self, index: u64) -> Range<usize> {
        if self.from as u64 == self.to {
            // Nothing is resampled: each position is its own, whatever the roundings below.
            return index as usize..index as usize + 1;
        }
        let scale = self.scale();
        let support = self.filter.support() * scale.max(1.0);
        let center = (index as f64 + 0.5) * scale;
        // A cast of f64 truncates towards zero and stops at zero, which is what is wanted.
        let start = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(self.from);
        start.min(end)..end
    }

    /// The input positions below output position `index`.
    pub fn span(&self, index: u64) -> Range<usize> {
        let Range { start, end } = self.plain_span(index);
        if self.mirrored { self.from - end..self.from - start } else { start..end }
    }

    /// All input positions that any wanted position needs.
    pub fn input(&self) -> Range<usize> {
        let last = self.outputs.end.saturating_sub(1).max(self.outputs.start);
        let (first, last) = (self.span(self.outputs.start), self.span(last));
        first.start.min(last.start)..first.end.max(last.end)
    }

    /// Appends the weights of output position `index`, one for each position of its [`Axis::span`].
    pub fn weights(&self, index: u64, out: &mut Vec<i32>) {
        let scale = self.scale();
        let stretch = 1.0 / scale.max(1.0);
        let one = f64::from(1u32 << FRACTION_BITS);
        let center = (index as f64 + 0.5) * scale;
        // Evaluated twice rather than kept: a window can be as long as the input.
        let span = self.plain_span(index);
        let weights = span.map(|position| self.filter.weight((position as f64 - center + 0.5) * stretch));
        let sum: f64 = weights.clone().fold(0.0, |sum, weight| sum + weight);
        let first = out.len();
        out.extend(weights.map(|weight| {
            let fixed = if sum != 0.0 { weight / sum } else { weight } * one;
            // Halves away from zero.
            (if fixed < 0.0 { fixed - 0.5 } else { fixed + 0.5 }) as i32
        }));
        if self.mirrored {
            out[first..].reverse();
        }
    }

    /// Splits the wanted positions so that the weights of each part stay small, whatever the input.
    pub fn parts(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        /// 4 MiB of weights; photos need a tenth of that, and get one part.
        const WEIGHTS: f64 = (1 << 20) as f64;
        let taps = 2.0 * self.filter.support() * self.scale().max(1.0) + 1.0;
        let step = ((WEIGHTS / taps) as u64).max(1);
        let Range { start, end } = self.outputs;
        (start..end).step_by(step as usize).map(move |start| start..(start + step).min(end))
    }

    /// The weights of a run of output positions.
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
    /// For each output position: where its input starts, and the weight of each input from there on.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.spans.iter().map(|span| (span.start, &self.weights[span.weights.clone()]))
    }

    /// Number of output positions.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Number of weights of all positions together.
    pub fn weights(&self) -> usize {
        self.weights.len()
    }
}
