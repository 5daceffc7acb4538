//! What can be wrong with a weights file.

use std::path::{Path, PathBuf};

/// A weights file that cannot be read or written: which one, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Error {
    path: PathBuf,
    reason: Reason,
}

impl Error {
    #[allow(dead_code)]
    pub(super) fn new(path: &Path, reason: Reason) -> Error {
        Error { path: path.to_owned(), reason }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

/// Why a weights file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Writing failed.
    #[error("cannot be written ({0}); check the folder, its permissions and the space left")]
    Write(std::io::Error),
}
