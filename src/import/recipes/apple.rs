//! The tensor names of Apple's `ml-mobileclip`: MobileCLIP S0, S1, S2 and B as published by Apple.

use super::blocks::{BlockNames, Qkv};
use super::convs::{self, Convs};
use super::mci::MciTower;
use super::names::Checklist;
use super::source::Source;
use super::timm::{draft_stem, stem_source};
use super::{Layout, Recipe, SourceLayout, Target, draft_text, draft_vit, grid};
use crate::models::config::{ImageConfig, ModelConfig, TextConfig, TextHybridConfig, TransformerConfig};

/// Names that distinguish the layout and its towers.
const MCI: &str = "image_encoder.model.patch_embed.";
const STEM: &str = "image_encoder.model.patch_emb.";

const POSITION: &str = "image_encoder.model.pos_embed.pos_embed.pos_embed";
const IMAGE_BLOCKS: &str = "image_encoder.model.transformer.";
const IMAGE_NORM: &str = "image_encoder.model.post_transformer_norm";
const IMAGE_PROJECTION: &str = "image_encoder.model.classifier.proj";
const TOKEN_EMBEDDING: &str = "text_encoder.embedding_layer.weight";
const TEXT_POSITION: &str = "text_encoder.positional_embedding.pos_embed.pos_embed";
const TEXT_BLOCKS: &str = "text_encoder.transformer.";
const TEXT_NORM: &str = "text_encoder.final_layer_norm";
const TEXT_PROJECTION: &str = "text_encoder.projection_layer";

const BLOCK: BlockNames = BlockNames {
    attention_norm: "pre_norm_mha.0",
    qkv: Qkv::Linear("pre_norm_mha.1.qkv_proj"),
    out: "pre_norm_mha.1.out_proj",
    mlp_norm: "pre_norm_ffn.0",
    fc1: "pre_norm_ffn.1",
    fc2: "pre_norm_ffn.4",
};

pub(super) const LAYOUT: Layout =
    Layout { anchors: &[MCI, STEM, TOKEN_EMBEDDING, "text_encoder.final_layer_norm.weight"], recognise };

struct Apple {
    image: bool,
    text: bool,
    mci: Option<MciTower>,
    hybrid: Option<Hybrid>,
}

/// The hybrid text tower. Its first and last blocks are convolutions, numbered in one sequence with the transformer's.
struct Hybrid {
    folded: bool,
    /// Number of the last block.
    last: usize,
}

fn recognise(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    let mci = names.has_prefix(MCI).then(|| MciTower::apple(names));
    let image = mci.is_some() || names.has_prefix(STEM);
    let text = names.has_prefix("text_encoder.");
    let known = image || (names.has_prefix(TEXT_BLOCKS) && !names.has_prefix("image_encoder."));
    known.then(|| Box::new(Apple { image, text, mci, hybrid: None }) as Box<dyn Recipe>)
}

impl Recipe for Apple {
    fn layout(&self) -> SourceLayout {
        SourceLayout::Apple
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let image = self.image.then(|| match &mut self.mci {
            Some(mci) => mci.draft(names),
            None => draft_vit_tower(names),
        });
        let text = self.text.then(|| self.draft_text(names));
        let embed_dim = match (&image, &text) {
            (Some((_, embed_dim)), _) => *embed_dim,
            (None, Some(text)) => {
                let width = text.sizes().width.unwrap_or(1);
                let [_, embed_dim] = names.probe(TEXT_PROJECTION, [width, 0]);
                embed_dim
            }
            (None, None) => 1,
        };
        ModelConfig::new(embed_dim, 0.0, image.map(|(image, _)| image), text)
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        match (target.path.first(), &self.mci) {
            (Some(&"image"), Some(mci)) => mci.source(names, target),
            (Some(&"image"), None) => vit_source(names, target),
            _ => self.text_source(names, target),
        }
    }
}

