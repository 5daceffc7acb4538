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

/// What belongs to each column of a matrix in quads, padded with zeros to whole panels.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// What the integers are multiplied with: an element is its integer times the scale of its column.
    pub scales: Vec<f32>,
    /// Sums of the integers, which are exact.
    pub sums: Vec<f32>,
}

/// Stores `panels`, a matrix `[k, n]` of finite numbers in panels of 16 columns, as the integers `out`, and returns what
/// belongs to its columns. Each element is off by half of the scale of its column at most.
///
/// # Panics
/// If a length is not that of the matrix.
pub fn store(panels: &[f32], k: usize, n: usize, out: &mut [i8]) -> Columns {
    let width = n.next_multiple_of(PANEL);
    assert_eq!((Some(panels.len()), Some(out.len())), (width.checked_mul(k), stored_len(k, n)), "a {k} x {n} matrix");
    let mut columns = Columns { scales: vec![0.0; width], sums: vec![0.0; width] };
    if out.is_empty() {
        return columns;
    }
    let numbers = out.par_chunks_mut(k.next_multiple_of(QUAD) * PANEL).zip(panels.par_chunks(k * PANEL));
    let all = numbers.zip(columns.scales.par_chunks_mut(PANEL)).zip(columns.sums.par_chunks_mut(PANEL)).enumerate();
    threads::for_each(all, |(panel, (((out, numbers), scales), sums))| {
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
        for (out, rows) in out.chunks_exact_mut(ROW).zip(numbers.chunks(ROW)) {
            for (step, row) in rows.chunks_exact(PANEL).enumerate() {
                let quads = out.chunks_exact_mut(QUAD).zip(row).zip(&*scales).zip(&mut *sums);
                for (((quad, &number), &scale), sum) in quads {
                    quad[step] = nearest(f64::from(number), scale);
                    *sum += f32::from(quad[step]);
                }
            }
        }
    });
    columns
}

/// The integer of element `[k, n]` of a matrix with `inputs` inputs.
#[cfg(any(test, feature = "internals"))]
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
