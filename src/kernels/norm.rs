//! LayerNorm over the channels of rows.

use super::Isa;
use super::simd::{Kernel, Simd};
use super::team::Team;

/// Rows of a task; a single row is too little work for one.
const ROWS_PER_TASK: usize = 4;

/// What is applied after normalising.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Affine<'a> {
    /// Nothing: factors and offsets are folded into the next product.
    Folded,
    /// Factors; offsets are folded into the next product.
    Factors(&'a [f32]),
    /// Factors and offsets.
    Both(&'a [f32], &'a [f32]),
}

/// Computes `out[r] = (x[r] − mean) / sqrt(variance + eps)`, then the affine part. Mean and biased variance are those
/// of the `width` channels of each row, in two passes.
pub(crate) fn layer_norm(
    isa: Isa,
    team: Team<'_>,
    x: &[f32],
    width: usize,
    eps: f32,
    affine: Affine<'_>,
    out: &mut [f32],
) {
    assert_eq!(x.len(), out.len());
    team.rows(out, width, ROWS_PER_TASK, |row, out| {
        isa.run(Row { x: &x[row * width..][..width], eps, affine, out });
    });
}

/// Like [`layer_norm`], in place.
pub(crate) fn layer_norm_in_place(isa: Isa, team: Team<'_>, x: &mut [f32], width: usize, eps: f32, affine: Affine<'_>) {
    team.rows(x, width, ROWS_PER_TASK, |_, row| isa.run(RowInPlace { row, eps, affine }));
}

struct Row<'a> {
    x: &'a [f32],
    eps: f32,
    affine: Affine<'a>,
    out: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let (mean, scale) = statistics(s, self.x, self.eps);
        self.out.copy_from_slice(self.x);
        normalise(s, self.out, mean, scale, self.affine);
    }
}

struct RowInPlace<'a> {
    row: &'a mut [f32],
    eps: f32,
    affine: Affine<'a>,
}

impl Kernel for RowInPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let (mean, scale) = statistics(s, self.row, self.eps);
        normalise(s, self.row, mean, scale, self.affine);
    }
}

/// Mean and `1 / sqrt(variance + eps)` of a row.
#[inline(always)]
fn statistics<S: Simd>(s: S, x: &[f32], eps: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = sum_map(s, x, |_, v| v, |v| v) / n;
    let variance = sum_map(
        s,
        x,
        |s, v| {
            let d = s.sub(v, s.splat(mean));
            s.mul(d, d)
        },
        |v| (v - mean) * (v - mean),
    ) / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// The sum of a function of every element, in an order that depends only on the length.
#[inline(always)]
fn sum_map<S: Simd>(s: S, x: &[f32], vector: impl Fn(S, S::F) -> S::F, scalar: impl Fn(f32) -> f32) -> f32 {
    let (mut a, mut b) = (s.splat(0.0), s.splat(0.0));
    let mut pairs = x.chunks_exact(2 * S::LANES);
    for pair in &mut pairs {
        // SAFETY: the chunk holds twice LANES floats.
        unsafe {
            a = s.add(a, vector(s, s.load(pair.as_ptr())));
            b = s.add(b, vector(s, s.load(pair.as_ptr().add(S::LANES))));
        }
    }
    pairs.remainder().iter().fold(s.sum(s.add(a, b)), |total, &v| total + scalar(v))
}

/// `(row − mean) · scale`, then the affine part.
#[inline(always)]
fn normalise<S: Simd>(s: S, row: &mut [f32], mean: f32, scale: f32, affine: Affine<'_>) {
    let (vmean, vscale) = (s.splat(mean), s.splat(scale));
    let whole = row.len() / S::LANES * S::LANES;
    match affine {
        Affine::Both(gamma, beta) => {
            assert!(gamma.len() >= row.len() && beta.len() >= row.len());
            for i in (0..whole).step_by(S::LANES) {
                // SAFETY: i + LANES ≤ row.len(), which gamma and beta reach (asserted).
                unsafe {
                    let v = s.mul(s.sub(s.load(row.as_ptr().add(i)), vmean), vscale);
                    let v = s.mul_add(v, s.load(gamma.as_ptr().add(i)), s.load(beta.as_ptr().add(i)));
                    s.store(row.as_mut_ptr().add(i), v);
                }
            }
            for i in whole..row.len() {
                row[i] = (row[i] - mean) * scale * gamma[i] + beta[i];
            }
        }
        Affine::Factors(gamma) => {
            assert!(gamma.len() >= row.len());
            for i in (0..whole).step_by(S::LANES) {
                // SAFETY: i + LANES ≤ row.len(), which gamma reaches (asserted).
                unsafe {
                    let v = s.mul(s.sub(s.load(row.as_ptr().add(i)), vmean), vscale);
                    s.store(row.as_mut_ptr().add(i), s.mul(v, s.load(gamma.as_ptr().add(i))));
                }
            }
            for i in whole..row.len() {
                row[i] = (row[i] - mean) * scale * gamma[i];
            }
        }
        Affine::Folded => {
            for i in (0..whole).step_by(S::LANES) {
                // SAFETY: i + LANES ≤ row.len().
                unsafe {
                    let v = s.mul(s.sub(s.load(row.as_ptr().add(i)), vmean), vscale);
                    s.store(row.as_mut_ptr().add(i), v);
                }
            }
            for v in &mut row[whole..] {
                *v = (*v - mean) * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workers;
    use super::super::reference;
    use super::*;

    /// Rounding of a two-pass LayerNorm in f32 against f64, for values of order one.
    const EPS: f64 = 2e-6;

    #[test]
    fn equals_the_formula_for_every_width() {
        for isa in Isa::available() {
            for width in [1usize, 2, 7, 15, 16, 17, 32, 33, 40, 63, 64, 65, 512, 768, 1024] {
                let rows = 3 * ROWS_PER_TASK;
                let x = reference::noise("x", rows * width, 3.0);
                let gamma = reference::noise("gamma", width, 1.0);
                let beta = reference::noise("beta", width, 1.0);
                for affine in [Affine::Folded, Affine::Factors(&gamma), Affine::Both(&gamma, &beta)] {
                    let exact = reference::layer_norm(&x, width, 1e-5, affine);
                    for team in [Team::SERIAL, Workers::without_delay().team()] {
                        let mut out = vec![f32::NAN; rows * width];
                        layer_norm(isa, team, &x, width, 1e-5, affine, &mut out);
                        let mut in_place = x.clone();
                        layer_norm_in_place(isa, team, &mut in_place, width, 1e-5, affine);
                        assert_eq!(out, in_place);
                        for (v, e) in out.iter().zip(&exact) {
                            assert!((f64::from(*v) - e).abs() <= EPS * (1.0 + e.abs()), "{isa:?} {width}: {v} {e}");
                        }
                    }
                }
            }
        }
    }
}
