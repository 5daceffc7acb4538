//! From a photo file to the input of an image tower: combines `photo`, which decodes, and `preprocess`, which resizes.
//!
//! A JPEG or PNG photo is resized while it is decoded and never held as a whole.

use std::io::{self, Read};
use std::path::Path;

use super::options::PhotoOptions;
use super::reading::Reading;
use crate::cancel::CancelToken;
use crate::error::Error;
use crate::files::{open_regular, read_at_most};
use crate::photo::{self, Converting, Limits};
use crate::pixels::{Hashed, HashingSink, SinkError};
use crate::preprocess::{PreprocessConfig, StreamResizer};

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
    let photos = PhotoOptions { reading: Reading { orient, ..Reading::USUAL }, limits: Limits::new() };
    decode_until(bytes, photos, name, config, &CancelToken::new(), out)
}

/// Decodes as [`decode_pixels_into`] does; stops with [`Error::Cancelled`] soon after `cancel` is set.
pub(super) fn decode_until(
    bytes: &[u8],
    photos: PhotoOptions,
    name: &str,
    config: &PreprocessConfig,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<(), Error> {
    let sink = converted(StreamResizer::new(config, out)?, bytes, photos, name);
    let finish = |sink: Converting<StreamResizer<'_>>| sink.finish().finish();
    photo::decode_to(bytes, &photos.limits, photos.reading.orient, name, cancel, sink, finish).map_err(decode_error)
}

/// The resizer as `photos` wants it, with a conversion of colours in front.
fn converted<'a>(
    resizer: StreamResizer<'a>,
    bytes: &[u8],
    photos: PhotoOptions,
    name: &str,
) -> Converting<StreamResizer<'a>> {
    let conversion = if photos.reading.icc { photo::conversion(bytes, &photos.limits, name) } else { Ok(None) };
    Converting::new(resizer.fast(photos.reading.fast), conversion)
}

/// Decodes as [`decode_until`] does, and hashes the photo on its way to the resizer.
pub(super) fn decode_observed(
    bytes: &[u8],
    photos: PhotoOptions,
    name: &str,
    config: &PreprocessConfig,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<Hashed, Error> {
    // The hash is that of the stored colours, whatever the model sees.
    let sink = HashingSink::new(converted(StreamResizer::new(config, out)?, bytes, photos, name));
    let finish = |sink: HashingSink<Converting<StreamResizer<'_>>>| {
        let (sink, hashed) = sink.finish();
        sink.finish().finish()?;
        hashed.ok_or(SinkError::NoPhoto)
    };
    photo::decode_to(bytes, &photos.limits, photos.reading.orient, name, cancel, sink, finish).map_err(decode_error)
}

fn decode_error(error: photo::Error) -> Error {
    match error {
        photo::Error::Cancelled { .. } => Error::Cancelled,
        error => error.into(),
    }
}

/// Computes the input of an image tower from the bytes of a photo, or the error of reading them; `path` is in the error.
pub(super) fn named_pixels_into(
    bytes: io::Result<Vec<u8>>,
    path: &Path,
    photos: PhotoOptions,
    config: &PreprocessConfig,
    cancel: &CancelToken,
    out: &mut [f32],
) -> Result<(), Error> {
    let bytes = bytes.map_err(|source| Error::read(path, source))?;
    let name = path.display().to_string();
    decode_until(&bytes, photos, &name, config, cancel, out).map_err(|error| error.at(path))
}

/// Reads a whole file; refuses pipes, devices and folders, and files that are too large.
pub(super) fn read_file(path: &Path, limits: &Limits) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let len = file.metadata()?.len();
    check_len(len, limits)?;
    read_open_file(&file, len, limits)
}

/// Refuses a file that is too large.
pub(crate) fn check_len(len: u64, limits: &Limits) -> io::Result<()> {
    if len > limits.most_bytes() { Err(too_large(limits)) } else { Ok(()) }
}

/// Reads a whole open file that had `len` bytes and may have grown.
pub(crate) fn read_open_file(file: impl Read, len: u64, limits: &Limits) -> io::Result<Vec<u8>> {
    read_at_most(file, len, limits.most_bytes())?.ok_or_else(|| too_large(limits))
}

fn too_large(limits: &Limits) -> io::Error {
    let reason = format!(
        "it has more than {} bytes, the limit for a photo unless it is raised (--max-bytes; Limits::bytes)",
        limits.most_bytes()
    );
    io::Error::new(io::ErrorKind::FileTooLarge, reason)
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
        let photos = PhotoOptions { reading: Reading::USUAL, limits: Limits::new() };
        let mut read = |photos: PhotoOptions| {
            let bytes = read_file(&path, &photos.limits);
            named_pixels_into(bytes, &path, photos, &config, &CancelToken::new(), &mut out).unwrap_err()
        };
        let error = read(PhotoOptions { limits: Limits::new().bytes(7), ..photos });
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("more than 7 bytes, the limit for a photo"), "{error}");
        let error = read(photos);
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
