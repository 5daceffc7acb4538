//! The text transformer: token and position embeddings, blocks, projection of the end-of-text token.
//!
//! Source: openai/CLIP `model.py` (`encode_text`), which open_clip's native tower equals.

use super::Error;
use super::config::TextTransformerConfig;
use super::load::Scope;
use super::transformer::{Scratch, Sequence, Transformer};
use crate::layers::{Exec, Finish, Linear};
use crate::tensor::Arena;
use crate::weights::{TableView, TensorView, WeightsFile};

/// A text transformer of `D` channels.
pub(crate) struct TextTransformer {
    config: TextTransformerConfig,
    embedding: Embedding,
    transformer: Transformer,
    proj: Linear, // [D, embed_dim], the last LayerNorm's affine part in it
}

/// What a token and its place begin with: `V` token ids, `C` positions, `D` channels.
pub(super) struct Embedding {
    token: TableView,     // [V, D]
    position: TensorView, // [C, D]
    width: usize,
}

impl Embedding {
    pub(super) fn load(
        scope: &Scope<'_>,
        vocab_size: usize,
        context_length: usize,
        width: usize,
    ) -> Result<Self, Error> {
        Ok(Embedding {
            token: scope.table("token_embedding", vocab_size, width)?,
            position: scope.rows("position", &[context_length, width])?,
            width,
        })
    }

    /// The rows of a text; id 0 pads it to as many as there are in `out [tokens, D]`.
    pub(super) fn write(&self, ids: &[u32], out: &mut [f32]) {
        let ids = ids.iter().copied().chain(std::iter::repeat(0));
        for ((row, id), position) in
            out.chunks_exact_mut(self.width).zip(ids).zip(self.position.chunks_exact(self.width))
        {
            self.token.read(id as usize, row);
            for (x, p) in row.iter_mut().zip(position) {
                *x += p;
            }
        }
    }
}

/// Stages of a pass, for tests that compare with the reference one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Rows that enter the first block.
    Embedded,
    /// Rows after block i.
    Block(usize),
}

impl TextTransformer {
    pub(crate) fn load(weights: &WeightsFile, config: &TextTransformerConfig, embed_dim: usize) -> Result<Self, Error> {
        let scope = Scope::new(weights, "text");
        let d = config.blocks.width;
        Ok(TextTransformer {
            embedding: Embedding::load(&scope, config.vocab_size, config.context_length, d)?,
            transformer: Transformer::load(&scope, &config.blocks, config.causal)?,
            proj: scope.linear("proj", d, embed_dim)?,
            config: config.clone(),
        })
    }

    /// Rows that a text occupies in a pass. A causal tower stops at the pooled token, since nothing behind it
    /// can reach it; without causality the padding is seen by every token, so all positions run.
    pub(crate) fn rows(&self, ids: &[u32]) -> usize {
        if self.config.causal { pooled_token(ids) + 1 } else { self.config.context_length }
    }

    /// Checked `texts` of token ids (start to end, padded with zeros or not) to `out [texts, embed_dim]`, not
    /// normalised.
    pub(crate) fn stages<T: AsRef<[u32]>>(
        &self,
        exec: Exec<'_>,
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
        let lens = self.transformer.scratch(exec, rows, longest);
        let [x, normed, wide, scores, pooled] =
            arena.split([rows * d, lens.normed, lens.wide, lens.scores, texts.len() * d]);
        let x = &mut x[..rows * d];

        for (ids, sequence) in texts.iter().zip(&sequences) {
            self.embedding.write(ids.as_ref(), &mut x[sequence.start * d..][..sequence.tokens * d]);
        }
        seen(Stage::Embedded, x);

        let scratch = Scratch { normed, wide, scores };
        self.transformer.forward(exec, x, &sequences, scratch, pooled, |i, x| seen(Stage::Block(i), x));

        let count = texts.len();
        let normed = &mut x[..count * d]; // the rows are used up
        self.transformer.norm().forward(exec, &pooled[..count * d], normed);
        self.proj.forward(exec, normed, count, Finish::Store, out, self.proj.outputs());
    }
}

/// The end-of-text token: the first occurrence of the largest id.
pub(super) fn pooled_token(ids: &[u32]) -> usize {
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
