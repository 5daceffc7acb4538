//! Queries in 16 bits, and the bounds that follow. The proof is in the module above.

use super::exact::{length, widened};
use crate::kernels::scan::{Bounds, CODES_ALIGN, LENGTH_ERROR};

/// Largest magnitude of a word.
const LARGEST: f64 = 32_767.0;
/// Largest sum of magnitudes: products with codes of magnitude 128 stay below 2³¹.
const LARGEST_SUM: f64 = (i32::MAX / 128) as f64;
/// More than the relative error of three roundings.
const ROUNDINGS: f64 = 1.0 / (1u64 << 50) as f64;
/// Makes up for the roundings of the constants themselves.
const SLACK: f64 = 1.0 + 1.0 / (1u64 << 40) as f64;

/// Codes of rows, as they are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codes<'a> {
    /// [rows][stride]
    pub(super) codes: &'a [i8],
    /// [rows]
    pub(super) scales: &'a [f32],
    /// [rows]
    pub(super) residuals: &'a [f32],
    /// [dim]
    pub(super) centre: &'a [f32],
}

/// Bytes from a row of codes to the next.
pub(super) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(CODES_ALIGN)
}

/// A query in words, and what turns products into bounds.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    /// [stride]
    pub(super) words: Vec<i16>,
    pub(super) bounds: Bounds,
}

impl Coded {
    /// `query` is finite and as long as `centre`.
    pub(super) fn new(query: &[f32], centre: &[f32]) -> Coded {
        let (query, centre) = (widened(query), widened(centre));
        let n = query.len() as f64;
        let largest = query.iter().fold(0.0, |a: f64, q| a.max(q.abs()));
        let sum: f64 = query.iter().map(|q| q.abs()).sum();
        // Rounding adds up to a half for each value; the slack is for the roundings of the division.
        let step = (largest / LARGEST).max(sum / (LARGEST_SUM - n)) * SLACK;
        let mut words = vec![0; stride(query.len())];
        let mut rests = vec![0.0; query.len()];
        if step > 0.0 {
            for ((word, rest), q) in words.iter_mut().zip(&mut rests).zip(&query) {
                let rounded = (q / step).round_ties_even().clamp(-LARGEST, LARGEST);
                *word = rounded as i16;
                *rest = q - step * rounded;
            }
        }
        let larger = 1.0 + LENGTH_ERROR;
        let (query_length, centre_length) = (length(&query) * larger, length(&centre) * larger);
        let rest = length(&rests) * larger + query_length * ROUNDINGS;
        let epsilon = (n + 16.0) * f64::EPSILON;
        let base = centre.iter().zip(&query).fold(0.0, |sum, (m, q)| sum + m * q);
        let bounds = Bounds {
            base,
            step,
            margin: epsilon * query_length * centre_length * SLACK,
            spread: 128.0 * n.sqrt() * (rest + epsilon * query_length) * SLACK,
            weight: query_length * (1.0 + epsilon) * SLACK,
        };
        Coded { words, bounds }
    }
}
