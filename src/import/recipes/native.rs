//! The tensor names of OpenAI's CLIP, which open_clip kept for its own vision transformers.

use super::names::Checklist;
use super::source::{Linear, Order, Source};
use super::{Recipe, SourceLayout, Target, draft_blocks, draft_text, draft_vit, grid, square_patch};
use crate::models::config::{ImageConfig, ModelConfig, TextConfig, TransformerConfig};

/// Buffers in OpenAI's archives besides the weights.
const OPENAI_BUFFERS: [&str; 3] = ["input_resolution", "context_length", "vocab_size"];

/// Name prefixes of the towers' blocks.
const IMAGE_BLOCKS: &str = "visual.transformer.resblocks.";
const TEXT_BLOCKS: &str = "transformer.resblocks.";

const PATCH: &str = "visual.conv1.weight";
const POSITION: &str = "visual.positional_embedding";

struct Native {
    layout: SourceLayout,
}

pub(super) fn recognise(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    // A ResNet's stem has the same name.
    if !names.has(PATCH) || names.has("visual.layer1.0.conv1.weight") {
        return None;
    }
    let openai = OPENAI_BUFFERS.iter().any(|buffer| names.has(buffer));
    let layout = if openai { SourceLayout::OpenAi } else { SourceLayout::OpenClip };
    Some(Box::new(Native { layout }))
}

impl Recipe for Native {
    fn layout(&self) -> SourceLayout {
        self.layout
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let blocks = draft(names, IMAGE_BLOCKS, "visual.ln_post.weight");
        let w = blocks.width;
        let patch_size = square_patch(names, PATCH, w);
        let [tokens, width] = names.probe(POSITION, [0, w]);
        let grid = grid(names, POSITION, tokens, |tokens| vec![tokens, w], &[tokens, width]);
        let [_, embed_dim] = names.probe("visual.proj", [w, 0]);
        let image = ImageConfig::Vit(draft_vit(patch_size, grid, true, blocks));
        ModelConfig::new(embed_dim, 0.0, Some(image), Some(draft_text_tower(names, "")))
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        let Some(("image", path)) = target.path.split_first().map(|(tower, path)| (*tower, path)) else {
            return text_source(names, target, "");
        };
        Some(match path {
            ["patch"] => Source::linear(names.take_patch(PATCH, target)),
            ["position"] => Source::ClassAndPositions {
                class: names.take("visual.class_embedding".into(), &target.shape[1..]),
                position: names.take(POSITION.into(), &target.shape),
                class_has_position: true,
            },
            ["ln_pre", part] => Source::Rows(names.take(format!("visual.ln_pre.{part}"), &target.shape)),
            ["blocks", i, part] => return block_source(names, &format!("{IMAGE_BLOCKS}{i}"), part, target),
            ["proj"] => {
                let norm = names.take_norm("visual.ln_post", target.inputs);
                Source::normed(norm, names.take_matrix("visual.proj", target))
            }
            _ => return None,
        })
    }
}

/// Drafts the text tower, whose names start with `prefix`.
pub(super) fn draft_text_tower(names: &mut Checklist<'_>, prefix: &str) -> TextConfig {
    let named = |name: &str| format!("{prefix}{name}");
    let blocks = draft(names, &named(TEXT_BLOCKS), &named("ln_final.weight"));
    let d = blocks.width;
    let [vocab_size, _] = names.probe(&named("token_embedding.weight"), [0, d]);
    let [context_length, _] = names.probe(&named("positional_embedding"), [0, d]);
    draft_text(context_length, vocab_size, blocks)
}

/// The tensors of a layer of the text tower, whose names start with `prefix`.
pub(super) fn text_source(names: &mut Checklist<'_>, target: &Target<'_>, prefix: &str) -> Option<Source> {
    let named = |name: &str| format!("{prefix}{name}");
    let Some(("text", path)) = target.path.split_first().map(|(tower, path)| (*tower, path)) else { return None };
    Some(match path {
        ["token_embedding"] => Source::Rows(names.take(named("token_embedding.weight"), &target.shape)),
        ["position"] => Source::Rows(names.take(named("positional_embedding"), &target.shape)),
        ["blocks", i, part] => return block_source(names, &format!("{prefix}{TEXT_BLOCKS}{i}"), part, target),
        ["proj"] => {
            let norm = names.take_norm(&named("ln_final"), target.inputs);
            Source::normed(norm, names.take_matrix(&named("text_projection"), target))
        }
        _ => return None,
    })
}

fn draft(names: &mut Checklist<'_>, prefix: &str, norm: &str) -> TransformerConfig {
    let [width] = names.probe(norm, [0]);
    let [mlp_width, _] = names.probe(&format!("{prefix}0.mlp.c_fc.weight"), [0, width]);
    draft_blocks(width, names.count_blocks(prefix), mlp_width)
}

fn block_source(names: &mut Checklist<'_>, block: &str, part: &str, target: &Target<'_>) -> Option<Source> {
    let named = |part: &str| format!("{block}.{part}");
    Some(match part {
        "qkv" => {
            let norm = names.take_norm(&named("ln_1"), target.inputs);
            let (k, n) = (target.inputs, target.outputs);
            let weight = vec![names.take(named("attn.in_proj_weight"), &[n, k])];
            let bias = vec![names.take(named("attn.in_proj_bias"), &[n])];
            Source::normed(norm, Linear { weight, order: Order::OutIn, bias, k, n })
        }
        "out" => Source::linear(names.take_linear(&named("attn.out_proj"), target)),
        "fc1" => {
            let norm = names.take_norm(&named("ln_2"), target.inputs);
            Source::normed(norm, names.take_linear(&named("mlp.c_fc"), target))
        }
        "fc2" => Source::linear(names.take_linear(&named("mlp.c_proj"), target)),
        _ => return None,
    })
}
