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
    /// Vision transformer with a class token (OpenAI and open_clip native).
    Vit(VitConfig),
}

/// The architecture of a text tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case", deny_unknown_fields)]
pub enum TextConfig {
    /// Pre-norm transformer over tokens, pooled at the end-of-text token.
    Transformer(TextTransformerConfig),
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
    /// The blocks.
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
                vit.blocks.validate()?;
            }
            None => {}
        }
        match &self.text {
            Some(TextConfig::Transformer(text)) => {
                within("context_length", text.context_length, 1..=65_536)?;
                within("vocab_size", text.vocab_size, 1..=1 << 24)?;
                text.blocks.validate()?;
            }
            None => {}
        }
        Ok(())
    }
}

impl TransformerConfig {
    fn validate(&self) -> Result<(), Error> {
        within("width", self.width, 1..=16_384)?;
        within("layers", self.layers, 0..=1024)?;
        within("heads", self.heads, 1..=self.width)?;
        within("mlp_width", self.mlp_width, 1..=131_072)?;
        if self.width % self.heads != 0 {
            return Err(Error::Config(format!("width {} is not a multiple of heads {}", self.width, self.heads)));
        }
        if !(self.norm_eps > 0.0 && self.norm_eps <= 1.0) {
            return Err(Error::Config(format!("norm_eps {} is not between 0 and 1", self.norm_eps)));
        }
        Ok(())
    }
}

fn within(name: &str, value: usize, range: std::ops::RangeInclusive<usize>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} is {value}, not {} to {}", range.start(), range.end())))
}
