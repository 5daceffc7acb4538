//! What can go wrong between a text and its ids: only that the model's context is too short for it.

/// Why a text has no ids for a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text has more tokens than the model takes and was not to be truncated.
    #[error(
        "the text has {tokens} tokens with start and end, the model takes {context_length}: shorten it or let it be truncated"
    )]
    TooLong {
        /// Tokens of the text with start and end.
        tokens: usize,
        /// Tokens the model takes.
        context_length: usize,
    },
    /// A context that cannot hold even an empty text.
    #[error("a context of {context_length} tokens cannot hold start and end token: give at least 2")]
    ContextTooShort {
        /// The context asked for.
        context_length: usize,
    },
}
