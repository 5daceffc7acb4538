//! Attention pooling: sums of the tokens of an image, weighted by the softmax of scores, one sum for each head.

use super::super::Isa;
use super::super::gemm::{Lhs, Rhs, balanced, gemm_inline};
use super::super::output::{Out, Shared};
use super::super::simd::{Kernel, Simd};
use super::super::strides::Strides;
use super::super::team::Team;
use super::softmax::Scores;
use super::{QUERY_ROWS, scale_rows};
use crate::tensor::PANEL;

/// The sizes of a pooling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolShape {
    /// Tokens of an image.
    pub(crate) tokens: usize,
    /// Channels of a token.
    pub(crate) width: usize,
    pub(crate) heads: usize,
}

/// For each head of each image, writes the sum of the image's tokens, weighted by the softmax of the head's scores:
/// `out[image][head][c] = sum over t of softmax(scores[image][.][head])[t] * tokens[image][t][c]`.
///
/// `scores` is `[images, tokens, heads]`, `tokens` is `[images, tokens, width]` with at least 16 readable floats after
/// it, `out` is `[images, heads, width]`; `scratch` has [`pool_scratch_len`] floats. Each image is the work of one
/// thread: a pooling is less than a thousandth of a tower.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn attention_pool(
    isa: Isa,
    team: Team<'_>,
    shape: PoolShape,
    images: usize,
    (scores, tokens): (&[f32], &[f32]),
    out: &mut [f32],
    scratch: &mut [f32],
) {
    let PoolShape { tokens: count, width, heads } = shape;
    assert!(scores.len() >= images * count * heads, "scores shorter than their shape");
    assert!(tokens.len() >= images * count * width + PANEL, "tokens shorter than their shape");
    assert!(out.len() >= images * heads * width, "sums shorter than their shape");
    let shared = Shared::new(out);
    team.run_with_scratch(images, (scratch, scratch_per_thread(shape)), |image, _, scratch| {
        // SAFETY: an image writes its own rows of the sums only.
        let out = unsafe { shared.out(Strides::rows(width)) };
        let scores = &scores[image * count * heads..][..count * heads];
        let tokens = &tokens[image * count * width..][..count * width + PANEL];
        isa.run(Pool { shape, scores, tokens, first: image * heads, out, scratch });
    });
}

/// Floats of scratch that [`attention_pool`] needs.
pub(crate) fn pool_scratch_len(team: Team<'_>, shape: PoolShape) -> usize {
    team.threads().saturating_mul(scratch_per_thread(shape))
}

/// Scores of some heads, each row followed by a panel.
fn scratch_per_thread(shape: PoolShape) -> usize {
    QUERY_ROWS.min(shape.heads) * row_len(shape.tokens)
}

fn row_len(tokens: usize) -> usize {
    tokens.next_multiple_of(PANEL) + PANEL
}

/// The pooling of one image.
struct Pool<'a> {
    shape: PoolShape,
    scores: &'a [f32],
    tokens: &'a [f32],
    /// Row of the first head in `out`.
    first: usize,
    out: Out<'a>,
    scratch: &'a mut [f32],
}

impl Kernel for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(mut self, s: S) {
        let PoolShape { tokens, width, heads } = self.shape;
        let stride = row_len(tokens);
        for block in balanced(0..heads, QUERY_ROWS) {
            let rows = &mut self.scratch[..block.len() * stride];
            for (row, head) in rows.chunks_exact_mut(stride).zip(block.clone()) {
                for (score, from) in row.iter_mut().zip(self.scores[head..].iter().step_by(heads)) {
                    *score = *from;
                }
            }
            let mut scales = [0.0; QUERY_ROWS];
            Scores::new(rows, stride, block.len(), (tokens, 0), tokens).exponentials(s, 1.0, &mut scales);
            let weights = Lhs { data: rows, strides: Strides::rows(stride), rows: block.len(), k: tokens };
            let values = Rhs { data: self.tokens, k: tokens, n: width, k_stride: width, panel_stride: PANEL };
            let row = self.first + block.start;
            gemm_inline(s, weights, values, self.out.from(row, 0));
            scale_rows(s, self.out.from(row, 0), width, &scales[..block.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Workers;
    use super::super::super::reference;
    use super::*;

    fn run(isa: Isa, team: Team<'_>, shape: PoolShape, images: usize, scores: &[f32], tokens: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; images * shape.heads * shape.width];
        let mut scratch = vec![f32::NAN; pool_scratch_len(team, shape)];
        attention_pool(isa, team, shape, images, (scores, tokens), &mut out, &mut scratch);
        out
    }

    #[test]
    fn equals_the_plain_version_and_no_image_depends_on_another() {
        let images = 3;
        for isa in Isa::available() {
            for (tokens, width, heads) in
                [(1, 8, 1), (7, 24, 3), (16, 40, 5), (64, 96, 12), (197, 33, 29), (900, 48, 2)]
            {
                let shape = PoolShape { tokens, width, heads };
                let scores = reference::noise("scores", images * tokens * heads, 4.0);
                let mut rows = reference::noise("tokens", images * tokens * width, 1.0);
                rows.resize(rows.len() + PANEL, f32::NAN);
                let all = run(isa, Team::SERIAL, shape, images, &scores, &rows);
                for (i, sum) in all.chunks_exact(width).enumerate() {
                    let (image, head) = (i / heads, i % heads);
                    let own = |t: usize| (image * tokens + t) * heads + head;
                    let column: Vec<f32> = (0..tokens).map(|t| scores[own(t)]).collect();
                    let weights = reference::softmax(&column);
                    for (c, got) in sum.iter().enumerate() {
                        let value = |t: usize| f64::from(rows[(image * tokens + t) * width + c]);
                        let exact: f64 = weights.iter().enumerate().map(|(t, weight)| weight * value(t)).sum();
                        assert!((f64::from(*got) - exact).abs() <= 3e-6, "{isa:?} {shape:?} {got} {exact}");
                    }
                }
                assert_eq!(all, run(isa, Workers::without_delay().team(), shape, images, &scores, &rows));
                let last = images - 1;
                let (scores, rows) = (&scores[last * tokens * heads..], &rows[last * tokens * width..]);
                let alone = run(isa, Team::SERIAL, shape, 1, scores, rows);
                assert_eq!(all[last * heads * width..], alone, "{isa:?} {shape:?}");
            }
        }
    }
}
