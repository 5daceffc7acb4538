//! The bytes of a checkpoint: a file that is mapped, or memory that is owned. Knows no format.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use super::error::Error;

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
                _ => map_file(&file).map(Bytes::Mapped),
            }
        };
        map().map_err(|source| Error::Read { path: path.to_owned(), source })
    }
}

#[allow(unsafe_code)]
fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and every slice of it borrows from it. Another process that changes the
    // checkpoint meanwhile changes bytes that are decoded one number at a time and validated before use, so
    // wrong bytes give wrong numbers or errors and nothing worse; one that cuts it short makes the system end
    // this process at the missing page.
    unsafe { Mmap::map(file) }
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
