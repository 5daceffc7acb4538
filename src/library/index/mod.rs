//! Brings a library up to date with folders: finds what is new, changed, moved or gone, and encodes what it must.
//!
//! A run compares first (`compare`), which opens no photo; only if something differs, `pipeline` compares again and reads
//! what is new. Nothing that grows with the number of files is held in memory.

mod commit;
mod compare;
mod describe;
mod given;
mod gone;
mod moved;
mod pipeline;
mod place;
mod prune;
mod queue;
mod read;
mod report;
mod rules;
mod watch;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::encoders::Identity;
use super::error::Error;
use super::library::Library;
use super::score;
use super::store::Store;
use crate::cancel::CancelToken;
use crate::clip::{ImageEncoder, TextEncoder};
use crate::walk::Walk;
use crate::weights::WeightsFile;
use commit::{Observer, Writer};
use compare::{Compare, Met};
pub use given::{GivenEmbeddings, GivenReport};
use pipeline::{Copies, Job};
pub(super) use place::real;
pub use report::{IndexProgress, IndexReport};
use rules::Wish;

/// Memory for pages of the database: the index of 400,000 hashes.
const CACHE_KIB: i64 = 16 << 10;

/// Brings a library up to date with folders of photos.
///
/// A photo whose size and time are as the library knows them is not opened. Others are read and hashed; only contents
/// without an embedding of this model are decoded and encoded, so that moved, renamed and copied files cost no second
/// pass. A file that was written within two seconds of its reading is read once more by the next run, because a later
/// change might not show in its time. Files that cannot be read as photos are kept with the reason, and tried again when
/// they change, or with [`Index::retry`].
///
/// A photo that its folder no longer has, or that is excluded now, is marked as missing and no longer found; nothing of it
/// is removed before [`Index::prune`]. What cannot be reached, such as an unplugged drive or a folder that cannot be
/// read, stays as it is; so does a root that is empty although photos of it are known.
///
/// The work is written in batches of a second or two: a run that is cancelled or killed loses no more, and the next one
/// goes on. Several processes may index and search the same library at once.
pub struct Index<'a> {
    library: Library,
    encoder: ImageEncoder,
    wish: Wish,
    retry: bool,
    prune: bool,
    texts: Option<TextEncoder>,
    cancel: CancelToken,
    progress: Box<dyn FnMut(IndexProgress) + 'a>,
    failure: Box<Failure<'a>>,
}

/// Takes a file that failed, and the reason.
type Failure<'a> = dyn FnMut(&Path, &str) + 'a;

impl fmt::Debug for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("library", &self.library).field("encoder", &self.encoder).finish_non_exhaustive()
    }
}

impl<'a> Index<'a> {
    /// An index of photos in `library` with the embeddings of `encoder`.
    pub fn new(library: &Library, encoder: &ImageEncoder) -> Self {
        Index {
            library: library.clone(),
            encoder: encoder.clone(),
            wish: Wish::default(),
            retry: false,
            prune: false,
            texts: None,
            cancel: CancelToken::new(),
            progress: Box::new(|_| ()),
            failure: Box::new(|_, _| ()),
        }
    }

    /// Skips files and folders that match one of these patterns: see [`Walk::exclude`]. The library remembers them for
    /// its folders that are indexed, in place of those of an earlier run, and later runs without this call skip the same.
    /// Given with a part of an indexed folder, they hold for this part, beside those of the whole. Empty patterns match
    /// nothing: with a single one, nothing is skipped any more.
    ///
    /// # Errors
    /// A pattern is malformed.
    pub fn exclude<S: AsRef<str>>(mut self, patterns: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let exclude = self.wish.exclude.get_or_insert_default();
        exclude.extend(patterns.into_iter().map(|pattern| pattern.as_ref().to_owned()));
        Walk::new().exclude(&*exclude).map(drop).map_err(|error| Error::Query(error.to_string()))?;
        Ok(self)
    }

