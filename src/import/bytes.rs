//! The bytes of a checkpoint file: mapped or owned. Knows no format.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::error::Error;
use crate::files::{self, NotRegular};
use crate::weights::{Stamp, Watched, map_foreign};

/// Bytes of a checkpoint.
pub(super) enum Bytes {
    /// A mapped file: only pages that were read are resident, and the system may evict them.
    Mapped(MappedFile),
    /// A buffer passed by the caller.
    Owned(Vec<u8>),
}

/// A mapped file and what the system said of it when it was opened.
pub(super) struct MappedFile {
    // Dropped before the map.
    watched: Watched,
    map: Mmap,
    file: File,
    path: PathBuf,
    stamp: Stamp,
}

impl Bytes {
    /// Maps the file at `path`.
    pub(super) fn map(path: &Path) -> Result<Bytes, Error> {
        let file = open_regular(path)?;
        let map = || -> io::Result<Bytes> {
            let stamp = Stamp::of(&file)?;
            if stamp.len == 0 {
                // Some systems refuse to map an empty file.
                return Ok(Bytes::Owned(Vec::new()));
            }
            let map = map_foreign(&file)?;
            let watched = Watched::new(&map);
            Ok(Bytes::Mapped(MappedFile { watched, map, file, path: path.to_owned(), stamp }))
        };
        map().map_err(|source| Error::Read { path: path.to_owned(), source })
    }

    /// Refuses a file that is not what it was when it was opened: what was read of it may be of two files.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        let Bytes::Mapped(mapped) = self else { return Ok(()) };
        let MappedFile { watched, file, path, stamp, .. } = mapped;
        let now = Stamp::of(file).map_err(|source| Error::Read { path: path.clone(), source })?;
        if now != *stamp || watched.is_lost() {
            let reason = "it changed while it was read; convert it again once it is complete".to_owned();
            return Err(Error::Source { path: path.clone(), reason });
        }
        Ok(())
    }
}

/// Opens a regular file for reading; refuses anything else without waiting for it.
pub(super) fn open_regular(path: &Path) -> Result<File, Error> {
    files::open_regular(path).map_err(|source| {
        let what = match NotRegular::of(&source) {
            Some(NotRegular::Folder) => "a folder",
            Some(_) => "a pipe, a socket or a device",
            None => return Error::Read { path: path.to_owned(), source },
        };
        let reason = format!("it is {what}, not a file; give the checkpoint's file or folder");
        Error::Source { path: path.to_owned(), reason }
    })
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(mapped) => &mapped.map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}
