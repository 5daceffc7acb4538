//! The tensor names of open_clip's models with a text tower of transformers: XLM-RoBERTa, and the encoder of M2M100, which
//! NLLB is one of. Their image towers are open_clip's own or SigLIP's of timm.

use super::blocks::{BlockNames, Qkv};
use super::names::Checklist;
use super::source::Source;
use super::{Layout, Recipe, SourceLayout, Target, draft_blocks, native, siglip};
use crate::models::config::{
    Activation, ImageConfig, ModelConfig, TextConfig, TextPooling, TextTransformerConfig, XlmRobertaConfig,
};

pub(super) const LAYOUT: Layout = Layout {
    anchors: &[
        "text.transformer.embeddings.word_embeddings.weight",
        "text.transformer.embeddings.LayerNorm.weight",
        TOKENS,
        "text.transformer.layer_norm.weight",
    ],
    recognise,
};

const EMBEDDINGS: &str = "text.transformer.embeddings.";
const LAYERS: &str = "text.transformer.encoder.layer.";
const HIDDEN_PROJECTION: &str = "text.proj.0.weight";
const LAST_PROJECTION: &str = "text.proj.2.weight";

const TOKENS: &str = "text.transformer.embed_tokens.weight";
const M2M_LAYERS: &str = "text.transformer.layers.";
const M2M_NORM: &str = "text.transformer.layer_norm";
const M2M_PROJECTION: &str = "text.proj.weight";

