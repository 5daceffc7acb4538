//! Small pictures of photo files, for pages and terminals.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::library::sheet::{Picture, THUMBNAIL_SIDE, Thumbnail};
use crate::{Error, ObservedPhoto, RgbBuffer, photo};

/// A picture of a photo with sides of at most `side` pixels; why there is none, as a clause.
pub(super) fn read(path: &Path, side: usize) -> Result<RgbBuffer, String> {
    photo::thumbnail(&bytes(path)?, side, "it").map_err(|error| error.to_string())
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let photo = ObservedPhoto::new(path);
    photo.load().map_err(|error| match error {
        Error::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => "the file is not there".to_owned(),
        Error::Read { source, .. } => format!("cannot be read: {source}"),
        error => error.to_string(),
    })?;
    Ok(photo.into_bytes().unwrap_or_default())
}

/// Makes the thumbnail of a page; why there is none, as a clause.
pub(super) fn of_page(path: &Path) -> Result<Thumbnail, String> {
    Thumbnail::of(&bytes(path)?, THUMBNAIL_SIDE).map_err(|error| error.to_string())
}

/// The picture of a card.
pub(super) fn picture(small: &Result<Thumbnail, String>) -> Picture<'_> {
    match small {
        Ok(small) => Picture::Jpeg { bytes: &small.jpeg, width: small.width, height: small.height },
        Err(reason) => Picture::Missing(reason),
    }
}

/// The folder in which a page will lie, as the paths of a library name it.
pub(super) fn folder_of_page(page: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(page).ok()?.parent()?.to_owned();
    Some(fs::canonicalize(&folder).unwrap_or(folder))
}
