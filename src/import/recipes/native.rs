//! The tensor names of OpenAI's CLIP, which open_clip kept for its own vision transformers and ResNets.
//!
//! The image tower's names start with `visual.`, or with nothing in the state dict of the tower itself. Those of the text
//! tower start with nothing, or with `text.` in open_clip's models of two separate towers.

use super::blocks::{BlockNames, Qkv};
use super::names::Checklist;
use super::source::Source;
use super::{Layout, Recipe, SourceLayout, Target, draft_text, draft_vit, grid, resnet, square_patch};
use crate::models::config::{ImageConfig, ModelConfig, TextConfig, TransformerConfig};

pub(super) const LAYOUT: Layout = Layout {
    anchors: &[
        "visual.conv1.weight",
        "visual.class_embedding",
        "class_embedding",
        "visual.attnpool.c_proj.weight",
        resnet::POOL,
        "token_embedding.weight",
        "ln_final.weight",
        "text.token_embedding.weight",
        "text.ln_final.weight",
    ],
    recognise,
};

/// Buffers in OpenAI's archives besides the weights.
const OPENAI_BUFFERS: [&str; 3] = ["input_resolution", "context_length", "vocab_size"];

/// Start of the names of the image tower.
pub(super) const VISUAL: &str = "visual.";
/// Starts of the names of the text tower.
const TEXTS: [&str; 2] = ["", "text."];
/// Starts of the names of the blocks in a tower.
const BLOCKS: &str = "transformer.resblocks.";

/// Names of an image tower, besides its blocks.
const IMAGE_NAMES: [&str; 6] =
    ["conv1.weight", "class_embedding", "positional_embedding", "ln_pre.weight", "ln_post.weight", "proj"];
/// Names of a text tower, besides its blocks.
const TEXT_NAMES: [&str; 4] = ["token_embedding.weight", "positional_embedding", "ln_final.weight", "text_projection"];
/// Number of these by which a tower is known, so that it is known if any one of them is missing.
const ENOUGH: usize = 3;

/// Long-CLIP's second table of positions, which holds all but the first [`KEPT_POSITIONS`].
const LONG_POSITION: &str = "positional_embedding_res";
/// Positions that Long-CLIP keeps from CLIP (`mask1` and `mask2` in its `model_longclip.py`).
const KEPT_POSITIONS: usize = 20;

pub(super) const BLOCK: BlockNames = BlockNames {
    attention_norm: "ln_1",
    qkv: Qkv::InProj("attn.in_proj"),
    out: "attn.out_proj",
    mlp_norm: "ln_2",
    fc1: "mlp.c_fc",
    fc2: "mlp.c_proj",
};

struct Native {
    layout: SourceLayout,
    /// The image tower, if the checkpoint has one.
    image: Option<Image>,
    /// Start of the names of the text tower, if the checkpoint has one.
    text: Option<&'static str>,
}

/// An image tower and the start of its names.
#[derive(Clone, Copy)]
struct Image {
    resnet: bool,
    start: &'static str,
}

fn recognise(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    let text = TEXTS.into_iter().find(|text| has_tower(names, text, &TEXT_NAMES));
    // Of another image tower these are too few.
    let alone = text.is_none() && !names.has_prefix(VISUAL);
    let image = if resnet::has_tower(names, VISUAL) {
        Some(Image { resnet: true, start: VISUAL })
    } else if has_image_tower(names) {
        Some(Image { resnet: false, start: VISUAL })
    } else if alone && resnet::has_tower(names, "") {
        Some(Image { resnet: true, start: "" })
    } else if alone && IMAGE_NAMES.iter().all(|name| names.has(name)) {
        Some(Image { resnet: false, start: "" })
    } else {
        None
    };
    if image.is_none() && text.is_none() {
        return None;
    }
    // Long-CLIP is trained with OpenAI's code: its activation and preprocessing are OpenAI's.
    let openai = OPENAI_BUFFERS.iter().any(|buffer| names.has(buffer))
        || text.is_some_and(|text| names.has(&format!("{text}{LONG_POSITION}")));
    let layout = if openai { SourceLayout::OpenAi } else { SourceLayout::OpenClip };
    Some(Box::new(Native { layout, image, text }))
}

/// Whether there is an image tower beside another one. Of another kind, such as a ResNet, the names are too few.
pub(super) fn has_image_tower(names: &Checklist<'_>) -> bool {
    has_tower(names, VISUAL, &IMAGE_NAMES)
}

/// Whether there is a text tower whose names start with `start`.
pub(super) fn has_text_tower(names: &Checklist<'_>, start: &str) -> bool {
    has_tower(names, start, &TEXT_NAMES)
}

/// Whether there is a tower whose names start with `start`: one with most of `known`.
fn has_tower(names: &Checklist<'_>, start: &str, known: &[&str]) -> bool {
    let found = known.iter().filter(|name| names.has(&format!("{start}{name}"))).count();
    found + usize::from(names.has_prefix(&format!("{start}{BLOCKS}"))) >= ENOUGH
}

