//! What a model is: the canonical description that a weights file carries and every tower is built from.
//!
//! Nothing here knows of checkpoints, files or kernels. Every number that changes a result stands here
//! explicitly; nothing is guessed at run time.

use serde::{Deserialize, Serialize};

use super::Error;

/// A CLIP model: up to two towers that end in the same embedding space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Natural logarithm of the factor that turns cosines into logits, as checkpoints store it.
    pub logit_scale: f32,
    /// The image tower, if the file has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<ImageConfig>,
    /// The text tower, if the file has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<TextConfig>,
}

/// The architecture of an image tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case", deny_unknown_fields)]
pub enum ImageConfig {
    /// Vision transformer with a class token.
    Vit(VitConfig),
    /// FastViT as MobileCLIP has it: convolutions, then attention (MCi0 to MCi4).
    Mci(MciConfig),
}

/// The architecture of a text tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case", deny_unknown_fields)]
pub enum TextConfig {
    /// Pre-norm transformer over tokens, pooled at the end-of-text token.
    Transformer(TextTransformerConfig),
    /// The same between two RepMixer blocks along the tokens (MobileCLIP-S0).
    Hybrid(TextHybridConfig),
}

/// A vision transformer: patches, class token, pre-norm blocks, projection of the class token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VitConfig {
    /// Side of the square input in pixels.
    pub image_size: usize,
    /// Side of a square patch in pixels; the grid has `floor(image_size / patch_size)` patches a side.
    pub patch_size: usize,
    /// Whether a LayerNorm stands between the embeddings and the first block.
    pub pre_norm: bool,
    /// The convolutions that make patches; absent, one convolution of the size of a patch makes them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stem: Option<ConvStem>,
    /// The blocks.
    #[serde(flatten)]
    pub blocks: TransformerConfig,
}

/// Three convolutions that make a patch of 16 × 16 pixels: 4 × 4, 2 × 2 and 2 × 2, each with that stride.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvStem {
    /// Channels of the first two.
    pub width: usize,
    /// Zeros around the image in the first: 0 in timm's definition of MobileCLIP-B, 1 in Apple's.
    pub padding: usize,
}

/// A FastViT tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MciConfig {
    /// Side of the square input in pixels; the first stage works at a quarter of it, each further one at half
    /// the one before.
    pub image_size: usize,
    /// The stages; the channels of each are twice those of the one before.
    pub stages: Vec<MciStage>,
    /// Hidden channels of the squeeze-and-excitation after the last stage.
    pub squeeze_width: usize,
    /// Epsilon of the LayerNorms before attention.
    pub norm_eps: f64,
}

/// A stage of a FastViT tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MciStage {
    /// Channels.
    pub channels: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// What mixes the pixels of a block.
    pub mixer: Mixer,
    /// Attention heads; 0 without attention.
    pub heads: usize,
    /// Whether attention has a LayerNorm in front (a BatchNorm is folded into the weights).
    pub attention_norm: bool,
    /// Channels of the hidden layer of the MLP.
    pub mlp_width: usize,
    /// Whether a 7 × 7 convolution adds positions before the first block.
    pub position_encoding: bool,
    /// Hidden channels of the squeeze-and-excitation in the downsampling before the stage, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub squeeze_width: Option<usize>,
}

/// Token mixers of FastViT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mixer {
    /// A 3 × 3 depthwise convolution that holds its own residual.
    RepMixer,
    /// Multi-head attention over all pixels.
    Attention,
}

/// A text transformer between two RepMixer blocks; always attended over all positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextHybridConfig {
    /// Number of token positions.
    pub context_length: usize,
    /// Number of rows of the token embedding.
    pub vocab_size: usize,
    /// Positions that a convolution along the tokens sees: 11.
    pub kernel_size: usize,
    /// The transformer blocks in the middle; the RepMixer blocks have the same widths and GELU.
    #[serde(flatten)]
    pub blocks: TransformerConfig,
}

/// A text transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextTransformerConfig {
    /// Number of token positions.
    pub context_length: usize,
    /// Number of rows of the token embedding.
    pub vocab_size: usize,
    /// Causal attention; without it every text is attended over all `context_length` positions.
    pub causal: bool,
    /// The blocks.
    #[serde(flatten)]
    pub blocks: TransformerConfig,
}

/// A stack of pre-norm transformer blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformerConfig {
    /// Channels of a token.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Channels of the hidden layer of the MLP.
    pub mlp_width: usize,
    /// Activation of the MLP.
    pub activation: Activation,
    /// Epsilon of every LayerNorm of the tower.
    pub norm_eps: f64,
}

/// Activation functions of CLIP towers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x · ½ · (1 + erf(x / √2))`
    Gelu,
    /// `x · sigmoid(1.702 · x)`, OpenAI's
    QuickGelu,
}

