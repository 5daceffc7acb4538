//! Products of activations and weights that are integers of eight bits: `out = activation(a · w + bias)` or
//! `out += a · w + bias`.
//!
//! Every column of the weights has a scale, and every row of the activations gets one: a 127th of its largest
//! magnitude. So a row's integers depend on that row alone, sums of integers are exact, and the bits of an element depend
//! neither on the other rows nor on how the work is split. The integers and their sums are the same on every instruction
//! set; what follows, in floats, is not.

mod feed_forward;
mod region;
mod rows;

use super::Isa;
use super::gemm::{Epilogue, Finish, Lhs, PANEL, Prefetch, Split, balanced};
use super::output::Out;
use super::simd::{QUAD, QUAD_BYTES};
use super::team::{Team, share_of};
use crate::tensor::MOST_QUAD_STEPS;
pub(crate) use feed_forward::{FeedForward, feed_forward};
use region::Region;
use rows::Rows;
pub(crate) use rows::{MOST_ROW_LEN, row_len};

/// Floats of scratch in which [`gemm`] is as fast as with more: 2 MiB.
pub(crate) const SCRATCH: usize = 1 << 19;

/// Bytes of packed weights `[k, n]`.
pub(crate) fn packed_len(k: usize, n: usize) -> usize {
    n.div_ceil(PANEL) * k.div_ceil(QUAD) * QUAD_BYTES
}

/// Weights `[k, n]` as integers: `w[p][j] = data · scales[j]`.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    /// In panels of sixteen columns by quads of steps, `[n / 16][k / 4][16][4]`, zeros where there are no steps or columns.
    pub(crate) data: &'a [i8],
    /// Of each column, padded to whole panels.
    pub(crate) scales: &'a [f32],
    /// The sum of the integers of each column, padded to whole panels.
    pub(crate) sums: &'a [f32],
    /// Factors of the activations, `[k]`.
    pub(crate) gains: Option<&'a [f32]>,
    pub(crate) k: usize,
    pub(crate) n: usize,
}

impl<'a> Weights<'a> {
    /// Bytes of a panel.
    fn panel(&self) -> usize {
        self.k.div_ceil(QUAD) * QUAD_BYTES
    }

    fn panels(&self) -> usize {
        self.n.div_ceil(PANEL)
    }

    /// The columns from panel `first` on, `n` of them.
    pub(crate) fn columns(&self, first: usize, n: usize) -> Weights<'a> {
        let from = first * PANEL;
        Weights {
            data: &self.data[first * self.panel()..],
            scales: &self.scales[from..],
            sums: &self.sums[from..],
            n,
            ..*self
        }
    }

    /// Asserts that all parts are as long as the shape says.
    fn check(&self) {
        let columns = self.panels() * PANEL;
        assert!(self.k <= MOST_QUAD_STEPS, "more steps than sums have room for");
        assert!(self.data.len() >= packed_len(self.k, self.n), "weights shorter than their shape");
        assert!(self.scales.len() >= columns && self.sums.len() >= columns, "scales shorter than their panels");
        assert!(self.gains.is_none_or(|gains| gains.len() >= self.k), "gains shorter than the steps");
    }

    /// The weights, for prefetching.
    pub(crate) fn prefetch(&self) -> Prefetch {
        Prefetch::panels_of(self.data, self.panel())
    }
}

