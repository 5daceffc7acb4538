//! Products of activations and packed weights: `out = activation(a · w + bias)` or `out += a · w + bias`.
//!
//! Every element is a sum over blocks of `k`, each one chain of multiply-adds in ascending order, in any tile. The
//! boundaries of the blocks depend only on `k`. So the bits of an element depend on its row of `a` and its column of
//! `w`, not on the number of rows or on how the work is split.

mod feed_forward;
mod fetch;
mod lines;
mod split;
mod tile;
mod wide;

use super::Isa;
use super::math::Activation;
use super::output::Out;
use super::simd::{Element, Simd};
use super::strides::Strides;
use super::team::{Team, share_of};
pub(crate) use crate::tensor::PANEL;
pub(crate) use feed_forward::{FeedForward, feed_forward};
pub(crate) use lines::{Lines, LinesOf, convolve};
pub(super) use split::Split;
pub(super) use tile::{A_BLOCK, NO_BIAS, Region, balanced};

/// Activations: `rows` rows of `k` channels.
#[derive(Clone, Copy)]
pub(crate) struct Lhs<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) strides: Strides,
    pub(crate) rows: usize,
    pub(crate) k: usize,
}

/// A matrix `[k, n]` of elements `W` in panels of sixteen columns: element (p, j) is at
/// `(j / 16) · panel_stride + p · k_stride + j % 16`.
///
/// Packed weights have `k_stride` 16 and `panel_stride` 16·k. With `k_stride` the row length and `panel_stride` 16, a
/// row-major matrix is read in place; up to 15 readable elements must follow it.
#[derive(Clone, Copy)]
pub(crate) struct Rhs<'a, W = f32> {
    pub(crate) data: &'a [W],
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) k_stride: usize,
    pub(crate) panel_stride: usize,
}

impl<'a, W: Element> Rhs<'a, W> {
    /// Packed panels.
    pub(crate) fn packed(data: &'a [W], k: usize, n: usize) -> Self {
        Rhs { data, k, n, k_stride: PANEL, panel_stride: PANEL * k }
    }

    fn panels(&self) -> usize {
        self.n.div_ceil(PANEL)
    }

    /// Elements from the first to the last that all panels read; `usize::MAX` if the number is too large.
    fn extent(&self) -> usize {
        if self.k == 0 || self.n == 0 {
            return 0;
        }
        let last_panel = (self.panels() - 1).saturating_mul(self.panel_stride);
        (self.k - 1).saturating_mul(self.k_stride).saturating_add(last_panel).saturating_add(PANEL)
    }
}

/// The steps after a product, before it is stored.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// Added to every row; padded to whole panels.
    pub(crate) bias: Option<&'a [f32]>,
    /// The last step.
    pub(crate) finish: Finish,
}

/// The last step of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Stores the sum.
    Store,
    /// Stores the activation of the sum.
    Activate(Activation),
    /// Adds the sum to the output: a residual connection.
    Accumulate,
    /// Adds the sum to the output and stores the activation of that: the end of a residual block.
    AccumulateActivate(Activation),
}

impl Finish {
    /// Whether the sum is added to the output.
    fn adds(self) -> bool {
        matches!(self, Finish::Accumulate | Finish::AccumulateActivate(_))
    }

    pub(super) fn activation(self) -> Option<Activation> {
        match self {
            Finish::Activate(activation) | Finish::AccumulateActivate(activation) => Some(activation),
            Finish::Store | Finish::Accumulate => None,
        }
    }
}

/// The next product's weights, prefetched.
///
/// Only addresses: a prefetch has no visible effect, so any address is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefetch {
    address: usize,
    panel_bytes: usize,
    panels: usize,
}

impl Prefetch {
    /// Packed weights `[k, n]`.
    pub(crate) fn new<W: Element>(weights: &[W], k: usize) -> Prefetch {
        Prefetch::panels_of(weights, PANEL * k * size_of::<W>())
    }

    /// Weights in panels of so many bytes.
    pub(super) fn panels_of<W>(weights: &[W], panel_bytes: usize) -> Prefetch {
        let panels = size_of_val(weights) / panel_bytes.max(1);
        Prefetch { address: weights.as_ptr().addr(), panel_bytes, panels }
    }

    /// Address of the first panel.
    pub(super) fn address(self) -> usize {
        self.address
    }

    /// Number of panels.
    pub(super) fn panels(self) -> usize {
        self.panels
    }

    /// This prefetch without the first `panels`.
    pub(super) fn skip(self, panels: usize) -> Prefetch {
        let skipped = panels.min(self.panels);
        Prefetch { address: self.address + skipped * self.panel_bytes, panels: self.panels - skipped, ..self }
    }
}

/// Computes `out[i][j] = Σ a[i][p] · w[p][j] + bias[j]` and applies the epilogue. Towards the end, every thread
/// prefetches the part of the next product's weights that it will read first.
///
/// Panics if a slice is too short for its sizes: those follow from a validated model, never from input.
pub(crate) fn gemm<W: Element>(
    isa: Isa,
    team: Team<'_>,
    a: Lhs<'_>,
    w: Rhs<'_, W>,
    epilogue: Epilogue<'_>,
    prefetch: Option<Prefetch>,
    out: Out<'_>,
) {
    check(&a, &w, &epilogue, &out);
    if a.rows == 0 || w.n == 0 {
        return;
    }
    let split = Split::new(a.rows, w.panels(), team);
    let prefetch = prefetch.map(|next| (next, Split::new(a.rows, next.panels, team)));
    let (threads, tasks) = (team.threads(), split.tasks());
    let (strides, shared) = (out.strides(), out.share());
    team.run_by_worker(tasks, |task, worker| {
        let (rows, panels) = split.task(task);
        let last = task + 1 == share_of(worker, threads, tasks).end;
        let prefetch = prefetch.filter(|_| last).map(|(next, split)| {
            let (_, panels) = split.task(share_of(worker, threads, split.tasks()).start);
            next.skip(panels.start)
        });
        // SAFETY: the tasks of a split have disjoint rows or panels, a region writes its own only, and rows of the
        // output do not overlap (checked).
        let out = unsafe { shared.out(strides) };
        isa.run(Region::new(a, w, epilogue, out).part(rows, panels, prefetch));
    });
}

