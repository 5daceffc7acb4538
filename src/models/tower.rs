//! The towers behind one face each, so that callers need not know architectures.

use super::Error;
use super::config::{ImageConfig, TextConfig};
use super::mci::Mci;
use super::text::TextTransformer;
use super::text_hybrid::TextHybrid;
use super::vit::Vit;
use crate::layers::Exec;
use crate::tensor::Arena;
use crate::weights::WeightsFile;

/// An image tower of any architecture.
pub(crate) enum ImageTower {
    Vit(Vit),
    Mci(Mci),
}

impl ImageTower {
    pub(crate) fn load(weights: &WeightsFile, config: &ImageConfig, embed_dim: usize) -> Result<Self, Error> {
        Ok(match config {
            ImageConfig::Vit(config) => ImageTower::Vit(Vit::load(weights, config, embed_dim)?),
            ImageConfig::Mci(config) => ImageTower::Mci(Mci::load(weights, config, embed_dim)?),
        })
    }

    /// The size of a pass for one image, in rows of activations.
    pub(crate) fn rows(&self) -> usize {
        match self {
            ImageTower::Vit(vit) => vit.tokens(),
            ImageTower::Mci(mci) => mci.rows(),
        }
    }

    /// `pixels [images, 3, S, S]`, normalised, to `out [images, embed_dim]`, not normalised.
    pub(crate) fn forward(&self, exec: Exec<'_>, pixels: &[f32], images: usize, arena: &mut Arena, out: &mut [f32]) {
        match self {
            ImageTower::Vit(vit) => vit.stages(exec, pixels, images, arena, out, |_, _| {}),
            ImageTower::Mci(mci) => mci.stages(exec, pixels, images, arena, out, |_, _| {}),
        }
    }
}

/// A text tower of any architecture.
pub(crate) struct TextTower {
    kind: TextKind,
    context_length: usize,
    vocab_size: usize,
}

enum TextKind {
    Transformer(Box<TextTransformer>),
    Hybrid(Box<TextHybrid>),
}

impl TextTower {
    pub(crate) fn load(weights: &WeightsFile, config: &TextConfig, embed_dim: usize) -> Result<Self, Error> {
        let kind = match config {
            TextConfig::Transformer(config) => {
                TextKind::Transformer(Box::new(TextTransformer::load(weights, config, embed_dim)?))
            }
            TextConfig::Hybrid(config) => TextKind::Hybrid(Box::new(TextHybrid::load(weights, config, embed_dim)?)),
        };
        Ok(TextTower { kind, context_length: config.context_length(), vocab_size: config.vocab_size() })
    }

    pub(crate) fn context_length(&self) -> usize {
        self.context_length
    }

    pub(crate) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Refuses texts that are empty or too long and ids beyond the vocabulary.
    pub(crate) fn check(&self, ids: &[u32]) -> Result<(), Error> {
        if ids.is_empty() || ids.len() > self.context_length {
            return Err(Error::TextLength { len: ids.len(), context_length: self.context_length });
        }
        match ids.iter().find(|id| **id as usize >= self.vocab_size) {
            Some(&id) => Err(Error::Token { id, vocab_size: self.vocab_size }),
            None => Ok(()),
        }
    }

    /// Rows that a text occupies in a pass.
    pub(crate) fn rows(&self, ids: &[u32]) -> usize {
        match &self.kind {
            TextKind::Transformer(text) => text.rows(ids),
            TextKind::Hybrid(_) => self.context_length,
        }
    }

    /// Checked `texts` of token ids (start to end, padded with zeros or not) to `out [texts, embed_dim]`, not
    /// normalised.
    pub(crate) fn forward<T: AsRef<[u32]>>(&self, exec: Exec<'_>, texts: &[T], arena: &mut Arena, out: &mut [f32]) {
        match &self.kind {
            TextKind::Transformer(text) => text.stages(exec, texts, arena, out, |_, _| {}),
            TextKind::Hybrid(text) => text.stages(exec, texts, arena, out, |_, _| {}),
        }
    }
}
