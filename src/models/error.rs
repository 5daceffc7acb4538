//! Errors of models and their inputs.

use crate::tensor::NoScratch;
use crate::weights;

/// Errors of the towers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model description in the weights file cannot be run.
    #[error("the model description is not usable: {0}; convert the checkpoint again")]
    Config(String),
    /// A tensor is missing or has another shape than the description says.
    #[error(transparent)]
    Weights(#[from] weights::Error),
    /// A token id beyond the vocabulary.
    #[error("token id {id} is beyond the model's vocabulary of {vocab_size}")]
    Token {
        /// The id.
        id: u32,
        /// Rows of the model's token embedding.
        vocab_size: usize,
    },
    /// More token ids than the model has positions, or none.
    #[error("a text of {len} token ids does not fit the model's context of 1 to {context_length}")]
    TextLength {
        /// Number of ids.
        len: usize,
        /// The model's positions.
        context_length: usize,
    },
    /// A pass needs more memory than a file of this size justifies.
    #[error(
        "the model description is not usable: one {what} would take {} MB of memory where {} MB suit a file of its size; \
         convert the checkpoint again",
        bytes >> 20,
        limit >> 20
    )]
    Scratch {
        /// `image` or `text`.
        what: &'static str,
        /// Memory for one input, in bytes.
        bytes: u64,
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// The system has no memory for a pass.
    #[error(
        "one {what} takes {} MB of memory, which the system does not give; close other programs or raise the limit of \
         memory",
        bytes >> 20
    )]
    Memory {
        /// `image` or `text`.
        what: &'static str,
        /// Memory for one input, in bytes.
        bytes: u64,
    },
    /// An embedding has no length: all its values are zero.
    #[error(
        "the embedding of {what} {index} is zero; the weights may be damaged: check them with `clippie-rs info --verify`, and \
         where that finds nothing, convert the checkpoint again"
    )]
    NoLength {
        /// `image` or `text`.
        what: &'static str,
        /// Index in the batch, from 0.
        index: usize,
    },
    /// An embedding has infinite or NaN values.
    #[error(
        "the embedding of {what} {index} is not finite; the weights may be damaged: check them with `clippie-rs info --verify`, and \
         where that finds nothing, convert the checkpoint again"
    )]
    NotFinite {
        /// `image` or `text`.
        what: &'static str,
        /// Index in the batch, from 0.
        index: usize,
    },
}

impl Error {
    /// A pass over one `what` gets no scratch.
    pub(crate) fn no_scratch(what: &'static str, refused: NoScratch) -> Error {
        match refused {
            NoScratch::Limit { bytes, limit } => Error::Scratch { what, bytes, limit },
            NoScratch::System { bytes } => Error::Memory { what, bytes },
        }
    }

    /// The input that the error is about: its index in the batch.
    pub(crate) fn index_mut(&mut self) -> Option<&mut usize> {
        match self {
            Error::NotFinite { index, .. } | Error::NoLength { index, .. } => Some(index),
            _ => None,
        }
    }
}
