//! A photo that is read and decoded once: for its embedding, and for what a library stores beside it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::photo_pixels::{self, read_file};
use crate::cancel::CancelToken;
use crate::error::Error;
use crate::photo::{self, Metadata, NAMELESS};
use crate::pixels::PictureHash;
use crate::preprocess::PreprocessConfig;

/// A photo whose encoding also yields its [`Observation`]: metadata, size and [`PictureHash`], from the same bytes and
/// the same decoding, which costs about a hundredth more. Its embedding is the one of its bytes, bit for bit.
///
/// An input like any other: of [`ImageEncoder::stream`](super::ImageEncoder::stream), which hands it back, or by
/// reference of [`ImageEncoder::encode_each`](super::ImageEncoder::encode_each). Its file is read by the thread that
/// decodes it, or before by [`load`](Self::load). The bytes are freed as soon as they are decoded.
///
/// ```
/// # #[cfg(feature = "demo")] {
/// use clippie_rs::{Clip, ObservedPhoto};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("dot.bmp");
/// # std::fs::write(&path, b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\x20\x30\0").unwrap();
/// # let paths = vec![path];
/// let clip = Clip::demo()?;
/// for (photo, embedding) in clip.image().stream(paths.into_iter().map(ObservedPhoto::new)) {
///     let embedding = embedding?;
///     if let Some(seen) = photo.observed() {
///         println!("{} numbers, {} x {}", embedding.len(), seen.width, seen.height);
///     }
/// }
/// # }
/// # Ok::<(), clippie_rs::Error>(())
/// ```
pub struct ObservedPhoto {
    path: Option<PathBuf>,
    source: Mutex<Source>,
    #[cfg(feature = "library")]
    content: OnceLock<Content>,
    observed: OnceLock<Observation>,
}

/// Where the bytes of a photo are.
enum Source {
    /// In its file.
    File,
    Bytes(Vec<u8>),
    /// Freed, or being decoded.
    Gone,
}

/// What was seen of a photo while it was decoded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Observation {
    /// What the file states.
    pub metadata: Metadata,
    /// What the picture looks like: upright, unless orientation is [off](super::Options::orient).
    pub hash: PictureHash,
    /// Pixels in a row of the decoded photo, turned like `hash`.
    pub width: usize,
    /// Number of rows of the decoded photo.
    pub height: usize,
}

/// The identity of the bytes of a file.
#[cfg(feature = "library")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Content {
    /// BLAKE3 of all bytes.
    pub hash: [u8; 32],
    /// Number of bytes.
    pub len: u64,
}

#[cfg(feature = "library")]
impl Content {
    /// Hashes the bytes of a file.
    pub fn of(bytes: &[u8]) -> Content {
        Content { hash: *blake3::hash(bytes).as_bytes(), len: bytes.len() as u64 }
    }
}

impl ObservedPhoto {
    /// A photo file, which is read when it is encoded or [loaded](Self::load).
    pub fn new(path: impl Into<PathBuf>) -> ObservedPhoto {
        ObservedPhoto::with(Some(path.into()), Source::File)
    }

    /// The bytes of a photo file; `path` is for messages.
    pub fn from_bytes(bytes: Vec<u8>, path: Option<PathBuf>) -> ObservedPhoto {
        ObservedPhoto::with(path, Source::Bytes(bytes))
    }

    fn with(path: Option<PathBuf>, source: Source) -> ObservedPhoto {
        ObservedPhoto {
            path,
            source: Mutex::new(source),
            #[cfg(feature = "library")]
            content: OnceLock::new(),
            observed: OnceLock::new(),
        }
    }

    /// States the hash of the bytes, so that they are not hashed again.
    #[cfg(feature = "library")]
    #[must_use]
    pub fn with_content(self, content: Content) -> ObservedPhoto {
        ObservedPhoto { content: content.into(), ..self }
    }

    /// Reads the file now, unless that has happened; then [`content`](Self::content) is known and the bytes wait for
    /// their encoding.
    ///
    /// # Errors
    /// A file that cannot be read or has more than 512 MiB.
    pub fn load(&self) -> Result<(), Error> {
        let mut source = self.source();
        if matches!(*source, Source::File) {
            *source = Source::Bytes(self.read()?);
        }
        #[cfg(feature = "library")]
        if let Source::Bytes(bytes) = &*source {
            self.content.get_or_init(|| Content::of(bytes));
        }
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The hash and the number of the bytes that were decoded, once they were read: after [`load`](Self::load) or the
    /// encoding, also if that failed after reading.
    #[cfg(feature = "library")]
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        self.content.get().copied()
    }

    /// What was seen of the photo; `None` before it is decoded, or if that failed.
    #[must_use]
    pub fn observed(&self) -> Option<&Observation> {
        self.observed.get()
    }

    /// The bytes, if they were read and not yet encoded.
    #[must_use]
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self.source.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Source::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        // Only whole values are written to it.
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Vec<u8>, Error> {
        let path = self.path.as_deref().unwrap_or(Path::new(NAMELESS));
        read_file(path).map_err(|source| Error::read(path, source))
    }

    /// Writes the pixels of the photo and keeps what was seen of it.
    pub(super) fn prepare(
        &self,
        config: &PreprocessConfig,
        orient: bool,
        cancel: &CancelToken,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let taken = std::mem::replace(&mut *self.source(), Source::Gone);
        let bytes = match taken {
            Source::File => self.read().inspect_err(|_| *self.source() = Source::File)?,
            Source::Bytes(bytes) => bytes,
            Source::Gone => {
                let gone = "its bytes were freed when it was encoded; make a new ObservedPhoto to encode it again";
                let path = self.path.as_deref().unwrap_or(Path::new(NAMELESS));
                return Err(Error::read(path, io::Error::other(gone)));
            }
        };
        #[cfg(feature = "library")]
        self.content.get_or_init(|| Content::of(&bytes));
        let name = self.path.as_deref().map_or(NAMELESS.into(), |path| path.display().to_string());
        let result = self.decode(&bytes, &name, config, orient, cancel, out);
        if matches!(result, Err(Error::Cancelled)) {
            *self.source() = Source::Bytes(bytes);
        }
        result.map_err(|error| match &self.path {
            Some(path) => error.at(path),
            None => error,
        })
    }

    fn decode(
        &self,
        bytes: &[u8],
        name: &str,
        config: &PreprocessConfig,
        orient: bool,
        cancel: &CancelToken,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let hashed = photo_pixels::decode_observed(bytes, orient, name, config, cancel, out)?;
        let metadata = photo::metadata(bytes, name)?;
        let observation = Observation { metadata, hash: hashed.hash, width: hashed.width, height: hashed.height };
        // Another thread cannot have decoded the same bytes.
        let _ = self.observed.set(observation);
        Ok(())
    }
}

impl fmt::Debug for ObservedPhoto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedPhoto")
            .field("path", &self.path)
            .field("observed", &self.observed.get())
            .finish_non_exhaustive()
    }
}
