//! Finds photos that a library has more than once, in three classes that are kept apart: the same bytes, the same picture
//! saved again, the same scene.
//!
//! ```text
//! contents in the order in which they are kept
//!   -> files of one content                                        File
//!   -> contents whose pictures match (a hash of pixels)            Picture
//!   -> the first content of each picture, near in time and alike   Scene
//! ```
//! What a class joins takes part in the next ones as one photo, so no pair is found twice. Every photo of a group was
//! compared with the one to keep, and never only with its neighbours: a chain of photos that each resemble the next is
//! not one group. Nothing is ever deleted.

mod material;
mod pictures;
mod present;
mod scenes;
mod series;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::embeddings;
use super::error::Error;
use super::filter::Filter;
use super::library::Library;
use super::scan::Threads;
use super::store::FoundFile;
use crate::cancel::CancelToken;
use material::Content;
use pictures::Same;
use present::Present;

/// How photos of a group are the same, from the strictest class to the loosest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DuplicateClass {
    /// The same bytes in several files.
    File,
    /// The same picture, saved again: encoded anew, resized, rotated or mirrored; see
    /// [`PictureHash`](crate::pixels::PictureHash).
    Picture,
    /// The same scene: photos taken within a short time whose embeddings are alike.
    Scene,
}

impl DuplicateClass {
    /// All classes, the strictest first.
    pub const ALL: [DuplicateClass; 3] = [DuplicateClass::File, DuplicateClass::Picture, DuplicateClass::Scene];

    /// `file`, `picture` or `scene`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DuplicateClass::File => "file",
            DuplicateClass::Picture => "picture",
            DuplicateClass::Scene => "scene",
        }
    }
}

/// Photos that are the same.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DuplicateGroup {
    /// How they are the same.
    pub class: DuplicateClass,
    /// Two photos or more. The first is the one to keep: the one with the most pixels, then with the most bytes, then one
    /// that states its date before one that does not, then the earliest, then the one with the shorter path. The
    /// others follow in the same order.
    pub photos: Vec<DuplicatePhoto>,
    /// The bytes of all photos but the first.
    pub bytes: u64,
}

/// A photo of a group.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DuplicatePhoto {
    /// Its file, the first by path if there are several.
    pub path: PathBuf,
    /// Its other files, which have the same bytes; none in groups of [`DuplicateClass::File`], where each file is a photo
    /// of the group.
    pub copies: Vec<PathBuf>,
    /// What it has in common with the first.
    pub likeness: Likeness,
    /// Size of the file.
    pub bytes: u64,
    /// Pixels of the upright photo.
    pub width: u32,
    /// Pixels of the upright photo.
    pub height: u32,
    /// When it was taken, local time, `YYYY-MM-DDTHH:MM:SS`; the time of the file if the photo does not say.
    pub taken: String,
    /// Whether the photo itself says when it was taken.
    pub dated: bool,
}

/// What a photo has in common with the first one of its group.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Likeness {
    /// It is the first.
    First,
    /// The bytes.
    Bytes,
    /// The picture.
    Picture {
        /// The EXIF orientation, 1 to 8, that turns this photo like the first; 1 if it is not turned.
        turned: u8,
        /// How much the pictures differ, as a share of what saving again may change: 0 for nothing, at most 1.
        distance: f32,
    },
    /// The scene.
    Scene {
        /// Cosine of the embeddings.
        cosine: f32,
        /// Time between the shots in seconds; `None` if the photos state no date.
        seconds: Option<u64>,
    },
}

/// How far a search for duplicates is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DuplicateProgress {
    /// The class that is looked for.
    pub class: DuplicateClass,
    /// Photos that were compared.
    pub done: u64,
    /// Photos to compare.
    pub total: u64,
}

/// Finds duplicates in a library.
///
/// Photos state when they were taken in local time, and that is compared, so photos of several cameras go together if
/// their clocks agree. Photos without a date can be of one scene only if their names count up in one folder, such as
/// `IMG_0012.jpg` and `IMG_0014.jpg`, and if they are much more alike.
///
/// ```no_run
/// use clippie_rs::library::{DuplicateClass, Duplicates, Library};
///
/// let library = Library::open("photos.sqlite")?;
/// for group in Duplicates::new(&library).classes(&[DuplicateClass::Picture]).run()? {
///     println!("keep {}", group.photos[0].path.display());
///     group.photos[1..].iter().for_each(|photo| println!("     {}", photo.path.display()));
/// }
/// # Ok::<(), clippie_rs::library::Error>(())
/// ```
#[must_use = "nothing is looked for until it is run"]
pub struct Duplicates<'a> {
    library: Library,
    classes: Vec<DuplicateClass>,
    filter: Filter,
    fingerprint: Option<String>,
    within: Duration,
    threads: Threads,
    cancel: CancelToken,
    progress: Box<dyn FnMut(DuplicateProgress) + 'a>,
}

impl fmt::Debug for Duplicates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplicates")
            .field("library", &self.library)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

impl<'a> Duplicates<'a> {
    /// Duplicates of all classes among all photos of `library`.
    pub fn new(library: &Library) -> Self {
        Duplicates {
            library: library.clone(),
            classes: DuplicateClass::ALL.to_vec(),
            filter: Filter::new(),
            fingerprint: None,
            within: Duration::from_secs(600),
            threads: Threads::default(),
            cancel: CancelToken::new(),
            progress: Box::new(|_| ()),
        }
    }

    /// Only groups of these classes. What a stricter class joins is still one photo for a looser one.
    pub fn classes(mut self, classes: &[DuplicateClass]) -> Self {
        self.classes = classes.to_vec();
        self
    }

