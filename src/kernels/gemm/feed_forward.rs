//! Two products with an activation between them, for tiles of rows whose hidden values stay in the cache.

use super::super::Isa;
use super::super::math::Activation;
use super::super::simd::{Kernel, Simd};
use super::super::strides::{Strides, blocked_len};
use super::super::team::{Shared, Team};
use super::tile::{Region, balanced};
use super::{Epilogue, Finish, Lhs, Out, Rhs};
use std::ops::Range;

/// Rows that go through both products before the next ones do: their hidden values and both weights share L2.
const ROWS: usize = 112;

/// Rows below which a task is not worth having, as it reads all weights.
const LEAST_ROWS: usize = 28;

/// Both weights, each with its bias, if it has one, and what stands between them.
#[derive(Clone, Copy)]
pub(crate) struct FeedForward<'a> {
    pub(crate) first: (Rhs<'a>, Option<&'a [f32]>),
    pub(crate) activation: Activation,
    pub(crate) second: (Rhs<'a>, Option<&'a [f32]>),
}

impl FeedForward<'_> {
    /// Floats of scratch for the hidden values of `rows` rows.
    pub(crate) fn scratch(hidden: usize, rows: usize, team: Team<'_>) -> usize {
        team.members() * blocked_len(tile_rows(rows, tasks(rows, team)), hidden)
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

/// `out += second(activation(first(a)))`; `hidden` is scratch, of [`FeedForward::scratch`] floats.
///
/// Panics where a slice is too short for its sizes.
pub(crate) fn feed_forward(
    isa: Isa,
    team: Team<'_>,
    a: Lhs<'_>,
    weights: FeedForward<'_>,
    out: Out<'_>,
    hidden: &mut [f32],
) {
    let Out { data: out, strides } = out;
    let FeedForward { first, activation, second } = weights;
    let (tasks, width) = (tasks(a.rows, team), first.0.n);
    let rows = tile_rows(a.rows, tasks);
    let piece = blocked_len(rows, width);
    assert!(hidden.len() >= piece, "scratch shorter than planned");
    let begin = Epilogue { bias: first.1, finish: Finish::Activate(activation) };
    let end = Epilogue { bias: second.1, finish: Finish::Accumulate };
    // The hidden values of a tile are the output of one product and the activations of the other.
    let between = Strides::blocked(rows);
    Lhs { rows, ..a }.check(&first.0, &begin, &Out { data: &mut hidden[..piece], strides: between });
    let lhs = Lhs { data: &hidden[..piece], strides: between, rows, k: width };
    lhs.check(&second.0, &end, &Out { data: out, strides });
    assert!(a.data.len() >= a.strides.extent(a.rows, a.k), "activations shorter than their shape");
    assert!(out.len() >= strides.extent(a.rows, second.0.n), "output too short");

    let shared = Shared::new(out);
    team.run_with_scratch(tasks, (hidden, piece), |task, _, hidden| {
        let rows = a.rows * task / tasks..a.rows * (task + 1) / tasks;
        isa.run(Tiles { a, weights, begin, end, out: shared.get(), strides, rows, hidden });
    });
}

/// Some rows, on the calling thread.
struct Tiles<'a> {
    a: Lhs<'a>,
    weights: FeedForward<'a>,
    begin: Epilogue<'a>,
    end: Epilogue<'a>,
    out: *mut f32,
    strides: Strides,
    rows: Range<usize>,
    hidden: &'a mut [f32],
}

impl Kernel for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let FeedForward { first: (first, _), second: (second, _), .. } = self.weights;
        for tile in balanced(self.rows.clone(), ROWS) {
            let (rows, k) = (tile.len(), self.a.k);
            let a = Lhs { data: &self.a.data[self.a.strides.at(tile.start, 0)..], strides: self.a.strides, rows, k };
            let between = Strides::blocked(rows);
            let hidden = self.hidden.as_mut_ptr();
            s.run(Region::whole(a, first, self.begin, hidden, between));
            let a = Lhs { data: self.hidden, strides: between, rows, k: first.n };
            let out = self.out.wrapping_add(self.strides.at(tile.start, 0));
            s.run(Region::whole(a, second, self.end, out, self.strides));
        }
    }
}
