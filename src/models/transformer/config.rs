//! The description of a stack of transformer blocks.

use serde::{Deserialize, Serialize};

use crate::models::Error;
use crate::models::settings::{Activation, OpenSettings, Sizes, valid_eps, within};

/// A stack of pre-norm transformer blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
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

impl TransformerConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("width", self.width, 1..=16_384)?;
        within("layers", self.layers, 0..=1024)?;
        within("heads", self.heads, 1..=self.width)?;
        within("mlp_width", self.mlp_width, 1..=131_072)?;
        if !self.width.is_multiple_of(self.heads) {
            return Err(Error::Config(format!("width {} is not a multiple of heads {}", self.width, self.heads)));
        }
        valid_eps(self.norm_eps)
    }

    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        OpenSettings {
            activation: Some(&mut self.activation),
            heads: Some((&mut self.heads, self.width)),
            norm_eps: Some(&mut self.norm_eps),
            ..OpenSettings::default()
        }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            width: Some(self.width),
            layers: Some(self.layers),
            mlp_width: Some(self.mlp_width),
            ..Sizes::default()
        }
    }
}
