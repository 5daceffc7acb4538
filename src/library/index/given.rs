//! Adds embeddings that another program made. Files are read and hashed, and their headers looked at; no photo is decoded.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::super::encoders::Identity;
use super::super::error::Error;
use super::super::library::Library;
use super::super::score;
use super::super::store::{FileRow, ModelRow, PhotoRow, Store, path_to_bytes};
use super::Failure;
use super::describe;
use super::place::real;
use super::read::{Unread, Whole, read_now};
use crate::cancel::CancelToken;
use crate::clip::{Fingerprint, TextEncoder};

/// Files that are written together.
const BATCH: usize = 256;

/// How far the length of a vector may be from one. Vectors of half precision are within it.
const TOLERANCE: f64 = 1e-3;

/// Adds embeddings to a library that were made elsewhere, for files as they are now.
///
/// Nothing can tell whether a vector belongs to the model that a fingerprint identifies: the caller vouches for that, and
/// that the photos were prepared as the model does it. The files must be in folders of the library, or below
/// [`root`](Self::root). An embedding that the library has already stays.
pub struct GivenEmbeddings<'a> {
    library: Library,
    fingerprint: Fingerprint,
    name: String,
    roots: Vec<PathBuf>,
    texts: Option<TextEncoder>,
    cancel: CancelToken,
    progress: Box<dyn FnMut(usize) + 'a>,
    failure: Box<Failure<'a>>,
    /// Whether a file that is in no folder of the library was reported.
    outside: bool,
}

impl fmt::Debug for GivenEmbeddings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenEmbeddings").field("library", &self.library).finish_non_exhaustive()
    }
}

/// What became of given embeddings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GivenReport {
    /// Files whose content has a new embedding.
    pub added: u64,
    /// Files whose content had an embedding of this model already, which stays.
    pub known: u64,
    /// Files that cannot be read, are no photos or are outside of the library's folders.
    pub failed: u64,
    /// Those of them that are outside of the library's folders.
    pub outside: u64,
    /// Vectors that were scaled to unit length.
    pub scaled: u64,
    /// Whether it was cancelled: what was done until then is kept.
    pub cancelled: bool,
}

/// A file that was read.
struct Read<'v> {
    root: i64,
    file: FileRow,
    photo: PhotoRow,
    vector: &'v [f32],
}

impl<'a> GivenEmbeddings<'a> {
    /// Embeddings with this fingerprint for `library`. `name` is the model's, for messages.
    pub fn new(library: &Library, fingerprint: &Fingerprint, name: &str) -> Self {
        GivenEmbeddings {
            library: library.clone(),
            fingerprint: fingerprint.clone(),
            name: name.to_owned(),
            roots: Vec::new(),
            texts: None,
            cancel: CancelToken::new(),
            progress: Box::new(|_| ()),
            failure: Box::new(|_, _| ()),
            outside: false,
        }
    }