    /// Whether ignore files are respected: see [`Walk::ignore_files`]. The library remembers it for its folders that are
    /// indexed, and later runs without this call do the same; at first they are not.
    #[must_use]
    pub fn ignore_files(mut self, respected: bool) -> Self {
        self.wish.ignore_files = Some(respected);
        self
    }

    /// Whether raw files are indexed that have a JPEG or HEIC file of the same name beside them: see [`Walk::raw_twins`]. The
    /// library remembers it for its folders that are indexed; at first they are not, since both show the same photo.
    #[must_use]
    pub fn raw_twins(mut self, indexed: bool) -> Self {
        self.wish.raw_twins = Some(indexed);
        self
    }

    /// Whether files that failed are tried again although they have not changed.
    #[must_use]
    pub fn retry(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    /// Whether files that are missing are removed from the library at the end, and contents without files. What cannot be
    /// reached, and folders that are not part of the run, keep theirs.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// Measures the scores of sentences in this library with the text tower of the model, so that searches know where to
    /// end.
    ///
    /// # Errors
    /// A text tower of another model.
    pub fn texts(mut self, texts: &TextEncoder) -> Result<Self, Error> {
        if texts.fingerprint() != self.encoder.fingerprint() {
            return Err(Error::Query("the text tower belongs to another model than the image tower".into()));
        }
        self.texts = Some(texts.clone());
        Ok(self)
    }

    /// Ends the run soon after `token` is cancelled; what is done by then is kept.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Calls `report` on the calling thread several times a second.
    #[must_use]
    pub fn progress(mut self, report: impl FnMut(IndexProgress) + 'a) -> Self {
        self.progress = Box::new(report);
        self
    }

    /// Calls `report` on the calling thread for each file that fails in a run and did not before, with the reason: a
    /// sentence about `it`.
    #[must_use]
    pub fn failures(mut self, report: impl FnMut(&Path, &str) + 'a) -> Self {
        self.failure = Box::new(report);
        self
    }

    /// Indexes folders and their subfolders; without any, all folders that the library knows.
    ///
    /// # Errors
    /// A folder that is not known and cannot be read, a file in the place of a folder, no folder at all; the library
    /// cannot be written or its disk is full. What was done before an error is kept.
    pub fn run(&mut self, folders: &[impl AsRef<Path>]) -> Result<IndexReport, Error> {
        let started = Instant::now();
        let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.as_ref().to_owned()).collect();
        let library = self.library.clone();
        let store = library.store()?;
        // New hashes fall anywhere into their index, whose pages SQLite would read and write again and again.
        store.run(|connection| connection.pragma_update(None, "cache_size", -CACHE_KIB))?;
        let mut found = place::find(&store, &folders, &self.wish)?;
        for place in &mut found.places {
            place.walk = place.walk.clone().cancel(&self.cancel);
        }
        let mut report = IndexReport {
            unreachable: found.unreachable,
            compared: found.places.len() as u64,
            ..IndexReport::default()
        };
        let model = self.model(&store)?;
        let job = Job {
            library: &library,
            encoder: &self.encoder,
            places: &found.places,
            model,
            retry: self.retry,
            chunk: self.encoder.chunk(),
            cancel: &self.cancel,
        };
        let differing = survey(&job, &store, &mut report, &mut *self.progress)?;
        if differing.any && !self.cancel.is_cancelled() {
            let progress = IndexProgress { found: report.found, total: Some(differing.unread), done: 0 };
            let copies = Copies::default();
            let observer = Observer { progress: &mut *self.progress, failure: &mut *self.failure };
            let writer = Writer::new(&job, &copies, &store, &mut report, progress, observer);
            let counts = pipeline::run(&job, &copies, |events| writer.run(events))?;
            report.opened += counts.opened;
            report.bytes += counts.bytes;
            report.database_seconds += counts.database.as_secs_f64();
        }
        report.cancelled = self.cancel.is_cancelled();
        let ending = Instant::now();
        if self.prune && !report.cancelled {
            report.pruned = prune::prune(&store, found.places.iter().zip(&differing.unreadable))?;
        }
        if !report.cancelled {
            let texts = self.texts.as_ref();
            if let Some(model) = store.model(self.encoder.fingerprint().as_str())?
                && (report.encoded > 0 || score::is_unmeasured(&store, &model, texts)?)
            {
                match score::calibrate(library.texts(), &store, &model, texts) {
                    // A text tower that reads no text, for example. The photos are indexed all the same.
                    Err(Error::Encode(error)) => tracing::warn!("searches will not know where to end: {error}"),
                    calibrated => calibrated?,
                }
            }
        }
        store.checkpoint()?;
        report.database_seconds += ending.elapsed().as_secs_f64();
        report.seconds = started.elapsed().as_secs_f64();
        Ok(report)
    }

