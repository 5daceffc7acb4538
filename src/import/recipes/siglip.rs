//! The tensor names of SigLIP and SigLIP 2, which were trained with a sigmoid: open_clip's, with an image tower of timm,
//! and those of Hugging Face transformers' `SiglipModel`, `SiglipVisionModel` and `SiglipTextModel`.
//!
//! Their image towers have no class token and no norm before the blocks, a patch convolution with a bias, and pool by
//! attention; their text towers have a projection with a bias, or none.

use super::names::Checklist;
use super::source::{Linear, Order, Source};
use super::{Layout, Recipe, SourceLayout, Target, draft_vit, huggingface, native, square_patch, timm};
use crate::models::config::{ImageConfig, ImagePooling, ModelConfig, TextConfig, TextPooling, VitConfig};

pub(super) const OPEN_CLIP: Layout =
    Layout { anchors: &[TIMM_LATENT, "visual.trunk.attn_pool.q.weight", OPEN_CLIP_PROJECTION], recognise: open_clip };

pub(super) const HUGGING_FACE: Layout = Layout {
    anchors: &[PROBE, "vision_model.head.attention.in_proj_weight", "text_model.head.weight", "text_model.head.bias"],
    recognise: hugging_face,
};

const TIMM_POOL: &str = "visual.trunk.attn_pool.";
const TIMM_LATENT: &str = "visual.trunk.attn_pool.latent";
const OPEN_CLIP_TEXT: &str = "text.";
const OPEN_CLIP_PROJECTION: &str = "text.text_projection.weight";
const PROBE: &str = "vision_model.head.probe";
const HEAD: &str = "vision_model.head.";
const TEXT_HEAD: &str = "text_model.head.";

/// Rows of the token embedding of Gemma's vocabulary, which SigLIP 2 has.
pub(in crate::import) const GEMMA_ROWS: usize = 256_000;
/// Gemma's padding token, and that of the vocabularies of SigLIP, whose end of text it is.
const GEMMA_PAD: u32 = 0;
const T5_PAD: u32 = 1;

pub(super) struct Siglip {
    layout: SourceLayout,
    image: bool,
    text: bool,
}

fn open_clip(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    let image = has_timm_image(names);
    let text = names.has_prefix(OPEN_CLIP_TEXT);
    let known = image || (names.has(OPEN_CLIP_PROJECTION) && !names.has_prefix("visual."));
    known.then(|| Box::new(Siglip { layout: SourceLayout::OpenClip, image, text }) as Box<dyn Recipe>)
}

/// Whether there is an image tower of timm.
pub(super) fn has_timm_image(names: &Checklist<'_>) -> bool {
    // Perception Encoder pools like this, too, but has these.
    let other = names.has("visual.trunk.cls_token") || names.has_prefix("visual.trunk.norm_pre.");
    names.has_prefix(TIMM_POOL) && !other
}

fn hugging_face(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    let (image, text) = (names.has_prefix("vision_model."), names.has_prefix("text_model."));
    let known = names.has_prefix(HEAD) || names.has_prefix(TEXT_HEAD);
    known.then(|| Box::new(Siglip { layout: SourceLayout::HuggingFace, image, text }) as Box<dyn Recipe>)
}

impl Recipe for Siglip {
    fn layout(&self) -> SourceLayout {
        self.layout
    }

