//! From a photo file to the input of an image tower: combines `photo`, which decodes, and `preprocess`, which resizes.
//!
//! A JPEG or PNG photo is resized while it is decoded and never held as a whole.

use std::fs::File;
use std::io;
use std::path::Path;

use super::options::Reading;
use crate::cancel::CancelToken;
use crate::error::Error;
use crate::files::{open_regular, read_at_most};
use crate::photo;
use crate::pixels::{Hashed, HashingSink, SinkError};
use crate::preprocess::{PreprocessConfig, StreamResizer};

/// Maximum size of a photo file in bytes: larger than any photo, and small enough for one buffer per thread.
const MAX_FILE: u64 = 1 << 29;

/// Decodes a photo and computes the input of an image tower: `[3, image_size, image_size]`.
///
/// Equals [`photo::decode`] followed by [`preprocess::pixels_into`](crate::preprocess::pixels_into), bit for bit, with
/// the same `orient` and `name`. Resizes JPEG and PNG photos while decoding them, so that the whole photo is never in
/// memory.
///
/// # Errors
/// Those of [`photo::decode`] and of [`preprocess::pixels_into`](crate::preprocess::pixels_into).
pub fn decode_pixels_into(
    bytes: &[u8],
    orient: bool,
    name: &str,
    config: &PreprocessConfig,
    out: &mut [f32],
) -> Result<(), Error> {
    decode_until(bytes, Reading { orient, fast: false }, name, config, &CancelToken::new(), out)
}

/// Decodes as [`decode_pixels_into`] does; stops with [`Error::Cancelled`] soon after `cancel` is set.
pub(super) fn decode_until(
    bytes: &[u8],
    reading: Reading,
    name: &str,
    config: &PreprocessConfig,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<(), Error> {
    let resizer = StreamResizer::new(config, out)?.fast(reading.fast);
    photo::decode_to(bytes, reading.orient, name, cancel, resizer, StreamResizer::finish).map_err(decode_error)
}

/// Decodes as [`decode_until`] does, and hashes the photo on its way to the resizer.
pub(super) fn decode_observed(
    bytes: &[u8],
    reading: Reading,
    name: &str,
    config: &PreprocessConfig,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<Hashed, Error> {
    let sink = HashingSink::new(StreamResizer::new(config, out)?.fast(reading.fast));
    let finish = |sink: HashingSink<StreamResizer<'_>>| {
        let (resizer, hashed) = sink.finish();
        resizer.finish()?;
        hashed.ok_or(SinkError::NoPhoto)
    };
    photo::decode_to(bytes, reading.orient, name, cancel, sink, finish).map_err(decode_error)
}

fn decode_error(error: photo::Error) -> Error {
    match error {
        photo::Error::Cancelled { .. } => Error::Cancelled,
        error => error.into(),
    }
}

/// Reads a photo file and computes the input of an image tower as [`decode_pixels_into`] does.
pub(super) fn read_pixels_into(
    path: &Path,
    reading: Reading,
    config: &PreprocessConfig,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<(), Error> {
    named_pixels_into(read_file(path), path, reading, config, cancel, out)
}

/// Computes the input of an image tower from the bytes of a photo, or the error of reading them; `path` is in the error.
pub(super) fn named_pixels_into(
    bytes: io::Result<Vec<u8>>,
    path: &Path,
    reading: Reading,
    config: &PreprocessConfig,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<(), Error> {
    let bytes = bytes.map_err(|source| Error::read(path, source))?;
    let name = path.display().to_string();
    decode_until(&bytes, reading, &name, config, cancel, out).map_err(|error| error.at(path))
}

/// Reads a whole file; refuses pipes, devices and folders, and files that are far too large for a photo.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let len = file.metadata()?.len();
    check_len(len)?;
    read_open_file(&file, len)
}

/// Refuses a file that is far too large for a photo.
pub(crate) fn check_len(len: u64) -> io::Result<()> {
    if len > MAX_FILE { Err(too_large()) } else { Ok(()) }
}

/// Reads a whole open file that had `len` bytes and may have grown.
pub(crate) fn read_open_file(file: &File, len: u64) -> io::Result<Vec<u8>> {
    read_at_most(file, len, MAX_FILE)?.ok_or_else(too_large)
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 512 MiB, which no photo has")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn errors_keep_the_path_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.jpg");
        std::fs::write(&path, "no photo").unwrap();
        let config = PreprocessConfig::openai(8);
        let mut out = vec![0.0; config.pixel_len()];
        let error =
            read_pixels_into(&path, Reading { orient: true, fast: false }, &config, &CancelToken::new(), &mut out)
                .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Image);
        assert!(error.to_string().starts_with(&format!("{} is not an image", path.display())), "{error}");
        assert!(matches!(error, Error::Photo { path: Some(file), .. } if file == path));

        let error = decode_pixels_into(b"no photo", true, "the image", &config, &mut out).unwrap_err();
        assert_eq!((error.kind(), error.to_string().starts_with("the image is not")), (ErrorKind::Image, true));
        assert!(matches!(error, Error::Photo { path: None, .. }));
        let error = decode_pixels_into(b"no photo", true, "the image", &config, &mut out[1..]).unwrap_err();
        assert!(matches!(error, Error::Preprocess(_)) && error.kind() == ErrorKind::Image);
    }
}
