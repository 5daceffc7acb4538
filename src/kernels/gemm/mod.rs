//! Products of activations and packed weights: `out = activation(a · w + bias)` or `out += a · w + bias`.
//!
//! Every element is a sum over blocks of `k` of one chain of multiply-adds each, in ascending order, whatever the
//! tile it falls in; where blocks end depends on `k` alone. So its bits depend on its row of `a` and its column of
//! `w`: neither on the number of rows, nor on how the work is split.

mod feed_forward;
mod split;
mod tile;

use super::Isa;
use super::math::Activation;
use super::simd::Simd;
use super::strides::Strides;
use super::team::{Shared, Team, share_of};
pub(crate) use feed_forward::{FeedForward, feed_forward};
use split::Split;
pub(super) use tile::Region;
pub(super) use tile::balanced;

/// Columns of a panel, as `weights/README.md` defines it.
pub(crate) const PANEL: usize = 16;

/// Activations: `rows` rows of `k` channels.
#[derive(Clone, Copy)]
pub(crate) struct Lhs<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) strides: Strides,
    pub(crate) rows: usize,
    pub(crate) k: usize,
}

/// Where a product goes: as many rows as the activations have, of as many channels as the weights have columns.
pub(crate) struct Out<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) strides: Strides,
}

/// A matrix `[k, n]` in panels of sixteen columns: element (p, j) stands at
/// `(j / 16) · panel_stride + p · k_stride + j % 16`.
///
/// Packed weights have `k_stride` 16 and `panel_stride` 16·k. With `k_stride` the row length and `panel_stride`
/// 16 a row-major matrix is read where it lies; it must then be followed by up to 15 readable floats.
#[derive(Clone, Copy)]
pub(crate) struct Rhs<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) k_stride: usize,
    pub(crate) panel_stride: usize,
}

impl<'a> Rhs<'a> {
    /// Packed panels.
    pub(crate) fn packed(data: &'a [f32], k: usize, n: usize) -> Self {
        Rhs { data, k, n, k_stride: PANEL, panel_stride: PANEL * k }
    }

    /// Floats that reading all panels touches.
    fn extent(&self) -> usize {
        match (self.k, self.n) {
            (0, _) | (_, 0) => 0,
            (k, n) => (n.div_ceil(PANEL) - 1) * self.panel_stride + (k - 1) * self.k_stride + PANEL,
        }
    }
}

/// What happens to a product before it is stored.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// Added to every row; padded to whole panels.
    pub(crate) bias: Option<&'a [f32]>,
    /// What becomes of the sum.
    pub(crate) finish: Finish,
}

/// Packed weights of the product after this one, which would begin with waiting for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coming<'a> {
    weights: &'a [f32],
    panel_stride: usize,
}

/// The last step of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The sum replaces what the output holds.
    Store,
    /// The activation of the sum replaces it.
    Activate(Activation),
    /// The sum is added to it: a residual connection.
    Accumulate,
}

/// Computes `out[i][j] = Σ a[i][p] · w[p][j] + bias[j]`, finished as the epilogue says. Towards the end every thread
/// fetches what it will read first of the weights that are `coming`.
///
/// Panics where a slice is too short for its sizes: those follow from a validated model, never from input.
pub(crate) fn gemm(
    isa: Isa,
    team: Team<'_>,
    a: Lhs<'_>,
    w: Rhs<'_>,
    epilogue: Epilogue<'_>,
    coming: Option<Coming<'_>>,
    out: Out<'_>,
) {
    a.check(&w, &epilogue, &out);
    if a.rows == 0 || w.n == 0 {
        return;
    }
    let split = Split::new(a.rows, w.n.div_ceil(PANEL), team);
    let coming = coming.map(|coming| (coming, Split::new(a.rows, coming.panels(), team)));
    let (members, tasks) = (team.members(), split.tasks());
    let (shared, strides) = (Shared::new(out.data), out.strides);
    team.run_by_members(tasks, |task, member| {
        let (rows, panels) = split.task(task);
        let coming = coming.filter(|_| task + 1 == share_of(member, members, tasks).end).map(|(coming, split)| {
            let (_, panels) = split.task(share_of(member, members, split.tasks()).start);
            coming.without(panels.start)
        });
        isa.run(Region { a, w, epilogue, out: shared.get(), strides, rows, panels, coming });
    });
}

