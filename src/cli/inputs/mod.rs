//! Collects the inputs of a call: files, folders and lists, in the order of the output.
//!
//! Reads folders and lists, never a photo (except from standard input). A file that cannot be listed becomes an input
//! that fails, so that it keeps its position in the output.

mod lists;
mod live;
#[cfg(feature = "parquet")]
mod table;

use std::path::{Path, PathBuf};

use super::args::Inputs;
use super::messages::{Failure, Messages};
use super::streams;
use crate::ImageInput;
use crate::files::{self, read_at_most};
use crate::walk::{Archive, ArchivedPhoto, PassedOver, Walk, WalkError, is_archive};
use lists::{NOT_UTF16, PATHS, TEXTS, is_utf16, lines, name, paths, read_list};
pub(super) use live::Live;
#[cfg(feature = "parquet")]
pub(super) use table::{Table, TextTable};

/// Largest photo from standard input, as of any file: no photo is larger.
const MAX_STDIN: u64 = 1 << 29;

/// A photo to read, or one that could not be listed.
pub(super) enum Photo {
    File(PathBuf),
    /// A file of an archive.
    Archived(ArchivedPhoto),
    /// The bytes of a photo from standard input.
    Stdin(Vec<u8>),
    /// The bytes of a photo that has a name.
    #[cfg(feature = "parquet")]
    Bytes {
        name: PathBuf,
        bytes: table::Held,
    },
    /// A file or folder that could not be listed.
    Unlisted(WalkError),
}

impl Photo {
    /// Its path in the output.
    pub fn path(&self) -> &Path {
        match self {
            Photo::File(path) => path,
            Photo::Archived(photo) => photo.path(),
            Photo::Unlisted(error) => error.path(),
            Photo::Stdin(_) => Path::new("-"),
            #[cfg(feature = "parquet")]
            Photo::Bytes { name, .. } => name,
        }
    }

    /// Its caption, if it comes with one.
    pub fn caption(&self) -> Option<&str> {
        match self {
            Photo::Archived(photo) => photo.caption(),
            _ => None,
        }
    }

    /// The file that it is read from.
    pub fn file(&self) -> &Path {
        match self {
            Photo::Archived(photo) => photo.archive(),
            photo => photo.path(),
        }
    }
}

impl<'a> From<&'a Photo> for ImageInput<'a> {
    fn from(photo: &'a Photo) -> Self {
        match photo {
            Photo::File(path) => ImageInput::Path(path),
            Photo::Archived(photo) => ImageInput::Archived(photo),
            Photo::Stdin(bytes) => ImageInput::Bytes(bytes),
            #[cfg(feature = "parquet")]
            Photo::Bytes { bytes, .. } => ImageInput::Bytes(bytes.as_ref()),
            Photo::Unlisted(error) => ImageInput::Unlisted(error),
        }
    }
}

/// Whether `path` stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The photos of a call.
#[derive(Default)]
pub(super) struct Found {
    pub photos: Vec<Photo>,
    /// Warnings of folders and archives without photos.
    empty: Vec<String>,
    /// What folders and archives have beside photos.
    pub passed_over: PassedOver,
    /// Whether photos of archives come with their captions.
    with_captions: bool,
}

impl Found {
    /// Adds a file, or the photos of a folder or an archive.
    fn add(&mut self, path: PathBuf, walk: &Walk) {
        if !path.is_dir() {
            if is_archive(&path) {
                self.add_archive(path);
            } else {
                self.photos.push(Photo::File(path));
            }
            return;
        }
        let found = walk.photos(&path);
        self.passed_over.add(found.passed_over());
        if found.len() == 0 {
            let archives = found.passed_over().other.get("tar").copied().unwrap_or_default();
            self.empty.push(empty_folder(&path, archives));
        }
        self.photos.extend(found.map(|found| found.map_or_else(Photo::Unlisted, Photo::File)));
    }

