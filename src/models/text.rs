//! The text transformer: token and position embeddings, blocks, projection of the end-of-text token.
//!
//! Source: openai/CLIP `model.py` (`encode_text`), which open_clip's native tower equals.

use super::Error;
use super::config::TextTransformerConfig;
use super::load::Scope;
use super::transformer::{Scratch, Sequence, Transformer};
use crate::kernels::gemm::Finish;
use crate::kernels::norm::layer_norm;
use crate::layers::{Exec, Linear};
use crate::tensor::Arena;
use crate::weights::{TensorView, WeightsFile};

/// `V` token ids, `C` positions, `D` channels.
pub(crate) struct TextTower {
    config: TextTransformerConfig,
    token_embedding: TensorView, // [V, D]
    position: TensorView,        // [C, D]
    transformer: Transformer,
    proj: Linear, // [D, embed_dim], the last LayerNorm's affine part in it
}

/// Stages of a pass, for tests that compare with the reference one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Rows that enter the first block.
    Embedded,
    /// Rows after block i.
    Block(usize),
}

impl TextTower {
    pub(crate) fn load(weights: &WeightsFile, config: &TextTransformerConfig, embed_dim: usize) -> Result<Self, Error> {
        let scope = Scope::new(weights, "text");
        let d = config.blocks.width;
        Ok(TextTower {
            token_embedding: scope.rows("token_embedding", &[config.vocab_size, d])?,
            position: scope.rows("position", &[config.context_length, d])?,
            transformer: Transformer::load(&scope, &config.blocks, config.causal)?,
            proj: scope.linear("proj", d, embed_dim)?,
            config: config.clone(),
        })
    }

    /// Refuses texts that are empty or too long and ids beyond the vocabulary.
    pub(crate) fn check(&self, ids: &[u32]) -> Result<(), Error> {
        let context_length = self.config.context_length;
        if ids.is_empty() || ids.len() > context_length {
            return Err(Error::TextLength { len: ids.len(), context_length });
        }
        let vocab_size = self.config.vocab_size;
        match ids.iter().find(|id| **id as usize >= vocab_size) {
            Some(&id) => Err(Error::Token { id, vocab_size }),
            None => Ok(()),
        }
    }

    /// Rows that a text occupies in a pass. A causal tower stops at the pooled token, since nothing behind it
    /// can reach it; without causality the padding is seen by every token, so all positions run.
    pub(crate) fn rows(&self, ids: &[u32]) -> usize {
        if self.config.causal { pooled_token(ids) + 1 } else { self.config.context_length }
    }

    /// Checked `texts` of token ids (start to end, padded with zeros or not) to `out [texts, embed_dim]`, not
    /// normalised.
    pub(crate) fn forward<T: AsRef<[u32]>>(&self, exec: Exec, texts: &[T], arena: &mut Arena, out: &mut [f32]) {
        self.stages(exec, texts, arena, out, |_, _| {});
    }

    pub(crate) fn stages<T: AsRef<[u32]>>(
        &self,
        exec: Exec,
        texts: &[T],
        arena: &mut Arena,
        out: &mut [f32],
        mut seen: impl FnMut(Stage, &[f32]),
    ) {
        let d = self.config.blocks.width;
        let mut rows = 0;
        let sequences: Vec<Sequence> = texts
            .iter()
            .map(|ids| {
                let tokens = self.rows(ids.as_ref());
                rows += tokens;
                Sequence { start: rows - tokens, tokens, pooled: pooled_token(ids.as_ref()) }
            })
            .collect();
        let longest = sequences.iter().map(|s| s.tokens).max().unwrap_or(0);
        let lens = self.transformer.scratch(exec, rows, texts.len(), longest);
        let [x, normed, wide, scores, pooled] =
            arena.split([rows * d, lens.normed, lens.wide, lens.scores, texts.len() * d]);
        let x = &mut x[..rows * d];

        for (ids, sequence) in texts.iter().zip(&sequences) {
            let rows = x[sequence.start * d..].chunks_exact_mut(d).take(sequence.tokens);
            let ids = ids.as_ref().iter().copied().chain(std::iter::repeat(0)); // id 0 pads
            for ((row, id), position) in rows.zip(ids).zip(self.position.chunks_exact(d)) {
                let embedding = &self.token_embedding[id as usize * d..][..d];
                for ((x, e), p) in row.iter_mut().zip(embedding).zip(position) {
                    *x = e + p;
                }
            }
        }
        seen(Stage::Embedded, x);

        let scratch = Scratch { normed, wide, scores };
        self.transformer.forward(exec, x, &sequences, scratch, pooled, |i, x| seen(Stage::Block(i), x));

        let count = texts.len();
        let normed = &mut x[..count * d]; // the rows are used up
        layer_norm(exec.isa, exec.par, &pooled[..count * d], d, self.transformer.eps(), None, normed);
        self.proj.forward(exec, normed, count, d, Finish::Store, out, self.proj.outputs());
    }
}

/// The end-of-text token: the first occurrence of the largest id.
fn pooled_token(ids: &[u32]) -> usize {
    let mut best = 0;
    for (i, id) in ids.iter().enumerate() {
        if *id > ids[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::pooled_token;

    #[test]
    fn the_first_largest_id_is_pooled() {
        assert_eq!(pooled_token(&[49406, 5, 49407, 0, 0]), 2);
        assert_eq!(pooled_token(&[49406, 49407, 49407]), 1);
        assert_eq!(pooled_token(&[3]), 0);
    }
}
