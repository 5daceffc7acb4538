//! The tensor names of Hugging Face transformers' `CLIPModel`.

use super::names::Checklist;
use super::source::Source;
use super::{Recipe, SourceLayout, Target, draft_blocks, draft_text, draft_vit, grid, square_patch};
use crate::models::config::{ImageConfig, ModelConfig, TransformerConfig};

/// Name prefixes of the towers' blocks.
const IMAGE_BLOCKS: &str = "vision_model.encoder.layers.";
const TEXT_BLOCKS: &str = "text_model.encoder.layers.";

const PATCH: &str = "vision_model.embeddings.patch_embedding.weight";
const POSITION: &str = "vision_model.embeddings.position_embedding.weight";
const IMAGE_NORM: &str = "vision_model.post_layernorm";
const IMAGE_PROJECTION: &str = "visual_projection.weight";
const TOKEN_EMBEDDING: &str = "text_model.embeddings.token_embedding.weight";
const TEXT_POSITION: &str = "text_model.embeddings.position_embedding.weight";
const TEXT_NORM: &str = "text_model.final_layer_norm";

struct HuggingFace;

pub(super) fn recognise(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    names.has(PATCH).then(|| Box::new(HuggingFace) as Box<dyn Recipe>)
}

impl Recipe for HuggingFace {
    fn layout(&self) -> SourceLayout {
        SourceLayout::HuggingFace
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let image = draft(names, IMAGE_BLOCKS, IMAGE_NORM);
        let text = draft(names, TEXT_BLOCKS, TEXT_NORM);
        let (w, d) = (image.width, text.width);
        let patch_size = square_patch(names, PATCH, w);
        let [tokens, width] = names.probe(POSITION, [0, w]);
        let grid = grid(names, POSITION, tokens, |tokens| vec![tokens, w], &[tokens, width]);
        let [embed_dim, _] = names.probe(IMAGE_PROJECTION, [0, w]);
        let [vocab_size, _] = names.probe(TOKEN_EMBEDDING, [0, d]);
        let [context_length, _] = names.probe(TEXT_POSITION, [0, d]);
        let image = ImageConfig::Vit(draft_vit(patch_size, grid, true, image));
        ModelConfig::new(embed_dim, 0.0, Some(image), Some(draft_text(context_length, vocab_size, text)))
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
            ["image", "blocks", i, part] => return block_source(names, &format!("{IMAGE_BLOCKS}{i}"), part, target),
            ["image", "proj"] => {
                let norm = names.take_norm(IMAGE_NORM, target.inputs);
                Source::normed(norm, names.take_unbiased(IMAGE_PROJECTION, target))
            }
            ["text", "token_embedding"] => Source::Rows(names.take(TOKEN_EMBEDDING.into(), &target.shape)),
            ["text", "position"] => Source::Rows(names.take(TEXT_POSITION.into(), &target.shape)),
            ["text", "blocks", i, part] => return block_source(names, &format!("{TEXT_BLOCKS}{i}"), part, target),
            ["text", "proj"] => {
                let norm = names.take_norm(TEXT_NORM, target.inputs);
                Source::normed(norm, names.take_unbiased("text_projection.weight", target))
            }
            _ => return None,
        })
    }
}

fn draft(names: &mut Checklist<'_>, prefix: &str, norm: &str) -> TransformerConfig {
    let [width] = names.probe(&format!("{norm}.weight"), [0]);
    let [mlp_width, _] = names.probe(&format!("{prefix}0.mlp.fc1.weight"), [0, width]);
    draft_blocks(width, names.count_blocks(prefix), mlp_width)
}

fn block_source(names: &mut Checklist<'_>, block: &str, part: &str, target: &Target<'_>) -> Option<Source> {
    let named = |part: &str| format!("{block}.{part}");
    Some(match part {
        "qkv" => {
            let norm = names.take_norm(&named("layer_norm1"), target.inputs);
            let thirds = ["q_proj", "k_proj", "v_proj"].map(|third| named(&format!("self_attn.{third}")));
            Source::normed(norm, names.take_stacked(&thirds, target))
        }
        "out" => Source::linear(names.take_linear(&named("self_attn.out_proj"), target)),
        "fc1" => {
            let norm = names.take_norm(&named("layer_norm2"), target.inputs);
            Source::normed(norm, names.take_linear(&named("mlp.fc1"), target))
        }
        "fc2" => Source::linear(names.take_linear(&named("mlp.fc2"), target)),
        _ => return None,
    })
}
