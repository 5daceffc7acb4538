//! The architectures of published models: towers, sizes, parameters and compute.
//!
//! An architecture is a constant that builds its configuration. Image towers that have a published name, such as
//! timm's `fastvit_mci0`, are a [`Trunk`]: configuration files refer to them by that name.
//!
//! Sources of the sizes: open_clip 3.3.0, `model_configs/`; timm 1.0.31, `fastvit.py` and
//! `vision_transformer_hybrid.py`; Apple's `ml-mobileclip`; the `model_configs` of `wkcn/TinyCLIP`. Parameters are counted in the published (training) form
//! without running statistics, compute with torch's FlopCounter (convolutions, matrix products, attention) in the
//! folded form.

use super::{perception, siglip};
use crate::models::config::{
    Activation, ConvStem, ImageConfig, ImagePooling, MciConfig, MciStage, Mixer, ResnetConfig, TextConfig,
    TextHybridConfig, TextPooling, TextTransformerConfig, TransformerConfig, VitConfig,
};

/// The towers of a published model and what they cost.
pub(crate) struct Architecture {
    image: fn() -> ImageConfig,
    text: fn() -> TextConfig,
    /// The image tower's published name, if it has one.
    pub(crate) trunk: Option<&'static Trunk>,
    /// Length of the embeddings.
    pub(crate) embed_dim: usize,
    /// Parameters of the image tower in training form.
    pub(crate) image_parameters: u64,
    /// Parameters of the text tower in training form.
    pub(crate) text_parameters: u64,
    /// Multiply-adds of the image tower per photo, in 10^9.
    pub(crate) gmac_per_image: f64,
}

/// An image tower with a published name.
pub(crate) struct Trunk {
    /// timm's name, as open_clip's configurations give it.
    pub(crate) timm: &'static str,
    /// Apple's name, as Apple's configurations give it.
    pub(crate) apple: Option<&'static str>,
    /// The activation of its MLPs in timm.
    pub(crate) activation: Activation,
    /// The pooling that open_clip's configurations state for it.
    pub(crate) timm_pool: &'static str,
    pub(super) build: fn() -> ImageConfig,
}

impl Architecture {
    /// The image tower. The activation is a placeholder: it belongs to the weights.
    pub(crate) fn image(&self) -> ImageConfig {
        (self.image)()
    }

    /// The text tower. The activation is a placeholder: it belongs to the weights.
    pub(crate) fn text(&self) -> TextConfig {
        (self.text)()
    }

    pub(super) const fn new(
        image: fn() -> ImageConfig,
        text: &Text,
        embed_dim: usize,
        image_parameters: u64,
        gmac_per_image: f64,
    ) -> Self {
        let &Text { build, parameters } = text;
        let (trunk, text_parameters) = (None, parameters);
        Architecture { image, text: build, trunk, embed_dim, image_parameters, text_parameters, gmac_per_image }
    }

    pub(super) const fn of_trunk(
        trunk: &'static Trunk,
        text: &Text,
        embed_dim: usize,
        image_parameters: u64,
        gmac_per_image: f64,
    ) -> Self {
        let unnamed = Architecture::new(trunk.build, text, embed_dim, image_parameters, gmac_per_image);
        Architecture { trunk: Some(trunk), ..unnamed }
    }
}

impl Trunk {
    /// The trunk with this name in timm.
    pub(crate) fn of_timm(name: &str) -> Option<&'static Trunk> {
        trunks().find(|trunk| trunk.timm == name)
    }

    /// The trunk with this name in Apple's configurations.
    pub(crate) fn of_apple(name: &str) -> Option<&'static Trunk> {
        trunks().find(|trunk| trunk.apple == Some(name))
    }

    /// The trunk of `image`, regardless of its open settings.
    pub(crate) fn of_config(image: &ImageConfig) -> Option<&'static Trunk> {
        trunks().find(|trunk| trunk.config().has_same_tensors(image))
    }

    /// Attention heads of a transformer of one width.
    pub(crate) fn heads(&self) -> Option<usize> {
        self.config().open_settings().heads.map(|(heads, _)| *heads)
    }

    /// Whether it is one of Perception Encoder's, which pool like SigLIP's.
    pub(crate) fn is_rotary(&self) -> bool {
        matches!(self.config(), ImageConfig::Vit(vit) if vit.rotary)
    }

    pub(crate) fn config(&self) -> ImageConfig {
        (self.build)()
    }
}