impl VitConfig {
    /// Patches a side.
    pub fn grid(&self) -> usize {
        self.image_size.checked_div(self.patch_size).unwrap_or(0)
    }

    /// Tokens of an image: the class token and the patches.
    pub fn tokens(&self) -> usize {
        self.grid() * self.grid() + 1
    }
}

impl ImageConfig {
    /// Side of the square input in pixels.
    pub fn image_size(&self) -> usize {
        match self {
            ImageConfig::Vit(vit) => vit.image_size,
            ImageConfig::Mci(mci) => mci.image_size,
        }
    }
}

impl TextConfig {
    /// Number of token positions.
    pub fn context_length(&self) -> usize {
        match self {
            TextConfig::Transformer(text) => text.context_length,
            TextConfig::Hybrid(text) => text.context_length,
        }
    }

    /// Number of rows of the token embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            TextConfig::Transformer(text) => text.vocab_size,
            TextConfig::Hybrid(text) => text.vocab_size,
        }
    }
}

impl ModelConfig {
    /// Refuses numbers that no model has, so that nothing computed from them overflows.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("embed_dim", self.embed_dim, 1..=65_536)?;
        if !self.logit_scale.is_finite() {
            return Err(Error::Config("logit_scale is not a finite number".into()));
        }
        if self.image.is_none() && self.text.is_none() {
            return Err(Error::Config("it has neither an image nor a text tower".into()));
        }
        match &self.image {
            Some(ImageConfig::Vit(vit)) => {
                within("image_size", vit.image_size, 1..=4096)?;
                within("patch_size", vit.patch_size, 1..=vit.image_size)?;
                within("number of image tokens", vit.tokens(), 2..=65_536)?;
                if let Some(stem) = &vit.stem {
                    within("patch_size of a convolutional stem", vit.patch_size, 16..=16)?;
                    within("width of the stem", stem.width, 1..=16_384)?;
                    within("padding of the stem", stem.padding, 0..=1)?;
                }
                vit.blocks.validate()?;
            }
            Some(ImageConfig::Mci(mci)) => mci.validate()?,
            None => {}
        }
        if let Some(text) = &self.text {
            within("context_length", text.context_length(), 1..=65_536)?;
            within("vocab_size", text.vocab_size(), 1..=1 << 24)?;
        }
        match &self.text {
            Some(TextConfig::Transformer(text)) => {
                text.blocks.validate()?;
            }
            Some(TextConfig::Hybrid(text)) => {
                within("kernel_size", text.kernel_size, 11..=11)?;
                text.blocks.validate()?;
            }
            None => {}
        }
        Ok(())
    }
}

impl MciConfig {
    fn validate(&self) -> Result<(), Error> {
        within("image_size", self.image_size, 1..=4096)?;
        within("number of stages", self.stages.len(), 1..=8)?;
        within("image_size of this many stages", self.image_size, 1 << (self.stages.len() + 1)..=4096)?;
        within("squeeze_width", self.squeeze_width, 1..=65_536)?;
        for (i, stage) in self.stages.iter().enumerate() {
            within("channels", stage.channels, 1..=16_384)?;
            if i > 0 && stage.channels != 2 * self.stages[i - 1].channels {
                return Err(Error::Config(format!("stage {i} does not have twice the channels of the one before")));
            }
            within("blocks", stage.blocks, 0..=1024)?;
            within("mlp_width", stage.mlp_width, 1..=131_072)?;
            if let Some(width) = stage.squeeze_width {
                within("squeeze_width", width, 1..=65_536)?;
            }
            if stage.mixer == Mixer::Attention {
                within("heads", stage.heads, 1..=stage.channels)?;
                if !stage.channels.is_multiple_of(stage.heads) {
                    return Err(Error::Config(format!("stage {i} has no whole number of channels a head")));
                }
            }
        }
        valid_eps(self.norm_eps)
    }
}

impl TransformerConfig {
    fn validate(&self) -> Result<(), Error> {
        within("width", self.width, 1..=16_384)?;
        within("layers", self.layers, 0..=1024)?;
        within("heads", self.heads, 1..=self.width)?;
        within("mlp_width", self.mlp_width, 1..=131_072)?;
        if !self.width.is_multiple_of(self.heads) {
            return Err(Error::Config(format!("width {} is not a multiple of heads {}", self.width, self.heads)));
        }
        valid_eps(self.norm_eps)
    }
}

fn valid_eps(eps: f64) -> Result<(), Error> {
    if eps > 0.0 && eps <= 1.0 { Ok(()) } else { Err(Error::Config(format!("norm_eps {eps} is not between 0 and 1"))) }
}

fn within(name: &str, value: usize, range: std::ops::RangeInclusive<usize>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} is {value}, not {} to {}", range.start(), range.end())))
}
