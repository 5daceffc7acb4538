//! The description of an XLM-RoBERTa text tower.

use serde::{Deserialize, Serialize};

use crate::models::Error;
use crate::models::settings::{Activation, OpenSettings, Sizes, within};
use crate::models::transformer::config::TransformerConfig;

/// A text tower of XLM-RoBERTa: token and position embeddings, a LayerNorm, blocks with a LayerNorm after each residual,
/// the mean of the tokens, and two linear layers with GELU between them. Attention covers the whole text but no padding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct XlmRobertaConfig {
    /// Number of token positions.
    pub context_length: usize,
    /// Number of rows of the token embedding.
    pub vocab_size: usize,
    /// The id of padding, which takes part in nothing, wherever it stands.
    pub pad_id: u32,
    /// The blocks, whose norms come after the residuals; GELU with erf.
    pub blocks: TransformerConfig,
    /// Channels between the two layers of the projection.
    pub projection_width: usize,
}

impl XlmRobertaConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("context_length", self.context_length, 1..=65_536)?;
        within("vocab_size", self.vocab_size, 1..=1 << 24)?;
        within("pad_id", self.pad_id as usize, 0..=self.vocab_size - 1)?;
        within("projection_width", self.projection_width, 1..=65_536)?;
        if self.blocks.activation != Activation::Gelu {
            return Err(Error::Config("the blocks of XLM-RoBERTa have another activation than gelu".into()));
        }
        self.blocks.validate(self.context_length)
    }

    /// The activation is that of the family, whatever the image tower has.
    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        OpenSettings { activation: None, ..self.blocks.open_settings() }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.blocks.sizes()
    }
}
