//! Packs matrices into column panels ([`Layout::Panels16`](super::Layout::Panels16)) and unpacks them.
//!
//! Knows neither files nor models. Sources are `f64` (the type in which weights are folded) or `f32`; `f64` is rounded
//! once, here.

use half::f16;
use rayon::prelude::*;

use super::format::PANEL;
use crate::threads;

/// Rows per block: 64 rows of a panel take 4 kB and stay in the L1 cache while their 16 columns are written one after
/// another.
const BLOCK: usize = 64;

/// Packs the matrix `at(k, n)` of `k` rows and `n` columns into `[ceil(n / 16)][k][16]`, padding the last panel with
/// zeros. The reference for [`pack_in_out`] and [`pack_out_in`].
pub fn pack_panels(k: usize, n: usize, at: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut panels = vec![0.0; packed_len(k, n)];
    for column in 0..n {
        for row in 0..k {
            panels[(column / PANEL * k + row) * PANEL + column % PANEL] = at(row, column);
        }
    }
    panels
}

/// Packs `weights`, `[k][n]` row-major (inputs × outputs), into `[ceil(n / 16)][k][16]`.
///
/// # Panics
/// If `weights` does not have `k · n` elements.
pub fn pack_in_out<T: Copy + Into<f64> + Sync>(weights: &[T], k: usize, n: usize) -> Vec<f32> {
    check_len(weights.len(), k, n);
    let mut panels = vec![0.0; packed_len(k, n)];
    if !panels.is_empty() {
        threads::for_each(panels.par_chunks_mut(k * PANEL).enumerate(), |(panel, out)| {
            let columns = panel * PANEL..n.min((panel + 1) * PANEL);
            for (out, row) in out.chunks_exact_mut(PANEL).zip(weights.chunks_exact(n)) {
                for (out, &weight) in out.iter_mut().zip(&row[columns.clone()]) {
                    *out = weight.into() as f32;
                }
            }
        });
    }
    panels
}

/// Packs `weights`, `[n][k]` row-major (outputs × inputs, as checkpoints store linear layers), into
/// `[ceil(n / 16)][k][16]`.
///
/// # Panics
/// If `weights` does not have `n · k` elements.
pub fn pack_out_in<T: Copy + Into<f64> + Sync>(weights: &[T], n: usize, k: usize) -> Vec<f32> {
    check_len(weights.len(), k, n);
    let mut panels = vec![0.0; packed_len(k, n)];
    if !panels.is_empty() {
        let columns = weights.par_chunks(k * PANEL);
        threads::for_each(panels.par_chunks_mut(k * PANEL).zip(columns), |(panel, columns)| {
            for (block, out) in panel.chunks_mut(BLOCK * PANEL).enumerate() {
                for (lane, column) in columns.chunks_exact(k).enumerate() {
                    let rows = &column[block * BLOCK..];
                    for (out, &weight) in out.chunks_exact_mut(PANEL).zip(rows) {
                        out[lane] = weight.into() as f32;
                    }
                }
            }
        });
    }
    panels
}

/// Packs a bias `[n]`: pads it with zeros to a multiple of 16.
pub fn pack_bias<T: Copy + Into<f64>>(bias: &[T]) -> Vec<f32> {
    let mut packed: Vec<f32> = bias.iter().map(|&bias| bias.into() as f32).collect();
    packed.resize(bias.len().next_multiple_of(PANEL), 0.0);
    packed
}

/// Unpacks `panels` to the row-major matrix `[k][n]`.
///
/// # Panics
/// If `panels` does not have `ceil(n / 16) · k · 16` elements.
pub fn unpack_panels(panels: &[f32], k: usize, n: usize) -> Vec<f32> {
    assert_eq!(panels.len(), packed_len(k, n), "panels of a {k} x {n} matrix");
    let at = |row: usize, column: usize| panels[(column / PANEL * k + row) * PANEL + column % PANEL];
    (0..k).flat_map(|row| (0..n).map(move |column| at(row, column))).collect()
}

/// Converts `values` to the bits of binary16; `None` unless all of them are exact in it.
pub fn exact_halves(values: &[f32]) -> Option<Vec<u16>> {
    let half = |&value: &f32| {
        let half = f16::from_f32(value);
        (half.to_f32().to_bits() == value.to_bits()).then_some(half.to_bits())
    };
    values.iter().map(half).collect()
}

fn packed_len(k: usize, n: usize) -> usize {
    n.next_multiple_of(PANEL) * k
}

fn check_len(len: usize, k: usize, n: usize) {
    assert_eq!(Some(len), k.checked_mul(n), "elements of a {k} x {n} matrix");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes at the boundaries of panel and block: less one, exact, one more; and zero.
    const SIZES: [usize; 11] = [0, 1, 2, 15, 16, 17, 31, 33, 63, 64, 129];

    #[test]
    fn fast_packings_equal_the_reference() {
        for k in SIZES {
            for n in SIZES {
                // Distinct for each element and exact in f32.
                let at = |row: usize, column: usize| (row * n + column + 1) as f32;
                let plain = pack_panels(k, n, at);
                let in_out: Vec<f32> = (0..k * n).map(|i| at(i / n, i % n)).collect();
                let out_in: Vec<f64> = (0..k * n).map(|i| f64::from(at(i % k, i / k))).collect();
                assert_eq!(pack_in_out(&in_out, k, n), plain, "{k} x {n}");
                assert_eq!(pack_out_in(&out_in, n, k), plain, "{k} x {n}");
                assert_eq!(unpack_panels(&plain, k, n), in_out, "{k} x {n}");
                let filled = plain.iter().filter(|&&weight| weight != 0.0).count();
                assert_eq!((plain.len(), filled), (n.div_ceil(16) * 16 * k, k * n), "{k} x {n}");
            }
        }
    }

    #[test]
    fn a_panel_holds_sixteen_columns_row_after_row() {
        let packed = pack_in_out(&(0..2 * 18).map(|i| i as f32).collect::<Vec<_>>(), 2, 18);
        let mut wanted: Vec<f32> = (0..16).chain(18..34).map(|i| i as f32).collect();
        for row in [[16.0, 17.0], [34.0, 35.0]] {
            wanted.extend(row);
            wanted.extend([0.0; 14]);
        }
        assert_eq!(packed, wanted);
    }

    #[test]
    fn doubles_are_rounded_to_nearest() {
        let third = 1.0 / 3.0f64;
        assert_eq!(pack_in_out(&[third], 1, 1)[0], third as f32);
        assert_eq!(pack_out_in(&[third], 1, 1)[0], third as f32);
        assert_eq!(pack_bias(&[third, 2.0])[..3], [third as f32, 2.0, 0.0]);
    }

    #[test]
    fn a_bias_is_padded_with_zeros() {
        assert!(pack_bias::<f32>(&[]).is_empty());
        assert_eq!(pack_bias(&[1.0f32; 16]), [1.0; 16]);
        assert_eq!(pack_bias(&[1.0f32; 17]).len(), 32);
    }

    #[test]
    #[should_panic(expected = "elements of a 3 x 2 matrix")]
    fn a_wrong_length_is_refused() {
        pack_in_out(&[0.0f32; 5], 3, 2);
    }
}
