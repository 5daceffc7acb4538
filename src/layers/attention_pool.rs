//! Attention pooling: a learned query for each head weighs the tokens; the weighted sum becomes the embedding.
//!
//! Source: Zhai et al., "Scaling Vision Transformers" (2022), the MAP head; timm's `AttentionPoolLatent`. The queries do
//! not depend on the input, so three steps are saved, exactly: the product of each query with the weights of the keys is
//! computed at conversion; the bias of the keys adds the same to all scores of a head, which the softmax cancels; and
//! the values are linear in the tokens, so they are computed once from the weighted sum, not for every token.

use super::{Exec, LayerNorm, Linear, Mlp};
use crate::kernels::attention::{PoolShape, attention_pool, pool_scratch_len};
use crate::kernels::gemm::Finish;
use crate::kernels::strides::Strides;
use crate::tensor::PANEL;

/// Weighted sums of a task that multiplies them with gains.
const SUMS_PER_TASK: usize = 16;

/// Pooling with `heads` heads of tokens of `W` channels.
pub(crate) struct AttentionPool {
    pub(crate) heads: usize,
    /// `[W, heads]`: the scores of a token, scaled; no bias.
    pub(crate) queries: Linear,
    /// `[W, W]`: the columns of a head are multiplied with the head's weighted sum.
    pub(crate) values: Linear,
    /// `[W, W]`
    pub(crate) out: Linear,
    /// Before the MLP, without its affine part.
    pub(crate) norm: LayerNorm,
    /// `W` to `H` to `W`
    pub(crate) mlp: Mlp,
}

impl AttentionPool {
    fn width(&self) -> usize {
        self.out.inputs()
    }

    fn shape(&self, tokens: usize) -> PoolShape {
        PoolShape { tokens, width: self.width(), heads: self.heads }
    }

    /// Lengths of the parts of the scratch: scores, sums, the work of the pooling and then of the MLP, one row for each
    /// image.
    fn parts(&self, exec: Exec<'_>, images: usize, tokens: usize) -> [usize; 4] {
        let width = self.width();
        let work = pool_scratch_len(exec.team, self.shape(tokens)).max(self.mlp.scratch(exec, images));
        let scores = images.saturating_mul(tokens).saturating_mul(self.heads);
        [scores, images.saturating_mul(self.heads).saturating_mul(width), work, images.saturating_mul(width)]
    }

    /// Floats of scratch for `images` images of `tokens` tokens.
    pub(crate) fn scratch(&self, exec: Exec<'_>, images: usize, tokens: usize) -> usize {
        scratch_of(self.parts(exec, images, tokens))
    }

    /// Pools `x [images, tokens, W]`, normalised, which 16 readable floats must follow, to `out [images, W]`; `scratch`
    /// has [`AttentionPool::scratch`] floats.
    pub(crate) fn forward(
        &self,
        exec: Exec<'_>,
        x: &[f32],
        (images, tokens): (usize, usize),
        scratch: &mut [f32],
        out: &mut [f32],
    ) {
        let (w, heads) = (self.width(), self.heads);
        let [scores, sums, work, rows] = split_scratch(scratch, self.parts(exec, images, tokens));
        self.queries.forward(exec, x, images * tokens, Finish::Store, scores, heads);
        attention_pool(exec.isa, exec.team, self.shape(tokens), images, (scores, x), sums, work);
        if let Some(gains) = self.values.gains() {
            // The tokens were normalised for the queries, too, which contain the factors.
            exec.rows(&mut sums[..images * heads * w], w, SUMS_PER_TASK, |_, sum| {
                sum.iter_mut().zip(gains).for_each(|(sum, gain)| *sum *= gain);
            });
        }
        values_of_heads(exec, &self.values, heads, images, sums, rows);
        self.out.forward(exec, rows, images, Finish::Store, out, w);
        let normed = &mut rows[..images * w];
        self.norm.forward_before(self.mlp.first(), exec, &out[..images * w], normed);
        self.mlp.forward(exec, (&*normed, Strides::rows(w)), images, (out, Strides::rows(w)), work);
    }
}

/// Floats of scratch for parts of these lengths, each with a panel of room behind it for reads past its end.
pub(super) fn scratch_of<const N: usize>(parts: [usize; N]) -> usize {
    parts.into_iter().fold(0, |all, part| all.saturating_add(part.saturating_add(PANEL)))
}

/// The parts of scratch of [`scratch_of`] floats.
pub(super) fn split_scratch<const N: usize>(mut scratch: &mut [f32], parts: [usize; N]) -> [&mut [f32]; N] {
    parts.map(|len| {
        let (part, others) = std::mem::take(&mut scratch).split_at_mut(len + PANEL);
        scratch = others;
        part
    })
}

/// Multiplies the weighted sum of each head, `sums [images, heads, W]`, with the head's columns of `values [W, W]`, to
/// `rows [images, W]`.
pub(super) fn values_of_heads(
    exec: Exec<'_>,
    values: &Linear,
    heads: usize,
    images: usize,
    sums: &[f32],
    rows: &mut [f32],
) {
    // A head's columns begin within a panel if its width is no multiple of sixteen. The columns before them are
    // computed along with them and hold nothing of use until the head before, which comes next, overwrites them.
    let w = values.inputs();
    let d = w / heads;
    for head in (0..heads).rev() {
        let first = head * d / PANEL * PANEL;
        let sum = (&sums[head * w..], Strides::rows(heads * w));
        let to = (&mut rows[first..], Strides::rows(w));
        values.columns(exec, sum, images, first..(head + 1) * d, Finish::Store, to);
    }
}