    /// The library's number of the model.
    fn model(&self, store: &Store) -> Result<i64, Error> {
        let (fingerprint, name) = (self.encoder.fingerprint().as_str(), self.encoder.model_name());
        let model = match store.model(fingerprint)? {
            Some(model) if model.name == name && model.dim == self.encoder.embed_dim() => model,
            _ => store.add_model(fingerprint, &name, self.encoder.embed_dim())?,
        };
        store.note_form(&model, &Identity::from(&self.encoder).form)?;
        remember_file(store, model.id, self.encoder.weights())?;
        Ok(model.id)
    }
}

/// Notes where the weights of a model are, so that a later process finds them.
fn remember_file(store: &Store, model: i64, weights: &WeightsFile) -> Result<(), Error> {
    match weights.mapped_file().map(std::path::absolute) {
        Some(Ok(path)) => store.set_model_file(model, &path),
        // Bytes, or there is no working directory any more.
        _ => Ok(()),
    }
}

/// What a survey found to do.
struct Differing {
    any: bool,
    /// Photos that have to be read.
    unread: u64,
    /// For each place, the stored forms of what cannot be read in it.
    unreadable: Vec<HashSet<Vec<u8>>>,
}

/// Compares all places, to know whether there is anything to do, and how much.
fn survey(
    job: &Job<'_>,
    store: &Store,
    report: &mut IndexReport,
    progress: &mut dyn FnMut(IndexProgress),
) -> Result<Differing, Error> {
    let mut differing = Differing { any: false, unread: 0, unreadable: Vec::new() };
    for place in job.places {
        let mut compare = Compare::new(store, place, job.model, job.retry, job.cancel);
        let before = report.found;
        for met in compare.by_ref() {
            match met? {
                Met::Unchanged => (report.found, report.unchanged) = (report.found + 1, report.unchanged + 1),
                Met::FailedBefore => {
                    (report.found, report.failed_before) = (report.found + 1, report.failed_before + 1)
                }
                Met::Back { .. } => (report.found, differing.any) = (report.found + 1, true),
                Met::Unread { .. } => {
                    (report.found, differing.any) = (report.found + 1, true);
                    differing.unread += 1;
                }
                Met::Unlisted { .. } => differing.any = true,
                Met::Unreadable { path, reason } => {
                    report.unreadable += 1;
                    tracing::warn!(
                        "cannot read {}: {reason}; what the library knows of it stays as it is",
                        path.display()
                    );
                }
            }
            if report.found.is_multiple_of(1000) {
                progress(IndexProgress { found: report.found, total: None, done: 0 });
            }
        }
        if report.found == before && !job.cancel.is_cancelled() {
            let (folder, library) = (place.folder.display(), super::error::option(store.path()));
            match place.prefix.is_empty() {
                true => tracing::warn!(
                    "{folder} has no photos; `clippie-rs index --forget {folder}{library}` removes it from the library"
                ),
                false => tracing::warn!("{folder} has no photos"),
            }
        }
        report.passed_over.add(compare.walking().passed_over());
        report.database_seconds += compare.database.as_secs_f64();
        differing.unreadable.push(compare.into_unreadable());
    }
    Ok(differing)
}
