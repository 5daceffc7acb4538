//! The names of OpenAI's CLIP, which open_clip kept for its own vision transformers.

use super::parts::{
    Block, BlockShapes, ImageParts, ImageShapes, Linear, Order, Parts, Shapes, TextParts, TextShapes, VitParts,
    VitShapes,
};
use super::taker::Taker;
use super::{grid, positions, square_patch, take_patch};

/// Where the blocks of the towers are.
const IMAGE_BLOCKS: &str = "visual.transformer.resblocks.";
const TEXT_BLOCKS: &str = "transformer.resblocks.";

/// Names and shapes of every part.
pub(super) fn take(taker: &mut Taker<'_>) -> (Parts, Shapes) {
    let blocks = blocks(taker, IMAGE_BLOCKS, "visual.ln_post.weight");
    let w = blocks.width;
    let patch = "visual.conv1.weight";
    let patch_size = square_patch(taker, patch, w);
    let position = "visual.positional_embedding";
    let [tokens, width] = taker.probe(position, [0, w]);
    let grid = grid(taker, position, tokens, |tokens| vec![tokens, w], &[tokens, width]);
    let [_, embed_dim] = taker.probe("visual.proj", [w, 0]);

    let image = VitParts {
        stem: take_patch(taker, patch, w, patch_size),
        class_embedding: taker.take("visual.class_embedding".into(), &[w]),
        position: taker.take(position.into(), &[positions(grid), w]),
        ln_pre: Some(taker.take_norm("visual.ln_pre", w)),
        blocks: take_blocks(taker, IMAGE_BLOCKS, &blocks),
        ln_post: taker.take_norm("visual.ln_post", w),
        proj: projection(taker, "visual.proj", w, embed_dim),
    };
    let (text, text_shapes) = take_text(taker, "", embed_dim);
    let vit = VitShapes { stem: None, pre_norm: true, patch_size, grid, blocks };
    let shapes = Shapes { embed_dim, image: ImageShapes::Vit(vit), text: text_shapes };
    (Parts { logit_scale: taker.take_number("logit_scale"), image: ImageParts::Vit(image), text }, shapes)
}

/// The text tower, all names of which start with `prefix`.
pub(super) fn take_text(taker: &mut Taker<'_>, prefix: &str, embed_dim: usize) -> (TextParts, TextShapes) {
    let at = |name: &str| format!("{prefix}{name}");
    let blocks = blocks(taker, &at(TEXT_BLOCKS), &at("ln_final.weight"));
    let d = blocks.width;
    let [vocab_size, _] = taker.probe(&at("token_embedding.weight"), [0, d]);
    let [context_length, _] = taker.probe(&at("positional_embedding"), [0, d]);
    let text = TextParts {
        token_embedding: taker.take(at("token_embedding.weight"), &[vocab_size, d]),
        position: taker.take(at("positional_embedding"), &[context_length, d]),
        blocks: take_blocks(taker, &at(TEXT_BLOCKS), &blocks),
        mixers: None,
        ln_final: taker.take_norm(&at("ln_final"), d),
        proj: projection(taker, &at("text_projection"), d, embed_dim),
    };
    (text, TextShapes { context_length, vocab_size, blocks, kernel: None })
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
pub(super) fn projection(taker: &mut Taker<'_>, name: &str, k: usize, n: usize) -> Linear {
    Linear { weight: vec![taker.take(name.into(), &[k, n])], order: Order::InOut, bias: Vec::new(), k, n }
}
