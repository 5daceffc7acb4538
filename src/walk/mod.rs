//! Lists the photos of a folder and its subfolders, and counts what is passed over. Reads folders and, on request, ignore
//! files; never a photo.

mod archive;
mod captions;
mod error;
mod known;
mod passed_over;
mod patterns;
mod twins;
mod unpacked;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::iter::FusedIterator;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

pub use archive::{Archive, ArchivedPhoto, is_archive};
pub use error::WalkError;
pub use known::{EXTENSIONS, is_photo};
pub use passed_over::PassedOver;
pub use patterns::PatternError;
#[cfg(feature = "library")]
pub(crate) use patterns::{are_few, in_part, is_in_part};

use crate::cancel::CancelToken;
use known::{is_hidden, side_label};
use patterns::{IgnoreFiles, Patterns, below, is_marked};
use twins::Twins;

/// Number of folders below the walked one that lead to the deepest ones that are listed. The time that a system takes to
/// find a file grows with the folders on its way, so that a chain of folders costs the square of its length, or the
/// cube: 2,000 of them took minutes. Nobody's photos are as deep as this.
const DEEPEST: usize = 256;

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
/// Links are followed; a folder that several links reach is listed once. A subfolder that cannot be read, one that is more
/// than 256 levels below `folder`, and a broken link with a photo's extension are errors at their position in the order;
/// the rest is listed.
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
    raw_twins: bool,
    /// Where the walked folder is below the one that patterns are relative to.
    part: PathBuf,
    cancel: CancelToken,
}

impl Default for Walk {
    fn default() -> Self {
        Walk::new()
    }
}

impl Walk {
    /// A walk without options, as [`photos`] does it.
    pub fn new() -> Self {
        let (patterns, part) = (Patterns::new(), PathBuf::new());
        Walk { patterns, ignore_files: false, raw_twins: true, part, cancel: CancelToken::new() }
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
    /// A pattern is malformed or longer than 16 KiB, or all together are longer than 1 MiB.
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

    /// Whether a raw file is listed that has a JPEG or HEIC file of the same name beside it, as cameras write them of one
    /// photo; by default it is.
    pub fn raw_twins(mut self, listed: bool) -> Self {
        self.raw_twins = listed;
        self
    }

    /// Ends walks soon after `token` is cancelled, as if nothing more were in the folder: ask the token whether a walk is
    /// complete.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Makes patterns relative to a folder above the walked one, from which `part` leads to it.
    #[cfg(feature = "library")]
    pub(crate) fn part(mut self, part: &Path) -> Self {
        self.part = part.to_owned();
        self
    }

    /// Whether the walked folder, or one between it and the folder that patterns are relative to, is excluded.
    #[cfg(feature = "library")]
    pub(crate) fn excludes_part(&self) -> bool {
        let folders = self.part.ancestors().filter(|folder| !folder.as_os_str().is_empty());
        folders.into_iter().any(|folder| self.patterns.exclude(folder, true))
    }

    /// Whether a path relative to the walked folder is excluded.
    fn excludes(&self, relative: &Path, is_dir: bool) -> bool {
        match self.part.as_os_str().is_empty() {
            true => self.patterns.exclude(relative, is_dir),
            false => self.patterns.exclude(&self.part.join(relative), is_dir),
        }
    }

    /// Lists the photos of `folder` and its subfolders: see [`photos`].
    pub fn photos(&self, folder: impl AsRef<Path>) -> Photos {
        let mut walking = self.walk(folder);
        let found: Vec<_> = walking.by_ref().collect();
        Photos { found: found.into_iter(), passed_over: walking.passed_over }
    }

    /// Lists the photos of `folder` and its subfolders one by one, as [`Walk::photos`] does, without holding their paths:
    /// folders are read as the iterator reaches them.
    pub fn walk(&self, folder: impl AsRef<Path>) -> Walking<'_> {
        // Sorted, so that a folder with several links to it is always listed under the same one.
        let entries =
            WalkDir::new(folder.as_ref()).follow_links(true).max_depth(DEEPEST + 1).sort_by(order).into_iter();
        Walking {
            entries,
            walk: self,
            visited: HashSet::new(),
            ignore: IgnoreFiles::default(),
            twins: Twins::default(),
            passed_over: PassedOver::default(),
        }
    }

