//! What a library has: models, folders, numbers of photos, failures.

use std::path::PathBuf;

use super::error::Error;
use super::library::Library;
use super::score::BACKGROUND;
use crate::clip::Family;
use crate::weights::Precision;

/// What a library has: see [`Library::status`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LibraryStatus {
    /// Its file.
    pub path: PathBuf,
    /// Bytes of the file, with the log of changes beside it.
    pub bytes: u64,
    /// Different contents that have a file.
    pub photos: u64,
    /// The models, in the order in which they came.
    pub models: Vec<LibraryModel>,
    /// The indexed folders, sorted by path.
    pub folders: Vec<LibraryFolder>,
    /// Texts whose embeddings are kept since they were searched for; what scores are measured against does not count.
    pub texts: u64,
}

/// A model of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LibraryModel {
    /// Its name: a published one, or that of its file.
    pub name: String,
    /// What its embeddings can be compared with: see [`Fingerprint`](crate::Fingerprint).
    pub fingerprint: String,
    /// Length of its embeddings.
    pub embed_dim: usize,
    /// Contents with an embedding.
    pub photos: u64,
    /// The precision of its weights; `None` until the model is used by a version that notes it.
    pub precision: Option<Precision>,
    /// The model whatever its precision: see [`Clip::family`](crate::Clip::family). `None` until the model is used by a version that
    /// notes it.
    pub family: Option<Family>,
    /// Where its weights file was when it was used last: absolute; `None` for a model that is no file, and if it is not
    /// known. Compare the fingerprint of what is there now.
    pub file: Option<PathBuf>,
}

/// An indexed folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LibraryFolder {
    /// Absolute.
    pub path: PathBuf,
    /// Whether it is there now.
    pub reachable: bool,
    /// Files that are photos.
    pub photos: u64,
    /// Files that could not be read as photos.
    pub failed: u64,
    /// Files that it no longer has.
    pub missing: u64,
    /// Patterns of files and folders that are skipped in it: see [`Index::exclude`](super::Index::exclude).
    pub exclude: Vec<String>,
    /// Whether ignore files are respected in it: see [`Index::ignore_files`](super::Index::ignore_files).
    pub ignore_files: bool,
    /// Whether raw files beside a picture of the same name are indexed: see [`Index::raw_twins`](super::Index::raw_twins).
    pub raw_twins: bool,
}

impl Library {
    /// What the library has. Counts rows, which takes about a tenth of a second for 100,000 photos.
    ///
    /// # Errors
    /// The library is damaged or busy.
    pub fn status(&self) -> Result<LibraryStatus, Error> {
        let store = self.store()?;
        let folder = |root: super::store::Root| {
            let [photos, failed, missing] = store.file_counts(root.id)?;
            let reachable = std::fs::read_dir(&root.path).is_ok();
            let super::store::Rules { exclude, ignore_files, raw_twins } = store.rules(root.id)?;
            Ok(LibraryFolder { reachable, path: root.path, photos, failed, missing, exclude, ignore_files, raw_twins })
        };
        let mut log = self.path().as_os_str().to_owned();
        log.push("-wal");
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |data| data.len());
        Ok(LibraryStatus {
            path: self.path().to_owned(),
            bytes: size(self.path()) + size(log.as_ref()),
            photos: store.photo_count()?,
            models: self.models()?,
            folders: store.roots()?.into_iter().map(folder).collect::<Result<_, Error>>()?,
            texts: store.text_count(&BACKGROUND)?,
        })
    }

    /// The paths of the indexed folders, absolute and sorted. Counts nothing, unlike [`Library::status`].
    ///
    /// # Errors
    /// The library is damaged or busy.
    pub fn folders(&self) -> Result<Vec<PathBuf>, Error> {
        Ok(self.store()?.roots()?.into_iter().map(|root| root.path).collect())
    }

    /// The models whose embeddings the library has, in the order in which they came.
    ///
    /// # Errors
    /// The library is damaged or busy.
    pub fn models(&self) -> Result<Vec<LibraryModel>, Error> {
        let store = self.store()?;
        let model = |model: super::store::ModelRow| {
            let (_, photos) = store.embedding_extent(model.id)?;
            let file = store.model_file(model.id)?;
            let (family, precision) = model.form.map(|form| (form.family, form.precision)).unzip();
            let (name, fingerprint, embed_dim) = (model.name, model.fingerprint, model.dim);
            Ok(LibraryModel { name, fingerprint, embed_dim, photos, precision, family, file })
        };
        store.models()?.into_iter().map(model).collect()
    }

    /// The files that could not be read as photos and are still there, sorted by path, each with the reason: a sentence
    /// about `it`.
    ///
    /// # Errors
    /// The library is damaged or busy.
    pub fn failures(&self) -> Result<Vec<(PathBuf, String)>, Error> {
        self.store()?.failures()
    }

    /// The files that their folders no longer have, sorted by path.
    ///
    /// # Errors
    /// The library is damaged or busy.
    pub fn missing(&self) -> Result<Vec<PathBuf>, Error> {
        self.store()?.missing()
    }

    /// Removes an indexed folder and its photos from the library; the files stay. Returns the numbers of files and of
    /// contents that were removed.
    ///
    /// # Errors
    /// No such folder was indexed; the library cannot be written.
    pub fn forget(&self, folder: impl AsRef<std::path::Path>) -> Result<(u64, u64), Error> {
        let folder = folder.as_ref();
        let store = self.store()?;
        let roots = store.roots()?;
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let real = super::index::real(folder).unwrap_or_else(|_| absolute.clone());
        let Some(root) = roots.iter().find(|root| root.path == real || root.path == absolute) else {
            let folder = folder.display();
            let known: Vec<String> = roots.iter().map(|root| root.path.display().to_string()).collect();
            let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
            return Err(Error::Query(format!("{folder} is not a folder of the library; they are: {known}")));
        };
        let (files, contents) = store.forget(root.id)?;
        Ok((files as u64, contents as u64))
    }
}
