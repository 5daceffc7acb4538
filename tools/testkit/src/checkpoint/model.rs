//! The models that can be generated: the published ones by name, tiny ones of awkward sizes, and any other.
//!
//! Knows sizes, activation and preprocessing; neither tensor names nor files. Sizes are those of OpenAI's
//! model table and open_clip's model configurations; activation and preprocessing belong to the weights
//! (open_clip's `pretrained.py`).

use super::error::Error;
use super::mobileclip::{self, MobileClipSize, TextTower};
use super::multilingual::{self, MultilingualSize};
use super::resnet::{self, ResnetSize};
use super::siglip::{self, SiglipSize};
use super::tensor::{Kind, Tensor};
use super::{trunk, vit};

/// A model whose checkpoint can be generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Name on the command line, such as `vit-b-32-openai`.
    pub name: String,
    /// Name of the archive when OpenAI or Apple publishes it, without `.pt`, such as `ViT-B-32`.
    pub archive: String,
    /// Family and sizes of the towers.
    pub architecture: Architecture,
    /// QuickGELU (OpenAI's) instead of GELU with erf.
    pub quick_gelu: bool,
    /// Mean of the pixels' channels in `0..=1`.
    pub mean: [f64; 3],
    /// Standard deviation of the pixels' channels.
    pub std: [f64; 3],
    /// How photos are resized: `bicubic` or `bilinear`.
    pub interpolation: &'static str,
}

/// Family and sizes of a model's towers.
#[derive(Clone, Debug, PartialEq)]
pub enum Architecture {
    /// OpenAI's vision transformer and text transformer, under open_clip's own names.
    Vit(VitSize),
    /// MobileCLIP and MobileCLIP2: towers of timm and of Apple.
    MobileClip(MobileClipSize),
    /// SigLIP and SigLIP 2: an image tower of timm that pools by attention, a text tower without mask.
    Siglip(SiglipSize),
    /// CLIP's ResNet and text transformer, under open_clip's own names.
    Resnet(ResnetSize),
    /// XLM-RoBERTa, NLLB and MetaCLIP 2: an image tower of open_clip or timm, a multilingual text tower.
    Multilingual(MultilingualSize),
}

/// Sizes of a vision transformer with a text transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct VitSize {
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Side of the input in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// The image tower's blocks.
    pub image: TowerSize,
    /// Number of token positions.
    pub context_length: usize,
    /// Rows of the token embedding; the last two are the start and the end token.
    pub vocab_size: usize,
    /// Whether a token sees only its predecessors.
    pub causal: bool,
    /// The text tower's blocks.
    pub text: TowerSize,
}

/// Sizes of a stack of transformer blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct TowerSize {
    /// Channels of a token.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Hidden channels of the MLP as a multiple of `width`, rounded down.
    pub mlp_ratio: f64,
}

/// OpenAI's channel statistics.
pub const OPENAI_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// OpenAI's channel statistics.
pub const OPENAI_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];

impl VitSize {
    /// Whole patches per side.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }
}

impl TowerSize {
    /// Blocks of OpenAI's proportions: heads of 64 channels, four times as many hidden channels.
    pub fn openai(width: usize, layers: usize) -> Self {
        TowerSize { width, layers, heads: width / 64, mlp_ratio: 4.0 }
    }

    /// Channels of a head.
    pub fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// Hidden channels of the MLP.
    pub fn mlp_width(&self) -> usize {
        (self.width as f64 * self.mlp_ratio) as usize
    }
}

impl Model {
    /// A model of any size, with OpenAI's preprocessing.
    pub fn custom(name: &str, size: VitSize, quick_gelu: bool) -> Self {
        Model {
            name: name.to_owned(),
            archive: name.to_owned(),
            architecture: Architecture::Vit(size),
            quick_gelu,
            mean: OPENAI_MEAN,
            std: OPENAI_STD,
            interpolation: "bicubic",
        }
    }

    /// The sizes, if the model has OpenAI's architecture.
    pub fn vit(&self) -> Option<&VitSize> {
        match &self.architecture {
            Architecture::Vit(size) => Some(size),
            Architecture::MobileClip(_)
            | Architecture::Siglip(_)
            | Architecture::Resnet(_)
            | Architecture::Multilingual(_) => None,
        }
    }

