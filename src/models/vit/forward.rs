//! The vision transformer: patches, class token, blocks, projection of the class token or pooling by attention.
//!
//! Sources: openai/CLIP `model.py` (`VisionTransformer`), and open_clip's native tower, which is the same; timm
//! `vision_transformer.py` (`vit_*_siglip_*`) and `eva.py` (`vit_pe_core_*`).

use super::config::VitConfig;
use super::conv_stem::ConvStem;
use crate::layers::{AttentionPool, Exec, Finish, LayerNorm, Linear};
use crate::models::Stage;
use crate::models::transformer::{Scratch, Sequence, Transformer};
use crate::tensor::{Arena, NoScratch};
use crate::weights::TensorView;

/// `L` tokens (the class token first, if there is one, then `g · g` patches) of `W` channels.
pub(crate) struct Vit {
    pub(super) config: VitConfig,
    pub(super) stem: Stem,
    pub(super) position: TensorView, // [L, W], the class embedding added to row 0, a bias of the patches to theirs
    pub(super) ln_pre: Option<LayerNorm>,
    pub(super) transformer: Transformer,
    pub(super) head: Head,
}

/// What follows the last LayerNorm, with its affine part.
pub(super) enum Head {
    /// A projection of the class token, `[W, embed_dim]`.
    Class(Linear),
    /// Pooling of all tokens to `W` channels, and their projection, `[W, embed_dim]`, if there is one.
    Attention { pool: Box<AttentionPool>, proj: Option<Linear> },
}

/// The patch embedding.
pub(super) enum Stem {
    /// One convolution of the size of a patch: `[3·P·P, W]`, no bias, inputs ordered channel, y, x.
    Patch(Linear),
    /// Three smaller convolutions.
    Conv(Box<ConvStem>),
}

impl Vit {
    /// Number of tokens of an image.
    pub(crate) fn tokens(&self) -> usize {
        self.config.tokens()
    }

    /// Computes `out [images, embed_dim]`, not normalised, from normalised `pixels [images, 3, S, S]`. `trace` gets the
    /// rows after each stage, for tests.
    pub(crate) fn stages(
        &self,
        exec: Exec<'_>,
        pixels: &[f32],
        images: usize,
        arena: &mut Arena,
        out: &mut [f32],
        mut trace: impl FnMut(Stage, &[f32]),
    ) -> Result<(), NoScratch> {
        let (w, tokens) = (self.config.blocks.width, self.tokens());
        let rows = images * tokens;
        let lens = self.transformer.scratch(exec, rows, tokens);
        let grid = self.config.grid();
        let (wide, map) = match &self.stem {
            Stem::Patch(patch) => (rows.saturating_mul(patch.inputs()), 0),
            Stem::Conv(stem) => stem.scratch(grid),
        };
        let (head, pooled) = match &self.head {
            Head::Class(_) => (0, images * w),
            Head::Attention { pool, proj } => {
                (pool.scratch(exec, images, tokens), if proj.is_some() { images * w } else { 0 })
            }
        };
        let wide = lens.wide.max(wide).max(head);
        let lengths = [rows.saturating_mul(w), lens.normed.max(map), wide, lens.scores, pooled];
        let [x, normed, wide, scores, pooled] = arena.split(lengths)?;
        let x = &mut x[..rows * w];

        // Initialise `x` with the class embedding and the positions; the patches are added to them.
        x.chunks_exact_mut(tokens * w).for_each(|image| image.copy_from_slice(&self.position));
        match &self.stem {
            Stem::Patch(patch) => {
                // The class token takes part as a patch of zeros, so that the batch is one product.
                self.gather_patches(exec, pixels, images, wide);
                patch.forward(exec, wide, rows, Finish::Accumulate, x, w);
            }
            Stem::Conv(stem) => {
                let size = self.config.image_size;
                for (pixels, x) in pixels.chunks_exact(3 * size * size).zip(x.chunks_exact_mut(tokens * w)) {
                    stem.forward(exec, pixels, size, grid, (wide, normed), &mut x[w..]);
                }
            }
        }
        if let Some(norm) = &self.ln_pre {
            norm.forward_in_place(exec, x);
        }
        trace(Stage::Embedded, x);

        let sequences: Vec<Sequence> = (0..images).map(|i| Sequence { start: i * tokens, tokens, pooled: 0 }).collect();
        let scratch = Scratch { normed, wide, scores };
        match &self.head {
            Head::Class(proj) => {
                self.transformer.forward(exec, x, &sequences, scratch, pooled, |i, x| trace(Stage::Block(i), x));
                let normed = &mut x[..images * w]; // the rows are no longer needed
                self.transformer.norm().forward_before(proj, exec, &pooled[..images * w], normed);
                proj.forward(exec, normed, images, Finish::Store, out, proj.outputs());
            }
            Head::Attention { pool, proj } => {
                self.transformer.forward_all(exec, x, &sequences, scratch, |i, x| trace(Stage::Block(i), x));
                self.transformer.norm().forward(exec, x, &mut normed[..rows * w]);
                match proj {
                    None => pool.forward(exec, normed, (images, tokens), wide, out),
                    Some(proj) => {
                        pool.forward(exec, normed, (images, tokens), wide, pooled);
                        proj.forward(exec, pooled, images, Finish::Store, out, proj.outputs());
                    }
                }
            }
        }
        Ok(())
    }

    /// Gathers rows `[images · L, 3·P·P]`: zeros for the class token, then the patches of the image, row-major.
    fn gather_patches(&self, exec: Exec<'_>, pixels: &[f32], images: usize, out: &mut [f32]) {
        let (s, p, g) = (self.config.image_size, self.config.patch_size, self.config.grid());
        let (tokens, inputs) = (self.tokens(), 3 * p * p);
        exec.rows(&mut out[..images * tokens * inputs], inputs, 16, |row, out| {
            let (image, token) = (row / tokens, row % tokens);
            let Some(patch) = token.checked_sub(usize::from(self.config.class_token)) else {
                return out.fill(0.0);
            };
            let (top, left) = (patch / g * p, patch % g * p);
            for (line, out) in out.chunks_exact_mut(p).enumerate() {
                let (channel, y) = (line / p, line % p);
                out.copy_from_slice(&pixels[((image * 3 + channel) * s + top + y) * s + left..][..p]);
            }
        });
    }
}
