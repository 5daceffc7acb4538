//! Why a packed file cannot be opened or written.

use std::io;
use std::path::PathBuf;

/// Why a packed file cannot be opened or written. It holds nothing that its vectors do not: make it again from them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackedError {
    /// The system cannot read or map it.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The system cannot write it.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is another kind of file.
    #[error("{}: is no file of packed vectors; name another file or remove it", path.display())]
    NotPacked {
        /// The file.
        path: PathBuf,
    },
    /// Another version of this program wrote it.
    #[error("{}: has version {version} of the format, which this program does not know; write it again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Its bytes are not those that were written.
    #[error("{}: is damaged or cut short; write it again from the vectors", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The description does not fit the format.
    #[error(
        "{}: cannot hold these vectors; they have 1 to 65536 values, tags at most 4096 bytes, and fingerprints at \
         most 4000",
        path.display()
    )]
    Limits {
        /// The file.
        path: PathBuf,
    },
    /// A row cannot be stored.
    #[error("{}: row {row} has {values} values and a tag of {tag} bytes; expected {dim} and {tag_len}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Number of the row.
        row: usize,
        /// Its values.
        values: usize,
        /// Its bytes.
        tag: usize,
        /// The values that every row has.
        dim: usize,
        /// The bytes that every tag has.
        tag_len: usize,
    },
    /// A value is not finite, or the call was cancelled.
    #[error(transparent)]
    Scan(#[from] super::super::Error),
}
