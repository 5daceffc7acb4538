//! The MobileCLIP models: the published ones by name, and tiny ones of every kind of block.
//!
//! Knows sizes, preprocessing and publishers of layouts; neither tensor names nor files. Sizes are those of Apple's
//! `ml-mobileclip` and of timm's `fastvit.py`; preprocessing is that of open_clip's `pretrained.py`.

use super::model::{Architecture, Model, OPENAI_MEAN, OPENAI_STD, TowerSize};

/// Sizes of a MobileCLIP model.
#[derive(Clone, Debug, PartialEq)]
pub struct MobileClipSize {
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Side of the input in pixels.
    pub image_size: usize,
    /// The image tower.
    pub image: ImageTower,
    /// timm's name of the image tower, or of the one it is a small copy of.
    pub timm_name: &'static str,
    /// Number of token positions.
    pub context_length: usize,
    /// Rows of the token embedding; the last two are the start and the end token.
    pub vocab_size: usize,
    /// The text tower.
    pub text: TextTower,
    /// The layouts in which the model is published.
    pub offer: Offer,
}

/// An image tower.
#[derive(Clone, Debug, PartialEq)]
pub enum ImageTower {
    /// Apple's FastViT hybrid of convolutions and attention.
    Mci(MciSize),
    /// A vision transformer after three convolutions, 4x4, 2x2 and 2x2 without overlap.
    StemVit {
        /// Channels between the convolutions.
        stem_width: usize,
        /// The transformer.
        blocks: TowerSize,
    },
    /// OpenAI's vision transformer under timm's names and with a bias in the head.
    Vit {
        /// Side of a patch in pixels.
        patch_size: usize,
        /// The transformer.
        blocks: TowerSize,
    },
}

/// Sizes of a FastViT tower.
#[derive(Clone, Debug, PartialEq)]
pub struct MciSize {
    /// The stages; each has twice the channels of the one before and half the side.
    pub stages: Vec<MciStage>,
    /// Whether the stem's first two convolutions have a branch with a 1x1 kernel.
    pub stem_scale: bool,
    /// LayerNorm over channels before attention instead of BatchNorm.
    pub layer_norm: bool,
}

/// A stage of a FastViT tower.
#[derive(Clone, Debug, PartialEq)]
pub struct MciStage {
    /// Channels.
    pub channels: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Hidden channels of the MLPs as a multiple of `channels`.
    pub mlp_ratio: usize,
    /// Attention with heads of 32 channels instead of RepMixer.
    pub attention: bool,
    /// Hidden channels of the squeeze and excitation in the downsampling before the stage.
    pub squeeze: Option<usize>,
    /// Whether the stage begins with a 7x7 position convolution.
    pub position: bool,
}

/// A text tower.
#[derive(Clone, Debug, PartialEq)]
pub enum TextTower {
    /// OpenAI's transformer.
    Transformer {
        /// Whether a token sees only its predecessors.
        causal: bool,
        /// The blocks.
        blocks: TowerSize,
    },
    /// A transformer between two blocks of convolutions along the tokens. Never causal.
    Hybrid {
        /// Kernel size of the convolutions.
        kernel: usize,
        /// The transformer.
        blocks: TowerSize,
    },
}

/// The publisher of a model, which determines its layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Apple, under its own names; open_clip does not know the model. Its head has no bias.
    Apple,
    /// Apple under its own names and open_clip under timm's. The bias of timm's head is then zero.
    Both,
    /// open_clip, and Apple under the same names.
    OpenClip,
    /// Apple, under the names that open_clip would use.
    OpenClipNames,
}

impl Offer {
    /// Whether Apple's files use Apple's own names.
    pub fn has_apple_names(self) -> bool {
        matches!(self, Offer::Apple | Offer::Both)
    }
}

impl MobileClipSize {
    /// Patches per side before the transformer, or pixels per side in the first stage.
    pub fn grid(&self) -> usize {
        match &self.image {
            ImageTower::Mci(_) => self.image_size / 4,
            ImageTower::StemVit { .. } => self.image_size / 16,
            ImageTower::Vit { patch_size, .. } => self.image_size / patch_size,
        }
    }

