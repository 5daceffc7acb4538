//! Multi-head attention over sequences, on the queries, keys and values of one product.
//!
//! Work is split by sequence and head. Scores never leave the cache: a block of query rows is multiplied with all keys;
//! their exponentials are multiplied with the values, which are read in place; finally the outputs are divided by the
//! sums of the exponentials. Keys, and so scores, are in panels of sixteen; padding and invisible keys are masked.

mod keys;
mod pool;
pub(super) mod softmax;

use std::ops::Range;

pub(crate) use self::pool::{PoolShape, attention_pool, pool_scratch_len};
use self::softmax::Scores;
use super::Isa;
use super::gemm::{Lhs, Rhs, balanced, gemm_inline};
use super::output::{Out, Shared};
use super::simd::{Kernel, Simd};
use super::strides::Strides;
use super::team::Team;
use crate::tensor::PANEL;

/// Query rows of a block. It need not be a multiple of a tile height, since tiles are balanced. Its scores (at most
/// 28 × 577 floats in the known models) stay in L1 and L2. 56 rows are no faster for 197 tokens and 3 % slower for 50.
const QUERY_ROWS: usize = 28;

/// The same with a causal mask: fewer rows, because a block computes all keys that its last row sees. 77 tokens of 8
/// heads of 64 channels take 71 µs with 14 rows, 80 with 28 (AVX-512).
const CAUSAL_ROWS: usize = 14;

/// The sizes of an attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Channels of a token: `heads` times the channels of a head.
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Whether token i sees only tokens up to i.
    pub(crate) causal: bool,
    /// What scores are multiplied with, a positive number: 1 if queries are scaled already.
    pub(crate) scale: f32,
}

impl Shape {
    fn head_dim(self) -> usize {
        self.width / self.heads
    }
}

/// One sequence of a batch, and the queries to compute.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Row of its first token in `qkv`.
    pub(crate) start: usize,
    /// Number of tokens.
    pub(crate) tokens: usize,
    /// The tokens whose queries are computed: all, or the pooled one.
    pub(crate) queries: Range<usize>,
    /// Output row of the first of these queries.
    pub(crate) out_row: usize,
}

/// Computes attention within every span of `qkv [rows, 3 · width]` (queries, keys, values) to
/// `out [rows, width]`. At least 16 readable floats must follow `qkv`.
///
/// Panics if a slice is too short for its sizes, or two spans write the same rows.
pub(crate) fn attention(
    isa: Isa,
    team: Team<'_>,
    shape: Shape,
    qkv: &[f32],
    spans: &[Span],
    out: &mut [f32],
    scratch: &mut [f32],
) {
    assert!(shape.heads > 0 && shape.width.is_multiple_of(shape.heads));
    let mut written = 0;
    for span in spans {
        assert!(qkv.len() >= (span.start + span.tokens) * 3 * shape.width + PANEL, "qkv shorter than its spans");
        assert!(span.queries.end <= span.tokens && span.out_row >= written, "spans out of order");
        written = span.out_row + span.queries.len();
    }
    assert!(out.len() >= written * shape.width, "output shorter than its spans");
    // A unit is a head of a sequence; neighbours share a task.
    let units = spans.len() * shape.heads;
    let tasks = tasks(team, shape, spans.len());
    let longest = spans.iter().map(|span| span.tokens).max().unwrap_or(0);
    let shared = Shared::new(out);
    team.run_with_scratch(tasks, (scratch, scratch_per_thread(longest, shape)), |task, _, scratch| {
        let units = units * task / tasks..units * (task + 1) / tasks;
        // SAFETY: tasks have disjoint units. A unit writes the columns of its head in the rows of its span, and spans
        // have disjoint rows (asserted).
        let out = unsafe { shared.out(Strides::rows(shape.width)) };
        isa.run(Units { shape, qkv, spans, units, out, scratch });
    });
}

/// Floats of scratch that [`attention`] needs for spans of up to `tokens`.
pub(crate) fn scratch_len(team: Team<'_>, shape: Shape, tokens: usize) -> usize {
    team.threads() * scratch_per_thread(tokens, shape)
}

/// Tasks: at most one for each unit.
fn tasks(team: Team<'_>, shape: Shape, spans: usize) -> usize {
    team.tasks().min(shape.heads * spans).max(1)
}

/// Keys in panels, then the scores of a block of queries, each row followed by a panel.
fn scratch_per_thread(tokens: usize, shape: Shape) -> usize {
    let padded = tokens.next_multiple_of(PANEL);
    padded * shape.head_dim() + QUERY_ROWS * (padded + PANEL)
}