pub(super) const B_32: Architecture = Architecture::new(|| vit(224, 32, 768, 12), &CAUSAL_512, 512, 87_849_216, 4.409);
pub(super) const B_16: Architecture = Architecture::new(|| vit(224, 16, 768, 12), &CAUSAL_512, 512, 86_192_640, 17.563);
pub(super) const L_14: Architecture =
    Architecture::new(|| vit(224, 14, 1024, 24), &CAUSAL_768, 768, 303_966_208, 81.013);
pub(super) const L_14_336: Architecture =
    Architecture::new(|| vit(336, 14, 1024, 24), &CAUSAL_768, 768, 304_293_888, 190.960);
pub(super) const RN50: Architecture =
    Architecture::new(|| resnet(224, 64, [3, 4, 6, 3]), &CAUSAL_512_TO_1024, 1024, 38_316_896, 6.111);
pub(super) const RN101: Architecture =
    Architecture::new(|| resnet(224, 64, [3, 4, 23, 3]), &CAUSAL_512, 512, 56_259_936, 9.771);
pub(super) const RN50_X4: Architecture =
    Architecture::new(|| resnet(288, 80, [4, 6, 10, 6]), &CAUSAL_640, 640, 87_137_080, 21.279);
pub(super) const RN50_X16: Architecture =
    Architecture::new(|| resnet(384, 96, [6, 8, 18, 8]), &CAUSAL_768, 768, 167_328_912, 74.695);
pub(super) const RN50_X64: Architecture =
    Architecture::new(|| resnet(448, 128, [3, 15, 36, 10]), &CAUSAL_1024, 1024, 420_380_352, 264.554);
/// In Apple's form, with the hybrid text tower and no bias in the image tower's projection.
pub(super) const MCI_0_HYBRID: Architecture =
    Architecture::of_trunk(&FASTVIT_MCI0, &HYBRID_512, 512, 11_406_464, 2.385);
// In open_clip's form: timm's towers, whose projection has a bias.
pub(super) const MCI_0: Architecture =
    Architecture::of_trunk(&FASTVIT_MCI0, &BIDIRECTIONAL_512, 512, 11_406_976, 2.385);
pub(super) const MCI_1: Architecture =
    Architecture::of_trunk(&FASTVIT_MCI1, &BIDIRECTIONAL_512, 512, 21_541_632, 4.658);
pub(super) const MCI_2: Architecture =
    Architecture::of_trunk(&FASTVIT_MCI2, &BIDIRECTIONAL_512, 512, 35_815_232, 7.834);
pub(super) const MCI_B: Architecture = Architecture::of_trunk(&VIT_BASE_MCI, &CAUSAL_512, 512, 86_349_056, 17.708);
pub(super) const MCI_3: Architecture =
    Architecture::of_trunk(&FASTVIT_MCI3, &BIDIRECTIONAL_768, 768, 125_235_648, 14.812);
pub(super) const MCI_4: Architecture =
    Architecture::of_trunk(&FASTVIT_MCI4, &BIDIRECTIONAL_768, 768, 321_784_832, 27.758);
pub(super) const MCI_L: Architecture =
    Architecture::of_trunk(&VIT_LARGE_CLIP, &BIDIRECTIONAL_768, 768, 303_966_976, 81.013);
pub(super) const VIT_B_32_256: Architecture =
    Architecture::new(|| vit(256, 32, 768, 12), &CAUSAL_512, 512, 87_860_736, 5.750);
pub(super) const B_16_PLUS_240: Architecture =
    Architecture::new(|| vit(240, 16, 896, 12), &CAUSAL_640, 640, 117_213_824, 27.381);
// Heads of 80, 88 and 104 channels; the MLPs of the last two are a bit wider than four times the tokens.
pub(super) const H_14: Architecture =
    Architecture::new(|| wide_vit(224, (1280, 32), 5120), &CAUSAL_1024_24, 1024, 632_076_800, 167.295);
pub(super) const H_14_378: Architecture =
    Architecture::new(|| wide_vit(378, (1280, 32), 5120), &CAUSAL_1024_24, 1024, 632_682_240, 503.481);
pub(super) const G_14: Architecture =
    Architecture::new(|| wide_vit(224, (1408, 40), 6144), &CAUSAL_1024_24, 1024, 1_012_645_632, 267.032);
pub(super) const BIG_G_14: Architecture =
    Architecture::new(|| wide_vit(224, (1664, 48), 8192), &CAUSAL_1280, 1280, 1_844_907_264, 483.748);

// Distilled from ViT-B/16 and ViT-B/32, with fewer layers and channels.
pub(super) const TINY_8M_16: Architecture =
    Architecture::new(|| vit(224, 16, 256, 10), &CAUSAL_256_3, 512, 8_276_992, 1.787);
