//! Errors of models and their inputs.

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
    /// An embedding has infinite or NaN values.
    #[error(
        "the embedding of {what} {index} is not finite; the weights may be damaged: check them with `clippie-rs info --verify`"
    )]
    NotFinite {
        /// `image` or `text`.
        what: &'static str,
        /// Index in the batch, from 0.
        index: usize,
    },
}
