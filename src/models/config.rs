//! The canonical description of a model, which a weights file carries and every tower is built from.
//!
//! States every number that changes a result; nothing is guessed at run time. Each architecture describes itself in
//! `config.rs` in its folder. Knows no checkpoints, files or kernels.
//!
//! Every struct refuses unknown fields: a field that this version does not know may change embeddings.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

pub use super::hybrid::config::TextHybridConfig;
pub use super::image_tower::ImageConfig;
pub use super::mci::config::{MciConfig, MciStage, Mixer};
pub use super::text::config::{TextPooling, TextTransformerConfig};
pub use super::text_tower::TextConfig;
pub use super::transformer::config::TransformerConfig;
pub use super::vit::config::{ConvStem, ImagePooling, VitConfig};

use super::Error;
use crate::layers;

/// A CLIP model: up to two towers that embed into the same space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Natural logarithm of the factor that turns cosines into logits, as checkpoints store it.
    pub logit_scale: f32,
    /// Added to the scaled cosines of models that were trained with a sigmoid loss; absent in all others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub logit_bias: Option<f32>,
    /// The image tower, if the file has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<ImageConfig>,
    /// The text tower, if the file has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<TextConfig>,
}

/// Activation functions of the MLPs of a tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// `x · ½ · (1 + erf(x / √2))`
    Gelu,
    /// `x · ½ · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`
    GeluTanh,
    /// `x · sigmoid(1.702 · x)`, OpenAI's
    QuickGelu,
}

impl From<Activation> for layers::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => layers::Activation::Gelu,
            Activation::GeluTanh => layers::Activation::GeluTanh,
            Activation::QuickGelu => layers::Activation::QuickGelu,
        }
    }
}

/// Settings of a tower that cannot be inferred from its tensors; the importer fills them in from other sources.
#[derive(Debug, Default)]
#[non_exhaustive]
pub(crate) struct OpenSettings<'a> {
    pub(crate) activation: Option<&'a mut Activation>,
    /// Number of attention heads, and the number of channels that it must divide.
    pub(crate) heads: Option<(&'a mut usize, usize)>,
    /// Channels per attention head if the architecture fixes them; `heads` is then absent.
    pub(crate) fixed_head_width: Option<usize>,
    pub(crate) norm_eps: Option<&'a mut f64>,
    /// Zero padding of the first convolution of a stem.
    pub(crate) stem_padding: Option<&'a mut usize>,
    /// Side of the input image in pixels.
    pub(crate) image_size: Option<&'a mut usize>,
    /// Causal attention.
    pub(crate) causal: Option<&'a mut bool>,
}

impl OpenSettings<'_> {
    /// Copies every setting that both towers have.
    pub(super) fn copy_from(self, other: OpenSettings<'_>) {
        fn copy<T: Copy>(to: Option<&mut T>, from: Option<&mut T>) {
            if let (Some(to), Some(from)) = (to, from) {
                *to = *from;
            }
        }
        copy(self.activation, other.activation);
        copy(self.heads.map(|(heads, _)| heads), other.heads.map(|(heads, _)| heads));
        copy(self.norm_eps, other.norm_eps);
        copy(self.stem_padding, other.stem_padding);
        copy(self.image_size, other.image_size);
        copy(self.causal, other.causal);
    }
}

/// The sizes of a tower, named as in configuration files; those that a tower does not have are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) width: Option<usize>,
    pub(crate) layers: Option<usize>,
    pub(crate) mlp_width: Option<usize>,
    pub(crate) patch_size: Option<usize>,
    /// Patches per side.
    pub(crate) grid: Option<usize>,
    /// Kernel size of convolutions along the tokens.
    pub(crate) text_kernel: Option<usize>,
}

impl ModelConfig {
    /// Creates a model of these towers without a logit bias.
    pub fn new(embed_dim: usize, logit_scale: f32, image: Option<ImageConfig>, text: Option<TextConfig>) -> Self {
        ModelConfig { embed_dim, logit_scale, logit_bias: None, image, text }
    }

    /// Refuses numbers outside the range of any real model, so that nothing computed from them overflows, and
    /// combinations that no engine supports.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("embed_dim", self.embed_dim, 1..=65_536)?;
        if !self.logit_scale.is_finite() {
            return Err(Error::Config("logit_scale is not a finite number".into()));
        }
        if self.logit_bias.is_some_and(|bias| !bias.is_finite()) {
            return Err(Error::Config("logit_bias is not a finite number".into()));
        }
        if self.image.is_none() && self.text.is_none() {
            return Err(Error::Config("it has neither an image nor a text tower".into()));
        }
        self.image.as_ref().map_or(Ok(()), ImageConfig::validate)?;
        self.text.as_ref().map_or(Ok(()), TextConfig::validate)
    }
}

pub(super) fn valid_eps(eps: f64) -> Result<(), Error> {
    if eps > 0.0 && eps <= 1.0 { Ok(()) } else { Err(Error::Config(format!("norm_eps {eps} is not between 0 and 1"))) }
}

pub(super) fn within(name: &str, value: usize, range: RangeInclusive<usize>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} is {value}, not {} to {}", range.start(), range.end())))
}