/// Asserts that all operands are as long as their shapes say, and that no rows of the output overlap.
#[inline(always)]
fn check<W: Element>(a: &Lhs<'_>, w: &Rhs<'_, W>, epilogue: &Epilogue<'_>, out: &Out<'_>) {
    assert_eq!(a.k, w.k);
    assert!(a.data.len() >= a.strides.extent(a.rows, a.k), "activations shorter than their shape");
    assert!(w.data.len() >= w.extent(), "weights shorter than their shape");
    out.check(a.rows, w.n);
    let padded = w.n.next_multiple_of(PANEL);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() >= padded), "bias shorter than its panels");
}

/// Computes `out = a · w` on the calling thread, inside of a function that is compiled for `S`.
///
/// Panics if a slice is too short for its sizes.
#[inline(always)]
pub(super) fn gemm_inline<S: Simd>(s: S, a: Lhs<'_>, w: Rhs<'_>, out: Out<'_>) {
    s.run(Region::new(a, w, Epilogue { bias: None, finish: Finish::Store }, out));
}

#[cfg(test)]
mod tests {
    use super::super::Workers;
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
        // Prefetching does not change the result, whatever the address.
        let (epilogue, prefetch) = (Epilogue { bias: Some(&bias), finish }, Some(Prefetch::new(&packed, k)));
        let lhs = Lhs { data: &a, strides: Strides::rows(k), rows: m, k };
        let to = Out::new(&mut out, Strides::rows(stride));
        gemm(isa, team, lhs, Rhs::packed(&packed, k, n), epilogue, prefetch, to);
        // The same with both sides in blocks has the same bits.
        let blocks = reference::block(&a, m, k, k);
        let mut blocked = reference::block(&before, m, n, stride);
        let lhs = Lhs { data: &blocks, strides: Strides::blocked(m), rows: m, k };
        let to = Out::new(&mut blocked, Strides::blocked(m));
        gemm(isa, team, lhs, Rhs::packed(&packed, k, n), epilogue, prefetch, to);
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
                    Finish::AccumulateActivate(kind) => reference::activation(kind, x + old),
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
                        check(isa, Team::SERIAL, m, k, n, Finish::Accumulate);
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
                Finish::AccumulateActivate(Activation::Relu),
            ] {
                for team in [Team::SERIAL, Workers::without_delay().team()] {
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
                check(isa, Workers::without_delay().team(), m, k, n, Finish::Accumulate);
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
            let to = Out::new(&mut out, Strides::rows(n));
            gemm(isa, team, lhs, Rhs::packed(&packed, k, n), PLAIN, None, to);
            out
        };
        for isa in Isa::available() {
            let all = run(isa, Workers::without_delay().team(), 0, 31);
            for first in 0..31 {
                for rows in 1..=31 - first {
                    assert_eq!(run(isa, Team::SERIAL, first, rows), all[first * n..(first + rows) * n]);
                }
            }
        }
    }

    /// Operands that do not fit their shapes are refused before anything is read.
    #[test]
    fn short_operands_are_refused() {
        let (a, w, bias) = (vec![0.0; 3 * 20], vec![0.0; 32 * 20], vec![0.0; 32]);
        let run = |a: &[f32], w: &[f32], bias: &[f32], len: usize, strides: Strides| {
            let lhs = Lhs { data: a, strides: Strides::rows(20), rows: 3, k: 20 };
            let epilogue = Epilogue { bias: Some(bias), finish: Finish::Store };
            let mut out = vec![0.0; len];
            let refused = || _ = Region::new(lhs, Rhs::packed(w, 20, 17), epilogue, Out::new(&mut out, strides));
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(refused)).is_err()
        };
        let rows = Strides::rows(17);
        assert!(!run(&a, &w, &bias, 51, rows));
        assert!(run(&a[1..], &w, &bias, 51, rows));
        assert!(run(&a, &w[1..], &bias, 51, rows));
        assert!(run(&a, &w, &bias[1..], 51, rows));
        assert!(run(&a, &w, &bias, 50, rows));
        assert!(run(&a, &w, &bias, 51, Strides::rows(16)), "rows overlap");
        let wild = Rhs { panel_stride: usize::MAX / 2, ..Rhs::packed(&w, 20, 48) };
        assert_eq!(wild.extent(), usize::MAX, "an extent must not wrap");
    }

    /// Compares with matrixmultiply at a size where the naive product would be slow.
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
            let to = Out::new(&mut ours, Strides::rows(n));
            gemm(isa, Workers::without_delay().team(), lhs, Rhs::packed(&packed, k, n), PLAIN, None, to);
            for (a, b) in ours.iter().zip(&theirs) {
                assert!((a - b).abs() <= 2.0 * tolerance(k) as f32);
            }
        }
    }
}