    /// The sizes, if the model is a MobileCLIP.
    pub fn mobileclip(&self) -> Option<&MobileClipSize> {
        match &self.architecture {
            Architecture::MobileClip(size) => Some(size),
            Architecture::Vit(_)
            | Architecture::Siglip(_)
            | Architecture::Resnet(_)
            | Architecture::Multilingual(_) => None,
        }
    }

    /// The sizes, if the model is a SigLIP.
    pub fn siglip(&self) -> Option<&SiglipSize> {
        match &self.architecture {
            Architecture::Siglip(size) => Some(size),
            Architecture::Vit(_)
            | Architecture::MobileClip(_)
            | Architecture::Resnet(_)
            | Architecture::Multilingual(_) => None,
        }
    }

    /// The sizes, if the model has a ResNet.
    pub fn resnet(&self) -> Option<&ResnetSize> {
        match &self.architecture {
            Architecture::Resnet(size) => Some(size),
            Architecture::Vit(_)
            | Architecture::MobileClip(_)
            | Architecture::Siglip(_)
            | Architecture::Multilingual(_) => None,
        }
    }

    /// The sizes, if the model has a multilingual text tower of XLM-RoBERTa, NLLB or MetaCLIP 2.
    pub fn multilingual(&self) -> Option<&MultilingualSize> {
        match &self.architecture {
            Architecture::Multilingual(size) => Some(size),
            Architecture::Resnet(_) => None,
            Architecture::Vit(_) | Architecture::MobileClip(_) | Architecture::Siglip(_) => None,
        }
    }

    /// Length of the embeddings.
    pub fn embed_dim(&self) -> usize {
        match &self.architecture {
            Architecture::Vit(size) => size.embed_dim,
            Architecture::MobileClip(size) => size.embed_dim,
            Architecture::Siglip(size) => size.image.width,
            Architecture::Resnet(size) => size.embed_dim,
            Architecture::Multilingual(size) => size.embed_dim(),
        }
    }

    /// Side of the input in pixels.
    pub fn image_size(&self) -> usize {
        match &self.architecture {
            Architecture::Vit(size) => size.image_size,
            Architecture::MobileClip(size) => size.image_size,
            Architecture::Siglip(size) => size.image_size,
            Architecture::Resnet(size) => size.image_size,
            Architecture::Multilingual(size) => size.image_size(),
        }
    }

    /// Number of token positions.
    pub fn context_length(&self) -> usize {
        match &self.architecture {
            Architecture::Vit(size) => size.context_length,
            Architecture::MobileClip(size) => size.context_length,
            Architecture::Siglip(size) => size.context_length,
            Architecture::Resnet(size) => size.context_length,
            Architecture::Multilingual(size) => size.context_length(),
        }
    }

    /// Rows of the token embedding; the last two are the start and the end token.
    pub fn vocab_size(&self) -> usize {
        match &self.architecture {
            Architecture::Vit(size) => size.vocab_size,
            Architecture::MobileClip(size) => size.vocab_size,
            Architecture::Siglip(size) => size.vocab_size,
            Architecture::Resnet(size) => size.vocab_size,
            Architecture::Multilingual(size) => size.vocab_size(),
        }
    }

    /// Whether a token sees only its predecessors.
    pub fn causal(&self) -> bool {
        match &self.architecture {
            Architecture::Vit(size) => size.causal,
            Architecture::MobileClip(size) => matches!(size.text, TextTower::Transformer { causal: true, .. }),
            Architecture::Siglip(_) => false,
            Architecture::Resnet(_) => true,
            Architecture::Multilingual(size) => size.is_worldwide(),
        }
    }

    /// Finds a published or tiny model by name.
    pub fn named(name: &str) -> Result<Self, Error> {
        all()
            .into_iter()
            .find(|model| model.name == name)
            .ok_or_else(|| Error::UnknownModel { name: name.to_owned(), known: known_names().join(", ") })
    }

    /// All tensors under their canonical names, in the order of open_clip's state dict.
    pub fn tensors(&self) -> Vec<Tensor> {
        match &self.architecture {
            Architecture::Vit(size) => vit::tensors(size),
            Architecture::MobileClip(size) => trunk::tensors(size),
            Architecture::Siglip(size) => siglip::tensors(size),
            Architecture::Resnet(size) => resnet::tensors(size),
            Architecture::Multilingual(size) => multilingual::tensors(size),
        }
    }