pub(super) const TINY_39M_16: Architecture =
    Architecture::new(|| vit(224, 16, 512, 12), &CAUSAL_512_6, 512, 38_587_392, 7.991);
pub(super) const TINY_40M_32: Architecture =
    Architecture::new(|| vit(224, 32, 512, 12), &CAUSAL_512_6, 512, 39_691_776, 1.995);
pub(super) const TINY_61M_32: Architecture =
    Architecture::new(|| vit(224, 32, 640, 12), &CAUSAL_512_9, 512, 61_411_200, 3.084);

fn trunks() -> impl Iterator<Item = &'static Trunk> {
    TRUNKS.into_iter().chain(siglip::TRUNKS).chain(perception::TRUNKS)
}

/// Every trunk but SigLIP's and Perception Encoder's.
const TRUNKS: [&Trunk; 7] =
    [&FASTVIT_MCI0, &FASTVIT_MCI1, &FASTVIT_MCI2, &FASTVIT_MCI3, &FASTVIT_MCI4, &VIT_BASE_MCI, &VIT_LARGE_CLIP];

const FASTVIT_MCI0: Trunk = fastvit("fastvit_mci0", Some("mci0"), || small_mci(64, [2, 6, 10, 2]));
const FASTVIT_MCI1: Trunk = fastvit("fastvit_mci1", Some("mci1"), || small_mci(64, [4, 12, 20, 4]));
const FASTVIT_MCI2: Trunk = fastvit("fastvit_mci2", Some("mci2"), || small_mci(80, [4, 12, 24, 4]));
const FASTVIT_MCI3: Trunk = fastvit("fastvit_mci3", None, || large_mci(96, [2, 12, 24, 4, 2]));
const FASTVIT_MCI4: Trunk = fastvit("fastvit_mci4", None, || large_mci(128, [2, 12, 24, 4, 4]));
const VIT_BASE_MCI: Trunk = Trunk {
    timm: "vit_base_mci_224",
    apple: Some("vit_b16"),
    activation: Activation::Gelu,
    timm_pool: "token",
    build: stem_vit,
};
const VIT_LARGE_CLIP: Trunk = Trunk {
    timm: "vit_large_patch14_clip_224",
    apple: None,
    activation: Activation::Gelu,
    timm_pool: "token",
    build: || vit(224, 14, 1024, 24),
};

const fn fastvit(timm: &'static str, apple: Option<&'static str>, build: fn() -> ImageConfig) -> Trunk {
    Trunk { timm, apple, activation: Activation::Gelu, timm_pool: "avg", build }
}

/// A text tower and its parameters.
pub(super) struct Text {
    pub(super) build: fn() -> TextConfig,
    pub(super) parameters: u64,
}

const CAUSAL_512: Text = Text { build: || text(512, 12, true), parameters: 63_428_096 };
/// [`CAUSAL_512`] with embeddings twice as long.
const CAUSAL_512_TO_1024: Text = Text { parameters: 63_690_240, ..CAUSAL_512 };
const CAUSAL_512_9: Text = Text { build: || text(512, 9, true), parameters: 53_970_944 };
const CAUSAL_512_6: Text = Text { build: || text(512, 6, true), parameters: 44_513_792 };
const CAUSAL_256_3: Text = Text { build: || text(256, 3, true), parameters: 15_169_024 };
const CAUSAL_640: Text = Text { build: || text(640, 12, true), parameters: 91_163_520 };
const CAUSAL_768: Text = Text { build: || text(768, 12, true), parameters: 123_650_304 };
const CAUSAL_1024: Text = Text { build: || text(1024, 12, true), parameters: 202_877_952 };
const CAUSAL_1024_24: Text = Text { build: || text(1024, 24, true), parameters: 354_032_640 };
const CAUSAL_1280: Text = Text { build: || text(1280, 32, true), parameters: 694_659_840 };
const BIDIRECTIONAL_512: Text = Text { build: || text(512, 12, false), ..CAUSAL_512 };
const BIDIRECTIONAL_768: Text = Text { build: || text(768, 12, false), ..CAUSAL_768 };
/// Four layers between two blocks of convolutions.
const HYBRID_512: Text = Text { build: hybrid_text, parameters: 42_441_216 };

/// Token positions of every CLIP model.
const CONTEXT_LENGTH: usize = 77;
/// Size of the vocabulary of every CLIP model.
pub(super) const VOCAB_SIZE: usize = 49408;
/// Channels of an attention head in every transformer but the image towers of H/14, g/14 and bigG/14.
const HEAD_WIDTH: usize = 64;
/// Channels of an attention head in every FastViT.
const MCI_HEAD_WIDTH: usize = 32;