    /// Blocks of the text tower's transformer.
    pub fn text_blocks(&self) -> &TowerSize {
        match &self.text {
            TextTower::Transformer { blocks, .. } | TextTower::Hybrid { blocks, .. } => blocks,
        }
    }
}

impl MciSize {
    /// Sizes by the first stage's channels and the stages' blocks.
    ///
    /// Blocks have attention from the fourth stage on. The smaller towers (MCi0 to MCi2) have squeeze and excitation
    /// before the third and fourth stage, BatchNorm, and 1x1 branches in the stem; the larger ones (MCi3, MCi4) have
    /// none of these.
    fn new(channels: usize, blocks: &[usize], mlp_ratio: usize, small: bool) -> Self {
        let stage = |(i, &blocks): (usize, &usize)| {
            let channels = channels << i;
            MciStage {
                channels,
                blocks,
                mlp_ratio,
                attention: i >= 3,
                // A quarter, rounded to the nearest multiple of 8 as timm does.
                squeeze: (small && i >= 2).then(|| ((channels / 4 + 4) / 8 * 8).max(8)),
                position: i >= 3,
            }
        };
        MciSize { stages: blocks.iter().enumerate().map(stage).collect(), stem_scale: small, layer_norm: !small }
    }

    /// Channels of the last stage.
    pub fn last_channels(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.channels)
    }

    /// Hidden channels of the last convolution's squeeze and excitation: a sixteenth of its outputs.
    pub fn squeeze(&self) -> usize {
        2 * self.last_channels() / 16
    }
}

/// The published models.
pub fn published() -> Vec<Model> {
    use Offer::{Apple, Both, OpenClip, OpenClipNames};
    [
        // name, Apple's file, offer
        ("mobileclip-s0", "mobileclip_s0", Apple),
        ("mobileclip-s1", "mobileclip_s1", Both),
        ("mobileclip-s2", "mobileclip_s2", Both),
        ("mobileclip-b", "mobileclip_b", Both),
        ("mobileclip-b-lt", "mobileclip_blt", Both),
        ("mobileclip-s3", "mobileclip_s3", OpenClipNames),
        ("mobileclip-s4", "mobileclip_s4", OpenClipNames),
        ("mobileclip-l-14", "mobileclip_l14", OpenClipNames),
        ("mobileclip2-s0", "mobileclip2_s0", OpenClip),
        ("mobileclip2-s2", "mobileclip2_s2", OpenClip),
        ("mobileclip2-b", "mobileclip2_b", OpenClip),
        ("mobileclip2-s3", "mobileclip2_s3", OpenClip),
        ("mobileclip2-s4", "mobileclip2_s4", OpenClip),
        ("mobileclip2-l-14", "mobileclip2_l14", OpenClip),
    ]
    .into_iter()
    .map(|(name, archive, offer)| full_size(name, archive, offer))
    .collect()
}

fn full_size(name: &str, archive: &str, offer: Offer) -> Model {
    let (_, variant) = name.split_once('-').unwrap_or(("", name));
    let mci = |channels, blocks: &[usize], mlp_ratio, small| {
        ImageTower::Mci(MciSize::new(channels, blocks, mlp_ratio, small))
    };
    let (timm_name, image) = match variant {
        "s0" => ("fastvit_mci0", mci(64, &[2, 6, 10, 2], 3, true)),
        "s1" => ("fastvit_mci1", mci(64, &[4, 12, 20, 4], 3, true)),
        "s2" => ("fastvit_mci2", mci(80, &[4, 12, 24, 4], 3, true)),
        "s3" => ("fastvit_mci3", mci(96, &[2, 12, 24, 4, 2], 4, false)),
        "s4" => ("fastvit_mci4", mci(128, &[2, 12, 24, 4, 4], 4, false)),
        "l-14" => {
            ("vit_large_patch14_clip_224", ImageTower::Vit { patch_size: 14, blocks: TowerSize::openai(1024, 24) })
        }
        _ => ("vit_base_mci_224", ImageTower::StemVit { stem_width: 192, blocks: TowerSize::openai(768, 12) }),
    };

    let large = matches!(variant, "s3" | "s4" | "l-14");
    let width = if large { 768 } else { 512 };
    let text = if offer == Offer::Apple {
        TextTower::Hybrid { kernel: 11, blocks: TowerSize::openai(width, 4) }
    } else {
        TextTower::Transformer { causal: timm_name == "vit_base_mci_224", blocks: TowerSize::openai(width, 12) }
    };
    let size = MobileClipSize {
        embed_dim: width,
        image_size: if matches!(image, ImageTower::Mci(_)) { 256 } else { 224 },
        image,
        timm_name,
        context_length: 77,
        vocab_size: 49408,
        text,
        offer,
    };
    let mut model = model(name, archive, size);
    if large {
        model.mean = OPENAI_MEAN;
        model.std = OPENAI_STD;
    }
    if variant == "l-14" {
        model.interpolation = "bicubic";
    }
    model
}

