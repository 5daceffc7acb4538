//! Lists the photos of a folder and its subfolders. Reads folders, never a photo.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

/// Extensions of the files that [`photos`] lists, in any case.
pub const EXTENSIONS: [&str; 11] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff"];

/// A file or folder that cannot be listed.
#[derive(Clone, Debug)]
pub struct WalkError {
    path: PathBuf,
    reason: Arc<io::Error>,
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for WalkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.reason)
    }
}

impl WalkError {
    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it cannot be listed.
    #[must_use]
    pub fn reason(&self) -> &io::Error {
        &self.reason
    }
}

/// The photos of a folder: see [`photos`].
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct Photos(std::vec::IntoIter<Result<PathBuf, WalkError>>);

impl Iterator for Photos {
    type Item = Result<PathBuf, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Photos {}
impl FusedIterator for Photos {}

/// Lists the photos of `folder` and its subfolders, in the order of the bytes of their paths.
///
/// Files with one of the [`EXTENSIONS`] count as photos; their content is checked only by decoding. Hidden files and
/// folders (names that start with a dot) are skipped, unless `folder` itself is hidden. Links are followed; a folder
/// that several links reach is listed once. A subfolder that cannot be read and a broken link with a photo's extension
/// are errors at their position in the order; the rest is listed.
///
/// This call lists the folder; the iterator holds the paths and knows their number.
///
/// ```no_run
/// use clippie_rs::{ImageEncoder, walk};
///
/// let encoder = ImageEncoder::open("mobileclip2-s2.clippie")?;
/// for (photo, embedding) in encoder.stream(walk::photos("holidays")) {
///     match (photo, embedding) {
///         (Ok(path), Ok(embedding)) => println!("{}: {} numbers", path.display(), embedding.len()),
///         (_, Err(error)) => eprintln!("{error}"),
///         (Err(_), Ok(_)) => unreachable!("what cannot be listed has no embedding"),
///     }
/// }
/// # Ok::<(), clippie_rs::Error>(())
/// ```
pub fn photos(folder: impl AsRef<Path>) -> Photos {
    let folder = folder.as_ref();
    let mut found = Vec::new();
    let mut visited = HashSet::new();
    let mut wanted = |entry: &DirEntry| {
        let hidden = entry.depth() > 0 && is_hidden(entry.path());
        let mut is_new = || fs::canonicalize(entry.path()).map_or(true, |path| visited.insert(path));
        !hidden && (!entry.file_type().is_dir() || is_new())
    };
    // Sorted, so that a folder with several links to it is always listed under the same one.
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| wanted(entry)) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_photo(entry.path()) => found.push(Ok(entry.into_path())),
            Ok(_) => {}
            Err(error) => found.extend(reportable(folder, error).map(Err)),
        }
    }
    found.sort_by(|a, b| path_bytes(a).cmp(path_bytes(b)));
    Photos(found.into_iter())
}

/// Whether the extension of `path` is one of the [`EXTENSIONS`].
#[must_use]
pub fn is_photo(path: impl AsRef<Path>) -> bool {
    let extension = path.as_ref().extension();
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The error, unless it is about something that is not listed anyway: a cycle of links, a hidden file, a broken link
/// without a photo's extension.
fn reportable(folder: &Path, error: walkdir::Error) -> Option<WalkError> {
    let path = error.path().filter(|_| error.loop_ancestor().is_none())?.to_owned();
    let broken_link = || fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink()) && !is_photo(&path);
    if path != folder && (is_hidden(&path) || broken_link()) {
        return None;
    }
    // Only cycles have no such error.
    let reason = error.into_io_error().unwrap_or_else(|| io::Error::other("cannot be listed"));
    Some(WalkError { path, reason: Arc::new(reason) })
}

fn path_bytes(found: &Result<PathBuf, WalkError>) -> &[u8] {
    let path = found.as_ref().map_or_else(WalkError::path, PathBuf::as_path);
    path.as_os_str().as_encoded_bytes()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