    fn is_sigmoid(&self) -> bool {
        true
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let image = self.image.then(|| self.draft_image(names));
        let text = self.text.then(|| self.draft_text(names));
        let embed_dim = match (&image, &text) {
            (Some(image), _) => image.blocks.width,
            (None, Some((text, projection))) => match projection {
                Some(name) => {
                    let [embed_dim, _] = names.probe(name, [0, text.sizes().width.unwrap_or(1)]);
                    embed_dim
                }
                None => text.sizes().width.unwrap_or(1),
            },
            (None, None) => 1,
        };
        ModelConfig::new(embed_dim, 0.0, image.map(ImageConfig::Vit), text.map(|(text, _)| text))
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        match (self.layout, target.path.as_slice()) {
            (SourceLayout::HuggingFace, ["image", path @ ..]) => hugging_face_image(names, path, target),
            (SourceLayout::HuggingFace, ["text", path @ ..]) => hugging_face_text(names, path, target),
            (_, ["image", path @ ..]) => timm_image(names, path, target),
            (_, ["text", path @ ..]) => match path {
                ["proj"] => {
                    let norm = names.take_norm("text.ln_final", target.inputs);
                    Some(Source::normed(norm, names.take_linear("text.text_projection", target)))
                }
                ["ln_final", part] => Some(Source::Rows(names.take(format!("text.ln_final.{part}"), &target.shape))),
                _ => native::text_source(names, target, OPEN_CLIP_TEXT),
            },
            _ => None,
        }
    }
}

impl Siglip {
    /// An image tower of timm alone.
    pub(super) const TIMM: Siglip = Siglip { layout: SourceLayout::OpenClip, image: true, text: false };

    pub(super) fn draft_image(&self, names: &mut Checklist<'_>) -> VitConfig {
        let hugging_face = self.layout == SourceLayout::HuggingFace;
        let (blocks, patch, position) = match hugging_face {
            true => {
                let blocks = huggingface::draft(names, huggingface::IMAGE_BLOCKS, huggingface::IMAGE_NORM);
                (blocks, huggingface::PATCH, huggingface::POSITION)
            }
            false => {
                let [width] = names.probe("visual.trunk.norm.weight", [0]);
                (timm::BLOCK.draft(names, timm::BLOCKS, 0, width), timm::PATCH, timm::POSITION)
            }
        };
        let width = blocks.width;
        let patch_size = square_patch(names, patch, width);
        let tokens = match hugging_face {
            true => names.probe(position, [0, width])[0],
            false => names.probe(position, [1, 0, width])[1],
        };
        let grid = tokens.isqrt();
        if grid * grid != tokens {
            let shape = |tokens: usize| if hugging_face { vec![tokens, width] } else { vec![1, tokens, width] };
            names.record_misshapen(position, &shape(grid * grid), &shape(tokens));
        }
        let vit = draft_vit(patch_size, grid, false, blocks);
        VitConfig { class_token: false, pooling: ImagePooling::Attention, ..vit }
    }

    /// The text tower, and the name of its projection if it has one.
    fn draft_text(&self, names: &mut Checklist<'_>) -> (TextConfig, Option<&'static str>) {
        let (mut text, projection) = match self.layout {
            // `SiglipTextModel` always has one.
            SourceLayout::HuggingFace => (huggingface::draft_text_tower(names), Some("text_model.head.weight")),
            _ => {
                let has = names.has_prefix("text.text_projection");
                (native::draft_text_tower(names, OPEN_CLIP_TEXT), has.then_some(OPEN_CLIP_PROJECTION))
            }
        };
        if let TextConfig::Transformer(text) = &mut text {
            text.causal = false;
            text.pooling = TextPooling::LastPosition;
            text.pad_id = if text.vocab_size == GEMMA_ROWS { GEMMA_PAD } else { T5_PAD };
            text.projection = projection.is_some();
        }
        (text, projection)
    }
}

