//! The tensor names of Perception Encoder (PE-Core): open_clip's, with an image tower of timm, and those of Meta's own
//! `perception_models`, which are CLIP's with a pooling of their own.
//!
//! The image tower has rotary positions beside learned ones, a norm before the blocks, in most sizes a class token, and
//! pools by attention to a projection; the text tower is CLIP's. PE-Lang and PE-Spatial have neither pooling nor texts.

use super::names::Checklist;
use super::siglip::part_of;
use super::source::{Linear, Source};
use super::{Layout, Recipe, SourceLayout, Target, draft_vit, native, siglip, square_patch, timm};
use crate::models::config::{ImageConfig, ImagePooling, ModelConfig, VitConfig};

pub(super) const OPEN_CLIP: Layout =
    Layout { anchors: &["visual.trunk.norm_pre.weight", "visual.trunk.attn_pool.latent"], recognise: open_clip };

pub(super) const META: Layout = Layout { anchors: &[PROBE, "visual.attn_pool.layernorm.weight"], recognise: meta };

/// Heads of the pooling in every size, which no tensor shows: `attn_pooler_heads` in Meta's definition.
const POOL_HEADS: usize = 8;

const TIMM_CLASS: &str = "visual.trunk.cls_token";
const TIMM_HEAD: &str = "visual.trunk.head";
const META_CLASS: &str = "visual.class_embedding";
const META_POSITION: &str = "visual.positional_embedding";
const META_POOL: &str = "visual.attn_pool.";
const META_NORM: &str = "visual.ln_post";
const META_PATCH: &str = "visual.conv1.weight";
const META_PROJECTION: &str = "visual.proj";
const PROBE: &str = "visual.attn_pool.probe";
const QUERIES_KEYS_VALUES: [&str; 2] = ["visual.attn_pool.attn.in_proj_weight", "visual.attn_pool.attn.in_proj_bias"];

struct Perception {
    layout: SourceLayout,
    /// Start of the names of the text tower, if the checkpoint has one.
    text: Option<&'static str>,
    /// Whether a class token precedes the patches, as the number of positions says.
    class_token: bool,
}

/// Whether there is an image tower of timm: SigLIP's pools like it, but has neither of the other two.
fn open_clip(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    let class_token = names.has(TIMM_CLASS);
    let known = class_token || names.has_prefix("visual.trunk.norm_pre.");
    (known && names.has_prefix("visual.trunk.attn_pool.")).then(|| {
        let text = names.has_prefix("text.").then_some("text.");
        Box::new(Perception { layout: SourceLayout::OpenClip, text, class_token }) as Box<dyn Recipe>
    })
}

/// Whether there is an image tower of Meta's. CoCa's has `attn_pool`, too, but neither of these.
fn meta(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    (names.has(PROBE) || names.has_prefix("visual.attn_pool.mlp.")).then(|| {
        let text = native::has_text_tower(names, "").then_some("");
        let class_token = names.has(META_CLASS);
        Box::new(Perception { layout: SourceLayout::Perception, text, class_token }) as Box<dyn Recipe>
    })
}

impl Recipe for Perception {
    fn layout(&self) -> SourceLayout {
        self.layout
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let (image, embed_dim) = self.draft_image(names);
        let text = self.text.map(|start| native::draft_text_tower(names, start));
        ModelConfig::new(embed_dim, 0.0, Some(ImageConfig::Vit(image)), text)
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        match (self.layout, target.path.as_slice()) {
            (SourceLayout::Perception, ["image", path @ ..]) => self.meta_image(names, path, target),
            (_, ["image", path @ ..]) => self.timm_image(names, path, target),
            _ => native::text_source(names, target, self.text?),
        }
    }
}