    /// Adds a folder to the library, which later runs of [`Index`](super::Index) include.
    #[must_use]
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.roots.push(folder.into());
        self
    }

    /// Measures the scores of sentences with the text tower of the model, as [`Index::texts`](super::Index::texts) does;
    /// else the next [`Index`](super::Index) does it.
    ///
    /// # Errors
    /// A text tower of another model.
    pub fn texts(mut self, texts: &TextEncoder) -> Result<Self, Error> {
        if *texts.fingerprint() != self.fingerprint {
            return Err(Error::Query("the text tower belongs to another model than the embeddings".into()));
        }
        self.texts = Some(texts.clone());
        Ok(self)
    }

    /// Ends soon after `token` is cancelled; what is done by then is kept.
    #[must_use]
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Calls `report` with the number of files that are done, from time to time.
    #[must_use]
    pub fn progress(mut self, report: impl FnMut(usize) + 'a) -> Self {
        self.progress = Box::new(report);
        self
    }

    /// Calls `report` for each file that fails, with the reason: a sentence about `it`. Of files that are outside of the
    /// library's folders, it is called for the first one only: mostly all of them are, by one mistake.
    #[must_use]
    pub fn failures(mut self, report: impl FnMut(&Path, &str) + 'a) -> Self {
        self.failure = Box::new(report);
        self
    }

    /// Whether [`run`](Self::run) would add such embeddings. To add either all of several parts or nothing, check each part
    /// before the first is added.
    ///
    /// # Errors
    /// [`Error::Given`]: the numbers of files and vectors differ, a value is not finite, a vector is zero.
    pub fn check(files: &[PathBuf], vectors: &[f32], dim: usize) -> Result<(), Error> {
        checked(files, vectors, dim, &mut GivenReport::default()).map(drop)
    }

    /// Adds the embeddings of `files`: `vectors` is `[files, dim]`. Vectors that are not of unit length are scaled.
    ///
    /// # Errors
    /// Before anything is written: those of [`check`](Self::check), `dim` is not the model's, a folder of
    /// [`root`](Self::root) cannot be read. Later: the library cannot be written; batches that were written are kept.
    pub fn run(&mut self, files: &[PathBuf], vectors: &[f32], dim: usize) -> Result<GivenReport, Error> {
        let mut report = GivenReport::default();
        let vectors = checked(files, vectors, dim, &mut report)?;
        let roots = self.real_roots()?;
        let library = self.library.clone();
        let store = library.store()?;
        let model = match self.known_model(&store, dim)? {
            Some(model) => model,
            None => store.add_model(self.fingerprint.as_str(), &self.name, dim)?,
        };
        if let Some(texts) = &self.texts {
            store.note_form(&model, &Identity::from(texts).form)?;
            super::remember_file(&store, model.id, texts.weights())?;
        }
        for folder in &roots {
            store.add_root(folder)?;
        }
        let rows = files.iter().zip(vectors.chunks_exact(dim));
        let mut batch = Vec::new();
        for (done, (path, vector)) in rows.enumerate() {
            if self.cancel.is_cancelled() {
                report.cancelled = true;
                break;
            }
            match read(&store, path, vector) {
                Ok(read) => batch.push(read),
                Err(Failed::File(reason)) => {
                    report.failed += 1;
                    (self.failure)(path, &reason);
                }
                Err(Failed::Outside) => {
                    report.failed += 1;
                    report.outside += 1;
                    if !std::mem::replace(&mut self.outside, true) {
                        (self.failure)(path, "it is in no folder of the library; name its folder with --root");
                    }
                }
                Err(Failed::Library(error)) => return Err(error),
            }
            if batch.len() == BATCH {
                write(&store, &model, std::mem::take(&mut batch), &mut report)?;
                (self.progress)(done + 1);
            }
        }
        write(&store, &model, batch, &mut report)?;
        (self.progress)(files.len());
        let texts = self.texts.as_ref();
        if !report.cancelled && (report.added > 0 || score::is_unmeasured(&store, &model, texts)?) {
            score::calibrate(self.library.texts(), &store, &model, texts)?;
        }
        store.checkpoint()?;
        Ok(report)
    }

    /// The folders of [`root`](Self::root).
    fn real_roots(&self) -> Result<Vec<PathBuf>, Error> {
        let real = |folder: &PathBuf| {
            let real = real(folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
            match real.is_dir() {
                true => Ok(real),
                false => Err(Error::Query(format!("{} is a file; name the folder that it is in", real.display()))),
            }
        };
        self.roots.iter().map(real).collect()
    }

    /// The model, if the library has it.
    fn known_model(&self, store: &Store, dim: usize) -> Result<Option<ModelRow>, Error> {
        match store.model(self.fingerprint.as_str())? {
            Some(ModelRow { name, dim: known, .. }) if known != dim => Err(unusable(format!(
                "the vectors have {dim} values, and the embeddings of {name} have {known}; they are another model's"
            ))),
            model => Ok(model),
        }
    }
}

/// An error about all vectors.
fn unusable(reason: String) -> Error {
    Error::Given { row: None, reason }
}

