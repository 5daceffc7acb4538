//! The bytes of a checkpoint: a file that is mapped, or memory that is owned. Knows no format.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use super::error::Error;
use crate::weights::map_foreign;

/// Bytes that stay where they are.
pub(super) enum Bytes {
    /// A mapped file: only what is read is ever in memory, and the system may take it back.
    Mapped(Mmap),
    /// Bytes that a caller handed over.
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps the file at `path`.
    pub(super) fn map(path: &Path) -> Result<Bytes, Error> {
        let map = || -> io::Result<Bytes> {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            // Some systems refuse to map nothing.
            match metadata.len() {
                0 => Ok(Bytes::Owned(Vec::new())),
                _ => map_foreign(&file).map(Bytes::Mapped),
            }
        };
        map().map_err(|source| Error::Read { path: path.to_owned(), source })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}