    /// Only files that pass a filter, compared with each other.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Compares scenes by the embeddings with this [fingerprint](crate::Fingerprint). Without it, the library must have
    /// those of one model only.
    pub fn fingerprint(mut self, fingerprint: &str) -> Self {
        self.fingerprint = Some(fingerprint.to_owned());
        self
    }

    /// The longest time between two shots of one scene; ten minutes by default.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Works on these threads.
    pub fn threads(mut self, threads: &Threads) -> Self {
        self.threads = threads.clone();
        self
    }

    /// Stops with [`Error::Cancelled`] soon after `token` is cancelled.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Calls `report` on the calling thread from time to time.
    pub fn progress(mut self, report: impl FnMut(DuplicateProgress) + 'a) -> Self {
        self.progress = Box::new(report);
        self
    }

    /// Finds the groups: by class, then by the bytes that all photos but the first have, the most first, then by path.
    ///
    /// Files that are not where the library knows them, or that have another size now, are left out with a warning; names
    /// of one and the same file, such as links, count as one file.
    ///
    /// # Errors
    /// Scenes are asked for and the library has embeddings of several models, or none with the fingerprint; the library
    /// cannot be read; it is cancelled.
    pub fn run(&mut self) -> Result<Vec<DuplicateGroup>, Error> {
        let library = self.library.clone();
        let store = library.store()?;
        let [files, pictures, scenes] = DuplicateClass::ALL.map(|class| self.classes.contains(&class));
        let model = if scenes { embeddings::model(&store, self.fingerprint.as_deref())? } else { None };
        let looser = scenes || pictures;
        let contents = material::contents(&store, &self.filter, looser)?;
        let mut present = Present::new(&contents);
        let mut groups = Vec::new();
        if files {
            self.report(DuplicateClass::File, 0, contents.len());
            groups.extend(self.files(&contents, &mut present)?);
        }
        if looser {
            self.report(DuplicateClass::Picture, 0, contents.len());
            let same = self.pictures(&contents, &mut present)?;
            if pictures {
                for group in same.groups() {
                    let members = group.into_iter().map(|content| (content, same.likeness(content)));
                    groups.extend(self::group(DuplicateClass::Picture, members, &mut present));
                }
            }
            if let Some(model) = model {
                let total = contents.len() as u64;
                let progress = &mut self.progress;
                let found = library.with_vectors(&store, &model, |vectors| {
                    let search = scenes::Search {
                        contents: &contents,
                        same: &same,
                        vectors,
                        model: &model,
                        within: self.within,
                        threads: &self.threads,
                        cancel: &self.cancel,
                    };
                    search.run(&mut present, |done| {
                        progress(DuplicateProgress { class: DuplicateClass::Scene, done: done as u64, total });
                    })
                })?;
                for scene in found {
                    groups.extend(self::group(DuplicateClass::Scene, scenes::members(&scene), &mut present));
                }
            }
        }
        present.warn();
        groups.sort_by(|a, b| {
            let order = |group: &DuplicateGroup| (group.class, std::cmp::Reverse(group.bytes));
            order(a).cmp(&order(b)).then_with(|| a.photos[0].path.cmp(&b.photos[0].path))
        });
        Ok(groups)
    }

    /// Groups of files with the same bytes.
    fn files(&self, contents: &[Content], present: &mut Present<'_>) -> Result<Vec<DuplicateGroup>, Error> {
        let mut groups = Vec::new();
        for (at, content) in contents.iter().enumerate().filter(|(_, content)| content.files.len() > 1) {
            self.check_cancelled()?;
            let likeness = |index| if index == 0 { Likeness::First } else { Likeness::Bytes };
            let files = present.files(at).iter().map(|&file| &content.files[file]);
            let photos: Vec<_> =
                files.enumerate().map(|(index, file)| photo(file, Vec::new(), likeness(index))).collect();
            groups.extend(finished(DuplicateClass::File, photos));
        }
        Ok(groups)
    }

    /// The contents that show the same picture, among those that are there.
    fn pictures(&self, contents: &[Content], present: &mut Present<'_>) -> Result<Same, Error> {
        loop {
            self.check_cancelled()?;
            let same = pictures::same(contents, present);
            if !present.any_gone(same.groups().flatten()) {
                return Ok(same);
            }
        }
    }

    fn report(&mut self, class: DuplicateClass, done: usize, total: usize) {
        (self.progress)(DuplicateProgress { class, done: done as u64, total: total as u64 });
    }

    fn check_cancelled(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// A group of contents that are there, the one to keep first.
fn group(
    class: DuplicateClass,
    members: impl Iterator<Item = (usize, Likeness)>,
    present: &mut Present<'_>,
) -> Option<DuplicateGroup> {
    let mut photos = Vec::new();
    for (content, likeness) in members {
        let all = present.all(content);
        if let Some((&first, others)) = present.files(content).split_first() {
            let copies = others.iter().map(|&file| all[file].path.clone()).collect();
            photos.push(photo(&all[first], copies, likeness));
        }
    }
    finished(class, photos)
}

/// A group, if there is more than one photo.
fn finished(class: DuplicateClass, photos: Vec<DuplicatePhoto>) -> Option<DuplicateGroup> {
    let bytes = photos.iter().skip(1).map(|photo| photo.bytes).sum();
    (photos.len() > 1).then_some(DuplicateGroup { class, photos, bytes })
}

fn photo(file: &FoundFile, copies: Vec<PathBuf>, likeness: Likeness) -> DuplicatePhoto {
    DuplicatePhoto {
        path: file.path.clone(),
        copies,
        likeness,
        bytes: file.bytes,
        width: file.width,
        height: file.height,
        taken: file.taken.clone(),
        dated: file.dated,
    }
}