/// The vectors at unit length, if all of them can be used.
fn checked<'v>(
    files: &[PathBuf],
    vectors: &'v [f32],
    dim: usize,
    report: &mut GivenReport,
) -> Result<std::borrow::Cow<'v, [f32]>, Error> {
    if dim == 0 || dim > super::super::scan::MAX_DIM || !vectors.len().is_multiple_of(dim) {
        return Err(unusable(format!("vectors of {dim} values cannot be embeddings")));
    }
    let rows = vectors.len() / dim;
    if rows != files.len() {
        let paths = files.len();
        return Err(unusable(format!("there are {rows} vectors and {paths} paths; one path belongs to each vector")));
    }
    let mut vectors = std::borrow::Cow::Borrowed(vectors);
    for row in 0..rows {
        let range = row * dim..(row + 1) * dim;
        let vector = &vectors[range.clone()];
        let length = score::dot(vector, vector).sqrt();
        // The square of a float of single precision neither overflows nor vanishes.
        if !length.is_finite() || length == 0.0 {
            let what = if length == 0.0 { "is zero" } else { "has values that are not finite" };
            return Err(Error::Given { row: Some(row), reason: format!("{what}; leave it and its path out") });
        }
        if (length - 1.0).abs() > TOLERANCE {
            vectors.to_mut()[range].iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
            report.scaled += 1;
        }
    }
    Ok(vectors)
}

enum Failed {
    File(String),
    /// It is in no folder of the library.
    Outside,
    Library(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Library(error)
    }
}

/// Reads a file and what its headers state.
fn read<'v>(store: &Store, path: &Path, vector: &'v [f32]) -> Result<Read<'v>, Failed> {
    let failed = |reason: &dyn fmt::Display| Failed::File(format!("it cannot be read: {reason}"));
    let absolute = std::path::absolute(path).map_err(|error| failed(&error))?;
    let roots = store.roots()?;
    let within =
        |path: &Path| roots.iter().find_map(|root| Some((root.id, path_to_bytes(path.strip_prefix(&root.path).ok()?))));
    // As the index would find it; else by its real folder.
    let real_path = || {
        let folder = real(absolute.parent()?).ok()?;
        within(&folder.join(absolute.file_name()?))
    };
    // A path with `..` may lead out of the folder that it begins with.
    let plain = !absolute.components().any(|part| part == Component::ParentDir);
    let Some((root, stored)) = Some(&absolute).filter(|_| plain).and_then(|path| within(path)).or_else(real_path)
    else {
        return Err(Failed::Outside);
    };
    let unread = |unread| match unread {
        Unread::Gone => Failed::File("no such file; check the path".into()),
        Unread::Failed(error) => Failed::File(format!("it cannot be read: {error}")),
    };
    let Whole { stat, bytes, content } = read_now(&absolute, crate::photo::Limits::new()).map_err(unread)?;
    let metadata = crate::photo::metadata(&bytes, "it").map_err(|error| Failed::File(error.to_string()))?;
    let photo = describe::described(&content, &metadata);
    let file = FileRow { path: stored, bytes: stat.bytes, modified: stat.modified, photo: Ok(0), missing: false };
    Ok(Read { root, file, photo, vector })
}

/// Writes files with their contents and embeddings in one transaction.
fn write(store: &Store, model: &ModelRow, batch: Vec<Read<'_>>, report: &mut GivenReport) -> Result<(), Error> {
    store.write(|store| {
        for Read { root, mut file, photo, vector } in batch {
            // What is known of a content that was decoded is more.
            let id = match store.photo_of_hash(&photo.hash)? {
                Some(id) => id,
                None => store.put_photo(&photo)?,
            };
            if store.has_embedding(model.id, id)? {
                report.known += 1;
            } else {
                store.add_embedding(model.id, id, vector)?;
                report.added += 1;
            }
            file.photo = Ok(id);
            store.put_file(root, &file)?;
        }
        Ok(())
    })
}
