//! Errors of the tokenizer: a text too long for the model, or a weights file that names another tokenizer.

/// Why a text has no ids for a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text has more tokens than the model takes, and truncation is off.
    #[error(
        "the text has {tokens} tokens with start and end, the model takes {context_length}: shorten it or let it be truncated"
    )]
    TooLong {
        /// Tokens of the text, start and end included.
        tokens: usize,
        /// Tokens the model takes.
        context_length: usize,
    },
    /// A context too short for an empty text.
    #[error("a context of {context_length} tokens cannot hold start and end token: give at least 2")]
    ContextTooShort {
        /// The requested context length.
        context_length: usize,
    },
    /// The system gives no memory for a text of this length.
    #[error("the system gives no memory to tokenize a text of {bytes} bytes; shorten it")]
    Memory {
        /// Length of the text, or of its word that memory is missing for.
        bytes: usize,
    },
    /// A weights file names a tokenizer that this version does not have.
    #[error(
        "the model needs the tokenizer {kind:?}, which this version of clippie-rs does not have; update clippie-rs"
    )]
    UnknownKind {
        /// The kind in the file.
        kind: String,
    },
    /// A weights file was made for another revision of the tokenizer.
    #[error(
        "the model needs revision {found} of the tokenizer, this version of clippie-rs has revision {supported}; use \
         the version that converted the model or convert the checkpoint again"
    )]
    Revision {
        /// The revision in the file.
        found: u32,
        /// The revision of this program.
        supported: u32,
    },
    /// A weights file was made for another vocabulary.
    #[error(
        "the model needs a vocabulary with the SHA-256 {found:?}, this version of clippie-rs has {supported}; update \
         clippie-rs or convert the checkpoint again"
    )]
    Data {
        /// The SHA-256 in the file.
        found: String,
        /// The SHA-256 of the compiled-in vocabulary.
        supported: &'static str,
    },
    /// The tokenizer section of a weights file has missing, unknown or mistyped fields.
    #[error(
        "its tokenizer cannot be understood ({0}); convert the checkpoint again with this version of clippie-rs, or \
         update clippie-rs"
    )]
    Config(String),
    /// A model without a token for this language.
    #[error("the model has no language {language:?}; only NLLB has languages, named like `de` or `deu_Latn`")]
    UnknownLanguage {
        /// The language that was asked for.
        language: String,
    },
    /// A published tokenizer that gives none.
    #[cfg(feature = "import")]
    #[error("{}: cannot be used as a tokenizer: {reason}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
