//! The stored embeddings of a library's files, for whoever works on them without decoding anything.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::filter::Filter;
use super::library::Library;
use super::store::{ModelRow, Store};
use super::vectors::Vectors;

/// The embeddings of files, sorted by path: files with the same bytes have one each.
///
/// ```no_run
/// use clippie_rs::library::{Embeddings, Filter, Library};
///
/// let library = Library::open_read_only("photos.sqlite")?;
/// let stored = Embeddings::of(&library, None, &Filter::new())?;
/// for row in 0..stored.len() {
///     println!("{}: {:?}", stored.path(row).display(), stored.vector(row)?);
/// }
/// # Ok::<(), clippie_rs::library::Error>(())
/// ```
pub struct Embeddings {
    model: ModelRow,
    files: Vec<(PathBuf, u32)>,
    vectors: Arc<Vectors>,
}

impl fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embeddings").field("model", &self.model.name).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Embeddings {
    /// The embeddings with this [fingerprint](crate::Fingerprint) of all files that pass a filter and are not missing.
    /// Without a fingerprint, the library must have the embeddings of one model.
    ///
    /// # Errors
    /// There are no such embeddings, or those of several models; the library cannot be read.
    pub fn of(library: &Library, fingerprint: Option<&str>, filter: &Filter) -> Result<Embeddings, Error> {
        let store = library.store()?;
        let Some(model) = model(&store, fingerprint)? else {
            let path = store.path().to_owned();
            return Err(Error::Fingerprint { path, name: "MODEL".into(), fingerprint: None, known: Vec::new() });
        };
        let roots = store.roots()?;
        let (mut files, vectors) = library.with_vectors(&store, &model, |vectors| {
            let rows = vectors.by_photo()?;
            let mut files = Vec::new();
            store.found(None, &roots, |file| {
                if let Some(&row) = rows.get(&file.photo)
                    && filter.passes(&file)
                {
                    // Damage is mended here, while nothing was made of a part of them.
                    vectors.row(row as usize)?;
                    files.push((file.path, row));
                }
                Ok(())
            })?;
            Ok((files, Arc::clone(vectors)))
        })?;
        files.sort();
        Ok(Embeddings { model, files, vectors })
    }

    /// Name of the model.
    #[must_use]
    pub fn model_name(&self) -> &str {
        &self.model.name
    }

    /// What the embeddings can be compared with.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.model.fingerprint
    }

    /// Length of each embedding.
    #[must_use]
    pub fn embed_dim(&self) -> usize {
        self.model.dim
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The paths of the files, absolute.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// The path of a file.
    ///
    /// # Panics
    /// If there are not so many files.
    #[must_use]
    pub fn path(&self, row: usize) -> &Path {
        &self.files[row].0
    }

    /// The embedding of a file, of unit length.
    ///
    /// # Errors
    /// The file of packed vectors beside the library was damaged since [`Embeddings::of`] has looked at it.
    ///
    /// # Panics
    /// If there are not so many files.
    pub fn vector(&self, row: usize) -> Result<&[f32], Error> {
        self.vectors.row(self.files[row].1 as usize)
    }
}

/// The model with this fingerprint; without one, the only model, or `None` if the library has none.
pub(super) fn model(store: &Store, fingerprint: Option<&str>) -> Result<Option<ModelRow>, Error> {
    let mut models = store.models()?;
    let names = |models: Vec<ModelRow>| models.into_iter().map(|model| model.name).collect::<Vec<_>>();
    match fingerprint {
        Some(fingerprint) => match models.iter().position(|model| model.fingerprint == fingerprint) {
            Some(at) => Ok(Some(models.swap_remove(at))),
            None => {
                let library = store.path().display();
                let known = if models.is_empty() { "none yet".into() } else { names(models).join(" and ") };
                Err(Error::Query(format!(
                    "{library} has no embeddings with the fingerprint {fingerprint}; its models are: {known}"
                )))
            }
        },
        None if models.len() > 1 => {
            let (library, names) = (store.path().display(), names(models).join(" and "));
            Err(Error::Query(format!("{library} has embeddings of {names}; choose one of these models with -m")))
        }
        None => Ok(models.pop()),
    }
}