    /// Number of parameters, without running statistics of norms.
    pub fn parameters(&self) -> usize {
        let trained = |tensor: &&Tensor| !matches!(tensor.kind, Kind::RunningMean | Kind::RunningVariance);
        self.tensors().iter().filter(trained).map(Tensor::elements).sum()
    }
}

/// Names that [`Model::named`] knows.
pub fn known_names() -> Vec<String> {
    all().into_iter().map(|model| model.name).collect()
}

/// Every model that has a name.
pub fn all() -> Vec<Model> {
    let full = published().into_iter().chain(mobileclip::published()).chain(siglip::published());
    let full = full.chain(resnet::published()).chain(multilingual::published());
    let tiny = tiny().into_iter().chain(mobileclip::tiny()).chain(siglip::tiny()).chain(resnet::tiny());
    full.chain(tiny).chain(multilingual::tiny()).collect()
}

/// The published models of OpenAI's architecture with vision transformers.
pub fn published() -> Vec<Model> {
    const B_32: &str = "ViT-B-32";
    const B_16: &str = "ViT-B-16";
    const L_14: &str = "ViT-L-14";
    const L_14_336: &str = "ViT-L-14-336px";
    const B_32_256: &str = "ViT-B-32-256";
    const B_16_PLUS: &str = "ViT-B-16-plus-240";
    const H_14: &str = "ViT-H-14";
    const H_14_378: &str = "ViT-H-14-378";
    const G_14: &str = "ViT-g-14";
    const BIG_G_14: &str = "ViT-bigG-14";
    [
        // name, architecture, QuickGELU
        ("vit-b-32-openai", B_32, true),
        ("vit-b-16-openai", B_16, true),
        ("vit-l-14-openai", L_14, true),
        ("vit-l-14-336-openai", L_14_336, true),
        ("vit-b-32-laion400m-e32", B_32, true),
        ("vit-b-32-laion2b", B_32, false),
        ("vit-b-16-laion2b", B_16, false),
        ("vit-l-14-laion2b", L_14, false),
        ("vit-b-32-datacomp-xl", B_32, false),
        ("vit-b-16-datacomp-xl", B_16, false),
        ("vit-l-14-datacomp-xl", L_14, false),
        ("vit-b-32-laion400m-e31", B_32, true),
        ("vit-b-16-laion400m-e31", B_16, false),
        ("vit-b-16-laion400m-e32", B_16, false),
        ("vit-b-16-plus-240-laion400m-e31", B_16_PLUS, false),
        ("vit-b-16-plus-240-laion400m-e32", B_16_PLUS, false),
        ("vit-l-14-laion400m-e31", L_14, false),
        ("vit-l-14-laion400m-e32", L_14, false),
        ("vit-b-32-256-datacomp", B_32_256, false),
        ("vit-h-14-laion2b", H_14, false),
        ("vit-g-14-laion2b-s12b", G_14, false),
        ("vit-g-14-laion2b-s34b", G_14, false),
        ("vit-bigg-14-laion2b", BIG_G_14, false),
        ("vit-b-16-dfn2b", B_16, true),
        ("vit-l-14-dfn2b", L_14, true),
        ("vit-l-14-dfn2b-39b", L_14, false),
        ("vit-h-14-dfn5b", H_14, true),
        ("vit-h-14-378-dfn5b", H_14_378, true),
        ("vit-b-32-metaclip-400m", B_32, true),
        ("vit-b-16-metaclip-400m", B_16, true),
        ("vit-l-14-metaclip-400m", L_14, true),
        ("vit-b-32-metaclip-fullcc", B_32, true),
        ("vit-b-16-metaclip-fullcc", B_16, true),
        ("vit-l-14-metaclip-fullcc", L_14, true),
        ("vit-h-14-metaclip-fullcc", H_14, true),
        ("vit-h-14-metaclip-altogether", H_14, false),
        ("vit-bigg-14-metaclip-fullcc", BIG_G_14, true),
    ]
    .into_iter()
    .map(|(name, archive, quick_gelu)| {
        let size = match archive {
            B_32 => base(32),
            B_16 => base(16),
            L_14 => large(224),
            L_14_336 => large(336),
            B_32_256 => VitSize { image_size: 256, ..base(32) },
            B_16_PLUS => VitSize {
                embed_dim: 640,
                image_size: 240,
                image: TowerSize::openai(896, 12),
                text: TowerSize::openai(640, 12),
                ..base(16)
            },
            H_14 => huge(224, (1280, 32), 4.0),
            H_14_378 => huge(378, (1280, 32), 4.0),
            G_14 => huge(224, (1408, 40), 4.3637),
            _ => VitSize { embed_dim: 1280, text: TowerSize::openai(1280, 32), ..huge(224, (1664, 48), 4.9231) },
        };
        let mut model = Model { archive: archive.to_owned(), ..Model::custom(name, size, quick_gelu) };
        // The only weights in this table that were trained with other statistics.
        if name == "vit-l-14-laion2b" {
            model.mean = [0.5; 3];
            model.std = [0.5; 3];
        }
        model
    })
    .collect()
}