/// Computes some heads of some spans on the calling thread.
struct Units<'a> {
    shape: Shape,
    qkv: &'a [f32],
    spans: &'a [Span],
    units: Range<usize>,
    out: Out<'a>,
    scratch: &'a mut [f32],
}

impl Kernel for Units<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(mut self, s: S) {
        for unit in self.units.clone() {
            let (span, head) = (&self.spans[unit / self.shape.heads], unit % self.shape.heads);
            one_head(s, self.shape, self.qkv, span, head, &mut self.out, self.scratch);
        }
    }
}

/// Computes one head of one span; writes the head's columns in the span's rows of `out`.
#[inline(always)]
fn one_head<S: Simd>(
    s: S,
    shape: Shape,
    qkv: &[f32],
    span: &Span,
    head: usize,
    out: &mut Out<'_>,
    scratch: &mut [f32],
) {
    let (d, row, tokens) = (shape.head_dim(), 3 * shape.width, span.tokens);
    let padded = tokens.next_multiple_of(PANEL);
    let (keys, scores) = scratch.split_at_mut(padded * d);
    let stride = padded + PANEL;
    let qkv = &qkv[span.start * row + head * d..];
    keys::pack(s, &qkv[shape.width..], row, tokens, d, keys);
    let values = &qkv[2 * shape.width..];
    let most = if shape.causal { CAUSAL_ROWS } else { QUERY_ROWS };
    for queries in balanced(span.queries.clone(), most) {
        // The last row of a causal block sees no later keys.
        let seen = if shape.causal { queries.end } else { tokens };
        let q = Lhs { data: &qkv[queries.start * row..], strides: Strides::rows(row), rows: queries.len(), k: d };
        let k = Rhs { n: seen.next_multiple_of(PANEL), ..Rhs::packed(keys, d, padded) };
        gemm_inline(s, q, k, Out::new(scores, Strides::rows(stride)));
        let mut scales = [0.0; QUERY_ROWS];
        let visible = if shape.causal { (queries.start + 1, 1) } else { (tokens, 0) };
        Scores::new(scores, stride, queries.len(), visible, seen).exponentials(s, shape.scale, &mut scales);
        let p = Lhs { data: scores, strides: Strides::rows(stride), rows: queries.len(), k: seen };
        let v = Rhs { data: values, k: seen, n: d, k_stride: row, panel_stride: PANEL };
        let at = (span.out_row + queries.start - span.queries.start, head * d);
        gemm_inline(s, p, v, out.from(at.0, at.1));
        scale_rows(s, out.from(at.0, at.1), d, &scales[..queries.len()]);
    }
}

