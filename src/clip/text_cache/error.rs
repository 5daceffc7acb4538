//! Why a file of cached texts cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

/// A file of [`TextCache::load`](super::TextCache::load) or [`TextCache::save`](super::TextCache::save) that cannot be
/// used. The embeddings can always be made again: deleting the file loses nothing else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextCacheError {
    /// The file cannot be read.
    #[error("cannot read {}: {}", path.display(), crate::files::reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a cache of text embeddings; name another file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by another version of this crate.
    #[error(
        "{} is a cache of text embeddings of version {found} and this build of clippie-rs reads version {expected}; \
         update clippie-rs, or delete the file and let it be written again",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// The content of the file contradicts itself.
    #[error("{} is damaged: {reason}; delete it and let it be written again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

impl TextCacheError {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            TextCacheError::Read { path, .. }
            | TextCacheError::Write { path, .. }
            | TextCacheError::Format { path }
            | TextCacheError::Version { path, .. }
            | TextCacheError::Damaged { path, .. } => path,
        }
    }
}
