//! What a model is: the canonical description that a weights file carries and every tower is built from.
//!
//! Nothing here knows of checkpoints, files or kernels. Every number that changes a result stands here
//! explicitly; nothing is guessed at run time.

use serde::{Deserialize, Serialize};

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