impl Apple {
    fn draft_text(&mut self, names: &mut Checklist<'_>) -> TextConfig {
        let [d] = names.probe(&format!("{TEXT_NORM}.weight"), [0]);
        let [vocab_size, _] = names.probe(TOKEN_EMBEDDING, [0, d]);
        let [_, _, context_length, _] = names.probe(TEXT_POSITION, [1, 1, 0, d]);
        if !names.has_within(TEXT_BLOCKS, ".token_mixer.") {
            return draft_text(context_length, vocab_size, BLOCK.draft(names, TEXT_BLOCKS, 0, d));
        }
        let blocks = BLOCK.draft(names, TEXT_BLOCKS, 1, d);
        let blocks = TransformerConfig { layers: blocks.layers.saturating_sub(2), ..blocks };
        let first = format!("{TEXT_BLOCKS}0");
        let convs = Convs::new(names, &convs::APPLE, &format!("{first}.token_mixer"));
        self.hybrid = Some(Hybrid { folded: convs.folded, last: blocks.layers + 1 });
        let [.., kernel_size] = names.probe(&format!("{first}.convffn.conv.conv.weight"), [d, 1, 1, 0]);
        TextConfig::Hybrid(TextHybridConfig { context_length, vocab_size, kernel_size, blocks })
    }

    fn text_source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        Some(match target.path.get(1..)? {
            ["token_embedding"] => Source::Rows(names.take(TOKEN_EMBEDDING.into(), &target.shape)),
            ["position"] => {
                let [positions, width] = target.shape[..] else { return None };
                Source::Rows(names.take(TEXT_POSITION.into(), &[1, 1, positions, width]))
            }
            [end @ ("first" | "last"), part @ ..] => {
                let hybrid = self.hybrid.as_ref()?;
                let i = if *end == "first" { 0 } else { hybrid.last };
                let mut convs = Convs { names, part_names: &convs::APPLE, folded: hybrid.folded };
                return mixer_source(&mut convs, &format!("{TEXT_BLOCKS}{i}"), part, target);
            }
            ["blocks", i, part] => {
                let i = i.parse::<usize>().ok()? + usize::from(self.hybrid.is_some());
                return BLOCK.source(names, &format!("{TEXT_BLOCKS}{i}"), part, target);
            }
            ["proj"] => {
                let norm = names.take_norm(TEXT_NORM, target.inputs);
                Source::normed(norm, names.take_matrix(TEXT_PROJECTION, target))
            }
            _ => return None,
        })
    }
}

fn draft_vit_tower(names: &mut Checklist<'_>) -> (ImageConfig, usize) {
    let [width] = names.probe(&format!("{IMAGE_NORM}.weight"), [0]);
    let blocks = BLOCK.draft(names, IMAGE_BLOCKS, 0, width);
    let [_, embed_dim] = names.probe(IMAGE_PROJECTION, [width, 0]);
    let found = names.probe(POSITION, [1, 1, 0, width]);
    // The class token has no position.
    let shape = |tokens: usize| vec![1, 1, tokens - 1, width];
    let grid = grid(names, POSITION, found[2].saturating_add(1), shape, &found);
    let mut vit = draft_vit(16, grid, false, blocks);
    vit.stem = Some(draft_stem(names, STEM, ".block"));
    (ImageConfig::Vit(vit), embed_dim)
}

fn vit_source(names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
    Some(match target.path.get(1..)? {
        ["stem", i] => return stem_source(names, i, target, (STEM, ".block", "norm")),
        ["position"] => {
            let [tokens, width] = target.shape[..] else { return None };
            Source::ClassAndPositions {
                class: names.take("image_encoder.model.cls_token".into(), &[1, 1, width]),
                position: names.take(POSITION.into(), &[1, 1, tokens - 1, width]),
                class_has_position: false,
            }
        }
        ["blocks", i, part] => return BLOCK.source(names, &format!("{IMAGE_BLOCKS}{i}"), part, target),
        ["proj"] => {
            let norm = names.take_norm(IMAGE_NORM, target.inputs);
            Source::normed(norm, names.take_matrix(IMAGE_PROJECTION, target))
        }
        _ => return None,
    })
}

/// A layer of the convolutional block `block` of the hybrid text tower.
fn mixer_source(convs: &mut Convs<'_, '_>, block: &str, part: &[&str], target: &Target<'_>) -> Option<Source> {
    Some(match part {
        ["mixer"] => Source::Conv(convs.mixer(&format!("{block}.token_mixer"), target.size, false)),
        ["ffn", "dw"] => Source::Conv(convs.mlp_conv(block, target.size)),
        ["ffn", "fc1"] => Source::linear(convs.mlp_linear(block, "fc1", target.inputs, target.outputs)),
        ["ffn", "fc2"] => {
            let linear = convs.mlp_linear(block, "fc2", target.inputs, target.outputs);
            Source::scaled(linear, convs.factor(&format!("{block}.layer_scale"), target.outputs))
        }
        _ => return None,
    })
}