/// Multiplies each row of `d` floats by a number.
#[inline(always)]
fn scale_rows<S: Simd>(s: S, out: Out<'_>, d: usize, scales: &[f32]) {
    out.check(scales.len(), d);
    for (r, &scale) in scales.iter().enumerate() {
        let row = out.at(r, 0);
        let whole = d - d % S::LANES;
        // SAFETY: the output has these rows of d contiguous floats (checked).
        unsafe {
            for c in (0..whole).step_by(S::LANES) {
                s.store(row.add(c), s.mul(s.load(row.add(c)), s.splat(scale)));
            }
            for c in whole..d {
                *row.add(c) *= scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workers;
    use super::super::reference;
    use super::*;

    /// Rounding of scores, softmax and weighted sums of values of order one.
    const TOLERANCE: f64 = 3e-6;

    fn run(isa: Isa, team: Team<'_>, shape: Shape, qkv: &[f32], tokens: usize, queries: Range<usize>) -> Vec<f32> {
        let spans = [Span { start: 0, tokens, queries: queries.clone(), out_row: 0 }];
        let mut out = vec![f32::NAN; queries.len() * shape.width];
        let mut scratch = vec![f32::NAN; scratch_len(team, shape, tokens)];
        attention(isa, team, shape, qkv, &spans, &mut out, &mut scratch);
        out
    }

    #[test]
    fn equals_the_plain_version() {
        for isa in Isa::available() {
            for (tokens, heads, d) in [
                (1, 1, 8),
                (2, 3, 8),
                (7, 2, 24),
                (16, 2, 16),
                (17, 3, 64),
                (29, 1, 33),
                (50, 12, 64),
                (77, 8, 64),
                (65, 3, 72),
                (33, 2, 80),
                (50, 2, 88),
                (64, 2, 96),
                (40, 2, 104),
                (800, 1, 72),
            ] {
                let width = heads * d;
                let mut qkv = reference::noise("qkv", tokens * 3 * width, 1.0);
                qkv.resize(qkv.len() + PANEL, f32::NAN);
                for (causal, scale) in [(false, 1.0), (true, 1.0), (false, 0.3), (true, 0.125)] {
                    let shape = Shape { width, heads, causal, scale };
                    let exact = reference::attention(&qkv, tokens, shape);
                    let all = run(isa, Team::SERIAL, shape, &qkv, tokens, 0..tokens);
                    for (v, e) in all.iter().zip(&exact) {
                        assert!((f64::from(*v) - e).abs() <= TOLERANCE, "{isa:?} {tokens} {heads} {d}: {v} {e}");
                    }
                    assert_eq!(all, run(isa, Workers::without_delay().team(), shape, &qkv, tokens, 0..tokens));
                }
            }
        }
    }

    #[test]
    fn a_scale_that_is_a_power_of_two_has_the_bits_of_scaled_queries() {
        let (tokens, width, heads, causal) = (61, 128, 2, false);
        let mut qkv = reference::noise("qkv", tokens * 3 * width, 3.0);
        qkv.resize(qkv.len() + PANEL, 0.0);
        let mut scaled = qkv.clone();
        scaled.chunks_mut(3 * width).for_each(|row| row.iter_mut().take(width).for_each(|query| *query *= 0.125));
        for isa in Isa::available() {
            let run = |scale, qkv: &[f32]| {
                run(isa, Team::SERIAL, Shape { width, heads, causal, scale }, qkv, tokens, 0..tokens)
            };
            assert_eq!(run(0.125, &qkv), run(1.0, &scaled), "{isa:?}");
        }
    }

    #[test]
    fn a_single_query_has_the_bits_of_the_whole() {
        let (tokens, width, heads) = (61, 96, 3);
        let mut qkv = reference::noise("qkv", tokens * 3 * width, 1.0);
        qkv.resize(qkv.len() + PANEL, 0.0);
        for isa in Isa::available() {
            for causal in [false, true] {
                let shape = Shape { width, heads, causal, scale: 1.0 };
                let all = run(isa, Team::SERIAL, shape, &qkv, tokens, 0..tokens);
                for t in 0..tokens {
                    let one = run(isa, Team::SERIAL, shape, &qkv, tokens, t..t + 1);
                    assert_eq!(one, all[t * width..(t + 1) * width]);
                }
            }
        }
    }

    #[test]
    fn invisible_tokens_do_not_change_the_bits_of_a_causal_query() {
        let (tokens, width, heads) = (77, 96, 3);
        let mut qkv = reference::noise("qkv", tokens * 3 * width, 1.0);
        qkv.resize(qkv.len() + PANEL, f32::NAN);
        let shape = Shape { width, heads, causal: true, scale: 1.0 };
        for isa in Isa::available() {
            let all = run(isa, Team::SERIAL, shape, &qkv, tokens, 0..tokens);
            for cut in [1, 2, 13, 14, 15, 16, 17, 28, 33, 64, 76] {
                let one = run(isa, Team::SERIAL, shape, &qkv[..cut * 3 * width + PANEL], cut, 0..cut);
                assert_eq!(one, all[..cut * width], "{isa:?} {cut}");
            }
        }
    }

    #[test]
    fn spans_of_a_batch_are_independent() {
        let (width, heads, causal) = (72, 3, true);
        let lengths = [5usize, 1, 33, 16, 17];
        let rows: usize = lengths.iter().sum();
        let mut qkv = reference::noise("qkv", rows * 3 * width, 1.0);
        qkv.resize(qkv.len() + PANEL, f32::NAN);
        let shape = Shape { width, heads, causal, scale: 1.0 };
        let mut start = 0;
        let spans = lengths.map(|tokens| {
            start += tokens;
            Span { start: start - tokens, tokens, queries: 0..tokens, out_row: start - tokens }
        });
        for isa in Isa::available() {
            for team in [Team::SERIAL, Workers::without_delay().team()] {
                let mut out = vec![f32::NAN; rows * width];
                let mut scratch = vec![f32::NAN; scratch_len(team, shape, 33)];
                attention(isa, team, shape, &qkv, &spans, &mut out, &mut scratch);
                for span in &spans {
                    let (a, b) = (span.start * width, (span.start + span.tokens) * width);
                    let own = &qkv[3 * a..3 * b + PANEL];
                    assert_eq!(out[a..b], run(isa, team, shape, own, span.tokens, 0..span.tokens));
                }
            }
        }
    }
}
