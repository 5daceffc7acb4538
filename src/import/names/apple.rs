//! The names of Apple's `ml-mobileclip`: MobileCLIP S0, S1, S2 and B as Apple publishes them.

use super::convs::{self, Convs};
use super::native::projection;
use super::parts::{
    Block, BlockShapes, ImageParts, ImageShapes, Parts, Shapes, TextMixer, TextParts, TextShapes, VitParts, VitShapes,
};
use super::taker::Taker;
use super::timm::take_stem;
use super::{grid, mci, positions};

/// Names by which the layout and its towers are told apart.
pub(super) const MCI: &str = "image_encoder.model.patch_embed.";
pub(super) const STEM_VIT: &str = "image_encoder.model.patch_emb.";

const POSITION: &str = "image_encoder.model.pos_embed.pos_embed.pos_embed";
const IMAGE_BLOCKS: &str = "image_encoder.model.transformer.";
const TEXT_POSITION: &str = "text_encoder.positional_embedding.pos_embed.pos_embed";
const TEXT_BLOCKS: &str = "text_encoder.transformer.";

/// Names and shapes of every part.
pub(super) fn take(taker: &mut Taker<'_>) -> (Parts, Shapes) {
    let (image, image_shapes, embed_dim) = if taker.has_prefix(MCI) {
        let (parts, shapes, embed_dim) = mci::take_apple(taker);
        (ImageParts::Mci(parts), ImageShapes::Mci(shapes), embed_dim)
    } else {
        let (parts, shapes, embed_dim) = take_vit(taker);
        (ImageParts::Vit(parts), ImageShapes::Vit(shapes), embed_dim)
    };
    let (text, text_shapes) = take_text(taker, embed_dim);
    let shapes = Shapes { embed_dim, image: image_shapes, text: text_shapes };
    (Parts { logit_scale: taker.take_number("logit_scale"), image, text }, shapes)
}

fn take_vit(taker: &mut Taker<'_>) -> (VitParts, VitShapes, usize) {
    let [width] = taker.probe("image_encoder.model.post_transformer_norm.weight", [0]);
    let blocks = blocks(taker, IMAGE_BLOCKS, 0, width);
    let proj = "image_encoder.model.classifier.proj";
    let [_, embed_dim] = taker.probe(proj, [width, 0]);
    let found = taker.probe(POSITION, [1, 1, 0, width]);
    // The class token has no position.
    let shape = |tokens: usize| vec![1, 1, tokens - 1, width];
    let grid = grid(taker, POSITION, found[2].saturating_add(1), shape, &found);
    let (stem, channels) = take_stem(taker, STEM_VIT, ".block", "norm", width);
    let parts = VitParts {
        stem,
        class_embedding: taker.take("image_encoder.model.cls_token".into(), &[1, 1, width]),
        position: taker.take(POSITION.into(), &[1, 1, positions(grid) - 1, width]),
        ln_pre: None,
        blocks: take_blocks(taker, IMAGE_BLOCKS, 0, &blocks),
        ln_post: taker.take_norm("image_encoder.model.post_transformer_norm", width),
        proj: projection(taker, proj, width, embed_dim),
    };
    let shapes = VitShapes { stem: Some(channels), pre_norm: false, patch_size: 16, grid, blocks };
    (parts, shapes, embed_dim)
}

fn take_text(taker: &mut Taker<'_>, embed_dim: usize) -> (TextParts, TextShapes) {
    let [d] = taker.probe("text_encoder.final_layer_norm.weight", [0]);
    let embedding = "text_encoder.embedding_layer.weight";
    let [vocab_size, _] = taker.probe(embedding, [0, d]);
    let [_, _, context_length, _] = taker.probe(TEXT_POSITION, [1, 1, 0, d]);

    // The hybrid's first and last blocks are convolutions.
    let hybrid = taker.has_within(TEXT_BLOCKS, ".token_mixer.");
    let first = usize::from(hybrid);
    let blocks = blocks(taker, TEXT_BLOCKS, first, d);
    let blocks = BlockShapes { layers: blocks.layers.saturating_sub(2 * first), ..blocks };
    let (mixers, kernel) = match hybrid {
        true => {
            let (mixers, kernel) = take_mixers(taker, blocks.layers + 1, d);
            (Some(mixers), Some(kernel))
        }
        false => (None, None),
    };
    let text = TextParts {
        token_embedding: taker.take(embedding.into(), &[vocab_size, d]),
        position: taker.take(TEXT_POSITION.into(), &[1, 1, context_length, d]),
        blocks: take_blocks(taker, TEXT_BLOCKS, first, &blocks),
        mixers,
        ln_final: taker.take_norm("text_encoder.final_layer_norm", d),
        proj: projection(taker, "text_encoder.projection_layer", d, embed_dim),
    };
    (text, TextShapes { context_length, vocab_size, blocks, kernel })
}

/// The hybrid's block 0 and its last one, and the taps of their kernels.
fn take_mixers(taker: &mut Taker<'_>, last: usize, d: usize) -> ([TextMixer; 2], usize) {
    let first = format!("{TEXT_BLOCKS}0");
    let mut convs = Convs::new(taker, &convs::APPLE, &format!("{first}.token_mixer"));
    let hidden = convs.probe_mlp(&first, d);
    let [.., kernel] = convs.taker.probe(&format!("{first}.convffn.conv.conv.weight"), [d, 1, 1, 0]);
    let mut take = |i: usize| {
        let name = format!("{TEXT_BLOCKS}{i}");
        TextMixer {
            mixer: convs.mixer(&format!("{name}.token_mixer"), [d, 1, 1, kernel], false),
            mlp: convs.mlp(&name, "layer_scale", d, hidden, [1, kernel]),
        }
    };
    ([take(0), take(last)], kernel)
}

/// The blocks numbered behind `prefix`, the transformer's first of which has the number `first`.
fn blocks(taker: &mut Taker<'_>, prefix: &str, first: usize, width: usize) -> BlockShapes {
    let fc1 = format!("{prefix}{}.pre_norm_ffn.1.weight", first);
    let [mlp_width, _] = taker.probe(&fc1, [0, width]);
    BlockShapes { width, layers: taker.count_blocks(prefix), mlp_width }
}

fn take_blocks(taker: &mut Taker<'_>, prefix: &str, first: usize, shapes: &BlockShapes) -> Vec<Block> {
    let BlockShapes { width, mlp_width, layers } = *shapes;
    let triple = width.saturating_mul(3);
    (first..first.saturating_add(layers))
        .map(|i| {
            let at = |part: &str| format!("{prefix}{i}.{part}");
            Block {
                ln_1: taker.take_norm(&at("pre_norm_mha.0"), width),
                qkv: taker.take_linear(&at("pre_norm_mha.1.qkv_proj"), width, triple),
                out: taker.take_linear(&at("pre_norm_mha.1.out_proj"), width, width),
                ln_2: taker.take_norm(&at("pre_norm_ffn.0"), width),
                fc1: taker.take_linear(&at("pre_norm_ffn.1"), width, mlp_width),
                fc2: taker.take_linear(&at("pre_norm_ffn.4"), mlp_width, width),
            }
        })
        .collect()
}
