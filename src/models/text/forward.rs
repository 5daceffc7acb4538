//! The text transformer: token and position embeddings, blocks, projection of the end-of-text token.
//!
//! Source: openai/CLIP `model.py` (`encode_text`); open_clip's native tower is the same, and with other settings that of
//! SigLIP. With others again it is the encoder of M2M100 and NLLB (transformers' `modeling_m2m_100.py`), whose embedding
//! is scaled and whose sinusoids are computed at conversion.

use super::config::TextTransformerConfig;
use crate::layers::{Exec, Finish, LayerNorm, Linear};
use crate::models::Stage;
use crate::models::token_embedding::TokenEmbedding;
use crate::models::transformer::{Scratch, Sequence, Transformer};
use crate::tensor::{Arena, NoScratch};

/// A text transformer of `D` channels.
pub(crate) struct TextTransformer {
    pub(super) config: TextTransformerConfig,
    pub(super) embedding: TokenEmbedding,
    pub(super) transformer: Transformer,
    pub(super) head: Head,
}

/// What makes an embedding of the pooled token.
pub(super) enum Head {
    /// The last LayerNorm and a projection, `[D, embed_dim]`, which has its affine part.
    Projection(Linear),
    /// The last LayerNorm alone.
    Norm(LayerNorm),
}

impl TextTransformer {
    /// Number of rows of a text in a pass. A causal tower stops at the pooled token, which no later token can affect;
    /// without causality every token attends to the padding, so all positions run, unless padding is masked: running the
    /// other tokens alone is then exact, since positions count without padding, too.
    pub(crate) fn rows(&self, ids: &[u32]) -> usize {
        if self.config.mask_padding {
            self.embedding.tokens(ids).count()
        } else if self.config.causal {
            self.pooled(ids) + 1
        } else {
            self.config.context_length
        }
    }

    fn pooled(&self, ids: &[u32]) -> usize {
        self.config.pooling.position(ids, self.config.context_length)
    }

    /// Computes `out [texts, embed_dim]`, not normalised, from checked token ids (start to end, padded with zeros or
    /// not). `trace` gets the rows after each stage, for tests.
    pub(crate) fn stages<T: AsRef<[u32]>>(
        &self,
        exec: Exec<'_>,
        texts: &[T],
        arena: &mut Arena,
        out: &mut [f32],
        mut trace: impl FnMut(Stage, &[f32]),
    ) -> Result<(), NoScratch> {
        let d = self.config.blocks.width;
        let mut rows = 0;
        let sequences: Vec<Sequence> = texts
            .iter()
            .map(|ids| {
                let tokens = self.rows(ids.as_ref());
                rows += tokens;
                Sequence { start: rows - tokens, tokens, pooled: self.pooled(ids.as_ref()) }
            })
            .collect();
        let longest = sequences.iter().map(|s| s.tokens).max().unwrap_or(0);
        let lens = self.transformer.scratch(exec, rows, longest);
        let [x, normed, wide, scores, pooled] =
            arena.split([rows.saturating_mul(d), lens.normed, lens.wide, lens.scores, texts.len() * d])?;
        let x = &mut x[..rows * d];

        for (ids, sequence) in texts.iter().zip(&sequences) {
            let (ids, out) = (ids.as_ref(), &mut x[sequence.start * d..][..sequence.tokens * d]);
            match self.config.mask_padding {
                true => self.embedding.write(self.embedding.tokens(ids), out),
                false => self.embedding.write(ids.iter().copied(), out),
            }
        }
        trace(Stage::Embedded, x);

        let scratch = Scratch { normed, wide, scores };
        self.transformer.forward(exec, x, &sequences, scratch, pooled, |i, x| trace(Stage::Block(i), x));

        let count = texts.len();
        let pooled = &pooled[..count * d];
        match &self.head {
            Head::Projection(proj) => {
                let normed = &mut x[..count * d]; // the rows are no longer needed
                self.transformer.norm().forward_before(proj, exec, pooled, normed);
                proj.forward(exec, normed, count, Finish::Store, out, proj.outputs());
            }
            Head::Norm(norm) => norm.forward(exec, pooled, &mut out[..count * d]),
        }
        Ok(())
    }
}