fn blocks(width: usize, layers: usize) -> TransformerConfig {
    TransformerConfig {
        width,
        layers,
        heads: width / HEAD_WIDTH,
        mlp_width: 4 * width,
        activation: Activation::Gelu,
        norm_eps: 1e-5,
    }
}

fn text(width: usize, layers: usize, causal: bool) -> TextConfig {
    TextConfig::Transformer(TextTransformerConfig {
        context_length: CONTEXT_LENGTH,
        vocab_size: VOCAB_SIZE,
        causal,
        pad_id: 0,
        mask_padding: false,
        blocks: blocks(width, layers),
        pooling: TextPooling::LargestId,
        projection: true,
    })
}

fn hybrid_text() -> TextConfig {
    TextConfig::Hybrid(TextHybridConfig {
        context_length: CONTEXT_LENGTH,
        vocab_size: VOCAB_SIZE,
        kernel_size: 11,
        blocks: blocks(512, 4),
    })
}

fn vit(image_size: usize, patch_size: usize, width: usize, layers: usize) -> ImageConfig {
    ImageConfig::Vit(VitConfig {
        image_size,
        patch_size,
        class_token: true,
        pre_norm: true,
        rotary: false,
        stem: None,
        blocks: blocks(width, layers),
        pooling: ImagePooling::ClassToken,
    })
}

/// An image tower of patches of 14 pixels and 16 heads, whatever its width.
fn wide_vit(image_size: usize, (width, layers): (usize, usize), mlp_width: usize) -> ImageConfig {
    let blocks = TransformerConfig { heads: 16, mlp_width, ..blocks(width, layers) };
    match vit(image_size, 14, width, layers) {
        ImageConfig::Vit(vit) => ImageConfig::Vit(VitConfig { blocks, ..vit }),
        other => other,
    }
}

fn resnet(image_size: usize, width: usize, blocks: [usize; 4]) -> ImageConfig {
    ImageConfig::Resnet(ResnetConfig::new(image_size, width, blocks.to_vec(), 32 * width / HEAD_WIDTH))
}

/// MobileCLIP-B's image tower by timm's definition. Apple's has another padding and epsilon.
fn stem_vit() -> ImageConfig {
    ImageConfig::Vit(VitConfig {
        image_size: 224,
        patch_size: 16,
        class_token: true,
        pre_norm: false,
        rotary: false,
        stem: Some(ConvStem { width: 192, padding: 0 }),
        blocks: TransformerConfig { norm_eps: 1e-6, ..blocks(768, 12) },
        pooling: ImagePooling::ClassToken,
    })
}

/// MCi0 to MCi2: a BatchNorm before attention, squeeze-and-excitation before the third and fourth stage.
fn small_mci(channels: usize, blocks: [usize; 4]) -> ImageConfig {
    mci(channels, &blocks, |i, stage| MciStage {
        mlp_width: 3 * stage.channels,
        squeeze_width: (i >= 2).then_some(stage.channels / 4),
        ..stage
    })
}

/// MCi3 and MCi4: a LayerNorm before attention, five stages.
fn large_mci(channels: usize, blocks: [usize; 5]) -> ImageConfig {
    mci(channels, &blocks, |_, stage| MciStage {
        mlp_width: 4 * stage.channels,
        attention_norm: stage.mixer == Mixer::Attention,
        ..stage
    })
}

/// A FastViT whose first stage has `channels`. `adapt` completes the stage of each index.
fn mci(channels: usize, blocks: &[usize], adapt: impl Fn(usize, MciStage) -> MciStage) -> ImageConfig {
    let stage = |(i, &blocks): (usize, &usize)| {
        let channels = channels << i;
        let has_attention = i >= 3;
        let stage = MciStage {
            channels,
            blocks,
            mixer: if has_attention { Mixer::Attention } else { Mixer::RepMixer },
            heads: if has_attention { channels / MCI_HEAD_WIDTH } else { 0 },
            attention_norm: false,
            mlp_width: 0,
            position_encoding: has_attention,
            squeeze_width: None,
        };
        adapt(i, stage)
    };
    let last = channels << (blocks.len() - 1);
    let stages = blocks.iter().enumerate().map(stage).collect();
    ImageConfig::Mci(MciConfig { image_size: 256, stages, squeeze_width: last / 8, norm_eps: 1e-5 })
}
