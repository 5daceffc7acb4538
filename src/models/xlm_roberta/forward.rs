//! The forward pass of an XLM-RoBERTa text tower.
//!
//! Source: Conneau et al., "Unsupervised Cross-lingual Representation Learning at Scale" (2020); transformers'
//! `modeling_xlm_roberta.py`; open_clip's `HFTextEncoder` with its mean pooling. The reference masks padding as keys and
//! leaves it out of the mean, and counts positions without it, so that running the other tokens alone is exact.

use super::config::XlmRobertaConfig;
use crate::layers::{Activation, Attention, Exec, Finish, LayerNorm, Linear, Mlp, Span, Strides, mean_of_rows};
use crate::models::Stage;
use crate::models::token_embedding::TokenEmbedding;
use crate::tensor::{Arena, NoScratch};

/// A text tower of `W` channels.
pub(crate) struct XlmRoberta {
    pub(super) config: XlmRobertaConfig,
    pub(super) embedding: TokenEmbedding,
    pub(super) embedding_norm: LayerNorm,
    pub(super) blocks: Vec<Block>,
    pub(super) attention: Attention,
    pub(super) hidden: Linear, // [W, P]
    pub(super) proj: Linear,   // [P, embed_dim]
}

/// One block: `x = norm(x + out(attention(qkv(x))))`, then `x = norm(x + fc2(act(fc1(x))))`.
pub(super) struct Block {
    pub(super) qkv: Linear, // [W, 3W]
    pub(super) out: Linear, // [W, W]
    pub(super) attention_norm: LayerNorm,
    pub(super) mlp: Mlp, // W to H to W
    pub(super) mlp_norm: LayerNorm,
}

impl XlmRoberta {
    /// Number of rows of a text in a pass: its tokens without padding.
    pub(crate) fn rows(&self, ids: &[u32]) -> usize {
        self.embedding.tokens(ids).count()
    }

    /// Computes `out [texts, embed_dim]`, not normalised, from checked token ids (start to end, padded or not). `trace`
    /// gets the rows after each stage, for tests.
    pub(crate) fn stages<T: AsRef<[u32]>>(
        &self,
        exec: Exec<'_>,
        texts: &[T],
        arena: &mut Arena,
        out: &mut [f32],
        mut trace: impl FnMut(Stage, &[f32]),
    ) -> Result<(), NoScratch> {
        let w = self.config.blocks.width;
        let count = texts.len();
        let mut rows = 0;
        let spans: Vec<Span> = texts
            .iter()
            .map(|ids| {
                let (start, tokens) = (rows, self.rows(ids.as_ref()));
                rows += tokens;
                Span { start, tokens, queries: 0..tokens, out_row: start }
            })
            .collect();
        let longest = spans.iter().map(|span| span.tokens).max().unwrap_or(0);
        // The weights of each block may be of another type, which needs other scratch.
        let mlp = self.blocks.iter().map(|block| block.mlp.scratch(exec, rows)).max().unwrap_or(0);
        let len = rows.saturating_mul(w);
        let wide = rows.saturating_mul(3 * w).max(mlp);
        let scores = self.attention.scratch(exec, longest);
        let [x, y, wide, scores, pooled, hidden] =
            arena.split([len, len, wide, scores, count * w, count * self.hidden.outputs()])?;
        let (x, y) = (&mut x[..len], &mut y[..len]);

        for (ids, span) in texts.iter().zip(&spans) {
            let tokens = self.embedding.tokens(ids.as_ref());
            self.embedding.write(tokens, &mut x[span.start * w..][..span.tokens * w]);
        }
        self.embedding_norm.forward_in_place(exec, x);
        trace(Stage::Embedded, x);

        for (i, block) in self.blocks.iter().enumerate() {
            let next = self.blocks.get(i + 1).map_or(exec, |next| exec.prefetching(&next.qkv));
            block.qkv.forward(exec.prefetching(&block.out), x, rows, Finish::Store, wide, 3 * w);
            self.attention.forward(exec, wide, &spans, y, scores);
            block.out.forward(exec.prefetching(block.mlp.first()), y, rows, Finish::Accumulate, x, w);
            block.attention_norm.forward_in_place(exec, x);
            y.copy_from_slice(x);
            block.mlp.forward(next, (&*y, Strides::rows(w)), rows, (&mut *x, Strides::rows(w)), wide);
            block.mlp_norm.forward_in_place(exec, x);
            trace(Stage::Block(i), x);
        }

        for (span, pooled) in spans.iter().zip(pooled.chunks_exact_mut(w)) {
            mean_of_rows(&x[span.start * w..][..span.tokens * w], pooled);
        }
        let activate = Finish::Activate(Activation::Gelu);
        self.hidden.forward(exec.prefetching(&self.proj), pooled, count, activate, hidden, self.hidden.outputs());
        self.proj.forward(exec, hidden, count, Finish::Store, out, self.proj.outputs());
        Ok(())
    }
}
