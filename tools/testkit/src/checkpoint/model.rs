//! The models that can be generated: the published ones by name, tiny ones of awkward sizes, and any other.
//!
//! Knows sizes, activation and preprocessing; neither tensor names nor files. Sizes are those of OpenAI's
//! model table and open_clip's model configurations; activation and preprocessing belong to the weights
//! (open_clip's `pretrained.py`).

use super::error::Error;
use super::mobileclip::{self, MobileClipSize, TextTower};
use super::multilingual::{self, MultilingualSize};
use super::perception::{self, PerceptionSize};
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
    /// Perception Encoder: an image tower of timm with rotary positions, CLIP's text transformer.
    Perception(PerceptionSize),
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
            | Architecture::Perception(_)
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
            | Architecture::Perception(_)
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
            | Architecture::Perception(_)
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
            | Architecture::Perception(_)
            | Architecture::Multilingual(_) => None,
        }
    }

    /// The sizes, if the model has a multilingual text tower of XLM-RoBERTa, NLLB or MetaCLIP 2.
    pub fn multilingual(&self) -> Option<&MultilingualSize> {
        match &self.architecture {
            Architecture::Multilingual(size) => Some(size),
            Architecture::Resnet(_) | Architecture::Perception(_) => None,
            Architecture::Vit(_) | Architecture::MobileClip(_) | Architecture::Siglip(_) => None,
        }
    }

    /// The sizes, if the model is a Perception Encoder.
    pub fn perception(&self) -> Option<&PerceptionSize> {
        match &self.architecture {
            Architecture::Perception(size) => Some(size),
            _ => None,
        }
    }

    /// How photos are resized: `shortest` or `squash`.
    pub fn resize(&self) -> &'static str {
        match &self.architecture {
            Architecture::Siglip(_) | Architecture::Perception(_) => "squash",
            Architecture::Multilingual(size) => size.resize,
            Architecture::Vit(_) | Architecture::MobileClip(_) | Architecture::Resnet(_) => "shortest",
        }
    }

    /// Length of the embeddings.
    pub fn embed_dim(&self) -> usize {
        match &self.architecture {
            Architecture::Vit(size) => size.embed_dim,
            Architecture::MobileClip(size) => size.embed_dim,
            Architecture::Siglip(size) => size.image.width,
            Architecture::Perception(size) => size.embed_dim,
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
            Architecture::Perception(size) => size.image_size,
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
            Architecture::Perception(size) => size.context_length,
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
            Architecture::Perception(size) => size.vocab_size,
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
            Architecture::Resnet(_) | Architecture::Perception(_) => true,
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
            Architecture::Perception(size) => perception::tensors(size),
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
    let full = vit::published().into_iter().chain(mobileclip::published()).chain(siglip::published());
    let full = full.chain(resnet::published()).chain(multilingual::published()).chain(perception::published());
    let tiny = vit::tiny().into_iter().chain(mobileclip::tiny()).chain(siglip::tiny()).chain(resnet::tiny());
    full.chain(tiny).chain(multilingual::tiny()).chain(perception::tiny()).collect()
}
