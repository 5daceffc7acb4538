//! A stack of pre-norm transformer blocks, pooled to one row per sequence.
//!
//! Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021), and
//! openai/CLIP `model.py`. The affine parts of the LayerNorms and the scale of the queries belong to the linear layers after
//! them: they are folded into the weights or beside them.

use crate::layers::{Attention, Exec, Finish, LayerNorm, Linear, Mlp, PANEL, Rotary, Span, Strides};

/// The blocks; `W` is the width, `H` the width of the MLP.
pub(in crate::models) struct Transformer {
    pub(super) blocks: Vec<Block>,
    pub(super) attention: Attention,
    pub(super) rotary: Option<Rotary>, // of images, of which every sequence is one
    pub(super) norm: LayerNorm,        // shared by all blocks; the next layers have the affine parts
    pub(super) width: usize,
}

/// One block: `x += out(attention(qkv(norm(x))))`, then `x += fc2(act(fc1(norm(x))))`.
pub(super) struct Block {
    pub(super) qkv: Linear, // [W, 3W]
    pub(super) out: Linear, // [W, W]
    pub(super) mlp: Mlp,    // W to H to W
}

/// A sequence among the rows of a batch.
#[derive(Clone, Copy, Debug)]
pub(in crate::models) struct Sequence {
    /// Its first row.
    pub(in crate::models) start: usize,
    /// Number of tokens, at least one.
    pub(in crate::models) tokens: usize,
    /// Index of the pooled token in the sequence.
    pub(in crate::models) pooled: usize,
}

/// Scratch memory of a pass, of the lengths that [`Transformer::scratch`] returns.
pub(in crate::models) struct Scratch<'a> {
    pub(in crate::models) normed: &'a mut [f32],
    pub(in crate::models) wide: &'a mut [f32],
    pub(in crate::models) scores: &'a mut [f32],
}

/// Floats of each buffer of [`Scratch`].
#[derive(Clone, Copy, Debug)]
pub(in crate::models) struct ScratchLens {
    pub(in crate::models) normed: usize,
    pub(in crate::models) wide: usize,
    pub(in crate::models) scores: usize,
}

impl Transformer {
    /// Scratch for `rows` tokens in total, in sequences of at most `longest`.
    pub(in crate::models) fn scratch(&self, exec: Exec<'_>, rows: usize, longest: usize) -> ScratchLens {
        // The weights of each block may be of another type, which needs other scratch.
        let mlp = self.blocks.iter().map(|block| block.mlp.scratch(exec, rows)).max().unwrap_or(0);
        ScratchLens {
            normed: rows.saturating_mul(self.width),
            wide: rows.saturating_mul(3 * self.width).max(mlp),
            scores: self.attention.scratch(exec, longest),
        }
    }

    /// Runs `x [rows, W]` through all blocks and writes the pooled row of each sequence to `pooled [sequences, W]`. The
    /// last block computes only the pooled rows. The content of `x` is lost.
    ///
    /// `trace` gets the rows after every block but the last, for tests.
    pub(in crate::models) fn forward(
        &self,
        exec: Exec<'_>,
        x: &mut [f32],
        sequences: &[Sequence],
        scratch: Scratch<'_>,
        pooled: &mut [f32],
        mut trace: impl FnMut(usize, &[f32]),
    ) {
        let w = self.width;
        let Some((last, blocks)) = self.blocks.split_last() else {
            for (sequence, pooled) in sequences.iter().zip(pooled.chunks_exact_mut(w)) {
                pooled.copy_from_slice(&x[(sequence.start + sequence.pooled) * w..][..w]);
            }
            return;
        };
        let Scratch { normed, wide, scores } = scratch;
        self.whole_blocks(exec, blocks, x, sequences, Scratch { normed, wide, scores }, &mut trace);
        self.last_block(exec, last, x, sequences, Scratch { normed, wide, scores }, pooled);
    }

    /// Runs all rows of `x [rows, W]` through all blocks.
    pub(in crate::models) fn forward_all(
        &self,
        exec: Exec<'_>,
        x: &mut [f32],
        sequences: &[Sequence],
        scratch: Scratch<'_>,
        mut trace: impl FnMut(usize, &[f32]),
    ) {
        self.whole_blocks(exec, &self.blocks, x, sequences, scratch, &mut trace);
    }