/// Computes `out[i][j] = Σ q[i][p] · w[p][j] · scale[i] · scales[j] + bias[j]`, where `q[i] · scale[i]` are the
/// activations times the gains, rounded to integers, and applies the epilogue. `scratch` has any number of floats: the
/// integers of as many rows as fit are made at a time.
///
/// Panics if a slice is too short for its sizes: those follow from a validated model, never from input.
#[expect(clippy::too_many_arguments, reason = "the operands of a product")]
pub(crate) fn gemm(
    isa: Isa,
    team: Team<'_>,
    a: Lhs<'_>,
    w: Weights<'_>,
    epilogue: Epilogue<'_>,
    prefetch: Option<Prefetch>,
    mut out: Out<'_>,
    scratch: &mut [f32],
) {
    w.check();
    assert_eq!(a.k, w.k);
    assert!(a.data.len() >= a.strides.extent(a.rows, a.k), "activations shorter than their shape");
    out.check(a.rows, w.n);
    let row = row_len(w.k);
    assert!(scratch.len() >= row, "scratch shorter than a row");
    if a.rows == 0 || w.n == 0 {
        return;
    }
    for piece in balanced(0..a.rows, scratch.len() / row) {
        let last = piece.end == a.rows;
        let integers = &mut scratch[..piece.len() * row];
        rows::quantise(isa, team, a, piece.clone(), w.gains, integers);
        let to = out.from(piece.start, 0);
        product(isa, team, Rows::new(integers, piece.len(), w.k), w, epilogue, prefetch.filter(|_| last), to);
    }
}

/// The product of rows that are integers.
fn product(
    isa: Isa,
    team: Team<'_>,
    a: Rows<'_>,
    w: Weights<'_>,
    epilogue: Epilogue<'_>,
    prefetch: Option<Prefetch>,
    out: Out<'_>,
) {
    let split = Split::new(a.rows(), w.panels(), team);
    let prefetch = prefetch.map(|next| (next, Split::new(a.rows(), next.panels(), team)));
    let (threads, tasks) = (team.threads(), split.tasks());
    let (strides, shared) = (out.strides(), out.share());
    team.run_by_worker(tasks, |task, worker| {
        let (rows, panels) = split.task(task);
        let last = task + 1 == share_of(worker, threads, tasks).end;
        let next = prefetch.filter(|_| last).map(|(next, split)| {
            let (_, panels) = split.task(share_of(worker, threads, split.tasks()).start);
            next.skip(panels.start)
        });
        // SAFETY: the tasks of a split have disjoint rows or panels, a region writes its own only, and rows of the
        // output do not overlap (checked).
        let out = unsafe { shared.out(strides) };
        isa.run(Region::new(a, w, epilogue, out).part(rows, panels, next));
    });
}

#[cfg(test)]
mod tests {
    use super::super::math::Activation;
    use super::super::simd::{Kernel, MOST_PANELS, MOST_ROWS, MOST_SIGNED, QuadFetch, QuadTile, Simd};
    use super::super::strides::Strides;
    use super::super::{Workers, reference};
    use super::*;
    use std::ops::Range;

    /// Every instruction set of this machine, with and without its instructions for products of integers.
    pub(super) fn every_isa() -> Vec<Isa> {
        let mut all = Isa::available();
        all.extend(Isa::amx());
        all.extend(Isa::available().into_iter().map(Isa::without_dot).filter(|isa| !Isa::available().contains(isa)));
        all
    }

    /// Weights that are integers, `[k][n]`, in panels of quads, and the sums of their columns.
    fn pack(w: &[i8], k: usize, n: usize) -> (Vec<i8>, Vec<f32>) {
        let quads = k.div_ceil(QUAD);
        let mut data = vec![0; n.div_ceil(PANEL) * quads * QUAD_BYTES];
        let mut sums = vec![0.0; n.next_multiple_of(PANEL)];
        for p in 0..k {
            for j in 0..n {
                data[(j / PANEL * quads + p / QUAD) * QUAD_BYTES + j % PANEL * QUAD + p % QUAD] = w[p * n + j];
                sums[j] += f32::from(w[p * n + j]);
            }
        }
        (data, sums)
    }

    /// Integers in -127 ..= 127, the ends of the range among them.
    fn integers(name: &str, len: usize) -> Vec<i8> {
        let mut integers: Vec<i8> = reference::noise(name, len, 127.9).into_iter().map(|x| x as i8).collect();
        integers.iter_mut().step_by(5).for_each(|x| *x = if *x < 0 { -127 } else { 127 });
        integers
    }

