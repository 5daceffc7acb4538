//! The kinds of errors.

use std::fmt;

/// The kind of an error, for callers that handle kinds differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file is missing or cannot be opened, read or written.
    Io,
    /// A file is damaged, of another version or not a weights file, or its model cannot be run.
    Weights,
    /// An image cannot be decoded or is too large.
    Image,
    /// A text or token ids cannot be used.
    Text,
    /// A checkpoint cannot be converted.
    Checkpoint,
    /// A model cannot be downloaded: the network or the server fails.
    Network,
    /// The system gives no memory.
    Memory,
    /// An option, argument or environment variable cannot be used.
    Option,
    /// The call was cancelled.
    Cancelled,
    /// A bug in this crate.
    Internal,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Io => "file system error",
            ErrorKind::Weights => "unusable weights",
            ErrorKind::Image => "unusable image",
            ErrorKind::Text => "unusable text",
            ErrorKind::Checkpoint => "unusable checkpoint",
            ErrorKind::Network => "network error",
            ErrorKind::Memory => "out of memory",
            ErrorKind::Option => "unusable option",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::Internal => "internal error",
        })
    }
}