    /// Whether a walk over `folder` lists the photo `path`: it is a file of that folder or a subfolder, and nothing
    /// passes it over.
    #[must_use]
    pub fn lists(&self, folder: impl AsRef<Path>, path: impl AsRef<Path>) -> bool {
        let (folder, path) = (folder.as_ref(), path.as_ref());
        let Ok(names) = path.strip_prefix(folder) else { return false };
        let mut walking = self.walk(folder);
        let mut above: Vec<&Path> = names.ancestors().skip(1).collect();
        if above.len() > DEEPEST + 1 {
            return false;
        }
        above.reverse();
        let folders = above.into_iter().enumerate();
        folders.into_iter().all(|(depth, names)| walking.wants_folder(&folder.join(names), depth))
            && walking.wants_file(path, names.components().count(), path.is_file())
    }
}

/// The order of the bytes of paths: what is in the folder `a` comes where `a/` does, after `a.jpg`.
fn order(a: &DirEntry, b: &DirEntry) -> Ordering {
    let (left, right) = (a.file_name().as_encoded_bytes(), b.file_name().as_encoded_bytes());
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let next = |entry: &DirEntry, name: &[u8]| match name.get(common) {
        Some(&byte) => Some(byte),
        None => is_folder(entry).then_some(b'/'),
    };
    next(a, left).cmp(&next(b, right)).then_with(|| left.cmp(right))
}

/// Whether an entry is a folder or a link to one.
fn is_folder(entry: &DirEntry) -> bool {
    match entry.file_type() {
        kind if kind.is_symlink() => entry.path().is_dir(),
        kind => kind.is_dir(),
    }
}

/// The error for a folder at the limit.
fn too_deep(path: PathBuf) -> WalkError {
    let reason = format!("it is more than {DEEPEST} folders deep; name it, or one above it, as a folder of its own");
    WalkError { path, reason: Arc::new(io::Error::other(reason)) }
}

/// The photos of a folder, one by one: see [`Walk::walk`].
#[must_use = "iterators do nothing unless they are consumed"]
pub struct Walking<'a> {
    entries: walkdir::IntoIter,
    walk: &'a Walk,
    visited: HashSet<PathBuf>,
    ignore: IgnoreFiles,
    twins: Twins,
    passed_over: PassedOver,
}

impl fmt::Debug for Walking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walking")
            .field("walk", self.walk)
            .field("passed_over", &self.passed_over)
            .finish_non_exhaustive()
    }
}

impl Iterator for Walking<'_> {
    type Item = Result<PathBuf, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Folders without photos may be many.
        while !self.walk.cancel.is_cancelled() {
            match self.entries.next()? {
                Ok(entry) if entry.file_type().is_dir() && entry.depth() > DEEPEST => {
                    if !self.passes_over(entry.path(), entry.depth(), true) {
                        return Some(Err(too_deep(entry.into_path())));
                    }
                }
                Ok(entry) if entry.file_type().is_dir() => {
                    if !self.wants_folder(entry.path(), entry.depth()) {
                        self.entries.skip_current_dir();
                    }
                }
                Ok(entry) => {
                    if self.wants_file(entry.path(), entry.depth(), entry.file_type().is_file()) {
                        return Some(Ok(entry.into_path()));
                    }
                }
                Err(error) => {
                    if let Some(error) = self.reportable(error) {
                        return Some(Err(error));
                    }
                }
            }
        }
        None
    }
}

impl FusedIterator for Walking<'_> {}

impl Walking<'_> {
    /// The numbers of files and folders that were passed over so far.
    #[must_use]
    pub fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }

    /// Whether to list what is in a folder. The walked folder itself is always listed.
    fn wants_folder(&mut self, path: &Path, depth: usize) -> bool {
        if depth > 0 {
            if self.passes_over(path, depth, true) {
                return false;
            }
            if self.walk.ignore_files && is_marked(path) {
                self.passed_over.ignored += 1;
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
    fn wants_file(&mut self, path: &Path, depth: usize, is_file: bool) -> bool {
        if depth > 0 && self.passes_over(path, depth, false) {
            return false;
        }
        if !(is_file && is_photo(path)) {
            self.passed_over.file(path);
            return false;
        }
        let Walking { walk, twins, ignore, .. } = self;
        let listed = |path: &Path| {
            !(side_label(path).is_some()
                || is_hidden(path)
                || walk.excludes(below(path, depth), false)
                || walk.ignore_files && ignore.exclude(path, depth, false))
        };
        let twin = !walk.raw_twins && depth > 0 && twins.has(path, listed);
        if twin {
            self.passed_over.raw_twins += 1;
        }
        !twin
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
            *self.passed_over.side.entry(label).or_default() += 1;
        } else if is_hidden(path) {
            self.passed_over.hidden += 1;
        } else if self.walk.excludes(below(path, depth), is_dir) {
            self.passed_over.excluded += 1;
        } else if self.walk.ignore_files && self.ignore.exclude(path, depth, is_dir) {
            self.passed_over.ignored += 1;
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests;