    fn add_archive(&mut self, path: PathBuf) {
        let found = if self.with_captions { Archive::list_with_captions(&path) } else { Archive::list(&path) };
        self.passed_over.add(found.passed_over());
        if found.len() == 0 {
            self.empty.push(format!("{}: no photos in this archive", path.display()));
        }
        self.photos.extend(found.map(|found| found.map_or_else(Photo::Unlisted, Photo::Archived)));
    }

    /// Warns of folders and archives without photos.
    fn warn(&mut self, messages: &Messages) {
        for empty in self.empty.drain(..) {
            messages.warning(&empty);
        }
    }
}

/// Says that a folder has no photos. Its archives are passed over unless they are named.
fn empty_folder(path: &Path, archives: usize) -> String {
    let advice = match archives {
        0 => String::new(),
        1 => ", but 1 .tar; name it to have its photos read".to_owned(),
        _ => format!(", but {archives} .tar; name them to have their photos read"),
    };
    format!("{}: no photos in this folder{advice}", path.display())
}

/// How the folders of a call are searched.
pub(super) fn walk(inputs: &Inputs) -> Result<Walk, Failure> {
    let walk = Walk::new().ignore_files(inputs.ignore_files).exclude(&inputs.exclude);
    walk.map_err(|error| Failure::Usage(format!("--exclude: {error}")))
}

/// Refuses calls that would read standard input twice: as a photo, or as one of the lists.
pub(super) fn read_stdin_once<'a>(
    inputs: &'a Inputs,
    lists: impl IntoIterator<Item = &'a Option<PathBuf>>,
) -> Result<(), Failure> {
    let lists = lists.into_iter().flatten().chain(&inputs.files_from);
    if inputs.inputs.iter().chain(lists).filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::Usage("standard input can be only one of the inputs; put the others into files".into()));
    }
    Ok(())
}

/// The photos of a call; those of folders as `walk` finds them. Warns of folders without photos.
pub(super) fn photos(inputs: &Inputs, walk: &Walk, with_captions: bool, messages: &Messages) -> Result<Found, Failure> {
    let mut found = named(inputs, walk, with_captions, messages)?;
    if let Some(list) = inputs.files_from.as_deref() {
        let bytes = read_list(list, &PATHS)?;
        // Would be taken for paths of one letter, separated by NUL bytes.
        if is_utf16(&bytes) {
            return Err(Failure::Error(format!("{} {NOT_UTF16}", name(list))));
        }
        for line in paths(&bytes) {
            let path = files::path_of(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                Failure::Error(format!("{}: {line:?} is not UTF-8, so it names no file here", name(list)))
            })?;
            found.add(path, walk);
        }
    }
    found.warn(messages);
    Ok(found)
}

/// The photos of a call that its arguments name, without those of the list.
pub(super) fn named(inputs: &Inputs, walk: &Walk, with_captions: bool, messages: &Messages) -> Result<Found, Failure> {
    let mut found = Found { with_captions, ..Found::default() };
    for input in &inputs.inputs {
        if is_stdin(input) {
            found.photos.push(Photo::Stdin(read_stdin_photo()?));
        } else {
            found.add(input.clone(), walk);
        }
    }
    found.warn(messages);
    Ok(found)
}

/// The texts of `texts` and of the list `texts_from`.
pub(super) fn texts(texts: &[String], texts_from: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut all = texts.to_vec();
    if let Some(list) = texts_from {
        for (number, line) in lines(&read_list(list, &TEXTS)?).enumerate() {
            let text = std::str::from_utf8(line).map_err(|error| {
                Failure::Error(format!(
                    "{}: line {} is not UTF-8 (byte {} of it); save the file as UTF-8",
                    name(list),
                    number + 1,
                    error.valid_up_to() + 1
                ))
            })?;
            all.push(text.to_owned());
        }
    }
    Ok(all)
}

/// Reads the photo on standard input.
pub(super) fn read_stdin_photo() -> Result<Vec<u8>, Failure> {
    match streams::stdin().and_then(|stdin| read_at_most(stdin, 0, MAX_STDIN)) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Failure::Error("standard input goes on after 512 MiB, which is no photo".into())),
        Err(error) => Err(Failure::Error(format!("cannot read standard input: {error}"))),
    }
}
