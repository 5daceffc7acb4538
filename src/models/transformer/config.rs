//! The description of a stack of transformer blocks.

use serde::{Deserialize, Serialize};

use crate::models::Error;
use crate::models::settings::{Activation, OpenSettings, Sizes, valid_eps, within};

/// A stack of transformer blocks.
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

/// Most multiply-adds of attention scores that one input may need: some tens of seconds on one thread. The largest
/// published towers need a third. Weights are as large as their products, but attention grows with the square of the
/// tokens, which cost a file nothing.
const MAX_SCORES: u64 = 1 << 38;

impl TransformerConfig {
    /// Validates blocks that run on up to `tokens` tokens.
    pub(crate) fn validate(&self, tokens: usize) -> Result<(), Error> {
        let factors = [tokens, tokens, self.width, self.layers].map(|factor| factor as u64);
        if factors.into_iter().fold(1, u64::saturating_mul) > MAX_SCORES {
            let (width, layers) = (self.width, self.layers);
            return Err(Error::Config(format!(
                "attention over {tokens} tokens in {layers} layers of width {width} would take minutes for one input"
            )));
        }
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