    /// Runs one tile and returns its sums.
    struct Tile<'a>(&'a [i8], &'a [i8], usize);

    impl Kernel for Tile<'_> {
        /// For each size of tile: rows, panels, sums.
        type Output = Vec<(usize, usize, Vec<i32>)>;

        #[inline(always)]
        fn call<S: Simd>(self, s: S) -> Self::Output {
            let Tile(a, w, k) = self;
            let shape = s.quad_shape();
            let (quads, panel) = (k.div_ceil(QUAD), k.div_ceil(QUAD) * QUAD_BYTES);
            let row = a.len() / MOST_ROWS;
            let mut integers = vec![0.0; MOST_ROWS * row_len(row)];
            for (a, integers) in a.chunks(row.max(1)).zip(integers.chunks_mut(row_len(row))) {
                let bytes = a.iter().map(|&a| a as u8 ^ shape.offset);
                bytemuck::cast_slice_mut(integers).iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
                rows::split(s, integers, row);
            }
            let packed = Rows::new(&integers, MOST_ROWS, row);
            let mut all = Vec::new();
            for rows in 1..=shape.rows {
                s.begin_quads(rows);
                for panels in 1..=shape.panels {
                    let starts: Vec<i32> = (0..panels * PANEL)
                        .map(|j| {
                            let at =
                                |p: usize| w[j / PANEL * panel + p / QUAD * QUAD_BYTES + j % PANEL * QUAD + p % QUAD];
                            -i32::from(shape.offset) * (0..k).map(|p| i32::from(at(p))).sum::<i32>()
                        })
                        .collect();
                    let mut sums = vec![i32::MIN; rows * panels * PANEL + 1];
                    // SAFETY: the operands have whole quads of as many rows and panels as the largest tile has.
                    unsafe {
                        s.quads(&QuadTile::new(
                            (packed.at(0).0, packed.at(0).1, packed.len()),
                            (w.as_ptr(), panel),
                            quads,
                            (rows, panels),
                            starts.as_ptr(),
                            sums.as_mut_ptr(),
                            QuadFetch { next: usize::MAX, pace: 3 },
                        ));
                    }
                    assert_eq!(sums.pop(), Some(i32::MIN), "written past the tile");
                    all.push((rows, panels, sums));
                }
            }
            s.end_quads();
            all
        }
    }

    /// Sums of integers, of every size of tile, on every instruction set, and with every product at the end of its range.
    #[test]
    fn sums_are_exact_on_every_instruction_set() {
        for k in [0, 1, 3, 4, 5, 16, 63, 64, 100, MOST_SIGNED - 1, MOST_SIGNED, MOST_SIGNED + 1, 1030] {
            let (rows, n) = (MOST_ROWS, MOST_PANELS * PANEL);
            let stride = k.next_multiple_of(64);
            let extremes = [(127, 127), (-127, 127), (127, -127), (-127, -127)];
            let constant = extremes.map(|(a, w)| (vec![a; rows * stride], vec![w; k * n]));
            for (mut a, w) in constant.into_iter().chain([(integers("a", rows * stride), integers("w", k * n))]) {
                for row in a.chunks_mut(stride.max(1)) {
                    row.iter_mut().skip(k).for_each(|step| *step = 0);
                }
                let (packed, _) = pack(&w, k, n);
                for isa in every_isa() {
                    for (rows, panels, sums) in isa.run(Tile(&a, &packed, k)) {
                        for (i, sum) in sums.into_iter().enumerate() {
                            let (r, j) = (i / (panels * PANEL), i % (panels * PANEL));
                            let exact =
                                (0..k).map(|p| i32::from(a[r * stride + p]) * i32::from(w[p * n + j])).sum::<i32>();
                            assert_eq!(sum, exact, "{isa:?} {rows} rows, {panels} panels, {k} steps: {r}, {j}");
                        }
                    }
                }
            }
        }
    }

    /// A product in f64 of the integers that rows and weights have.
    struct Case {
        m: usize,
        k: usize,
        n: usize,
        a: Vec<f32>,
        w: Vec<i8>,
        packed: (Vec<i8>, Vec<f32>),
        scales: Vec<f32>,
        gains: Option<Vec<f32>>,
        bias: Vec<f32>,
    }

    impl Case {
        fn new(m: usize, k: usize, n: usize, gains: bool) -> Case {
            let w = integers("w", k * n);
            let mut scales: Vec<f32> =
                reference::noise("scales", n, 0.01).into_iter().map(|x| x.abs() + 0.001).collect();
            let mut bias = reference::noise("bias", n, 1.0);
            scales.resize(n.next_multiple_of(PANEL), 0.0);
            bias.resize(n.next_multiple_of(PANEL), 0.0);
            let packed = pack(&w, k, n);
            let gains = gains.then(|| reference::noise("gains", k, 1.5));
            Case { m, k, n, a: reference::noise("a", m * k, 2.0), w, packed, scales, gains, bias }
        }

        fn weights(&self) -> Weights<'_> {
            let (data, sums) = (&self.packed.0[..], &self.packed.1[..]);
            Weights { data, scales: &self.scales, sums, gains: self.gains.as_deref(), k: self.k, n: self.n }
        }

        /// The product as [`gemm`] defines it.
        fn exact(&self) -> Vec<f64> {
            let mut out = vec![0.0; self.m * self.n];
            for i in 0..self.m {
                let gain = |p: usize| self.gains.as_ref().map_or(1.0, |gains| gains[p]);
                let row: Vec<f32> = (0..self.k).map(|p| self.a[i * self.k + p] * gain(p)).collect();
                let largest = row.iter().fold(0f32, |largest, x| largest.max(x.abs()));
                let integers: Vec<i32> = row.iter().map(|x| (x * (127.0 / largest)).round_ties_even() as i32).collect();
                for j in 0..self.n {
                    let sum: i32 = (0..self.k).map(|p| integers[p] * i32::from(self.w[p * self.n + j])).sum();
                    let scale = f64::from(largest) / 127.0 * f64::from(self.scales[j]);
                    out[i * self.n + j] = f64::from(sum) * scale + f64::from(self.bias[j]);
                }
            }
            out
        }

        fn run(
            &self,
            isa: Isa,
            team: Team<'_>,
            rows: Range<usize>,
            finish: Finish,
            scratch: usize,
            blocked: bool,
        ) -> Vec<f32> {
            let m = rows.len();
            let a = &self.a[rows.start * self.k..rows.end * self.k];
            let blocks = reference::block(a, m, self.k, self.k);
            let (a, strides) = if blocked { (&blocks[..], Strides::blocked(m)) } else { (a, Strides::rows(self.k)) };
            let to = if blocked { Strides::blocked(m) } else { Strides::rows(self.n + 3) };
            let mut out = vec![0.5; to.extent(m, self.n).next_multiple_of(PANEL) + 3];
            let epilogue = Epilogue { bias: Some(&self.bias), finish };
            let mut scratch = vec![f32::NAN; scratch * row_len(self.k)];
            let lhs = Lhs { data: a, strides, rows: m, k: self.k };
            let next = Some(self.weights().prefetch());
            gemm(isa, team, lhs, self.weights(), epilogue, next, Out::new(&mut out, to), &mut scratch);
            (0..m * self.n).map(|i| out[to.at(i / self.n, i % self.n)]).collect()
        }
    }

    /// Rounding of the last steps: conversion of a sum, two scales, bias, old output.
    fn close(got: f32, exact: f64) -> bool {
        (f64::from(got) - exact).abs() <= 4e-7 * (exact.abs() + 4.0)
    }

    #[test]
    fn products_are_those_of_their_integers() {
        let sizes = [(1, 5, 1), (3, 16, 16), (14, 40, 33), (15, 64, 48), (50, 100, 70), (29, 7, 130), (4, 772, 32)];
        for (m, k, n) in sizes {
            for gains in [false, true] {
                let case = Case::new(m, k, n, gains);
                let exact = case.exact();
                for isa in every_isa() {
                    for team in [Team::SERIAL, Workers::without_delay().team()] {
                        for finish in [Finish::Store, Finish::Accumulate, Finish::Activate(Activation::Gelu)] {
                            let got = case.run(isa, team, 0..m, finish, m, false);
                            for (i, (&got, &x)) in got.iter().zip(&exact).enumerate() {
                                let x = match finish {
                                    Finish::Accumulate => x + 0.5,
                                    Finish::Activate(kind) => reference::activation(kind, x),
                                    _ => x,
                                };
                                assert!(close(got, x), "{isa:?} {m} x {k} x {n} {finish:?} {i}: {got} {x}");
                            }
                            assert_eq!(case.run(isa, team, 0..m, finish, 1, true), got, "{isa:?} {m} x {k} x {n}");
                            assert_eq!(case.run(isa, team, 0..m, finish, m.div_ceil(3), false), got);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn bits_of_a_row_do_not_depend_on_the_other_rows_or_threads() {
        let cases = [200, MOST_SIGNED, MOST_SIGNED + 1].map(|k| Case::new(31, k, 72, true));
        for (isa, case) in every_isa().into_iter().flat_map(|isa| cases.iter().map(move |case| (isa, case))) {
            let all = case.run(isa, Workers::without_delay().team(), 0..31, Finish::Store, 31, false);
            for first in 0..31 {
                for end in [first + 1, 31.min(first + 7), 31] {
                    let got = case.run(isa, Team::SERIAL, first..end, Finish::Store, 5, false);
                    assert_eq!(got, all[first * 72..end * 72], "{isa:?} {} {first}..{end}", case.k);
                }
            }
        }
    }

    #[test]
    fn rows_that_are_not_finite_stay_so() {
        let mut case = Case::new(3, 40, 20, true);
        case.a[45] = f32::INFINITY;
        for isa in every_isa() {
            let got = case.run(isa, Team::SERIAL, 0..3, Finish::Store, 3, false);
            assert!(got[20..40].iter().all(|x| x.is_nan()), "{isa:?}");
            assert!(got[..20].iter().chain(&got[40..]).all(|x| x.is_finite()), "{isa:?}");
        }
    }

    #[test]
    fn feed_forward_is_its_two_products() {
        let (m, k) = (140, 40);
        let cases = [72, MOST_SIGNED + 1].map(|hidden| (hidden, Case::new(m, k, hidden, true)));
        for (isa, (hidden, first)) in every_isa().into_iter().flat_map(|isa| cases.iter().map(move |case| (isa, case)))
        {
            let inner = first.run(isa, Team::SERIAL, 0..m, Finish::Activate(Activation::Gelu), m, false);
            let second = Case { a: inner, ..Case::new(m, *hidden, k, false) };
            let exact = second.run(isa, Team::SERIAL, 0..m, Finish::Accumulate, m, false);
            for team in [Team::SERIAL, Workers::without_delay().team()] {
                let weights = FeedForward {
                    first: (first.weights(), Some(&first.bias)),
                    activation: Activation::Gelu,
                    second: (second.weights(), Some(&second.bias)),
                };
                let mut scratch = vec![f32::NAN; weights.scratch(m, team)];
                let mut out = vec![0.5; m * k];
                let lhs = Lhs { data: &first.a, strides: Strides::rows(k), rows: m, k };
                feed_forward(isa, team, lhs, weights, Out::new(&mut out, Strides::rows(k)), &mut scratch);
                assert_eq!(out, exact, "{isa:?} {hidden}");
            }
        }
    }
}