impl Recipe for Native {
    fn layout(&self) -> SourceLayout {
        self.layout
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let image = self.image.map(|Image { resnet, start }| match resnet {
            true => resnet::draft(names, start),
            false => draft_image_tower(names, start),
        });
        let text = self.text.map(|start| draft_text_tower(names, start));
        let embed_dim = match (&image, self.text, &text) {
            (Some((_, embed_dim)), ..) => *embed_dim,
            (None, Some(start), Some(text)) => text_embed_dim(names, start, text),
            _ => 1,
        };
        ModelConfig::new(embed_dim, 0.0, image.map(|(image, _)| image), text)
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        match target.path.first() {
            Some(&"image") => match self.image? {
                Image { resnet: true, start } => resnet::source(names, target, start),
                Image { resnet: false, start } => image_source(names, target, start),
            },
            _ => text_source(names, target, self.text?),
        }
    }
}

/// Drafts the image tower, whose names start with `start`, and infers the length of the embeddings.
pub(super) fn draft_image_tower(names: &mut Checklist<'_>, start: &str) -> (ImageConfig, usize) {
    let named = |name: &str| format!("{start}{name}");
    let blocks = draft(names, &named(BLOCKS), &named("ln_post.weight"));
    let w = blocks.width;
    let patch_size = square_patch(names, &named("conv1.weight"), w);
    let position = named("positional_embedding");
    let [tokens, width] = names.probe(&position, [0, w]);
    let grid = grid(names, &position, tokens, |tokens| vec![tokens, w], &[tokens, width]);
    let [_, embed_dim] = names.probe(&named("proj"), [w, 0]);
    (ImageConfig::Vit(draft_vit(patch_size, grid, true, blocks)), embed_dim)
}

/// The tensors of a layer of the image tower, whose names start with `start`.
pub(super) fn image_source(names: &mut Checklist<'_>, target: &Target<'_>, start: &str) -> Option<Source> {
    let named = |name: &str| format!("{start}{name}");
    Some(match target.path.get(1..)? {
        ["patch"] => Source::linear(names.take_patch(&named("conv1.weight"), target)),
        ["position"] => Source::ClassAndPositions {
            class: names.take(named("class_embedding"), target.shape.get(1..)?),
            position: names.take(named("positional_embedding"), &target.shape),
            class_has_position: true,
        },
        ["ln_pre", part] => Source::Rows(names.take(format!("{start}ln_pre.{part}"), &target.shape)),
        ["blocks", i, part] => return BLOCK.source(names, &format!("{start}{BLOCKS}{i}"), part, target),
        ["proj"] => {
            let norm = names.take_norm(&named("ln_post"), target.inputs);
            Source::normed(norm, names.take_matrix(&named("proj"), target))
        }
        _ => return None,
    })
}

/// Drafts the text tower, whose names start with `start`.
pub(super) fn draft_text_tower(names: &mut Checklist<'_>, start: &str) -> TextConfig {
    let named = |name: &str| format!("{start}{name}");
    let blocks = draft(names, &named(BLOCKS), &named("ln_final.weight"));
    let d = blocks.width;
    let [vocab_size, _] = names.probe(&named("token_embedding.weight"), [0, d]);
    let [context_length, _] = names.probe(&named("positional_embedding"), [0, d]);
    draft_text(context_length, vocab_size, blocks)
}

/// Infers the length of the embeddings from a text tower alone.
fn text_embed_dim(names: &mut Checklist<'_>, start: &str, text: &TextConfig) -> usize {
    let width = text.sizes().width.unwrap_or(1);
    let [_, embed_dim] = names.probe(&format!("{start}text_projection"), [width, 0]);
    embed_dim
}

/// The tensors of a layer of the text tower, whose names start with `start`.
pub(super) fn text_source(names: &mut Checklist<'_>, target: &Target<'_>, start: &str) -> Option<Source> {
    let named = |name: &str| format!("{start}{name}");
    Some(match target.path.get(1..)? {
        ["token_embedding"] => Source::Rows(names.take(named("token_embedding.weight"), &target.shape)),
        ["position"] => {
            let position = names.take(named("positional_embedding"), &target.shape);
            match names.has(&named(LONG_POSITION)) {
                true => Source::SplitRows {
                    first: position,
                    rows: KEPT_POSITIONS,
                    rest: names.take(named(LONG_POSITION), &target.shape),
                },
                false => Source::Rows(position),
            }
        }
        ["blocks", i, part] => return BLOCK.source(names, &format!("{start}{BLOCKS}{i}"), part, target),
        ["proj"] => {
            let norm = names.take_norm(&named("ln_final"), target.inputs);
            Source::normed(norm, names.take_matrix(&named("text_projection"), target))
        }
        _ => return None,
    })
}

fn draft(names: &mut Checklist<'_>, blocks: &str, norm: &str) -> TransformerConfig {
    let [width] = names.probe(norm, [0]);
    BLOCK.draft(names, blocks, 0, width)
}
