//! Errors of tables.

use std::io;
use std::path::PathBuf;

/// Why a table cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system cannot write the table.
    #[error("cannot write the table: {0}")]
    Write(#[from] io::Error),
    /// A row or schema that cannot be written.
    #[error("{0}")]
    Row(String),
    /// The system cannot read the file.
    #[error("cannot read {}: {}", path.display(), crate::files::reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is no such table.
    #[error("{}: {reason}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Write(error) => error,
            other => io::Error::other(other.to_string()),
        }
    }
}
