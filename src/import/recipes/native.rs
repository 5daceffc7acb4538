//! The tensor names of OpenAI's CLIP, which open_clip kept for its own vision transformers.

use super::blocks::{BlockNames, Qkv};
use super::names::Checklist;
use super::source::Source;
use super::{Recipe, SourceLayout, Target, draft_text, draft_vit, grid, square_patch};
use crate::models::config::{ImageConfig, ModelConfig, TextConfig, TransformerConfig};

/// Buffers in OpenAI's archives besides the weights.
const OPENAI_BUFFERS: [&str; 3] = ["input_resolution", "context_length", "vocab_size"];

/// Name prefixes of the towers' blocks.
const IMAGE_BLOCKS: &str = "visual.transformer.resblocks.";
const TEXT_BLOCKS: &str = "transformer.resblocks.";

const BLOCK: BlockNames = BlockNames {
    attention_norm: "ln_1",
    qkv: Qkv::InProj("attn.in_proj"),
    out: "attn.out_proj",
    mlp_norm: "ln_2",
    fc1: "mlp.c_fc",
    fc2: "mlp.c_proj",
};

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
            ["blocks", i, part] => return BLOCK.source(names, &format!("{IMAGE_BLOCKS}{i}"), part, target),
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
        ["blocks", i, part] => return BLOCK.source(names, &format!("{prefix}{TEXT_BLOCKS}{i}"), part, target),
        ["proj"] => {
            let norm = names.take_norm(&named("ln_final"), target.inputs);
            Source::normed(norm, names.take_matrix(&named("text_projection"), target))
        }
        _ => return None,
    })
}

fn draft(names: &mut Checklist<'_>, prefix: &str, norm: &str) -> TransformerConfig {
    let [width] = names.probe(norm, [0]);
    BLOCK.draft(names, prefix, 0, width)
}
