//! Multi-head attention of one sequence, on queries, keys and values as one product left them.
//!
//! Work is cut by heads and blocks of queries. Scores never leave the cache: a block of query rows against all
//! keys, softmax, and the product with the values, which are read where they lie.

use super::Isa;
use super::gemm::{Lhs, PANEL, Rhs, gemm_inline};
use super::math::softmax;
use super::parallel::Parallelism;
use super::simd::{Kernel, Simd};

/// Query rows of a block: a multiple of no tile height in particular, since tiles balance themselves; small
/// enough that its scores (28 × 577 floats at most in the known models) stay in the nearest caches.
const QUERY_ROWS: usize = 28;

/// The sizes of an attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Channels of a token: `heads` times the channels of a head.
    pub(crate) width: usize,
    pub(crate) heads: usize,
    /// Whether token i sees only tokens up to i.
    pub(crate) causal: bool,
}

impl Shape {
    fn head_dim(self) -> usize {
        self.width / self.heads
    }
}

/// One sequence to attend over, and the queries that are wanted.
pub(crate) struct Sequence<'a> {
    /// `[tokens, 3 · width]`: queries (scaled), keys, values; followed by at least 15 floats that may be read.
    pub(crate) qkv: &'a [f32],
    pub(crate) tokens: usize,
    /// The rows of queries that are computed: all, or one that the model pools.
    pub(crate) queries: std::ops::Range<usize>,
    /// `[queries, width]`
    pub(crate) out: &'a mut [f32],
}

/// Attention of `sequence`; see [`Shape`] and [`Sequence`].
///
/// Panics where a slice is too short for its sizes.
pub(crate) fn attention(isa: Isa, par: Parallelism, shape: Shape, sequence: Sequence<'_>, scratch: &mut [f32]) {
    let Sequence { qkv, tokens, queries, out } = sequence;
    assert!(shape.heads > 0 && shape.width % shape.heads == 0);
    assert!(qkv.len() >= tokens * 3 * shape.width + PANEL, "qkv shorter than its shape and slack");
    assert!(queries.end <= tokens && out.len() >= queries.len() * shape.width);
    if queries.is_empty() {
        return;
    }
    let tasks = shape.heads.min(workers(par, shape));
    let per_task = scratch_per_task(tokens, shape);
    assert!(scratch.len() >= tasks * per_task, "scratch shorter than planned");
    let shared = Shared { out: out.as_mut_ptr(), scratch: scratch.as_mut_ptr() };
    par.run(tasks, |task| {
        let heads = shape.heads * task / tasks..shape.heads * (task + 1) / tasks;
        // SAFETY: tasks have disjoint pieces of scratch, of the planned size, inside the slice (asserted).
        let scratch = unsafe { std::slice::from_raw_parts_mut(shared.scratch().add(task * per_task), per_task) };
        isa.run(Heads { shape, qkv, tokens, queries: queries.clone(), heads, out: shared.out(), scratch });
    });
}

/// Floats of scratch that [`attention`] needs for sequences of up to `tokens`.
pub(crate) fn scratch_len(par: Parallelism, tokens: usize, shape: Shape) -> usize {
    shape.heads.min(workers(par, shape)) * scratch_per_task(tokens, shape)
}

fn workers(par: Parallelism, shape: Shape) -> usize {
    // Two tasks a thread even out unequal cores; one task when nobody shares the work.
    if par.threads() == 1 { 1 } else { (2 * par.threads()).min(shape.heads) }
}

/// Keys in panels, then the scores of a block of queries.
fn scratch_per_task(tokens: usize, shape: Shape) -> usize {
    let padded = tokens.div_ceil(PANEL) * PANEL;
    padded * shape.head_dim() + QUERY_ROWS * padded
}

#[derive(Clone, Copy)]
struct Shared {
    out: *mut f32,
    scratch: *mut f32,
}

// SAFETY: tasks touch disjoint heads of the output and disjoint pieces of the scratch; both pointers come from
// exclusive borrows that outlive the parallel section.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn out(self) -> *mut f32 {
        self.out
    }
    fn scratch(self) -> *mut f32 {
        self.scratch
    }
}

/// Some heads of one sequence.
struct Heads<'a> {
    shape: Shape,
    qkv: &'a [f32],
    tokens: usize,
    queries: std::ops::Range<usize>,
    heads: std::ops::Range<usize>,
    out: *mut f32,
    scratch: &'a mut [f32],
}

