//! The bytes of a checkpoint: a mapped file or an owned buffer. Knows no format.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use super::error::Error;
use crate::weights::map_foreign;

/// Bytes of a checkpoint.
pub(super) enum Bytes {
    /// A mapped file: only pages that were read are resident, and the system may evict them.
    Mapped(Mmap),
    /// A buffer passed by the caller.
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
            // Some systems refuse to map an empty file.
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
