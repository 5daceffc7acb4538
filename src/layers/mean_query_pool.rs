//! Attention pooling with the mean as query: the mean of the tokens attends to itself and to all tokens.
//!
//! Source: Radford et al., "Learning Transferable Visual Models" (2021); openai/CLIP `model.py` (`AttentionPool2d`). Keys
//! and values are never computed. A head's score of a token `x` is `q . (Wk x + bk) = (Wk^T q) . x + q . bk`: `Wk^T q` is
//! one vector for each head, and the softmax cancels what is the same for all tokens. The values are linear in the
//! tokens, so they are computed once from the weighted sum. With `N` tokens of `W` channels this takes `2 W^2` steps
//! instead of `2 N W^2`.

use super::attention_pool::{scratch_of, split_scratch, values_of_heads};
use super::{Exec, Linear};
use crate::kernels::attention::{PoolShape, attention_pool, pool_scratch_len};
use crate::kernels::gemm::Finish;
use crate::kernels::strides::{Strides, blocked_len};
use crate::tensor::PANEL;

/// Pooling with `heads` heads of tokens of `W` channels to `E`.
pub(crate) struct MeanQueryPool {
    pub(crate) heads: usize,
    /// `[W, W]`, scaled.
    pub(crate) query: Linear,
    /// `[W, W]`, from the channels of the heads to those of a token; no bias.
    pub(crate) keys: Linear,
    /// `[W, W]`: the columns of a head are multiplied with the head's weighted sum.
    pub(crate) values: Linear,
    /// `[W, E]`
    pub(crate) out: Linear,
}

impl MeanQueryPool {
    /// `W`
    pub(crate) fn width(&self) -> usize {
        self.query.inputs()
    }

    /// Output channels, `E`.
    pub(crate) fn outputs(&self) -> usize {
        self.out.outputs()
    }

    fn shape(&self, tokens: usize) -> PoolShape {
        PoolShape { tokens, width: self.width(), heads: self.heads }
    }

    /// Lengths of the parts of the scratch: queries (and then the values), directions and then sums of the heads,
    /// directions in panels, scores, the work of the pooling.
    fn parts(&self, exec: Exec<'_>, images: usize, tokens: usize) -> [usize; 5] {
        let (w, heads) = (self.width(), self.heads);
        let work = pool_scratch_len(exec.team, self.shape(tokens));
        let sums = images.saturating_mul(heads).saturating_mul(w);
        let scores = images.saturating_mul(tokens).saturating_mul(heads);
        [images.saturating_mul(w), sums, blocked_len(w, heads), scores, work]
    }

    /// Floats of scratch for `images` images of `tokens` tokens.
    pub(crate) fn scratch(&self, exec: Exec<'_>, images: usize, tokens: usize) -> usize {
        scratch_of(self.parts(exec, images, tokens))
    }

    /// Pools `x [images, tokens, W]`, whose first token of an image is the query, and which 16 readable floats must
    /// follow, to `out [images, E]`; `scratch` has [`MeanQueryPool::scratch`] floats.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        x: &[f32],
        (images, tokens): (usize, usize),
        scratch: &mut [f32],
        out: &mut [f32],
    ) {
        let (w, heads) = (self.width(), self.heads);
        let d = w / heads;
        let [rows, sums, panels, scores, work] = split_scratch(scratch, self.parts(exec, images, tokens));
        let first = (x, Strides::rows(tokens * w));
        self.query.forward_strided(exec, first, images, Finish::Store, (&mut *rows, Strides::rows(w)));
        // The direction of each head in the space of tokens.
        let by_image = Strides::rows(heads * w);
        for head in 0..heads {
            let query = (&rows[head * d..], Strides::rows(w));
            self.keys.part(exec, query, images, head * d..(head + 1) * d, (&mut sums[head * w..], by_image));
        }
        for image in 0..images {
            let directions = &sums[image * heads * w..][..heads * w];
            exec.rows(&mut panels[..blocked_len(w, heads)], PANEL, 64, |row, out| {
                let (panel, channel) = (row / w, row % w);
                for (i, out) in out.iter_mut().enumerate() {
                    *out = directions.get((panel * PANEL + i) * w + channel).copied().unwrap_or(0.0);
                }
            });
            let tokens_of = &x[image * tokens * w..][..tokens * w];
            exec.product(tokens_of, tokens, (panels, w, heads), &mut scores[image * tokens * heads..]);
        }
        attention_pool(exec.isa, exec.team, self.shape(tokens), images, (scores, x), sums, work);
        values_of_heads(exec, &self.values, heads, images, sums, rows);
        self.out.forward(exec, rows, images, Finish::Store, out, self.outputs());
    }
}
