//! What configurations of all architectures share: activations, checked ranges, and the views that the importer has of
//! any of them.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::Error;
use super::text::config::TextPooling;
use crate::layers;

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
    /// `max(x, 0)`
    Relu,
}

impl From<Activation> for layers::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => layers::Activation::Gelu,
            Activation::GeluTanh => layers::Activation::GeluTanh,
            Activation::QuickGelu => layers::Activation::QuickGelu,
            Activation::Relu => layers::Activation::Relu,
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
    /// The pooled token of a text.
    pub(crate) pooling: Option<&'a mut TextPooling>,
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
        copy(self.pooling, other.pooling);
    }
}

/// The sizes of a tower, named as in configuration files; those that a tower does not have are absent.
///
/// The importer compares claims of configuration files with them: of an image size only where there is a patch size or
/// a grid. It refuses towers with no layers.
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

pub(super) fn valid_eps(eps: f64) -> Result<(), Error> {
    if eps > 0.0 && eps <= 1.0 { Ok(()) } else { Err(Error::Config(format!("norm_eps {eps} is not between 0 and 1"))) }
}

pub(super) fn within(name: &str, value: usize, range: RangeInclusive<usize>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} is {value}, not {} to {}", range.start(), range.end())))
}