impl<'a> Coming<'a> {
    /// Packed weights `[k, n]`.
    pub(crate) fn new(weights: &'a [f32], k: usize) -> Coming<'a> {
        Coming { weights, panel_stride: PANEL * k }
    }

    fn panels(self) -> usize {
        self.weights.len() / self.panel_stride.max(1)
    }

    /// All but the first `panels`.
    fn without(self, panels: usize) -> Coming<'a> {
        Coming { weights: self.weights.get(panels * self.panel_stride..).unwrap_or_default(), ..self }
    }
}

impl Lhs<'_> {
    /// Asserts what a [`Region`] of this product relies on.
    pub(super) fn check(&self, w: &Rhs<'_>, epilogue: &Epilogue<'_>, out: &Out<'_>) {
        assert_eq!(self.k, w.k);
        assert!(self.data.len() >= self.strides.extent(self.rows, self.k), "activations shorter than their shape");
        assert!(w.data.len() >= w.extent(), "weights shorter than their shape");
        assert!(out.data.len() >= out.strides.extent(self.rows, w.n), "output too short");
        let (row, block) = (out.strides.row, out.strides.block);
        assert!(self.rows <= 1 || row >= w.n || row == PANEL && block >= row * self.rows, "rows of the output overlap");
        let padded = w.n.next_multiple_of(PANEL);
        assert!(epilogue.bias.is_none_or(|bias| bias.len() >= padded), "bias shorter than its panels");
    }
}

/// The same on the calling thread and inside a function that is already compiled for `S`.
///
/// # Safety
/// `a`, `w` and the bias must be long enough for their shapes and `out` writable for `a.rows` rows of `w.n`
/// floats `out_stride` apart (what [`gemm`] asserts).
#[inline(always)]
pub(super) unsafe fn gemm_inline<S: Simd>(s: S, a: Lhs<'_>, w: Rhs<'_>, out: *mut f32, out_stride: usize) {
    let epilogue = Epilogue { bias: None, finish: Finish::Store };
    s.run(Region::whole(a, w, epilogue, out, Strides::rows(out_stride)));
}

#[cfg(test)]
mod tests {
    use super::super::Crew;
    use super::super::reference;
    use super::*;

    /// Rounding of a chain of k multiply-adds of values below one: partial sums reach √k, each is rounded by
    /// up to √k · 2⁻²⁴, and k roundings add up at random to k · 2⁻²⁴ / √3; this is three times that.
    fn tolerance(k: usize) -> f64 {
        1e-7 * k as f64 + 1e-6
    }

    const PLAIN: Epilogue<'static> = Epilogue { bias: None, finish: Finish::Store };

    fn check(isa: Isa, team: Team<'_>, m: usize, k: usize, n: usize, finish: Finish) {
        let a = reference::noise("a", m * k, 1.0);
        let w = reference::noise("w", k * n, 1.0);
        let mut bias = reference::noise("bias", n, 1.0);
        bias.resize(n.div_ceil(16) * 16, 0.0);
        let packed = reference::pack(&w, k, n);
        let stride = n + 3;
        let before = reference::noise("out", m * stride, 1.0);
        let mut out = before.clone();
        // What is fetched ahead has no part in the result, wherever it lies.
        let (epilogue, coming) = (Epilogue { bias: Some(&bias), finish }, Some(Coming::new(&packed, k)));
        let lhs = Lhs { data: &a, strides: Strides::rows(k), rows: m, k };
        let to = Out { data: &mut out, strides: Strides::rows(stride) };
        gemm(isa, team, lhs, Rhs::packed(&packed, k, n), epilogue, coming, to);
        // The same with both sides in blocks has the same bits.
        let blocks = reference::block(&a, m, k, k);
        let mut blocked = reference::block(&before, m, n, stride);
        let lhs = Lhs { data: &blocks, strides: Strides::blocked(m), rows: m, k };
        let to = Out { data: &mut blocked, strides: Strides::blocked(m) };
        gemm(isa, team, lhs, Rhs::packed(&packed, k, n), epilogue, coming, to);
        for i in 0..m * n {
            assert_eq!(blocked[Strides::blocked(m).at(i / n, i % n)], out[i / n * stride + i % n]);
        }
        let exact = reference::matmul(&a, &w, m, k, n);
        for i in 0..m {
            for j in 0..stride {
                let got = f64::from(out[i * stride + j]);
                let old = f64::from(before[i * stride + j]);
                if j >= n {
                    assert_eq!(got, old, "padding of row {i} was written");
                    continue;
                }
                let x = exact[i * n + j] + f64::from(bias[j]);
                let y = match finish {
                    Finish::Store => x,
                    Finish::Activate(kind) => reference::activation(kind, x),
                    Finish::Accumulate => x + old,
                };
                assert!((got - y).abs() <= tolerance(k), "{isa:?} {m}x{k}x{n} ({i},{j}): {got} {y}");
            }
        }
    }

