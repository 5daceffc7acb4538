//! Text towers of every architecture behind one enum: with the list of modules, the only file that a new one changes.

use serde::{Deserialize, Serialize};

use super::Error;
use super::hybrid::{TextHybrid, TextHybridConfig};
use super::scope::Scope;
use super::settings::{OpenSettings, Sizes};
use super::text::{TextTransformer, TextTransformerConfig};
use super::xlm_roberta::{XlmRoberta, XlmRobertaConfig};
use crate::layers::Exec;
use crate::tensor::{Arena, NoScratch};

/// The descriptions of text towers, for `models::config`.
pub(super) mod configs {
    pub use super::TextConfig;
    pub use crate::models::hybrid::config::TextHybridConfig;
    pub use crate::models::text::config::{TextPooling, TextTransformerConfig};
    pub use crate::models::xlm_roberta::config::XlmRobertaConfig;
}

/// The architecture of a text tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TextConfig {
    /// Pre-norm transformer over tokens, with one pooled token.
    Transformer(TextTransformerConfig),
    /// Such a transformer between two RepMixer blocks along the tokens (MobileCLIP-S0).
    Hybrid(TextHybridConfig),
    /// Post-norm transformer over the tokens, pooled to their mean (XLM-RoBERTa).
    XlmRoberta(XlmRobertaConfig),
}

/// Calls the same method on the configuration of any architecture.
macro_rules! each {
    ($config:expr, $inner:ident => $call:expr) => {
        match $config {
            TextConfig::Transformer($inner) => $call,
            TextConfig::Hybrid($inner) => $call,
            TextConfig::XlmRoberta($inner) => $call,
        }
    };
}

impl TextConfig {
    /// Number of token positions.
    pub fn context_length(&self) -> usize {
        each!(self, config => config.context_length)
    }

    /// Number of rows of the token embedding.
    pub fn vocab_size(&self) -> usize {
        each!(self, config => config.vocab_size)
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        each!(self, config => config.validate())
    }

    /// The length of the embeddings of a tower that does not project them: the width of its tokens.
    pub(super) fn fixed_embed_dim(&self) -> Option<usize> {
        match self {
            TextConfig::Transformer(text) if !text.projection => Some(text.blocks.width),
            TextConfig::Transformer(_) | TextConfig::Hybrid(_) | TextConfig::XlmRoberta(_) => None,
        }
    }

    /// Settings that cannot be inferred from the tensors.
    pub(crate) fn open_settings(&mut self) -> OpenSettings<'_> {
        each!(self, config => config.open_settings())
    }

    pub(crate) fn sizes(&self) -> Sizes {
        each!(self, config => config.sizes())
    }
}

/// A text tower of any architecture.
pub(crate) struct TextTower {
    pub(super) kind: TextKind,
    context_length: usize,
    vocab_size: usize,
}

pub(super) enum TextKind {
    Transformer(Box<TextTransformer>),
    Hybrid(Box<TextHybrid>),
    XlmRoberta(Box<XlmRoberta>),
}

impl TextTower {
    /// Walks over the layers of the tower; `scope` loads or lists them.
    pub(crate) fn load(scope: &mut Scope<'_>, config: &TextConfig, embed_dim: usize) -> Result<Self, Error> {
        let kind = match config {
            TextConfig::Transformer(config) => {
                TextKind::Transformer(Box::new(TextTransformer::load(scope, config, embed_dim)?))
            }
            TextConfig::Hybrid(config) => TextKind::Hybrid(Box::new(TextHybrid::load(scope, config, embed_dim)?)),
            TextConfig::XlmRoberta(config) => {
                TextKind::XlmRoberta(Box::new(XlmRoberta::load(scope, config, embed_dim)?))
            }
        };
        Ok(TextTower { kind, context_length: config.context_length(), vocab_size: config.vocab_size() })
    }

    pub(crate) fn context_length(&self) -> usize {
        self.context_length
    }

    pub(crate) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Refuses texts that are empty, too long or nothing but padding that the tower masks, and ids beyond the vocabulary.
    pub(crate) fn check(&self, ids: &[u32]) -> Result<(), Error> {
        if ids.is_empty() || ids.len() > self.context_length || self.rows(ids) == 0 {
            let len = if ids.len() > self.context_length { ids.len() } else { 0 };
            return Err(Error::TextLength { len, context_length: self.context_length });
        }
        match ids.iter().find(|id| **id as usize >= self.vocab_size) {
            Some(&id) => Err(Error::Token { id, vocab_size: self.vocab_size }),
            None => Ok(()),
        }
    }

    /// Number of rows of a text in a pass.
    pub(crate) fn rows(&self, ids: &[u32]) -> usize {
        match &self.kind {
            TextKind::Transformer(text) => text.rows(ids),
            TextKind::Hybrid(_) => self.context_length,
            TextKind::XlmRoberta(text) => text.rows(ids),
        }
    }

    /// Computes `out [texts, embed_dim]`, not normalised, from checked token ids (start to end, padded or not).
    pub(crate) fn forward<T: AsRef<[u32]>>(
        &self,
        exec: Exec<'_>,
        texts: &[T],
        arena: &mut Arena,
        out: &mut [f32],
    ) -> Result<(), NoScratch> {
        match &self.kind {
            TextKind::Transformer(text) => text.stages(exec, texts, arena, out, |_, _| {}),
            TextKind::Hybrid(text) => text.stages(exec, texts, arena, out, |_, _| {}),
            TextKind::XlmRoberta(text) => text.stages(exec, texts, arena, out, |_, _| {}),
        }
    }
}
