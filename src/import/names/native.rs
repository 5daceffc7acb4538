//! The names of OpenAI's CLIP, which open_clip kept for its own vision transformers.

use super::parts::{Block, BlockShapes, Linear, Order, Parts, Shapes, TextParts, TextShapes, VitParts, VitShapes};
use super::taker::Taker;
use super::{grid, square_patch};

/// Where the blocks of the towers are.
const IMAGE_BLOCKS: &str = "visual.transformer.resblocks.";
const TEXT_BLOCKS: &str = "transformer.resblocks.";

/// Names and shapes of every part.
pub(super) fn take(taker: &mut Taker<'_>) -> (Parts, Shapes) {
    let image_blocks = blocks(taker, IMAGE_BLOCKS, "visual.ln_post.weight");
    let text_blocks = blocks(taker, TEXT_BLOCKS, "ln_final.weight");
    let (w, d) = (image_blocks.width, text_blocks.width);
    let patch = "visual.conv1.weight";
    let patch_size = square_patch(taker, patch, w);
    let position = "visual.positional_embedding";
    let grid = grid(taker, position, w);
    let tokens = grid.saturating_mul(grid).saturating_add(1);
    let [_, embed_dim] = taker.probe("visual.proj", [w, 0]);
    let [vocab_size, _] = taker.probe("token_embedding.weight", [0, d]);
    let [context_length, _] = taker.probe("positional_embedding", [0, d]);

    let patch_len = patch_size.saturating_mul(patch_size).saturating_mul(3);
    let image = VitParts {
        patch: Linear {
            weight: vec![taker.take(patch.into(), &[w, 3, patch_size, patch_size])],
            order: Order::OutIn,
            bias: Vec::new(),
            k: patch_len,
            n: w,
        },
        class_embedding: taker.take("visual.class_embedding".into(), &[w]),
        position: taker.take(position.into(), &[tokens, w]),
        ln_pre: taker.take_norm("visual.ln_pre", w),
        blocks: take_blocks(taker, IMAGE_BLOCKS, &image_blocks),
        ln_post: taker.take_norm("visual.ln_post", w),
        proj: projection(taker, "visual.proj", w, embed_dim),
    };
    let text = TextParts {
        token_embedding: taker.take("token_embedding.weight".into(), &[vocab_size, d]),
        position: taker.take("positional_embedding".into(), &[context_length, d]),
        blocks: take_blocks(taker, TEXT_BLOCKS, &text_blocks),
        ln_final: taker.take_norm("ln_final", d),
        proj: projection(taker, "text_projection", d, embed_dim),
    };
    let shapes = Shapes {
        embed_dim,
        image: VitShapes { patch_size, grid, blocks: image_blocks },
        text: TextShapes { context_length, vocab_size, blocks: text_blocks },
    };
    (Parts { logit_scale: taker.take_number("logit_scale"), image, text }, shapes)
}

fn blocks(taker: &mut Taker<'_>, prefix: &str, norm: &str) -> BlockShapes {
    let [width] = taker.probe(norm, [0]);
    let [mlp_width, _] = taker.probe(&format!("{prefix}0.mlp.c_fc.weight"), [0, width]);
    BlockShapes { width, layers: taker.count_blocks(prefix), mlp_width }
}

fn take_blocks(taker: &mut Taker<'_>, prefix: &str, shapes: &BlockShapes) -> Vec<Block> {
    let BlockShapes { width, mlp_width, layers } = *shapes;
    let triple = width.saturating_mul(3);
    (0..layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}{i}.{part}");
            Block {
                ln_1: taker.take_norm(&at("ln_1"), width),
                qkv: Linear {
                    weight: vec![taker.take(at("attn.in_proj_weight"), &[triple, width])],
                    order: Order::OutIn,
                    bias: vec![taker.take(at("attn.in_proj_bias"), &[triple])],
                    k: width,
                    n: triple,
                },
                out: taker.take_linear(&at("attn.out_proj"), width, width),
                ln_2: taker.take_norm(&at("ln_2"), width),
                fc1: taker.take_linear(&at("mlp.c_fc"), width, mlp_width),
                fc2: taker.take_linear(&at("mlp.c_proj"), mlp_width, width),
            }
        })
        .collect()
}

/// A bare matrix that rows are multiplied with from the left.
fn projection(taker: &mut Taker<'_>, name: &str, k: usize, n: usize) -> Linear {
    Linear { weight: vec![taker.take(name.into(), &[k, n])], order: Order::InOut, bias: Vec::new(), k, n }
}
