//! The text tower of MobileCLIP-S0: a transformer between two RepMixer blocks along the tokens.
//!
//! Source: Apple ml-mobileclip, "mct". Convolutions and attention see all positions, so all of them run.

use super::config::TextHybridConfig;
use crate::layers::{Depthwise, Exec, Finish, Linear, Maps, Strides};
use crate::models::Stage;
use crate::models::config::TextPooling;
use crate::models::conv_mlp::ConvMlp;
use crate::models::token_embedding::TokenEmbedding;
use crate::models::transformer::{Scratch, Sequence, Transformer};
use crate::tensor::{Arena, NoScratch};

/// `C` positions, `D` channels.
pub(crate) struct TextHybrid {
    pub(super) config: TextHybridConfig,
    pub(super) embedding: TokenEmbedding,
    pub(super) first: RepMixer,
    pub(super) transformer: Transformer,
    pub(super) last: RepMixer,
    pub(super) proj: Linear, // [D, embed_dim], with the last LayerNorm's affine part
}

/// `x = mixer(x)`, with the residual folded into the mixer, then `x += mlp(dw(x))`.
pub(super) struct RepMixer {
    pub(super) mixer: Depthwise, // 1 × 11
    pub(super) mlp: ConvMlp,
}

impl TextHybrid {
    /// Computes `out [texts, embed_dim]`, not normalised, from checked `texts`. `trace` gets the rows after each stage,
    /// for tests: the first RepMixer block is block 0, the transformer's blocks count from 1.
    pub(crate) fn stages<T: AsRef<[u32]>>(
        &self,
        exec: Exec<'_>,
        texts: &[T],
        arena: &mut Arena,
        out: &mut [f32],
        mut trace: impl FnMut(Stage, &[f32]),
    ) -> Result<(), NoScratch> {
        let (d, c) = (self.config.blocks.width, self.config.context_length);
        let (count, rows) = (texts.len(), texts.len() * c);
        let sequences: Vec<Sequence> = texts
            .iter()
            .enumerate()
            .map(|(i, ids)| Sequence {
                start: i * c,
                tokens: c,
                pooled: TextPooling::LargestId.position(ids.as_ref(), c),
            })
            .collect();
        let lens = self.transformer.scratch(exec, rows, c);
        let wide = [&self.first, &self.last]
            .map(|block| block.mlp.scratch(exec, rows))
            .into_iter()
            .fold(lens.wide, usize::max);
        let len = rows.saturating_mul(d);
        let [x, y, wide, scores] = arena.split([len, lens.normed.max(len), wide, lens.scores])?;
        let (mut x, mut y) = (&mut x[..rows * d], y);
        for (ids, sequence) in texts.iter().zip(&sequences) {
            self.embedding.write(ids.as_ref().iter().copied(), &mut x[sequence.start * d..][..c * d]);
        }
        trace(Stage::Embedded, x);

        self.first.forward(exec, (count, c), &mut x, &mut y, wide);
        trace(Stage::Block(0), x);
        let scratch = Scratch { normed: y, wide, scores };
        self.transformer.forward_all(exec, x, &sequences, scratch, |i, x| trace(Stage::Block(i + 1), x));
        self.last.forward(exec, (count, c), &mut x, &mut y, wide);
        trace(Stage::Block(self.config.blocks.layers + 1), x);

        let (pooled, normed) = (&mut wide[..count * d], &mut y[..count * d]);
        for (sequence, pooled) in sequences.iter().zip(pooled.chunks_exact_mut(d)) {
            pooled.copy_from_slice(&x[(sequence.start + sequence.pooled) * d..][..d]);
        }
        self.transformer.norm().forward_before(&self.proj, exec, pooled, normed);
        self.proj.forward(exec, normed, count, Finish::Store, out, self.proj.outputs());
        Ok(())
    }
}

impl RepMixer {
    /// The result is in `x`; the two buffers are swapped on the way.
    fn forward<'a>(
        &self,
        exec: Exec<'_>,
        (texts, tokens): (usize, usize),
        x: &mut &'a mut [f32],
        y: &mut &'a mut [f32],
        wide: &mut [f32],
    ) {
        let len = x.len();
        let strides = Strides::rows(len / (texts * tokens));
        let maps = Maps { data: x, strides, images: texts, height: 1, width: tokens };
        self.mixer.forward(exec, maps, None, (&mut **y, strides));
        // From here on both have the length of the rows; the slack of the longer one is not needed again.
        let (old, new) = (std::mem::take(x), std::mem::take(y));
        (*x, *y) = (&mut new[..len], old);
        self.mlp.forward(exec, x, Maps { data: &[], strides, images: texts, height: 1, width: tokens }, y, wide);
    }
}
