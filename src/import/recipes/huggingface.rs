//! The tensor names of Hugging Face transformers' `CLIPModel`, `CLIPVisionModelWithProjection` and
//! `CLIPTextModelWithProjection`.

use super::blocks::{BlockNames, Qkv};
use super::names::Checklist;
use super::source::Source;
use super::{Layout, Recipe, SourceLayout, Target, draft_text, draft_vit, grid, square_patch};
use crate::models::config::{ImageConfig, ModelConfig, TextConfig, TransformerConfig};

pub(super) const LAYOUT: Layout = Layout {
    anchors: &[PATCH, "vision_model.embeddings.class_embedding", TOKEN_EMBEDDING, "text_model.final_layer_norm.weight"],
    recognise,
};

/// Name prefixes of the towers' blocks.
pub(super) const IMAGE_BLOCKS: &str = "vision_model.encoder.layers.";
const TEXT_BLOCKS: &str = "text_model.encoder.layers.";

pub(super) const BLOCK: BlockNames = BlockNames {
    attention_norm: "layer_norm1",
    qkv: Qkv::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    out: "self_attn.out_proj",
    mlp_norm: "layer_norm2",
    fc1: "mlp.fc1",
    fc2: "mlp.fc2",
};

pub(super) const PATCH: &str = "vision_model.embeddings.patch_embedding.weight";
pub(super) const POSITION: &str = "vision_model.embeddings.position_embedding.weight";
pub(super) const IMAGE_NORM: &str = "vision_model.post_layernorm";
const IMAGE_PROJECTION: &str = "visual_projection.weight";
const TOKEN_EMBEDDING: &str = "text_model.embeddings.token_embedding.weight";
const TEXT_POSITION: &str = "text_model.embeddings.position_embedding.weight";
pub(super) const TEXT_NORM: &str = "text_model.final_layer_norm";
const TEXT_PROJECTION: &str = "text_projection.weight";

struct HuggingFace {
    image: bool,
    text: bool,
}

fn recognise(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    // A tower is there if anything of it is, so that what it lacks is named.
    let image = names.has_prefix("vision_model.") || names.has(IMAGE_PROJECTION);
    let text = names.has_prefix("text_model.") || names.has(TEXT_PROJECTION);
    let known = names.has(PATCH) || names.has_prefix(IMAGE_BLOCKS) || names.has_prefix(TEXT_BLOCKS);
    known.then(|| Box::new(HuggingFace { image, text }) as Box<dyn Recipe>)
}

impl Recipe for HuggingFace {
    fn layout(&self) -> SourceLayout {
        SourceLayout::HuggingFace
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let image = self.image.then(|| draft_image_tower(names));
        let text = self.text.then(|| draft_text_tower(names));
        let embed_dim = match (&image, &text) {
            (Some((_, embed_dim)), _) => *embed_dim,
            (None, Some(text)) => {
                let width = text.sizes().width.unwrap_or(1);
                let [embed_dim, _] = names.probe(TEXT_PROJECTION, [0, width]);
                embed_dim
            }
            (None, None) => 1,
        };
        ModelConfig::new(embed_dim, 0.0, image.map(|(image, _)| image), text)
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        Some(match target.path.as_slice() {
            ["image", "patch"] => Source::linear(names.take_patch(PATCH, target)),
            ["image", "position"] => Source::ClassAndPositions {
                class: names.take("vision_model.embeddings.class_embedding".into(), &target.shape[1..]),
                position: names.take(POSITION.into(), &target.shape),
                class_has_position: true,
            },
            // Misspelt in transformers.
            ["image", "ln_pre", part] => {
                Source::Rows(names.take(format!("vision_model.pre_layrnorm.{part}"), &target.shape))
            }
            ["image", "blocks", i, part] => return BLOCK.source(names, &format!("{IMAGE_BLOCKS}{i}"), part, target),
            ["image", "proj"] => {
                let norm = names.take_norm(IMAGE_NORM, target.inputs);
                Source::normed(norm, names.take_unbiased(IMAGE_PROJECTION, target))
            }
            ["text", "proj"] => {
                let norm = names.take_norm(TEXT_NORM, target.inputs);
                Source::normed(norm, names.take_unbiased(TEXT_PROJECTION, target))
            }
            _ => return text_source(names, target),
        })
    }
}

/// The tensors of a layer of the text tower before the projection.
pub(super) fn text_source(names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
    Some(match target.path.get(1..)? {
        ["token_embedding"] => Source::Rows(names.take(TOKEN_EMBEDDING.into(), &target.shape)),
        ["position"] => Source::Rows(names.take(TEXT_POSITION.into(), &target.shape)),
        ["blocks", i, part] => return BLOCK.source(names, &format!("{TEXT_BLOCKS}{i}"), part, target),
        _ => return None,
    })
}

/// Drafts the image tower and infers the length of the embeddings.
fn draft_image_tower(names: &mut Checklist<'_>) -> (ImageConfig, usize) {
    let blocks = draft(names, IMAGE_BLOCKS, IMAGE_NORM);
    let w = blocks.width;
    let patch_size = square_patch(names, PATCH, w);
    let [tokens, width] = names.probe(POSITION, [0, w]);
    let grid = grid(names, POSITION, tokens, |tokens| vec![tokens, w], &[tokens, width]);
    let [embed_dim, _] = names.probe(IMAGE_PROJECTION, [0, w]);
    (ImageConfig::Vit(draft_vit(patch_size, grid, true, blocks)), embed_dim)
}

pub(super) fn draft_text_tower(names: &mut Checklist<'_>) -> TextConfig {
    let blocks = draft(names, TEXT_BLOCKS, TEXT_NORM);
    let d = blocks.width;
    let [vocab_size, _] = names.probe(TOKEN_EMBEDDING, [0, d]);
    let [context_length, _] = names.probe(TEXT_POSITION, [0, d]);
    draft_text(context_length, vocab_size, blocks)
}

pub(super) fn draft(names: &mut Checklist<'_>, prefix: &str, norm: &str) -> TransformerConfig {
    let [width] = names.probe(&format!("{norm}.weight"), [0]);
    BLOCK.draft(names, prefix, 0, width)
}
