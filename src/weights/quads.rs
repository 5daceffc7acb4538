//! Matrices of 8-bit integers in quads ([`Layout::Quads16`](super::Layout::Quads16)): stores and checks them.
//!
//! Four inputs of a column lie together, for the instructions that multiply four pairs of bytes and add the products to a
//! sum. Knows neither files nor models. `weights/README.md` specifies the numbers.

use rayon::prelude::*;

use super::format::PANEL;
use super::int8::{LARGEST, is_scale, nearest, scale_of};
use crate::tensor::{MOST_QUAD_STEPS, QUAD};
use crate::threads;

/// Integers of one quad of every column of a panel.
const ROW: usize = PANEL * QUAD;
/// Most inputs.
pub(crate) const MAX_INPUTS: usize = MOST_QUAD_STEPS;

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
    quads > 0
        && stored.chunks(ROW).enumerate().all(|(row, integers)| {
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

#[cfg(test)]
mod tests {
    use super::super::pack::pack_in_out;
    use super::*;

    /// Sizes at the boundaries of quads and panels.
    const SIZES: [usize; 12] = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33, 65];

    /// Stores the row-major matrix `[k, n]` over other integers.
    fn stored(matrix: &[f32], k: usize, n: usize) -> (Vec<i8>, Columns) {
        let mut out = vec![99; stored_len(k, n).unwrap()];
        let columns = store(&pack_in_out(matrix, k, n), k, n, &mut out);
        assert!(are_valid(&out, k, n) && are_sums(&columns.sums, &out, k), "{k} x {n}");
        assert!(are_scales(&columns.scales, n) && could_be_sums(&columns.sums, k, n), "{k} x {n}");
        (out, columns)
    }

    /// The integers of the only column.
    fn column(numbers: &[f32]) -> (f32, Vec<i8>, f64) {
        let (out, columns) = stored(numbers, numbers.len(), 1);
        (columns.scales[0], (0..numbers.len()).map(|k| at(&out, numbers.len(), k, 0)).collect(), columns.difference)
    }

    #[test]
    fn every_size_is_stored_like_its_definition() {
        for k in SIZES {
            for n in SIZES {
                let matrix: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.7).sin() * (1.0 + (i % n) as f32)).collect();
                let (out, columns) = stored(&matrix, k, n);
                let mut plain = vec![0; n.div_ceil(16) * k.div_ceil(4) * 64];
                let mut most = 0f64;
                for column in 0..n {
                    let numbers: Vec<f64> = (0..k).map(|row| f64::from(matrix[row * n + column])).collect();
                    let largest = numbers.iter().fold(0f64, |largest, number| largest.max(number.abs()));
                    let scale = if largest == 0.0 { 1.0 } else { (largest / 127.0) as f32 };
                    let (mut sum, mut error, mut length) = (0, 0f64, 0f64);
                    for (row, number) in numbers.iter().enumerate() {
                        let integer = (number / f64::from(scale)).round_ties_even() as i8;
                        plain[((column / 16 * k.div_ceil(4) + row / 4) * 16 + column % 16) * 4 + row % 4] = integer;
                        assert_eq!(at(&out, k, row, column), integer, "{k} x {n}");
                        sum += i32::from(integer);
                        error += (number - f64::from(integer) * f64::from(scale)).powi(2);
                        length += number * number;
                    }
                    assert_eq!((columns.scales[column], columns.sums[column]), (scale, sum as f32), "{k} x {n}");
                    most = most.max(if error == 0.0 { 0.0 } else { (error / length).sqrt() });
                }
                assert_eq!(out, plain, "{k} x {n}");
                assert!((columns.difference - most).abs() < 1e-12 && most < 0.02, "{k} x {n}: {most}");
                let padded = n.div_ceil(16) * 16;
                assert_eq!((columns.scales.len(), columns.sums.len()), (padded, padded));
            }
        }
    }

    #[test]
    fn ties_zeros_and_extremes() {
        let (scale, integers, _) = column(&[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, 63.4, -127.0]);
        assert_eq!((scale, integers), (1.0, vec![127, 0, 2, 2, 0, -2, 63, -127]));
        assert_eq!(column(&[0.0, -0.0, 0.0]), (1.0, vec![0; 3], 0.0));
        let largest = f32::MAX;
        let (scale, integers, difference) = column(&[largest, -largest, 1.0]);
        assert!((scale * 127.0).is_finite() && difference < 1e-6, "{scale} {difference}");
        assert_eq!(integers, [127, -127, 0]);
        // The smallest numbers are multiples of the smallest scale.
        let smallest = |times: u32| f32::from_bits(times);
        for times in [1u8, 2, 126, 127] {
            let (scale, integers, difference) = column(&[smallest(times.into()), -smallest(1), 0.0]);
            assert_eq!((scale.to_bits(), integers, difference), (1, vec![times as i8, -1, 0], 0.0));
        }
        for times in [128, 190, 191, 255, 1000] {
            let (scale, integers, _) = column(&[smallest(times), -smallest(times)]);
            let steps = f64::from(times) / f64::from(scale.to_bits());
            assert!(
                (steps - f64::from(integers[0])).abs() <= 0.5 && integers[1] == -integers[0],
                "{times} {integers:?}"
            );
        }
    }

    #[test]
    fn the_most_inputs_have_exact_sums() {
        let (out, columns) = stored(&vec![-3.0; MAX_INPUTS], MAX_INPUTS, 1);
        assert!(out.iter().step_by(ROW).all(|&integer| integer == -127));
        assert_eq!(f64::from(columns.sums[0]), -127.0 * MAX_INPUTS as f64);
        assert_eq!(columns.sums[0] as i32, -127 * MAX_INPUTS as i32);
        assert_eq!(stored_len(MAX_INPUTS + 1, 1), None);
        let (out, columns) = stored(&[], 5, 0);
        assert!(out.is_empty() && columns.scales.is_empty());
    }

    #[test]
    fn what_no_writer_stores_is_found() {
        let (k, n) = (6, 18);
        let (sound, columns) = stored(&vec![0.25; k * n], k, n);
        for at in 0..sound.len() {
            let (panel, step) = (at / (2 * ROW), at / ROW % 2 * 4 + at % 4);
            let is_element = panel * PANEL + at % ROW / 4 < n && step < k;
            let with = |integer: i8| {
                let mut out = sound.clone();
                out[at] = integer;
                (are_valid(&out, k, n), are_sums(&columns.sums, &out, k))
            };
            assert_eq!(with(-128), (false, false), "{at}");
            assert_eq!(with(1), (is_element, false), "{at}");
            assert_eq!(sound[at], if is_element { 127 } else { 0 }, "{at}");
        }
        assert!(!are_sums(&columns.sums[..16], &sound, k));

        for scale in [0.0, -0.0, -1.0, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let mut scales = columns.scales.clone();
            scales[17] = scale;
            assert!(!are_scales(&scales, n), "{scale}");
        }
        let mut scales = columns.scales.clone();
        scales[18] = 1.0;
        assert!(!are_scales(&scales, n) && !are_scales(&[], 1));
        for sum in [0.5, 763.0, -763.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut sums = columns.sums.clone();
            sums[17] = sum;
            assert!(!could_be_sums(&sums, k, n), "{sum}");
        }
        let mut sums = columns.sums.clone();
        sums[17] = -762.0;
        assert!(could_be_sums(&sums, k, n) && !are_sums(&sums, &sound, k));
        sums[31] = 1.0;
        assert!(!could_be_sums(&sums, k, n) && !could_be_sums(&[], k, 1));
    }
}
