//! The image towers of MobileCLIP by name: what configurations mean by `fastvit_mci0`, and whether the tensors
//! are of it.
//!
//! Source of the sizes: timm 1.0.31, `fastvit.py` and `vision_transformer_hybrid.py`.

use crate::import::names::parts::{BlockShapes, ImageShapes, MciShapes, MixerShapes, StageShapes, VitShapes};

/// An image tower that has a name.
#[derive(Debug, PartialEq)]
pub(super) struct Trunk {
    /// timm's name.
    pub timm: &'static str,
    /// Apple's name, if Apple has one.
    pub apple: Option<&'static str>,
    /// How open_clip's configurations call its pooling.
    pub pool: &'static str,
    /// Side of its images.
    pub image_size: usize,
    sizes: Sizes,
}

#[derive(Debug, PartialEq)]
enum Sizes {
    Mci {
        /// Of the first stage; each further one has twice as many as the one before.
        channels: usize,
        blocks: &'static [usize],
        mlp_ratio: usize,
        /// BatchNorm in front of attention, squeeze and excitation in front of the third and fourth stage.
        small: bool,
    },
    /// Behind a convolutional stem.
    StemVit,
    VitL14,
}

pub(super) const TRUNKS: [Trunk; 7] = [
    mci("fastvit_mci0", Some("mci0"), 64, &[2, 6, 10, 2], 3, true),
    mci("fastvit_mci1", Some("mci1"), 64, &[4, 12, 20, 4], 3, true),
    mci("fastvit_mci2", Some("mci2"), 80, &[4, 12, 24, 4], 3, true),
    mci("fastvit_mci3", None, 96, &[2, 12, 24, 4, 2], 4, false),
    mci("fastvit_mci4", None, 128, &[2, 12, 24, 4, 4], 4, false),
    vit("vit_base_mci_224", Some("vit_b16"), Sizes::StemVit),
    vit("vit_large_patch14_clip_224", None, Sizes::VitL14),
];

const fn mci(
    timm: &'static str,
    apple: Option<&'static str>,
    channels: usize,
    blocks: &'static [usize],
    mlp_ratio: usize,
    small: bool,
) -> Trunk {
    Trunk { timm, apple, pool: "avg", image_size: 256, sizes: Sizes::Mci { channels, blocks, mlp_ratio, small } }
}

const fn vit(timm: &'static str, apple: Option<&'static str>, sizes: Sizes) -> Trunk {
    Trunk { timm, apple, pool: "token", image_size: 224, sizes }
}

impl Trunk {
    /// The one that timm calls `name`.
    pub(super) fn of_timm(name: &str) -> Option<&'static Trunk> {
        TRUNKS.iter().find(|trunk| trunk.timm == name)
    }

    /// The one that Apple calls `name`.
    pub(super) fn of_apple(name: &str) -> Option<&'static Trunk> {
        TRUNKS.iter().find(|trunk| trunk.apple == Some(name))
    }

    /// What its tensors tell.
    pub(super) fn shapes(&self) -> ImageShapes {
        let vit = |stem: Option<usize>, patch_size, width, layers| {
            let blocks = BlockShapes { width, layers, mlp_width: 4 * width };
            let grid = self.image_size / patch_size;
            ImageShapes::Vit(VitShapes { stem, pre_norm: stem.is_none(), patch_size, grid, blocks })
        };
        match &self.sizes {
            Sizes::Mci { channels, blocks, mlp_ratio, small } => {
                let stage = |(i, &blocks): (usize, &usize)| {
                    let channels = channels << i;
                    StageShapes {
                        channels,
                        blocks,
                        mlp_width: mlp_ratio * channels,
                        mixer: match (i, small) {
                            (0..=2, _) => MixerShapes::Rep,
                            (_, true) => MixerShapes::BatchAttention,
                            (_, false) => MixerShapes::LayerAttention,
                        },
                        squeeze: (*small && i >= 2).then_some(channels / 4),
                        position: i >= 3,
                    }
                };
                let last = channels << (blocks.len() - 1);
                let stages = blocks.iter().enumerate().map(stage).collect();
                ImageShapes::Mci(MciShapes { stages, squeeze: last / 8 })
            }
            Sizes::StemVit => vit(Some(192), 16, 768, 12),
            Sizes::VitL14 => vit(None, 14, 1024, 24),
        }
    }
}

/// What the tensors say, in a few words.
pub(super) fn summary(shapes: &ImageShapes) -> String {
    if let Some(trunk) = TRUNKS.iter().find(|trunk| trunk.shapes() == *shapes) {
        return trunk.timm.to_owned();
    }
    match shapes {
        ImageShapes::Vit(vit) => {
            let BlockShapes { width, layers, .. } = vit.blocks;
            let stem = if vit.stem.is_some() { "a convolutional stem" } else { "no convolutional stem" };
            format!("a vision transformer of width {width} with {layers} layers and {stem}")
        }
        ImageShapes::Mci(mci) => {
            let stage = |stage: &StageShapes| format!("{} blocks of {} channels", stage.blocks, stage.channels);
            // A few stages at most in anything that is one.
            let stages: Vec<String> = mci.stages.iter().take(8).map(stage).collect();
            format!("another FastViT ({})", stages.join(", "))
        }
    }
}
