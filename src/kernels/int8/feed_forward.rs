//! Two products of integers with an activation in between, for tiles of rows whose hidden values stay in the cache.

use std::ops::Range;

use super::super::Isa;
use super::super::gemm::{Finish, Lhs};
use super::super::math::Activation;
use super::super::output::Out;
use super::super::simd::{Kernel, Simd};
use super::super::strides::{Strides, blocked_len};
use super::super::team::Team;
use super::region::Region;
use super::rows::{Row, Rows};
use super::{Epilogue, Weights, balanced, row_len};

/// Rows of a tile, which goes through both products at once: its hidden values and both weights share L2.
const ROWS: usize = 112;

/// Rows below which a task is not worthwhile, as it reads all weights.
const LEAST_ROWS: usize = 28;

/// The weights of both products, each with its bias, if it has one, and the activation in between.
#[derive(Clone, Copy)]
pub(crate) struct FeedForward<'a> {
    pub(crate) first: (Weights<'a>, Option<&'a [f32]>),
    pub(crate) activation: Activation,
    pub(crate) second: (Weights<'a>, Option<&'a [f32]>),
}

impl FeedForward<'_> {
    /// Floats of scratch for `rows` rows.
    pub(crate) fn scratch(&self, rows: usize, team: Team<'_>) -> usize {
        team.threads() * self.piece(rows, tasks(rows, team))
    }

    /// Floats of scratch of a task: hidden values, and the integers of the rows of either product.
    fn piece(&self, rows: usize, tasks: usize) -> usize {
        let rows = ROWS.min(rows.div_ceil(tasks));
        blocked_len(rows, self.first.0.n) + rows * self.row_len()
    }

    fn row_len(&self) -> usize {
        row_len(self.first.0.k).max(row_len(self.second.0.k))
    }
}

/// Tasks of at least two register tiles each.
fn tasks(rows: usize, team: Team<'_>) -> usize {
    team.tasks_of(rows / LEAST_ROWS)
}

/// Computes `out += second(activation(first(a)))`; `scratch` has [`FeedForward::scratch`] floats.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn feed_forward(
    isa: Isa,
    team: Team<'_>,
    a: Lhs<'_>,
    weights: FeedForward<'_>,
    out: Out<'_>,
    scratch: &mut [f32],
) {
    let tasks = tasks(a.rows, team);
    let piece = weights.piece(a.rows, tasks);
    assert!(a.data.len() >= a.strides.extent(a.rows, a.k), "activations shorter than their shape");
    out.check(a.rows, weights.second.0.n);
    let (strides, shared) = (out.strides(), out.share());
    team.run_with_scratch(tasks, (scratch, piece), |task, _, scratch| {
        let rows = a.rows * task / tasks..a.rows * (task + 1) / tasks;
        // SAFETY: tasks have disjoint rows, write only these, and rows of the output do not overlap (checked).
        let out = unsafe { shared.out(strides) };
        isa.run(Tiles { a, weights, out, rows, scratch });
    });
}

/// Some rows, on the calling thread.
struct Tiles<'a> {
    a: Lhs<'a>,
    weights: FeedForward<'a>,
    out: Out<'a>,
    rows: Range<usize>,
    scratch: &'a mut [f32],
}

impl Kernel for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(mut self, s: S) {
        let FeedForward { first: (first, first_bias), activation, second: (second, second_bias) } = self.weights;
        let activate = Epilogue { bias: first_bias, finish: Finish::Activate(activation) };
        let accumulate = Epilogue { bias: second_bias, finish: Finish::Accumulate };
        for tile in balanced(self.rows.clone(), ROWS) {
            let rows = tile.len();
            let (hidden, integers) = self.scratch.split_at_mut(blocked_len(rows, first.n));
            let strides = Strides::blocked(rows);
            quantise(s, self.a, tile.clone(), first.gains, integers);
            s.run(Region::new(Rows::new(integers, rows, first.k), first, activate, Out::new(hidden, strides)));
            let a = Lhs { data: hidden, strides, rows, k: first.n };
            quantise(s, a, 0..rows, second.gains, integers);
            let out = self.out.from(tile.start, 0);
            s.run(Region::new(Rows::new(integers, rows, second.k), second, accumulate, out));
        }
    }
}

/// Writes `rows` of `a` as integers to `out`.
#[inline(always)]
fn quantise<S: Simd>(s: S, a: Lhs<'_>, rows: Range<usize>, gains: Option<&[f32]>, out: &mut [f32]) {
    for (row, out) in rows.zip(out.chunks_exact_mut(row_len(a.k))) {
        s.run(Row::new(a, row, gains, out));
    }
}
