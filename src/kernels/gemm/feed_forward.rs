//! Two products with an activation in between, for tiles of rows whose hidden values stay in the cache.

use super::super::Isa;
use super::super::math::Activation;
use super::super::output::Out;
use super::super::simd::{Element, Kernel, Simd};
use super::super::strides::{Strides, blocked_len};
use super::super::team::Team;
use super::tile::{Region, balanced};
use super::{Epilogue, Finish, Lhs, Rhs};
use std::ops::Range;

/// Rows of a tile, which goes through both products at once: its hidden values and both weights share L2.
const ROWS: usize = 112;

/// Rows below which a task is not worthwhile, as it reads all weights.
const LEAST_ROWS: usize = 28;

/// The weights of both products, each with its bias, if it has one, and the activation in between.
#[derive(Clone, Copy)]
pub(crate) struct FeedForward<'a, W = f32> {
    pub(crate) first: (Rhs<'a, W>, Option<&'a [f32]>),
    pub(crate) activation: Activation,
    pub(crate) second: (Rhs<'a, W>, Option<&'a [f32]>),
}

impl<W: Element> FeedForward<'_, W> {
    /// Floats of scratch for `rows` rows.
    pub(crate) fn scratch(&self, rows: usize, team: Team<'_>) -> usize {
        team.threads() * self.hidden(rows, tasks(rows, team))
    }

    /// Floats of the hidden values of a task.
    fn hidden(&self, rows: usize, tasks: usize) -> usize {
        blocked_len(tile_rows(rows, tasks), self.first.0.n)
    }
}

/// Tasks of at least two register tiles each.
fn tasks(rows: usize, team: Team<'_>) -> usize {
    team.tasks_of(rows / LEAST_ROWS)
}

/// Rows whose hidden values a task holds at a time.
fn tile_rows(rows: usize, tasks: usize) -> usize {
    ROWS.min(rows.div_ceil(tasks))
}

/// Computes `out += second(activation(first(a)))`; `hidden` has [`FeedForward::scratch`] floats.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn feed_forward<W: Element>(
    isa: Isa,
    team: Team<'_>,
    a: Lhs<'_>,
    weights: FeedForward<'_, W>,
    out: Out<'_>,
    hidden: &mut [f32],
) {
    let tasks = tasks(a.rows, team);
    let piece = weights.hidden(a.rows, tasks);
    assert!(a.data.len() >= a.strides.extent(a.rows, a.k), "activations shorter than their shape");
    out.check(a.rows, weights.second.0.n);
    let (strides, shared) = (out.strides(), out.share());
    team.run_with_scratch(tasks, (hidden, piece), |task, _, hidden| {
        let rows = a.rows * task / tasks..a.rows * (task + 1) / tasks;
        // SAFETY: tasks have disjoint rows, write only these, and rows of the output do not overlap (checked).
        let out = unsafe { shared.out(strides) };
        isa.run(Tiles { a, weights, out, rows, hidden });
    });
}

/// Some rows, on the calling thread.
struct Tiles<'a, W> {
    a: Lhs<'a>,
    weights: FeedForward<'a, W>,
    out: Out<'a>,
    rows: Range<usize>,
    hidden: &'a mut [f32],
}

impl<W: Element> Kernel for Tiles<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(mut self, s: S) {
        let FeedForward { first: (first, first_bias), activation, second: (second, second_bias) } = self.weights;
        let activate = Epilogue { bias: first_bias, finish: Finish::Activate(activation) };
        let accumulate = Epilogue { bias: second_bias, finish: Finish::Accumulate };
        for tile in balanced(self.rows.clone(), ROWS) {
            let (rows, k) = (tile.len(), self.a.k);
            let a = Lhs { data: &self.a.data[self.a.strides.at(tile.start, 0)..], strides: self.a.strides, rows, k };
            let hidden = Strides::blocked(rows);
            s.run(Region::new(a, first, activate, Out::new(self.hidden, hidden)));
            let a = Lhs { data: self.hidden, strides: hidden, rows, k: first.n };
            s.run(Region::new(a, second, accumulate, self.out.from(tile.start, 0)));
        }
    }
}