    fn whole_blocks(
        &self,
        exec: Exec<'_>,
        blocks: &[Block],
        x: &mut [f32],
        sequences: &[Sequence],
        scratch: Scratch<'_>,
        trace: &mut impl FnMut(usize, &[f32]),
    ) {
        let w = self.width;
        let rows = x.len() / w;
        let all: Vec<Span> = sequences
            .iter()
            .map(|s| Span { start: s.start, tokens: s.tokens, queries: 0..s.tokens, out_row: s.start })
            .collect();
        let Scratch { normed, wide, scores } = scratch;
        let normed = &mut normed[..rows * w];
        for (i, block) in blocks.iter().enumerate() {
            let next = self.blocks.get(i + 1).map_or(exec, |next| exec.prefetching(&next.qkv));
            self.norm.forward_before(&block.qkv, exec, x, normed);
            block.qkv.forward(exec.prefetching(&block.out), normed, rows, Finish::Store, wide, 3 * w);
            self.turn(exec, wide, rows);
            // The normalised rows are no longer needed: attention writes its heads over them.
            self.attention.after(&block.qkv).forward(exec, wide, &all, normed, scores);
            block.out.forward(exec.prefetching(block.mlp.first()), normed, rows, Finish::Accumulate, x, w);
            self.norm.forward_before(block.mlp.first(), exec, x, normed);
            block.mlp.forward(next, (&*normed, Strides::rows(w)), rows, (&mut *x, Strides::rows(w)), wide);
            trace(i, x);
        }
    }

    /// Runs the last block for the pooled rows only: keys and values of all tokens, but queries, output and MLP of the
    /// pooled ones. The values equal those of the whole block exactly.
    fn last_block(
        &self,
        exec: Exec<'_>,
        block: &Block,
        x: &[f32],
        sequences: &[Sequence],
        scratch: Scratch<'_>,
        pooled: &mut [f32],
    ) {
        let w = self.width;
        let (rows, count) = (x.len() / w, sequences.len());
        let Scratch { normed, wide, scores } = scratch;
        let pooled = &mut pooled[..count * w];

        self.norm.forward_before(&block.qkv, exec, x, &mut normed[..rows * w]);
        if w.is_multiple_of(PANEL) {
            let (from, to) = (Strides::rows(w), Strides::rows(3 * w));
            block.qkv.columns(exec, (&*normed, from), rows, w..3 * w, Finish::Store, (&mut wide[w..], to));
            for s in sequences {
                let row = s.start + s.pooled;
                let (x, out) = (&normed[row * w..], &mut wide[row * 3 * w..]);
                block.qkv.columns(exec, (x, from), 1, 0..w, Finish::Store, (out, to));
            }
        } else {
            block.qkv.forward(exec, normed, rows, Finish::Store, wide, 3 * w);
        }
        self.turn(exec, wide, rows);
        let spans: Vec<Span> = sequences
            .iter()
            .enumerate()
            .map(|(i, s)| Span { start: s.start, tokens: s.tokens, queries: s.pooled..s.pooled + 1, out_row: i })
            .collect();
        let normed = &mut normed[..count * w];
        self.attention.after(&block.qkv).forward(exec, wide, &spans, normed, scores);
        for (sequence, pooled) in sequences.iter().zip(pooled.chunks_exact_mut(w)) {
            pooled.copy_from_slice(&x[(sequence.start + sequence.pooled) * w..][..w]);
        }
        block.out.forward(exec, normed, count, Finish::Accumulate, pooled, w);
        self.norm.forward_before(block.mlp.first(), exec, pooled, normed);
        block.mlp.forward(exec, (&*normed, Strides::rows(w)), count, (pooled, Strides::rows(w)), wide);
    }

    /// Turns queries and keys by their positions in the image, if the tower does.
    fn turn(&self, exec: Exec<'_>, qkv: &mut [f32], rows: usize) {
        if let Some(rotary) = &self.rotary {
            rotary.forward(exec, &mut qkv[..rows * 3 * self.width]);
        }
    }

    /// The LayerNorm of the tower, without its affine part.
    pub(in crate::models) fn norm(&self) -> &LayerNorm {
        &self.norm
    }
}
