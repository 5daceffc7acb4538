//! The tensor names of open_clip's models with an image tower of timm: MobileCLIP and MobileCLIP2.

use super::blocks::{BlockNames, Qkv};
use super::convs::{self, Convs, conv};
use super::mci::MciTower;
use super::names::Checklist;
use super::source::Source;
use super::{Layout, Recipe, SourceLayout, Target, draft_vit, grid, native, square_patch};
use crate::models::config::{ConvStem, ImageConfig, ModelConfig};

/// Prefix of image towers of timm in open_clip.
pub(super) const TRUNK: &str = "visual.trunk.";

/// Names that distinguish the towers.
const MCI: &str = "visual.trunk.stem.";
const STEM: &str = "visual.trunk.patch_embed.backbone.";
pub(super) const PATCH: &str = "visual.trunk.patch_embed.proj.weight";

pub(super) const POSITION: &str = "visual.trunk.pos_embed";
pub(super) const BLOCKS: &str = "visual.trunk.blocks.";
const HEAD: &str = "visual.trunk.head";

pub(super) const BLOCK: BlockNames = BlockNames {
    attention_norm: "norm1",
    qkv: Qkv::Linear("attn.qkv"),
    out: "attn.proj",
    mlp_norm: "norm2",
    fc1: "mlp.fc1",
    fc2: "mlp.fc2",
};

/// Prefix of all names of the text tower.
const TEXT: &str = "text.";

pub(super) const LAYOUT: Layout = Layout { anchors: &[MCI, STEM, PATCH], recognise };

struct Timm {
    mci: Option<MciTower>,
    text: bool,
}

fn recognise(names: &Checklist<'_>) -> Option<Box<dyn Recipe>> {
    let mci = names.has_prefix(MCI).then(|| MciTower::timm(names));
    let recognised = mci.is_some() || names.has_prefix(STEM) || names.has(PATCH);
    recognised.then(|| Box::new(Timm { mci, text: names.has_prefix(TEXT) }) as Box<dyn Recipe>)
}

impl Recipe for Timm {
    fn layout(&self) -> SourceLayout {
        SourceLayout::OpenClip
    }

    fn draft(&mut self, names: &mut Checklist<'_>) -> ModelConfig {
        let (image, embed_dim) = match &mut self.mci {
            Some(mci) => mci.draft(names),
            None => draft_vit_tower(names),
        };
        let text = self.text.then(|| native::draft_text_tower(names, TEXT));
        ModelConfig::new(embed_dim, 0.0, Some(image), text)
    }

    fn source(&self, names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
        match (target.path.first(), &self.mci) {
            (Some(&"image"), Some(mci)) => mci.source(names, target),
            (Some(&"image"), None) => vit_source(names, target),
            _ => native::text_source(names, target, TEXT),
        }
    }
}

fn draft_vit_tower(names: &mut Checklist<'_>) -> (ImageConfig, usize) {
    let has_stem = names.has_prefix(STEM);
    let [width] = names.probe("visual.trunk.norm.weight", [0]);
    let blocks = BLOCK.draft(names, BLOCKS, 0, width);
    let [embed_dim, _] = names.probe(&format!("{HEAD}.weight"), [0, width]);
    let found = names.probe(POSITION, [1, 0, width]);
    // After a stem the class token has no position, and the tensor does not count it.
    let extra = usize::from(has_stem);
    let shape = |tokens: usize| vec![1, tokens - extra, width];
    let grid = grid(names, POSITION, found[1].saturating_add(extra), shape, &found);
    let patch_size = if has_stem { 16 } else { square_patch(names, PATCH, width) };
    let mut vit = draft_vit(patch_size, grid, !has_stem, blocks);
    vit.stem = has_stem.then(|| draft_stem(names, STEM, ""));
    (ImageConfig::Vit(vit), embed_dim)
}

fn vit_source(names: &mut Checklist<'_>, target: &Target<'_>) -> Option<Source> {
    Some(match target.path.get(1..)? {
        ["patch"] => Source::linear(names.take_patch(PATCH, target)),
        ["stem", i] => return stem_source(names, i, target, (STEM, "", "bn")),
        ["position"] => {
            let has_stem = names.has_prefix(STEM);
            let [tokens, width] = target.shape[..] else { return None };
            Source::ClassAndPositions {
                class: names.take("visual.trunk.cls_token".into(), &[1, 1, width]),
                position: names.take(POSITION.into(), &[1, tokens - usize::from(has_stem), width]),
                class_has_position: !has_stem,
            }
        }
        ["ln_pre", part] => Source::Rows(names.take(format!("visual.trunk.norm_pre.{part}"), &target.shape)),
        ["blocks", i, part] => return BLOCK.source(names, &format!("{BLOCKS}{i}"), part, target),
        ["proj"] => {
            let norm = names.take_norm("visual.trunk.norm", target.inputs);
            Source::normed(norm, names.take_linear(HEAD, target))
        }
        _ => return None,
    })
}

/// The convolutional stem of MobileCLIP-B, whose first convolution is `{prefix}0{block}.conv`.
pub(super) fn draft_stem(names: &mut Checklist<'_>, prefix: &str, block: &str) -> ConvStem {
    let [width, ..] = names.probe(&format!("{prefix}0{block}.conv.weight"), [0, 3, 4, 4]);
    ConvStem { width, padding: 0 }
}

/// Convolution `i` of the stem of MobileCLIP-B, `{prefix}{i}{block}.conv`, and its BatchNorm,
/// `{prefix}{i}{block}.{norm}`.
pub(super) fn stem_source(
    names: &mut Checklist<'_>,
    i: &str,
    target: &Target<'_>,
    (prefix, block, norm): (&str, &str, &str),
) -> Option<Source> {
    let name = format!("{prefix}{i}{block}");
    let mut convs = Convs { names, part_names: &convs::TIMM, folded: false };
    Some(Source::Conv(match i {
        "0" | "1" => conv(target.size, vec![convs.normed(&name, norm, target.size)]),
        "2" => convs.biased(&format!("{name}.conv"), target.size),
        _ => return None,
    }))
}