    #[test]
    fn equals_the_plain_product_around_tile_sizes() {
        for isa in Isa::available() {
            for m in (0..=17).chain([27, 28, 29, 50]) {
                for n in [0, 1, 15, 16, 17, 31, 32, 33, 48, 49, 70] {
                    for k in [0, 1, 5, 16, 33] {
                        check(isa, Team::ALONE, m, k, n, Finish::Accumulate);
                    }
                }
            }
        }
    }

    #[test]
    fn epilogues_and_threads() {
        for isa in Isa::available() {
            for finish in [
                Finish::Store,
                Finish::Accumulate,
                Finish::Activate(Activation::Gelu),
                Finish::Activate(Activation::QuickGelu),
            ] {
                for team in [Team::ALONE, Crew::eager().team()] {
                    check(isa, team, 19, 40, 90, finish);
                    check(isa, team, 1, 40, 512, finish);
                }
            }
        }
    }

    #[test]
    fn models_shapes() {
        for isa in Isa::available() {
            for (m, k, n) in [(50, 768, 2304), (50, 3072, 768), (7, 512, 512), (197, 768, 96)] {
                check(isa, Crew::eager().team(), m, k, n, Finish::Accumulate);
            }
        }
    }

    #[test]
    fn bits_of_a_row_do_not_depend_on_the_other_rows_or_threads() {
        let (k, n) = (200, 72);
        let a = reference::noise("a", 31 * k, 1.0);
        let packed = reference::pack(&reference::noise("w", k * n, 1.0), k, n);
        let run = |isa, team: Team<'_>, first: usize, rows: usize| {
            let mut out = vec![0.0; rows * n];
            let lhs = Lhs { data: &a[first * k..], strides: Strides::rows(k), rows, k };
            let to = Out { data: &mut out, strides: Strides::rows(n) };
            gemm(isa, team, lhs, Rhs::packed(&packed, k, n), PLAIN, None, to);
            out
        };
        for isa in Isa::available() {
            let all = run(isa, Crew::eager().team(), 0, 31);
            for first in 0..31 {
                for rows in 1..=31 - first {
                    assert_eq!(run(isa, Team::ALONE, first, rows), all[first * n..(first + rows) * n]);
                }
            }
        }
    }

    /// matrixmultiply as a second opinion at a size where the plain product would be slow.
    #[test]
    fn agrees_with_matrixmultiply() {
        let (m, k, n) = (197, 768, 3072);
        let a = reference::noise("a", m * k, 1.0);
        let w = reference::noise("w", k * n, 1.0);
        let packed = reference::pack(&w, k, n);
        let mut theirs = vec![0.0f32; m * n];
        // SAFETY: row-major matrices of exactly these sizes.
        unsafe {
            matrixmultiply::sgemm(
                m,
                k,
                n,
                1.0,
                a.as_ptr(),
                k as isize,
                1,
                w.as_ptr(),
                n as isize,
                1,
                0.0,
                theirs.as_mut_ptr(),
                n as isize,
                1,
            );
        }
        for isa in Isa::available() {
            let mut ours = vec![0.0f32; m * n];
            let lhs = Lhs { data: &a, strides: Strides::rows(k), rows: m, k };
            let to = Out { data: &mut ours, strides: Strides::rows(n) };
            gemm(isa, Crew::eager().team(), lhs, Rhs::packed(&packed, k, n), PLAIN, None, to);
            for (a, b) in ours.iter().zip(&theirs) {
                assert!((a - b).abs() <= 2.0 * tolerance(k) as f32);
            }
        }
    }
}
