//! The description of a text transformer.

use serde::{Deserialize, Serialize};

use crate::models::Error;
use crate::models::settings::{OpenSettings, Sizes, within};
use crate::models::transformer::config::TransformerConfig;

/// A text transformer: token and position embeddings, pre-norm blocks, a pooled token, its projection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TextTransformerConfig {
    /// Number of token positions.
    pub context_length: usize,
    /// Number of rows of the token embedding.
    pub vocab_size: usize,
    /// Causal attention; without it, attention covers all `context_length` positions, padding included unless
    /// `mask_padding` is set.
    pub causal: bool,
    /// The id that pads a text to `context_length` if attention is not causal.
    pub pad_id: u32,
    /// Whether padding takes part in nothing, wherever it stands, so that attention covers the other tokens alone. Absent
    /// for `false`; a causal tower never looks at it.
    #[serde(skip_serializing_if = "is_false", default)]
    pub mask_padding: bool,
    /// The blocks.
    pub blocks: TransformerConfig,
    /// How the tokens are pooled.
    pub pooling: TextPooling,
    /// Whether a linear layer makes the embedding of the pooled token; without one, the last LayerNorm does. Absent for
    /// `true`.
    #[serde(skip_serializing_if = "is_true", default = "yes")]
    pub projection: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}

/// Which token of a text is projected to the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TextPooling {
    /// The first token with the largest id: CLIP's end of text.
    LargestId,
    /// The first token with this id; in a text without it, the last token.
    Id(u32),
    /// The last of all positions, padding included.
    LastPosition,
    /// The first token.
    First,
}

impl TextPooling {
    /// The pooled position of a text of at least one id in a context of `context_length` positions.
    pub(crate) fn position(self, ids: &[u32], context_length: usize) -> usize {
        match self {
            TextPooling::LargestId => {
                let largest = ids.iter().max();
                ids.iter().position(|id| Some(id) == largest).unwrap_or(0)
            }
            TextPooling::Id(end) => ids.iter().position(|&id| id == end).unwrap_or(ids.len().saturating_sub(1)),
            TextPooling::LastPosition => context_length.saturating_sub(1),
            TextPooling::First => 0,
        }
    }
}

impl TextTransformerConfig {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        within("context_length", self.context_length, 1..=65_536)?;
        within("vocab_size", self.vocab_size, 1..=1 << 24)?;
        within("pad_id", self.pad_id as usize, 0..=self.vocab_size - 1)?;
        if let TextPooling::Id(id) = self.pooling {
            within("id of the pooled token", id as usize, 0..=self.vocab_size - 1)?;
        }
        if self.mask_padding && (self.causal || self.pooling != TextPooling::First) {
            return Err(Error::Config(
                "only a tower without causality that pools the first token masks padding".into(),
            ));
        }
        self.blocks.validate(self.context_length)
    }

    /// A tower that masks padding is one of M2M100's: its tensors tell the rest.
    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        if self.mask_padding {
            return OpenSettings { activation: None, ..self.blocks.open_settings() };
        }
        let (causal, pooling) = (Some(&mut self.causal), Some(&mut self.pooling));
        OpenSettings { causal, pooling, ..self.blocks.open_settings() }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.blocks.sizes()
    }
}

#[cfg(test)]
mod tests {
    use super::TextPooling::{First, Id, LargestId, LastPosition};

    #[test]
    fn each_pooling_takes_its_token() {
        assert_eq!(LargestId.position(&[49406, 5, 49407, 0, 0], 77), 2);
        assert_eq!(LargestId.position(&[49406, 49407, 49407], 77), 1);
        assert_eq!(LargestId.position(&[3], 77), 0);
        assert_eq!(Id(2).position(&[0, 9, 2, 7, 2], 77), 2);
        assert_eq!(Id(2).position(&[0, 9, 7], 77), 2);
        assert_eq!(LastPosition.position(&[0, 9, 7], 64), 63);
        assert_eq!(First.position(&[8, 9, 2], 64), 0);
    }
}
