//! The photos of a stream, read ahead of their decoding: those whose bytes are in a file or an archive.

use std::fs::File;
use std::io;

use super::ImageInput;
use super::photo_pixels::{check_len, read_open_file};
use super::session::Session;
use crate::files::{ReadAhead, Reading, Room, open_regular};
use crate::photo::Limits;

/// Bytes of photos that are read and not yet decoded: eight of a phone, as many as are read at a time. One more for each
/// thread is being decoded. The allocator keeps about as much again for the threads that read.
const MOST_BYTES: u64 = 32 << 20;

/// A photo that is being read.
pub(super) type Ahead = Reading<io::Result<Vec<u8>>>;

/// Reads the photos of a stream.
pub(super) struct PhotosAhead {
    ahead: ReadAhead,
    limits: Limits,
}

impl PhotosAhead {
    /// `None` for a model that works on the calling thread, which starts no other.
    pub fn of(session: &Session) -> Option<PhotosAhead> {
        let limits = session.options.photos.limits;
        (!session.pool().is_caller()).then(|| PhotosAhead { ahead: ReadAhead::new(MOST_BYTES), limits })
    }

    /// Begins to read the photo, if it has to be read.
    pub fn begin(&mut self, image: ImageInput<'_>) -> Option<Ahead> {
        let limits = self.limits;
        let path = match image {
            ImageInput::Path(path) => path.to_owned(),
            ImageInput::Observed(photo) => photo.unread()?.to_owned(),
            #[cfg(feature = "walk")]
            ImageInput::Archived(photo) => {
                let photo = photo.clone();
                return self.ahead.begin(move |room| {
                    if let Err(error) = check_len(photo.len(), &limits) {
                        return Some(Err(error));
                    }
                    room.reserve(photo.len()).then(|| photo.read())
                });
            }
            _ => return None,
        };
        self.ahead.begin(move |room| match open_regular(&path) {
            Ok(file) => read(&file, &limits, room).transpose(),
            Err(error) => Some(Err(error)),
        })
    }
}

/// Reads a file; `None` if the threads that read were stopped.
fn read(file: &File, limits: &Limits, room: &Room<'_>) -> io::Result<Option<Vec<u8>>> {
    let len = file.metadata()?.len();
    check_len(len, limits)?;
    if !room.reserve(len) {
        return Ok(None);
    }
    let bytes = read_open_file(room.reads(file), len, limits)?;
    Ok((!room.is_stopped()).then_some(bytes))
}

/// What was read ahead, or what `read` reads now.
pub(super) fn bytes(ahead: Option<&Ahead>, read: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
    ahead.and_then(Reading::take).unwrap_or_else(read)
}

#[cfg(all(test, feature = "demo"))]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::Ordering;

    use super::super::{ImageEncoder, ObservedPhoto, Options};
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::files::slow;
    use crate::weights::WeightsFile;

    const THREADS: usize = 2;

    fn encoder(options: Options) -> ImageEncoder {
        options.open_weights_image(WeightsFile::demo().unwrap()).unwrap()
    }

    fn bmp(level: u8) -> Vec<u8> {
        let header = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0";
        [&header[..], &[0; 16], &[level, 20, 10, 0]].concat()
    }

    /// Photos on a server that takes long to answer for each, some of which are not there.
    #[test]
    fn a_slow_server_is_asked_for_many_photos_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join(slow::FOLDER);
        std::fs::create_dir(&folder).unwrap();
        let paths: Vec<PathBuf> = (0..60).map(|number| folder.join(format!("{number}.bmp"))).collect();
        let is_there = |number: usize| number % 10 != 7;
        for (number, path) in (0..).zip(&paths).filter(|(number, _)| is_there(*number)) {
            std::fs::write(path, bmp(number as u8)).unwrap();
        }
        let model = encoder(Options::new().threads(THREADS));
        let expected = |number: usize| model.encode_one(&bmp(number as u8)).unwrap();
        let check = |number: usize, row: Result<Vec<f32>, Error>| match row {
            Ok(row) => assert_eq!((row, is_there(number)), (expected(number), true)),
            Err(error) => {
                assert_eq!((error.kind(), error.index()), (ErrorKind::Io, Some(number)), "{error}");
                assert_eq!((error.path(), is_there(number)), (Some(&*paths[number]), false));
            }
        };
        let most = || slow::MOST.swap(0, Ordering::SeqCst);
        for chunk in [1, 16] {
            most();
            for (number, (path, row)) in model.stream(paths.clone()).chunk(chunk).enumerate() {
                assert_eq!(path, paths[number]);
                check(number, row);
            }
            assert!(most() > THREADS, "chunks of {chunk}");
        }
        let photos = paths.iter().map(ObservedPhoto::new).collect::<Vec<_>>();
        for (number, (photo, row)) in model.stream(photos).enumerate() {
            assert_eq!(photo.observed().is_some(), row.is_ok());
            check(number, row);
        }
        assert!(most() > THREADS);

        // One thread is the calling one, which starts no other.
        let alone = encoder(Options::new().threads(1));
        for (number, (_, row)) in alone.stream(paths[..12].to_vec()).enumerate() {
            check(number, row);
        }
        assert_eq!(most(), 1);

        let small = encoder(Options::new().threads(THREADS).limits(Limits::new().bytes(57)));
        for (number, (_, row)) in small.stream(paths[..12].to_vec()).enumerate().filter(|(n, _)| is_there(*n)) {
            let error = row.unwrap_err().to_string();
            assert!(error.contains("more than 57 bytes") && error.contains(&format!("{number}.bmp")), "{error}");
        }
        // Dropped with readings that have begun, and that have not.
        assert!(model.stream(paths.clone()).next().is_some());
    }
}