/// The tensors of a layer of an image tower of timm.
pub(super) fn timm_image(names: &mut Checklist<'_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
    let trunk_norm = "visual.trunk.norm";
    Some(match path {
        ["patch"] => Source::linear(names.take_patch(timm::PATCH, target)),
        ["position"] => {
            let [tokens, width] = target.shape[..] else { return None };
            Source::BiasedPositions {
                position: names.take(timm::POSITION.into(), &[1, tokens, width]),
                skip: 0,
                bias: names.take("visual.trunk.patch_embed.proj.bias".into(), &[width]),
            }
        }
        ["blocks", i, part] => return timm::BLOCK.source(names, &format!("{}{i}", timm::BLOCKS), part, target),
        ["pool", "queries"] => {
            let w = target.inputs;
            Source::PoolQueries {
                latent: names.take(TIMM_LATENT.into(), &[1, 1, w]),
                query: part_of(names, ["visual.trunk.attn_pool.q.weight", "visual.trunk.attn_pool.q.bias"], w, w, 0),
                keys: part_of(names, TIMM_KV, w, 2 * w, 0),
                norm: names.take_norm(trunk_norm, w),
            }
        }
        ["pool", "values"] => {
            let (w, norm) = (target.inputs, names.take_norm(trunk_norm, target.inputs));
            Source::normed(norm, part_of(names, TIMM_KV, w, 2 * w, w))
        }
        ["pool", "out"] => Source::linear(names.take_linear("visual.trunk.attn_pool.proj", target)),
        ["pool", part @ ("fc1" | "fc2")] => {
            let linear = names.take_linear(&format!("visual.trunk.attn_pool.mlp.{part}"), target);
            match *part {
                "fc1" => Source::normed(names.take_norm("visual.trunk.attn_pool.norm", target.inputs), linear),
                _ => Source::linear(linear),
            }
        }
        _ => return None,
    })
}

const TIMM_KV: [&str; 2] = ["visual.trunk.attn_pool.kv.weight", "visual.trunk.attn_pool.kv.bias"];
const HEAD_IN: [&str; 2] = ["vision_model.head.attention.in_proj_weight", "vision_model.head.attention.in_proj_bias"];

fn hugging_face_image(names: &mut Checklist<'_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
    Some(match path {
        ["patch"] => Source::linear(names.take_patch(huggingface::PATCH, target)),
        ["position"] => Source::BiasedPositions {
            position: names.take(huggingface::POSITION.into(), &target.shape),
            skip: 0,
            bias: names.take("vision_model.embeddings.patch_embedding.bias".into(), target.shape.get(1..)?),
        },
        ["blocks", i, part] => {
            return huggingface::BLOCK.source(names, &format!("{}{i}", huggingface::IMAGE_BLOCKS), part, target);
        }
        ["pool", "queries"] => {
            let w = target.inputs;
            Source::PoolQueries {
                latent: names.take(PROBE.into(), &[1, 1, w]),
                query: part_of(names, HEAD_IN, w, 3 * w, 0),
                keys: part_of(names, HEAD_IN, w, 3 * w, w),
                norm: names.take_norm(huggingface::IMAGE_NORM, w),
            }
        }
        ["pool", "values"] => {
            let w = target.inputs;
            let norm = names.take_norm(huggingface::IMAGE_NORM, w);
            Source::normed(norm, part_of(names, HEAD_IN, w, 3 * w, 2 * w))
        }
        ["pool", "out"] => Source::linear(names.take_linear("vision_model.head.attention.out_proj", target)),
        ["pool", part @ ("fc1" | "fc2")] => {
            let linear = names.take_linear(&format!("{HEAD}mlp.{part}"), target);
            match *part {
                "fc1" => Source::normed(names.take_norm("vision_model.head.layernorm", target.inputs), linear),
                _ => Source::linear(linear),
            }
        }
        _ => return None,
    })
}

fn hugging_face_text(names: &mut Checklist<'_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
    match path {
        ["proj"] => {
            let norm = names.take_norm(huggingface::TEXT_NORM, target.inputs);
            Some(Source::normed(norm, names.take_linear("text_model.head", target)))
        }
        _ => huggingface::text_source(names, target),
    }
}

/// `width` outputs from `skip` on of a linear layer with a bias, `[rows, width]`.
pub(super) fn part_of(
    names: &mut Checklist<'_>,
    [weight, bias]: [&str; 2],
    width: usize,
    rows: usize,
    skip: usize,
) -> Linear {
    let weight = vec![names.take(weight.to_owned(), &[rows, width])];
    let bias = vec![names.take(bias.to_owned(), &[rows])];
    Linear { weight, order: Order::OutIn, bias, k: width, n: width, skip }
}
