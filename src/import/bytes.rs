//! The bytes of a checkpoint file: mapped or owned. Knows no format.

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
        let file = open_regular(path)?;
        let map = || match file.metadata()?.len() {
            // Some systems refuse to map an empty file.
            0 => Ok(Bytes::Owned(Vec::new())),
            _ => map_foreign(&file).map(Bytes::Mapped),
        };
        map().map_err(|source| Error::Read { path: path.to_owned(), source })
    }
}

/// Opens a regular file for reading. Opening a named pipe would wait for its writer and opening a device may act on it,
/// so anything else is refused unopened.
pub(super) fn open_regular(path: &Path) -> Result<File, Error> {
    let read = |source: io::Error| Error::Read { path: path.to_owned(), source };
    let refuse = |what: &str| {
        Err(Error::Source {
            path: path.to_owned(),
            reason: format!("it is {what}, not a file; give the checkpoint's file or folder"),
        })
    };
    let metadata = std::fs::metadata(path).map_err(read)?;
    if metadata.is_dir() {
        return refuse("a folder");
    }
    if !metadata.is_file() {
        return refuse("a pipe, a socket or a device");
    }
    let file = File::open(path).map_err(read)?;
    match file.metadata().map_err(read)?.is_file() {
        true => Ok(file),
        false => refuse("a pipe, a socket or a device"),
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
