//! Why an evaluation cannot be made.

use std::io;
use std::path::{Path, PathBuf};

/// Any error of an evaluation. Each message is one sentence that names the cause and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A file or folder of the data set cannot be read.
    #[error("cannot read {}: {}", path.display(), crate::files::reason(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file or folder is no data set, or a damaged one.
    #[error("{}: {reason}", path.display())]
    Dataset {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// Labels or settings that do not fit the data set.
    #[error("{0}")]
    Option(String),
    /// The model, its input or a label cannot be used.
    #[error(transparent)]
    Clip(#[from] crate::error::Error),
}

impl EvaluateError {
    pub(super) fn dataset(path: &Path, reason: impl Into<String>) -> Self {
        EvaluateError::Dataset { path: path.to_owned(), reason: reason.into() }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        EvaluateError::Read { path: path.to_owned(), source }
    }
}