const M2M_BLOCK: BlockNames = BlockNames {
    attention_norm: "self_attn_layer_norm",
    qkv: Qkv::Separate(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    out: "self_attn.out_proj",
    mlp_norm: "final_layer_norm",
    fc1: "fc1",
    fc2: "fc2",
};

/// Positions that open_clip's tokenizers fill at most; the towers have more.
const CONTEXT_LENGTH: usize = 77;
/// The padding of both vocabularies. Positions count from the row after it, so that no token has the rows before.
const PAD: u32 = 1;
const FIRST_POSITION: usize = PAD as usize + 1;

struct Multilingual {
    image: Option<Image>,
    text: Text,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Image {
    Native,
    Siglip,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    XlmRoberta,
    M2m,
}

fn recognise(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    let text = if names.has_prefix(EMBEDDINGS) || names.has_prefix(LAYERS) {
        Text::XlmRoberta
    } else if names.has(TOKENS) || names.has_prefix(M2M_LAYERS) {
        Text::M2m
    } else {
        return None;
    };
    let image = if siglip::has_timm_image(names) {
        Some(Image::Siglip)
    } else {
        native::has_image_tower(names).then_some(Image::Native)
    };
    Some(Box::new(Multilingual { image, text }))
}

impl Recipe for Multilingual {
    fn layout(&self) -> SourceLayout {
        SourceLayout::OpenClip
    }

    fn is_sigmoid(&self) -> bool {
        self.image == Some(Image::Siglip)
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let image = self.image.map(|image| match image {
            Image::Native => native::draft_image_tower(names, native::VISUAL),
            Image::Siglip => {
                let vit = siglip::Siglip::TIMM.draft_image(names);
                let embed_dim = vit.blocks.width;
                (ImageConfig::Vit(vit), embed_dim)
            }
        });
        let (text, text_dim) = match self.text {
            Text::XlmRoberta => draft_xlm_roberta(names),
            Text::M2m => draft_m2m(names),
        };
        let embed_dim = image.as_ref().map_or(text_dim, |(_, embed_dim)| *embed_dim);
        ModelConfig::new(embed_dim, 0.0, image.map(|(image, _)| image), Some(text))
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        match (target.path.as_slice(), self.image, self.text) {
            (["image", ..], Some(Image::Native), _) => native::image_source(names, target, native::VISUAL),
            (["image", path @ ..], Some(Image::Siglip), _) => siglip::timm_image(names, path, target),
            (["text", path @ ..], _, Text::XlmRoberta) => xlm_roberta(names, path, target),
            (["text", path @ ..], _, Text::M2m) => m2m(names, path, target),
            _ => None,
        }
    }
}

/// The text tower, and the length of its embeddings.
fn draft_xlm_roberta(names: &mut Checklist<'_>) -> (TextConfig, usize) {
    // For another pooling than open_clip's, which takes the mean of the tokens.
    names.leave_out("text.transformer.pooler.");
    let [width] = names.probe(&format!("{EMBEDDINGS}LayerNorm.weight"), [0]);
    let [vocab_size, _] = names.probe(&format!("{EMBEDDINGS}word_embeddings.weight"), [0, width]);
    let position = format!("{EMBEDDINGS}position_embeddings.weight");
    let [rows, _] = names.probe(&position, [0, width]);
    let positions = rows.saturating_sub(FIRST_POSITION);
    if positions == 0 && names.has(&position) {
        names.record_misshapen(&position, &[FIRST_POSITION + CONTEXT_LENGTH, width], &[rows, width]);
    }
    let [mlp_width, _] = names.probe(&format!("{LAYERS}0.intermediate.dense.weight"), [0, width]);
    let [projection_width, _] = names.probe(HIDDEN_PROJECTION, [0, width]);
    let [embed_dim, _] = names.probe(LAST_PROJECTION, [0, projection_width]);
    let text = XlmRobertaConfig {
        context_length: positions.clamp(1, CONTEXT_LENGTH),
        vocab_size,
        pad_id: PAD,
        blocks: draft_blocks(width, names.count_blocks(LAYERS), mlp_width),
        projection_width,
    };
    (TextConfig::XlmRoberta(text), embed_dim)
}

fn xlm_roberta(names: &mut Checklist<'_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
    let embedding = |name: &str| format!("{EMBEDDINGS}{name}");
    Some(match path {
        ["token_embedding"] => Source::Rows(names.take(embedding("word_embeddings.weight"), &target.shape)),
        ["position"] => {
            let width = *target.shape.get(1)?;
            let name = embedding("position_embeddings.weight");
            let [rows, _] = names.probe(&name, [0, width]);
            // All tokens are of the one type that there is.
            Source::BiasedPositions {
                position: names.take(name, &[rows, width]),
                skip: FIRST_POSITION,
                bias: names.take(embedding("token_type_embeddings.weight"), &[1, width]),
            }
        }
        ["ln_embedding", part] => Source::Rows(names.take(embedding(&format!("LayerNorm.{part}")), &target.shape)),
        ["blocks", i, path @ ..] => {
            let named = |name: &str| format!("{LAYERS}{i}.{name}");
            match path {
                ["qkv"] => {
                    let thirds = ["query", "key", "value"].map(|part| named(&format!("attention.self.{part}")));
                    Source::linear(names.take_stacked(&thirds, target))
                }
                ["out"] => Source::linear(names.take_linear(&named("attention.output.dense"), target)),
                ["ln_attention", part] => {
                    Source::Rows(names.take(named(&format!("attention.output.LayerNorm.{part}")), &target.shape))
                }
                ["fc1"] => Source::linear(names.take_linear(&named("intermediate.dense"), target)),
                ["fc2"] => Source::linear(names.take_linear(&named("output.dense"), target)),
                ["ln_mlp", part] => Source::Rows(names.take(named(&format!("output.LayerNorm.{part}")), &target.shape)),
                _ => return None,
            }
        }
        ["proj_hidden"] => Source::linear(names.take_unbiased(HIDDEN_PROJECTION, target)),
        ["proj"] => Source::linear(names.take_unbiased(LAST_PROJECTION, target)),
        _ => return None,
    })
}

/// The text tower, and the length of its embeddings.
fn draft_m2m(names: &mut Checklist<'_>) -> (TextConfig, usize) {
    // Computed positions, which older versions of transformers stored.
    names.leave_out("text.transformer.embed_positions.");
    let [width] = names.probe(&format!("{M2M_NORM}.weight"), [0]);
    let [vocab_size, _] = names.probe(TOKENS, [0, width]);
    let mut blocks = M2M_BLOCK.draft(names, M2M_LAYERS, 0, width);
    blocks.activation = Activation::Relu;
    let [embed_dim, _] = names.probe(M2M_PROJECTION, [0, width]);
    let text = TextTransformerConfig {
        context_length: CONTEXT_LENGTH,
        vocab_size,
        causal: false,
        pad_id: PAD,
        mask_padding: true,
        blocks,
        // The token of the language.
        pooling: TextPooling::First,
        projection: true,
    };
    (TextConfig::Transformer(text), embed_dim)
}

fn m2m(names: &mut Checklist<'_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
    Some(match path {
        ["token_embedding"] => {
            let width = *target.shape.get(1)?;
            Source::ScaledRows { name: names.take(TOKENS.into(), &target.shape), factor: (width as f64).sqrt() }
        }
        ["position"] => Source::Sinusoids { first: FIRST_POSITION },
        ["blocks", i, part] => return M2M_BLOCK.source(names, &format!("{M2M_LAYERS}{i}"), part, target),
        ["proj"] => {
            let norm = names.take_norm(M2M_NORM, target.inputs);
            Source::normed(norm, names.take_unbiased(M2M_PROJECTION, target))
        }
        _ => return None,
    })
}
