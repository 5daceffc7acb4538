//! Errors of reading and converting a checkpoint.

use std::path::{Path, PathBuf};

use super::mismatch::Mismatch;
pub(super) use super::printable::{printable, printable_error};
use crate::budget::Exhausted;

/// The claimant of what options state.
pub(super) const COMMAND_LINE: &str = "the command line";

/// Error of reading or converting a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("{} cannot be read ({source}); {}", path.display(), remedy(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The path does not identify one checkpoint.
    #[error("{}: {reason}", path.display())]
    Source {
        /// The path that was given.
        path: PathBuf,
        /// The problem, and what to give instead.
        reason: String,
    },
    /// The file is inconsistent.
    #[error("{} is damaged: {reason}; download or save it again", path.display())]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// The inconsistency.
        reason: String,
    },
    /// The file is intact but its format is not supported.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// The checkpoint.
        path: PathBuf,
        /// The format, and the remedy.
        reason: String,
    },
    /// One tensor cannot be used.
    #[error("{}: tensor `{tensor}` {reason}", path.display())]
    Tensor {
        /// The checkpoint.
        path: PathBuf,
        /// The tensor's name in the checkpoint.
        tensor: String,
        /// The problem.
        reason: String,
    },
    /// Tensors are missing, unexpected or of the wrong shape.
    #[error("{}: {mismatch}", path.display())]
    Mismatch {
        /// The checkpoint.
        path: PathBuf,
        /// Which tensors.
        mismatch: Box<Mismatch>,
    },
    /// A configuration file is invalid.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// The field, and what was expected.
        reason: String,
    },
    /// A configuration contradicts the tensors.
    #[error(
        "{} says that {field} is {claimed}, but the tensors of {} say {found}; {}",
        claimant, path.display(), if claimant == COMMAND_LINE { "give another value" } else { "the two do not belong together" }
    )]
    Contradiction {
        /// The checkpoint.
        path: PathBuf,
        /// The configuration file or flag.
        claimant: String,
        /// Name of the field in the configuration.
        field: String,
        /// Value in the configuration.
        claimed: String,
        /// Value derived from the tensors.
        found: String,
    },
    /// A property that neither the tensors nor a configuration determine.
    #[error("{}: {reason}", path.display())]
    Undetermined {
        /// The checkpoint.
        path: PathBuf,
        /// The missing properties, and the flags that set them.
        reason: String,
    },
    /// An invalid option.
    #[error("{reason}")]
    Option {
        /// The option, and what it accepts.
        reason: String,
    },
    /// Reading the checkpoint takes more work or memory than its size justifies.
    #[error(
        "{}: reading it takes far more {resource} than a checkpoint of its size needs; \
         load it in PyTorch and save its state dict again",
        path.display()
    )]
    TooCostly {
        /// The checkpoint.
        path: PathBuf,
        /// What it takes too much of: work or memory.
        resource: &'static str,
    },
    /// The caller has cancelled the conversion.
    #[error("the conversion was cancelled")]
    Cancelled,
    /// The weights file cannot be written.
    #[error(transparent)]
    Weights(#[from] crate::weights::Error),
}

impl Error {
    /// The error of a budget that is used up by the checkpoint at `path`.
    pub(super) fn exhausted(exhausted: Exhausted, path: &Path) -> Error {
        let resource = match exhausted {
            Exhausted::Work => "work",
            // A checkpoint has no limit of time.
            #[cfg(feature = "decode")]
            Exhausted::Time(_) => "work",
            Exhausted::Memory => "memory",
            Exhausted::System => {
                return Error::Read { path: path.to_owned(), source: std::io::ErrorKind::OutOfMemory.into() };
            }
            Exhausted::Cancelled => return Error::Cancelled,
        };
        Error::TooCostly { path: path.to_owned(), resource }
    }
}

/// What helps where a file cannot be read.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::OutOfMemory => "free memory, or raise the limit of this process's memory (`ulimit -v`)",
        _ => "check the path and its permissions",
    }
}

/// Error of a container reader, which sees bytes and not the file's path.
#[derive(Debug)]
pub(super) enum ContainerError {
    /// See [`Error::Damaged`].
    Damaged(String),
    /// See [`Error::Unsupported`].
    Unsupported(String),
    /// See [`Error::TooCostly`] and [`Error::Cancelled`].
    Exhausted(Exhausted),
}

impl From<Exhausted> for ContainerError {
    fn from(exhausted: Exhausted) -> Self {
        ContainerError::Exhausted(exhausted)
    }
}

impl ContainerError {
    /// Converts this into the public error for the file at `path`.
    pub(super) fn at_path(self, path: &Path) -> Error {
        match self {
            ContainerError::Damaged(reason) => Error::Damaged { path: path.to_owned(), reason },
            ContainerError::Unsupported(reason) => Error::Unsupported { path: path.to_owned(), reason },
            ContainerError::Exhausted(exhausted) => Error::exhausted(exhausted, path),
        }
    }
}

/// Returns [`ContainerError::Damaged`].
pub(super) fn damaged<T>(reason: impl Into<String>) -> Result<T, ContainerError> {
    Err(ContainerError::Damaged(reason.into()))
}

/// Returns [`ContainerError::Unsupported`].
pub(super) fn unsupported<T>(reason: impl Into<String>) -> Result<T, ContainerError> {
    Err(ContainerError::Unsupported(reason.into()))
}
