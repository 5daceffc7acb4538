//! A photo that is read and decoded once: for its embedding, and for what a library stores beside it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::ahead::{self, Ahead};
use super::options::PhotoOptions;
use super::photo_pixels::{self, read_file};
use crate::cancel::CancelToken;
use crate::error::Error;
use crate::photo::{self, Limits, Metadata, NAMELESS};
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
    /// A file that cannot be read or has more bytes than the default [`Limits`] allow.
    pub fn load(&self) -> Result<(), Error> {
        self.load_within(&Limits::new())
    }

    /// Reads the file now, as [`load`](Self::load) does, within other limits.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn load_within(&self, limits: &Limits) -> Result<(), Error> {
        let mut source = self.source();
        if matches!(*source, Source::File) {
            *source = Source::Bytes(self.read(limits)?);
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

    fn read(&self, limits: &Limits) -> Result<Vec<u8>, Error> {
        self.read_ahead(None, limits)
    }

    fn read_ahead(&self, ahead: Option<&Ahead>, limits: &Limits) -> Result<Vec<u8>, Error> {
        let path = self.path.as_deref().unwrap_or(Path::new(NAMELESS));
        ahead::bytes(ahead, || read_file(path, limits)).map_err(|source| Error::read(path, source))
    }

    /// The file, if it has to be read.
    pub(super) fn unread(&self) -> Option<&Path> {
        if matches!(*self.source(), Source::File) { self.path() } else { None }
    }

    /// Writes the pixels of the photo and keeps what was seen of it.
    pub(super) fn prepare(
        &self,
        ahead: Option<&Ahead>,
        config: &PreprocessConfig,
        photos: PhotoOptions,
        cancel: &CancelToken,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let taken = std::mem::replace(&mut *self.source(), Source::Gone);
        let bytes = match taken {
            Source::File => self.read_ahead(ahead, &photos.limits).inspect_err(|_| *self.source() = Source::File)?,
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
        let result = self.decode(&bytes, &name, config, photos, cancel, out);
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
        photos: PhotoOptions,
        cancel: &CancelToken,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let hashed = photo_pixels::decode_observed(bytes, photos, name, config, cancel, out)?;
        let metadata = photo::metadata_within(bytes, &photos.limits, name)?;
        // The size is that of the photo, even if it was reduced.
        let (width, height) =
            match (photos.reading.fast && metadata.format == photo::Format::Jpeg, photos.reading.orient) {
                (false, _) => (hashed.width, hashed.height),
                (true, true) => metadata.upright_size(),
                (true, false) => (metadata.width, metadata.height),
            };
        let observation = Observation { metadata, hash: hashed.hash, width, height };
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

#[cfg(all(test, feature = "demo"))]
mod tests {
    use std::fs;

    use super::super::{Clip, ImageEncoder, Options};
    use super::*;
    use crate::error::ErrorKind;
    use crate::pixels::{Orientation, RgbBuffer};

    /// Files of every format that Pillow reads, and its pixels of them.
    fn files() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess/files");
        let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 200);
        files
    }

    #[test]
    fn embeddings_do_not_change_and_all_is_seen() {
        let clip = Clip::demo().unwrap();
        let files = files();
        let plain = clip.image().encode_each(&files);
        let observed: Vec<ObservedPhoto> = files.iter().map(ObservedPhoto::new).collect();
        let rows = clip.image().encode_each(&observed);
        let mut seen = 0;
        for (((file, photo), plain), row) in files.iter().zip(&observed).zip(plain.iter()).zip(rows.iter()) {
            match (plain, row) {
                (Ok(plain), Ok(row)) => {
                    assert_eq!(plain, row, "{}", file.display());
                    let bytes = fs::read(file).unwrap();
                    let upright = photo::decode(&bytes, true, "").unwrap();
                    let found = photo.observed().unwrap();
                    assert_eq!((found.width, found.height), (upright.width(), upright.height()));
                    assert_eq!(found.metadata, photo::metadata(&bytes, "").unwrap());
                    assert_eq!(found.hash, PictureHash::of(&upright), "{}", file.display());
                    seen += 1;
                }
                (Err(plain), Err(error)) => {
                    assert_eq!(plain.to_string(), error.to_string());
                    assert!(photo.observed().is_none());
                }
                _ => panic!("{}", file.display()),
            }
            #[cfg(feature = "library")]
            assert_eq!(photo.content(), Some(Content::of(&fs::read(file).unwrap())));
        }
        assert!(seen > 180, "{seen}");
    }

    fn bmp() -> Vec<u8> {
        let header = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0";
        [&header[..], &[0; 16], &[0x30, 0x20, 0x10, 0]].concat()
    }

    #[test]
    fn bytes_are_decoded_once_and_freed() {
        let clip = Clip::demo().unwrap();
        let expected = clip.image().encode_one(&bmp()).unwrap();
        let photo = ObservedPhoto::from_bytes(bmp(), None);
        assert!(photo.observed().is_none());
        assert_eq!(clip.image().encode_one(&photo).unwrap(), expected);
        assert!(matches!(*photo.source(), Source::Gone));
        let error = clip.image().encode_one(&photo).unwrap_err();
        assert!(error.to_string().contains("make a new ObservedPhoto"), "{error}");
        assert!(photo.observed().is_some() && photo.into_bytes().is_none());
        assert_eq!(ObservedPhoto::from_bytes(bmp(), None).into_bytes(), Some(bmp()));
    }

    #[test]
    fn what_was_hashed_is_what_is_decoded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dot.bmp");
        fs::write(&path, bmp()).unwrap();
        let photo = ObservedPhoto::new(&path);
        photo.load().unwrap();
        // Changes of the file come too late.
        fs::write(&path, "no photo").unwrap();
        photo.load().unwrap();
        let row = Clip::demo().unwrap().image().encode_one(&photo).unwrap();
        assert_eq!(row, Clip::demo().unwrap().image().encode_one(&bmp()).unwrap());
        #[cfg(feature = "library")]
        {
            assert_eq!(photo.content(), Some(Content::of(&bmp())));
            let stated = Content { hash: [7; 32], len: 1 };
            let photo = ObservedPhoto::from_bytes(bmp(), None).with_content(stated);
            photo.load().unwrap();
            assert_eq!(photo.content(), Some(stated));
        }
    }

    #[test]
    fn errors_name_the_file_and_a_missing_one_may_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dot.bmp");
        let clip = Clip::demo().unwrap();
        let photo = ObservedPhoto::new(&path);
        assert_eq!(photo.load().unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(clip.image().encode_one(&photo).unwrap_err().path(), Some(&*path));
        fs::write(&path, bmp()).unwrap();
        assert!(clip.image().encode_one(&photo).is_ok());

        fs::write(&path, "no photo").unwrap();
        let photo = ObservedPhoto::new(&path);
        let error = clip.image().encode_one(&photo).unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Image, Some(&*path)));
        #[cfg(feature = "library")]
        assert_eq!(photo.content(), Some(Content::of(b"no photo")));
    }

    #[test]
    fn a_cancelled_photo_keeps_its_bytes() {
        let clip = Clip::demo().unwrap();
        let token = CancelToken::new();
        token.cancel();
        let photo = ObservedPhoto::from_bytes(bmp(), None);
        assert_eq!(clip.image().with_cancel(&token).encode_one(&photo).unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(clip.image().encode_one(&photo).is_ok());
    }

    #[test]
    fn a_stream_hands_back_what_it_saw() {
        let clip = Options::new().threads(2).open_weights(crate::weights::WeightsFile::demo().unwrap()).unwrap();
        let files: Vec<PathBuf> =
            files().into_iter().filter(|file| file.extension().is_some_and(|e| e == "jpg")).collect();
        let mut count = 0;
        for (photo, row) in clip.image().stream(files.clone().into_iter().map(ObservedPhoto::new)) {
            assert_eq!((photo.path(), row.is_ok()), (Some(&*files[count]), photo.observed().is_some()));
            count += 1;
        }
        assert_eq!(count, files.len());
    }

    #[test]
    fn without_orientation_the_stored_picture_is_seen() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess/files");
        let stored =
            Options::new().orient(false).open_weights_image(crate::weights::WeightsFile::demo().unwrap()).unwrap();
        let upright = Clip::demo().unwrap();
        let mut turned = 0;
        for file in files() {
            let bytes = fs::read(folder.join(file)).unwrap();
            let see = |encoder: &ImageEncoder| {
                let photo = ObservedPhoto::from_bytes(bytes.clone(), None);
                encoder.encode_one(&photo).ok()?;
                photo.observed().cloned()
            };
            let (Some(first), Some(second)) = (see(&stored), see(upright.image())) else { continue };
            let orientation = Orientation::from_exif(second.metadata.orientation.into());
            if second.metadata.format != photo::Format::Tiff && orientation != Orientation::Upright {
                assert_eq!(first.metadata, second.metadata);
                if orientation.swaps() {
                    assert_eq!((first.width, first.height), (second.height, second.width));
                }
                let whole: RgbBuffer = photo::decode(&bytes, false, "").unwrap();
                assert_eq!(first.hash, PictureHash::of(&whole));
                turned += 1;
            }
        }
        assert!(turned > 5, "{turned}");
    }
}
