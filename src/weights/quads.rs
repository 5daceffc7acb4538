//! Matrices of 8-bit integers in quads ([`Layout::Quads16`](super::Layout::Quads16)): stores and checks them.
//!
//! Four inputs of a column lie together, for the instructions that multiply four pairs of bytes and add the products to a
//! sum. Knows neither files nor models. `weights/README.md` specifies the numbers.

use rayon::prelude::*;

use super::format::PANEL;
use super::int8::{LARGEST, is_scale, nearest, scale_of};
use crate::threads;

/// Inputs of a column that lie together.
const QUAD: usize = 4;
/// Integers of one quad of every column of a panel.
const ROW: usize = PANEL * QUAD;
/// Most inputs: so many products of a byte without sign and one with sign have a sum of 32 bits, and so many integers a sum
/// that binary32 holds exactly.
pub(crate) const MAX_INPUTS: usize = 1 << 16;

/// Stored integers of a matrix `[k, n]`, padding included; `None` if the layout cannot store it, or if they do not fit a
/// `usize`.
pub fn stored_len(k: usize, n: usize) -> Option<usize> {
    if k > MAX_INPUTS {
        return None;
    }
    n.checked_next_multiple_of(PANEL)?.checked_mul(k.next_multiple_of(QUAD))
}

/// What belongs to the columns of a matrix in quads.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// What the integers of each are multiplied with, padded with zeros to whole panels.
    pub scales: Vec<f32>,
    /// The sums of the integers of each, exact, padded likewise.
    pub sums: Vec<f32>,
    /// The largest length of the difference that this makes to a column, relative to the length of the column.
    pub difference: f64,
}

/// Stores `panels`, a matrix `[k, n]` of finite numbers in panels of 16 columns, as the integers `out`, and returns what
/// belongs to its columns. Each element is off by half of the scale of its column at most.
///
/// # Panics
/// If a length is not that of the matrix.
pub fn store(panels: &[f32], k: usize, n: usize, out: &mut [i8]) -> Columns {
    let width = n.next_multiple_of(PANEL);
    assert_eq!((Some(panels.len()), Some(out.len())), (width.checked_mul(k), stored_len(k, n)), "a {k} x {n} matrix");
    let mut columns = Columns { scales: vec![0.0; width], sums: vec![0.0; width], difference: 0.0 };
    if out.is_empty() {
        return columns;
    }
    let mut differences = vec![0f64; width / PANEL];
    let numbers = out.par_chunks_mut(k.next_multiple_of(QUAD) * PANEL).zip(panels.par_chunks(k * PANEL));
    let of_columns = columns.scales.par_chunks_mut(PANEL).zip(columns.sums.par_chunks_mut(PANEL)).zip(&mut differences);
    threads::for_each(
        numbers.zip(of_columns).enumerate(),
        |(panel, ((out, numbers), ((scales, sums), difference)))| {
            let mut largest = [0f32; PANEL];
            for row in numbers.chunks_exact(PANEL) {
                for (largest, number) in largest.iter_mut().zip(row) {
                    *largest = largest.max(number.abs());
                }
            }
            for (scale, largest) in scales.iter_mut().zip(largest).take(n - panel * PANEL) {
                // Any scale gives zeros; this one is possible.
                *scale = if largest == 0.0 { 1.0 } else { scale_of(f64::from(largest)) };
            }
            out.fill(0);
            let mut squares = [(0f64, 0f64); PANEL];
            for (out, rows) in out.chunks_exact_mut(ROW).zip(numbers.chunks(ROW)) {
                for (step, row) in rows.chunks_exact(PANEL).enumerate() {
                    let quads = out.chunks_exact_mut(QUAD).zip(row).zip(&*scales).zip(&mut *sums).zip(&mut squares);
                    for ((((quad, &number), &scale), sum), (error, length)) in quads {
                        quad[step] = nearest(f64::from(number), scale);
                        *sum += f32::from(quad[step]);
                        *error += (f64::from(number) - f64::from(quad[step]) * f64::from(scale)).powi(2);
                        *length += f64::from(number).powi(2);
                    }
                }
            }
            let relative = |(error, length): (f64, f64)| if error == 0.0 { 0.0 } else { (error / length).sqrt() };
            *difference = squares.into_iter().map(relative).fold(0.0, f64::max);
        },
    );
    columns.difference = differences.into_iter().fold(0.0, f64::max);
    columns
}

/// The integer of element `[k, n]` of a matrix with `inputs` inputs.
pub fn at(stored: &[i8], inputs: usize, k: usize, n: usize) -> i8 {
    stored[(n / PANEL * inputs.div_ceil(QUAD) + k / QUAD) * ROW + n % PANEL * QUAD + k % QUAD]
}

/// Whether `stored` could have been stored for a matrix `[k, n]`: no integer below -127, and zeros as padding.
pub(super) fn are_valid(stored: &[i8], k: usize, n: usize) -> bool {
    let quads = k.div_ceil(QUAD);
    let rows = stored.chunks(ROW).enumerate();
    quads > 0
        && rows.into_iter().all(|(row, integers)| {
            let columns = n.saturating_sub(row / quads * PANEL);
            let steps = k - row % quads * QUAD;
            integers.chunks(QUAD).enumerate().all(|(column, quad)| {
                let steps = if column < columns { steps } else { 0 };
                quad.iter().enumerate().all(|(step, &integer)| integer != i8::MIN && (step < steps || integer == 0))
            })
        })
}

/// Whether these are the sums of the columns of `stored`, a matrix with `k` inputs, and zeros after the last.
pub(super) fn are_sums(sums: &[f32], stored: &[i8], k: usize) -> bool {
    let panel = k.div_ceil(QUAD) * ROW;
    let mut panels = stored.chunks(panel.max(1)).zip(sums.chunks(PANEL));
    sums.len().checked_mul(panel) == stored.len().checked_mul(PANEL)
        && panels.all(|(stored, stated)| {
            let mut sums = [0i32; PANEL];
            for row in stored.chunks(ROW) {
                for (sum, quad) in sums.iter_mut().zip(row.chunks(QUAD)) {
                    *sum += quad.iter().map(|&integer| i32::from(integer)).sum::<i32>();
                }
            }
            // All of them are below 2^24.
            sums.iter().zip(stated).all(|(&sum, &stated)| sum as f32 == stated)
        })
}

/// Whether these could be the scales of `n` columns, padded to whole panels: possible ones, not zero; zeros after the last.
pub(super) fn are_scales(scales: &[f32], n: usize) -> bool {
    scales.len() >= n
        && scales.iter().enumerate().all(|(column, &scale)| match column < n {
            true => is_scale(scale) && scale > 0.0,
            false => scale == 0.0,
        })
}

/// Whether these could be the sums of `n` columns with `k` inputs, padded to whole panels, whatever their integers are.
pub(super) fn could_be_sums(sums: &[f32], k: usize, n: usize) -> bool {
    let most = LARGEST as f32 * k as f32;
    sums.len() >= n
        && sums.iter().enumerate().all(|(column, &sum)| match column < n {
            true => sum.abs() <= most && sum.fract() == 0.0,
            false => sum == 0.0,
        })
}