/// Models of OpenAI's architecture small enough to generate, convert and run within a test, of sizes that fit no tile.
pub fn tiny() -> Vec<Model> {
    let tower = |width, layers, heads, mlp_ratio| TowerSize { width, layers, heads, mlp_ratio };
    vec![
        // OpenAI's proportions, so the archive determines the configuration.
        Model::custom(
            "tiny-openai",
            VitSize {
                embed_dim: 32,
                image_size: 24,
                patch_size: 8,
                image: TowerSize::openai(128, 2),
                context_length: 11,
                vocab_size: 90,
                causal: true,
                text: TowerSize::openai(64, 2),
            },
            true,
        ),
        // Widths that are no multiples of 16, heads of 8 channels.
        Model::custom(
            "tiny-quick",
            VitSize {
                embed_dim: 20,
                image_size: 28,
                patch_size: 7,
                image: tower(40, 3, 5, 4.0),
                context_length: 9,
                vocab_size: 64,
                causal: true,
                text: tower(40, 3, 5, 4.0),
            },
            true,
        ),
        // An image side that is no multiple of the patch size, heads of 24 channels, other MLPs, GELU with erf.
        Model::custom(
            "tiny-floor",
            VitSize {
                embed_dim: 20,
                image_size: 30,
                patch_size: 7,
                image: tower(72, 3, 3, 2.5),
                context_length: 12,
                vocab_size: 100,
                causal: true,
                text: tower(48, 2, 2, 3.0),
            },
            false,
        ),
        // The heads of H/14, g/14 and bigG/14, which are 80, 88 and 104 channels wide, and the MLPs of the last two.
        heads("tiny-huge", 80, 4.0),
        heads("tiny-giant", 88, 4.3637),
        heads("tiny-gigantic", 104, 4.9231),
        // Text attended in both directions, an odd embedding, a single head.
        Model::custom(
            "tiny-bidirectional",
            VitSize {
                embed_dim: 33,
                image_size: 20,
                patch_size: 4,
                image: tower(24, 2, 1, 4.0),
                context_length: 20,
                vocab_size: 128,
                causal: false,
                text: tower(72, 3, 9, 2.0),
            },
            false,
        ),
    ]
}

/// Two heads of this width in the image tower.
fn heads(name: &str, head_width: usize, mlp_ratio: f64) -> Model {
    let size = VitSize {
        embed_dim: 24,
        image_size: 28,
        patch_size: 7,
        image: TowerSize { width: 2 * head_width, layers: 2, heads: 2, mlp_ratio },
        context_length: 10,
        vocab_size: 70,
        causal: true,
        text: TowerSize::openai(64, 2),
    };
    Model::custom(name, size, false)
}

/// ViT-B with the given patch size.
fn base(patch_size: usize) -> VitSize {
    VitSize {
        embed_dim: 512,
        image_size: 224,
        patch_size,
        image: TowerSize::openai(768, 12),
        context_length: 77,
        vocab_size: 49408,
        causal: true,
        text: TowerSize::openai(512, 12),
    }
}

/// An image tower of 16 heads, whatever its width, with H/14's text tower.
fn huge(image_size: usize, (width, layers): (usize, usize), mlp_ratio: f64) -> VitSize {
    VitSize {
        embed_dim: 1024,
        image: TowerSize { width, layers, heads: 16, mlp_ratio },
        text: TowerSize::openai(1024, 24),
        ..large(image_size)
    }
}

/// ViT-L/14 with the given input size.
fn large(image_size: usize) -> VitSize {
    VitSize {
        embed_dim: 768,
        image_size,
        patch_size: 14,
        image: TowerSize::openai(1024, 24),
        context_length: 77,
        vocab_size: 49408,
        causal: true,
        text: TowerSize::openai(768, 12),
    }
}
