//! The names of open_clip's models with an image tower of timm: MobileCLIP and MobileCLIP2.

use super::convs::{self, Convs, conv};
use super::parts::{Block, BlockShapes, ImageParts, ImageShapes, Parts, Shapes, StemParts, VitParts, VitShapes};
use super::taker::Taker;
use super::{grid, mci, native, positions, square_patch, take_patch};

/// Names by which the towers are told apart.
pub(super) const MCI: &str = "visual.trunk.stem.";
pub(super) const STEM_VIT: &str = "visual.trunk.patch_embed.backbone.";

const CLASS: &str = "visual.trunk.cls_token";
const POSITION: &str = "visual.trunk.pos_embed";
const BLOCKS: &str = "visual.trunk.blocks.";

/// Names and shapes of every part.
pub(super) fn take(taker: &mut Taker<'_>) -> (Parts, Shapes) {
    let (image, image_shapes, embed_dim) = if taker.has_prefix(MCI) {
        let (parts, shapes, embed_dim) = mci::take_timm(taker);
        (ImageParts::Mci(parts), ImageShapes::Mci(shapes), embed_dim)
    } else {
        let (parts, shapes, embed_dim) = take_vit(taker);
        (ImageParts::Vit(parts), ImageShapes::Vit(shapes), embed_dim)
    };
    let (text, text_shapes) = native::take_text(taker, "text.", embed_dim);
    let shapes = Shapes { embed_dim, image: image_shapes, text: text_shapes };
    (Parts { logit_scale: taker.take_number("logit_scale"), image, text }, shapes)
}

fn take_vit(taker: &mut Taker<'_>) -> (VitParts, VitShapes, usize) {
    let has_stem = taker.has_prefix(STEM_VIT);
    let [width] = taker.probe("visual.trunk.norm.weight", [0]);
    let [mlp_width, _] = taker.probe(&format!("{BLOCKS}0.mlp.fc1.weight"), [0, width]);
    let blocks = BlockShapes { width, layers: taker.count_blocks(BLOCKS), mlp_width };
    let [embed_dim, _] = taker.probe("visual.trunk.head.weight", [0, width]);
    let found = taker.probe(POSITION, [1, 0, width]);
    // A class token without a position is one that the tensor does not count.
    let extra = usize::from(has_stem);
    let shape = |tokens: usize| vec![1, tokens - extra, width];
    let grid = grid(taker, POSITION, found[1].saturating_add(extra), shape, &found);
    let tokens = positions(grid) - extra;

    let (stem, patch_size, stem_width) = match has_stem {
        true => {
            let (stem, channels) = take_stem(taker, STEM_VIT, "", "bn", width);
            (stem, 16, Some(channels))
        }
        false => {
            let patch = "visual.trunk.patch_embed.proj.weight";
            let side = square_patch(taker, patch, width);
            (take_patch(taker, patch, width, side), side, None)
        }
    };
    let parts = VitParts {
        stem,
        class_embedding: taker.take(CLASS.into(), &[1, 1, width]),
        position: taker.take(POSITION.into(), &[1, tokens, width]),
        ln_pre: (!has_stem).then(|| taker.take_norm("visual.trunk.norm_pre", width)),
        blocks: take_blocks(taker, &blocks),
        ln_post: taker.take_norm("visual.trunk.norm", width),
        proj: taker.take_linear("visual.trunk.head", width, embed_dim),
    };
    let shapes = VitShapes { stem: stem_width, pre_norm: !has_stem, patch_size, grid, blocks };
    (parts, shapes, embed_dim)
}

/// The convolutional stem of MobileCLIP-B, and the channels between its convolutions.
///
/// A convolution is called `{prefix}{i}{block}.conv`, its BatchNorm `{prefix}{i}{block}.{norm}`.
pub(super) fn take_stem(
    taker: &mut Taker<'_>,
    prefix: &str,
    block: &str,
    norm: &str,
    width: usize,
) -> (StemParts, usize) {
    let [first, second, third] = [0, 1, 2].map(|i| format!("{prefix}{i}{block}"));
    let [channels, ..] = taker.probe(&format!("{first}.conv.weight"), [0, 3, 4, 4]);
    let mut convs = Convs { taker, words: &convs::TIMM, folded: false };
    let sizes = [[channels, 3, 4, 4], [channels, channels, 2, 2], [width, channels, 2, 2]];
    let parts = [
        conv(sizes[0], vec![convs.normed(&first, norm, sizes[0])]),
        conv(sizes[1], vec![convs.normed(&second, norm, sizes[1])]),
        convs.biased(&format!("{third}.conv"), sizes[2]),
    ];
    (StemParts::Convs(parts), channels)
}

fn take_blocks(taker: &mut Taker<'_>, shapes: &BlockShapes) -> Vec<Block> {
    let BlockShapes { width, mlp_width, layers } = *shapes;
    let triple = width.saturating_mul(3);
    (0..layers)
        .map(|i| {
            let at = |part: &str| format!("{BLOCKS}{i}.{part}");
            Block {
                ln_1: taker.take_norm(&at("norm1"), width),
                qkv: taker.take_linear(&at("attn.qkv"), width, triple),
                out: taker.take_linear(&at("attn.proj"), width, width),
                ln_2: taker.take_norm(&at("norm2"), width),
                fc1: taker.take_linear(&at("mlp.fc1"), width, mlp_width),
                fc2: taker.take_linear(&at("mlp.fc2"), mlp_width, width),
            }
        })
        .collect()
}