impl Kernel for Heads<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Heads { shape, qkv, tokens, queries, heads, out, scratch } = self;
        let (d, row) = (shape.head_dim(), 3 * shape.width);
        let padded = tokens.div_ceil(PANEL) * PANEL;
        let (keys, scores) = scratch.split_at_mut(padded * d);
        for head in heads {
            pack_keys(&qkv[shape.width + head * d..], row, tokens, d, keys);
            let mut first = queries.start;
            while first < queries.end {
                let rows = QUERY_ROWS.min(queries.end - first);
                // Behind the last row of a causal block there is nothing to see.
                let seen = if shape.causal { first + rows } else { tokens };
                let q = Lhs { data: &qkv[first * row + head * d..], stride: row, rows, k: d };
                let values = &qkv[2 * shape.width + head * d..];
                // SAFETY: queries, keys and scores have the sizes asserted by `attention` and planned by
                // `scratch_per_task`; the values are followed by a panel of slack; the output has `width`
                // columns, of which this head writes its own.
                unsafe {
                    let k = Rhs { n: seen, ..Rhs::packed(keys, d, padded) };
                    gemm_inline(s, q, k, scores.as_mut_ptr(), padded);
                    for r in 0..rows {
                        let visible = if shape.causal { first + r + 1 } else { seen };
                        let line = &mut scores[r * padded..][..seen];
                        softmax(s, &mut line[..visible]);
                        line[visible..].fill(0.0);
                    }
                    let p = Lhs { data: scores, stride: padded, rows, k: seen };
                    let v = Rhs { data: values, k: seen, n: d, k_stride: row, panel_stride: PANEL };
                    let at = out.add((first - queries.start) * shape.width + head * d);
                    gemm_inline(s, p, v, at, shape.width);
                }
                first += rows;
            }
        }
    }
}

/// Keys of a head, `[tokens, d]` with rows `stride` apart, as panels of sixteen tokens.
#[inline(always)]
fn pack_keys(keys: &[f32], stride: usize, tokens: usize, d: usize, out: &mut [f32]) {
    for (panel, out) in out.chunks_exact_mut(PANEL * d).enumerate() {
        let rows = PANEL.min(tokens - panel * PANEL);
        if rows < PANEL {
            out.fill(0.0);
        }
        for r in 0..rows {
            let key = &keys[(panel * PANEL + r) * stride..][..d];
            for (c, &value) in key.iter().enumerate() {
                out[c * PANEL + r] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    /// Rounding of scores, softmax and weighted sums of values of order one.
    const TOLERANCE: f64 = 3e-6;

    fn run(
        isa: Isa,
        par: Parallelism,
        shape: Shape,
        qkv: &[f32],
        tokens: usize,
        q: std::ops::Range<usize>,
    ) -> Vec<f32> {
        let mut out = vec![f32::NAN; q.len() * shape.width];
        let mut scratch = vec![f32::NAN; scratch_len(par, tokens, shape)];
        attention(isa, par, shape, Sequence { qkv, tokens, queries: q, out: &mut out }, &mut scratch);
        out
    }

    #[test]
    fn equals_the_plain_version() {
        for isa in Isa::available() {
            for (tokens, heads, d) in
                [(1, 1, 8), (2, 3, 8), (7, 2, 24), (16, 2, 16), (17, 3, 64), (29, 1, 33), (50, 12, 64), (77, 8, 64)]
            {
                let width = heads * d;
                let mut qkv = reference::noise("qkv", tokens * 3 * width, 1.0);
                qkv.resize(qkv.len() + PANEL, f32::NAN);
                for causal in [false, true] {
                    let shape = Shape { width, heads, causal };
                    let exact = reference::attention(&qkv, tokens, width, heads, causal);
                    let all = run(isa, Parallelism::Serial, shape, &qkv, tokens, 0..tokens);
                    for (v, e) in all.iter().zip(&exact) {
                        assert!((f64::from(*v) - e).abs() <= TOLERANCE, "{isa:?} {tokens} {heads} {d}: {v} {e}");
                    }
                    assert_eq!(all, run(isa, Parallelism::Threads, shape, &qkv, tokens, 0..tokens));
                }
            }
        }
    }

    #[test]
    fn one_query_alone_has_the_bits_of_the_whole() {
        let (tokens, width, heads) = (61, 96, 3);
        let mut qkv = reference::noise("qkv", tokens * 3 * width, 1.0);
        qkv.resize(qkv.len() + PANEL, 0.0);
        for isa in Isa::available() {
            for causal in [false, true] {
                let shape = Shape { width, heads, causal };
                let all = run(isa, Parallelism::Serial, shape, &qkv, tokens, 0..tokens);
                for t in 0..tokens {
                    let one = run(isa, Parallelism::Serial, shape, &qkv, tokens, t..t + 1);
                    assert_eq!(one, all[t * width..(t + 1) * width]);
                }
            }
        }
    }
}