impl Perception {
    /// The image tower, and the length of the embeddings.
    fn draft_image(&mut self, names: &mut Checklist<'_>) -> (VitConfig, usize) {
        let meta = self.layout == SourceLayout::Perception;
        let norm = if meta { META_NORM } else { "visual.trunk.norm" };
        let [width] = names.probe(&format!("{norm}.weight"), [0]);
        let (blocks, patch, position, fc1) = match meta {
            true => {
                let blocks = native::BLOCK.draft(names, "visual.transformer.resblocks.", 0, width);
                (blocks, META_PATCH, META_POSITION, "visual.attn_pool.mlp.c_fc.weight")
            }
            false => {
                let blocks = timm::BLOCK.draft(names, timm::BLOCKS, 0, width);
                (blocks, timm::PATCH, timm::POSITION, "visual.trunk.attn_pool.mlp.fc1.weight")
            }
        };
        let patch_size = square_patch(names, patch, width);
        let tokens = match meta {
            true => names.probe(position, [0, width])[0],
            false => names.probe(position, [1, 0, width])[1],
        };
        let grid = tokens.isqrt();
        let patches = grid.saturating_mul(grid);
        match tokens.saturating_sub(patches) {
            0 => self.class_token = false,
            1 => self.class_token = true,
            _ => {
                let shape = |tokens: usize| if meta { vec![tokens, width] } else { vec![1, tokens, width] };
                let nearest = patches.saturating_add(usize::from(self.class_token));
                names.record_misshapen(position, &shape(nearest), &shape(tokens));
            }
        }
        let [mlp_width, _] = names.probe(fc1, [0, width]);
        let embed_dim = match meta {
            true => names.probe(META_PROJECTION, [width, 0])[1],
            false => names.probe(&format!("{TIMM_HEAD}.weight"), [0, width])[0],
        };
        let vit = VitConfig {
            class_token: self.class_token,
            rotary: true,
            pooling: ImagePooling::ProjectedAttention { heads: POOL_HEADS, mlp_width },
            ..draft_vit(patch_size, grid, true, blocks)
        };
        (vit, embed_dim)
    }

    fn timm_image(&self, names: &mut Checklist<'_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
        Some(match path {
            ["position"] => {
                let [tokens, width] = target.shape[..] else { return None };
                let position = names.take(timm::POSITION.into(), &[1, tokens, width]);
                self.position(position, || names.take(TIMM_CLASS.into(), &[1, 1, width]))
            }
            ["ln_pre", part] => Source::Rows(names.take(format!("visual.trunk.norm_pre.{part}"), &target.shape)),
            ["proj"] => Source::linear(names.take_linear(TIMM_HEAD, target)),
            // Patches, blocks and pooling have SigLIP's names.
            _ => return siglip::timm_image(names, path, target),
        })
    }

    fn meta_image(&self, names: &mut Checklist<'_>, path: &[&str], target: &Target<'_>) -> Option<Source> {
        let of_pool = |names: &mut Checklist<'_>, skip: usize, w: usize| -> Linear {
            part_of(names, QUERIES_KEYS_VALUES, w, 3 * w, skip)
        };
        Some(match path {
            ["position"] => {
                let position = names.take(META_POSITION.into(), &target.shape);
                let width = target.shape.get(1..)?;
                self.position(position, || names.take(META_CLASS.into(), width))
            }
            ["proj"] => Source::linear(names.take_matrix(META_PROJECTION, target)),
            ["pool", "queries"] => {
                let w = target.inputs;
                Source::PoolQueries {
                    latent: names.take(PROBE.into(), &[1, 1, w]),
                    query: of_pool(names, 0, w),
                    keys: of_pool(names, w, w),
                    norm: names.take_norm(META_NORM, w),
                }
            }
            ["pool", "values"] => {
                let w = target.inputs;
                Source::normed(names.take_norm(META_NORM, w), of_pool(names, 2 * w, w))
            }
            ["pool", "out"] => Source::linear(names.take_linear("visual.attn_pool.attn.out_proj", target)),
            ["pool", "fc1"] => {
                let norm = names.take_norm("visual.attn_pool.layernorm", target.inputs);
                Source::normed(norm, names.take_linear(&format!("{META_POOL}mlp.c_fc"), target))
            }
            ["pool", "fc2"] => Source::linear(names.take_linear(&format!("{META_POOL}mlp.c_proj"), target)),
            // Patches, the norm before the blocks and the blocks have CLIP's names.
            _ => return native::image_source(names, target, native::VISUAL),
        })
    }

    /// The positions, with the class token added to the first one if there is one.
    fn position(&self, position: String, class: impl FnOnce() -> String) -> Source {
        match self.class_token {
            true => Source::ClassAndPositions { class: class(), position, class_has_position: true },
            false => Source::Rows(position),
        }
    }
}