/// Models small enough to generate, convert and run within a test.
pub fn tiny() -> Vec<Model> {
    let text = |causal, width, layers| TextTower::Transformer { causal, blocks: TowerSize::openai(width, layers) };
    let mci = |channels, blocks: &[usize], mlp_ratio, small| {
        ImageTower::Mci(MciSize::new(channels, blocks, mlp_ratio, small))
    };
    [
        // Four stages with squeeze and excitation, BatchNorm and the stem's 1x1 branches; odd sides (20, 10, 5,
        // 3) and a number of channels that no register width divides.
        (
            "tiny-mci",
            MobileClipSize {
                embed_dim: 36,
                image_size: 80,
                image: mci(20, &[1, 2, 1, 2], 3, true),
                timm_name: "fastvit_mci0",
                context_length: 9,
                vocab_size: 64,
                text: text(false, 64, 1),
                offer: Offer::Both,
            },
        ),
        // Five stages without squeeze and excitation, LayerNorm, no 1x1 branches in the stem.
        (
            "tiny-mci-deep",
            MobileClipSize {
                embed_dim: 40,
                image_size: 96,
                image: mci(12, &[1, 1, 2, 2, 1], 4, false),
                timm_name: "fastvit_mci3",
                context_length: 10,
                vocab_size: 70,
                text: text(false, 128, 1),
                offer: Offer::OpenClip,
            },
        ),
        // The vision transformer after convolutions, which Apple and timm define differently.
        (
            "tiny-stem",
            MobileClipSize {
                embed_dim: 24,
                image_size: 48,
                image: ImageTower::StemVit { stem_width: 32, blocks: TowerSize::openai(128, 2) },
                timm_name: "vit_base_mci_224",
                context_length: 11,
                vocab_size: 80,
                text: text(true, 64, 2),
                offer: Offer::Both,
            },
        ),
        // OpenAI's vision transformer under timm's names.
        (
            "tiny-timm-vit",
            MobileClipSize {
                embed_dim: 28,
                image_size: 28,
                image: ImageTower::Vit { patch_size: 7, blocks: TowerSize::openai(64, 2) },
                timm_name: "vit_large_patch14_clip_224",
                context_length: 12,
                vocab_size: 90,
                text: text(false, 64, 2),
                offer: Offer::OpenClip,
            },
        ),
        // The hybrid text tower, at a context shorter than two of its kernels.
        (
            "tiny-hybrid",
            MobileClipSize {
                embed_dim: 20,
                image_size: 64,
                image: mci(4, &[1, 1, 1, 1], 3, true),
                timm_name: "fastvit_mci0",
                context_length: 14,
                vocab_size: 100,
                text: TextTower::Hybrid { kernel: 11, blocks: TowerSize::openai(128, 2) },
                offer: Offer::Apple,
            },
        ),
    ]
    .into_iter()
    .map(|(name, size)| model(name, &name.replace('-', "_"), size))
    .collect()
}

/// A model with the preprocessing of most MobileCLIPs: pixels as they are.
fn model(name: &str, archive: &str, size: MobileClipSize) -> Model {
    Model {
        name: name.to_owned(),
        archive: archive.to_owned(),
        architecture: Architecture::MobileClip(size),
        quick_gelu: false,
        mean: [0.0; 3],
        std: [1.0; 3],
        interpolation: "bilinear",
    }
}
