//! The description of MobileCLIP-S0's text tower.

use serde::{Deserialize, Serialize};

use crate::models::Error;
use crate::models::settings::{OpenSettings, Sizes, within};
use crate::models::transformer::config::TransformerConfig;

/// A text transformer between two RepMixer blocks. Attention always covers all positions; texts are padded with id 0
/// and pooled at the first token with the largest id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TextHybridConfig {
    /// Number of token positions.
    pub context_length: usize,
    /// Number of rows of the token embedding.
    pub vocab_size: usize,
    /// Kernel size of the convolutions along the tokens: 11.
    pub kernel_size: usize,
    /// The transformer blocks in the middle; the RepMixer blocks have the same widths and GELU.
    pub blocks: TransformerConfig,
}

impl TextHybridConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("context_length", self.context_length, 1..=65_536)?;
        within("vocab_size", self.vocab_size, 1..=1 << 24)?;
        within("kernel_size", self.kernel_size, 11..=11)?;
        self.blocks.validate(self.context_length)
    }

    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        self.blocks.open_settings()
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes { text_kernel: Some(self.kernel_size), ..self.blocks.sizes() }
    }
}
