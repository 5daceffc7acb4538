//! Lists the photos of a folder and its subfolders, and counts what is passed over. Reads folders and, on request, ignore
//! files; never a photo.

mod known;
mod passed_over;
mod patterns;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

pub use known::{EXTENSIONS, is_photo};
pub use passed_over::PassedOver;
pub use patterns::PatternError;

use known::{is_hidden, side_label};
use patterns::{IgnoreFiles, Patterns, below, is_marked};

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

/// The photos of a folder: see [`photos`] and [`Walk`].
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct Photos {
    found: std::vec::IntoIter<Result<PathBuf, WalkError>>,
    passed_over: PassedOver,
}

impl Photos {
    /// The numbers of files and folders that were passed over.
    #[must_use]
    pub fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }
}

impl Iterator for Photos {
    type Item = Result<PathBuf, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.found.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.found.size_hint()
    }
}

impl ExactSizeIterator for Photos {}
impl FusedIterator for Photos {}

/// Lists the photos of `folder` and its subfolders, in the order of the bytes of their paths.
///
/// Files with one of the [`EXTENSIONS`] count as photos; their content is checked only by decoding. Skipped are hidden
/// files and folders (names that start with a dot), and what other programs keep beside photos: thumbnails, previews and
/// deleted files, such as `@eaDir`, `#recycle`, `$RECYCLE.BIN`, `__MACOSX` and `*.lrdata`. `folder` itself may have any
/// name. [`Photos::passed_over`] counts what was skipped; [`Walk`] has options.
///
/// Links are followed; a folder that several links reach is listed once. A subfolder that cannot be read and a broken
/// link with a photo's extension are errors at their position in the order; the rest is listed.
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
    Walk::new().photos(folder)
}

/// Options of a walk.
///
/// ```no_run
/// use clippie_rs::walk::Walk;
///
/// let photos = Walk::new().exclude(["*.png", "/private/"])?.ignore_files(true).photos("holidays");
/// for (ending, number) in &photos.passed_over().unread {
///     eprintln!("{number} files .{ending} were not read");
/// }
/// # Ok::<(), clippie_rs::walk::PatternError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Walk {
    patterns: Patterns,
    ignore_files: bool,
}

impl Default for Walk {
    fn default() -> Self {
        Walk::new()
    }
}

impl Walk {
    /// A walk without options, as [`photos`] does it.
    pub fn new() -> Self {
        Walk { patterns: Patterns::new(), ignore_files: false }
    }

    /// Skips files and folders that match one of these patterns, in the syntax of `.gitignore`.
    ///
    /// `*` and `?` match any characters of a name, `[ab]` one of several, `{a,b}` one of several words, `**` any number
    /// of folders. A pattern without a slash matches names at any depth; one with a slash at its start or inside matches
    /// paths relative to the walked folder; a slash at the end restricts it to folders. `!` at the start takes back what
    /// an earlier pattern matched; `#` is a character like any other. Letters match in their case only. A folder that
    /// matches is skipped with all that is in it.
    ///
    /// # Errors
    /// A pattern is malformed.
    pub fn exclude<S: AsRef<str>>(mut self, patterns: impl IntoIterator<Item = S>) -> Result<Self, PatternError> {
        self.patterns.add(patterns)?;
        Ok(self)
    }

    /// Whether ignore files in the walked folder and its subfolders are respected; by default they are not.
    ///
    /// These are files of patterns, `.gitignore`, `.ignore` and `.ppignore` (PhotoPrism), and empty files that mark a
    /// subfolder as not to be shown, `.nomedia` (Android) and `.noimage` (Nextcloud); in the walked folder itself these
    /// two have no effect. An ignore file that cannot be read or a line that is no pattern has no effect and is reported
    /// as a `tracing` event.
    pub fn ignore_files(mut self, respected: bool) -> Self {
        self.ignore_files = respected;
        self
    }

    /// Lists the photos of `folder` and its subfolders: see [`photos`].
    pub fn photos(&self, folder: impl AsRef<Path>) -> Photos {
        let folder = folder.as_ref();
        let mut found = Vec::new();
        let mut filter = Filter {
            walk: self,
            visited: HashSet::new(),
            ignore: IgnoreFiles::default(),
            passed: PassedOver::default(),
        };
        // Sorted, so that a folder with several links to it is always listed under the same one.
        let mut entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    if !filter.wants_folder(&entry) {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) => {
                    if filter.wants_file(&entry) {
                        found.push(Ok(entry.into_path()));
                    }
                }
                Err(error) => found.extend(filter.reportable(error).map(Err)),
            }
        }
        found.sort_by(|a, b| path_bytes(a).cmp(path_bytes(b)));
        Photos { found: found.into_iter(), passed_over: filter.passed }
    }
}

/// Decides about each file and folder of a walk, in its order.
struct Filter<'a> {
    walk: &'a Walk,
    visited: HashSet<PathBuf>,
    ignore: IgnoreFiles,
    passed: PassedOver,
}

impl Filter<'_> {
    /// Whether to list what is in a folder. The walked folder itself is always listed.
    fn wants_folder(&mut self, entry: &DirEntry) -> bool {
        let (path, depth) = (entry.path(), entry.depth());
        if depth > 0 {
            if self.passes_over(path, depth, true) {
                return false;
            }
            if self.walk.ignore_files && is_marked(path) {
                self.passed.ignored += 1;
                return false;
            }
        }
        if fs::canonicalize(path).is_ok_and(|path| !self.visited.insert(path)) {
            return false;
        }
        if self.walk.ignore_files {
            self.ignore.enter(path, depth);
        }
        true
    }

    /// Whether a file is listed as a photo.
    fn wants_file(&mut self, entry: &DirEntry) -> bool {
        if entry.depth() > 0 && self.passes_over(entry.path(), entry.depth(), false) {
            return false;
        }
        let photo = entry.file_type().is_file() && is_photo(entry.path());
        if !photo {
            self.passed.file(entry.path());
        }
        photo
    }

    /// The error, unless it is about something that is not listed anyway: a cycle of links, what is passed over by its
    /// name, a broken link without a photo's extension.
    fn reportable(&mut self, error: walkdir::Error) -> Option<WalkError> {
        let path = error.path().filter(|_| error.loop_ancestor().is_none())?.to_owned();
        let depth = error.depth();
        if depth > 0 {
            let broken_link = fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink());
            if self.passes_over(&path, depth, false) || broken_link && !is_photo(&path) {
                return None;
            }
        }
        // Only cycles have no such error.
        let reason = error.into_io_error().unwrap_or_else(|| io::Error::other("cannot be listed"));
        Some(WalkError { path, reason: Arc::new(reason) })
    }

    /// Whether an entry is passed over whatever its content; counts it then.
    fn passes_over(&mut self, path: &Path, depth: usize, is_dir: bool) -> bool {
        if let Some(label) = side_label(path) {
            *self.passed.side.entry(label).or_default() += 1;
        } else if is_hidden(path) {
            self.passed.hidden += 1;
        } else if self.walk.patterns.exclude(below(path, depth), is_dir) {
            self.passed.excluded += 1;
        } else if self.walk.ignore_files && self.ignore.exclude(path, depth, is_dir) {
            self.passed.ignored += 1;
        } else {
            return false;
        }
        true
    }
}

fn path_bytes(found: &Result<PathBuf, WalkError>) -> &[u8] {
    let path = found.as_ref().map_or_else(WalkError::path, PathBuf::as_path);
    path.as_os_str().as_encoded_bytes()
}

#[cfg(test)]
mod tests;
