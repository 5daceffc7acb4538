//! A photo library as programs use it: a path, and connections to its file for calls from several threads.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Error;
use super::store::{Access, FileId, ModelRow, Store};
use super::texts;
use super::vectors::{Kept, Vectors};
use crate::clip::TextCache;

/// Connections that are kept for later calls.
const MOST_IDLE: usize = 8;

/// A photo library: one SQLite file.
///
/// Clones are cheap and share connections; all methods take `&self` and may be called from any number of threads at
/// once, while other processes read and write the same library.
///
/// ```no_run
/// use clippie_rs::Clip;
/// use clippie_rs::library::{Index, Library};
///
/// let library = Library::create("photos.sqlite")?;
/// let clip = Clip::open("mobileclip2-s2.clippie")?;
/// let report = Index::new(&library, clip.image()).exclude(["Screenshots"])?.run(&["holidays"])?;
/// println!("{} new photos", report.new);
/// # Ok::<(), clippie_rs::library::Error>(())
/// ```
#[derive(Clone)]
pub struct Library(Arc<Shared>);

struct Shared {
    access: Access,
    /// Absolute.
    path: PathBuf,
    idle: Mutex<Vec<Store>>,
    /// Embeddings of earlier searches.
    kept: Mutex<Kept>,
    texts: TextCache,
}

impl Library {
    /// Opens a library for reading and writing.
    ///
    /// # Errors
    /// There is no such file, it is no library, is damaged, or has the schema of a newer version; it cannot be written.
    pub fn open(path: impl AsRef<Path>) -> Result<Library, Error> {
        Library::with(path.as_ref(), Access::Write)
    }

    /// Opens a library for reading and writing; makes it, and its folder, if there is none.
    ///
    /// # Errors
    /// Those of [`Library::open`]; the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Library, Error> {
        Library::with(path.as_ref(), Access::Create)
    }

    /// Opens a library for reading. It may be on a disk that cannot be written.
    ///
    /// # Errors
    /// Those of [`Library::open`], apart from writing.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Library, Error> {
        Library::with(path.as_ref(), Access::Read)
    }

    fn with(path: &Path, access: Access) -> Result<Library, Error> {
        let store = Store::open(path, access)?;
        // The file exists from here on; another process that removes it must not get a new one in its place.
        let access = if access == Access::Create { Access::Write } else { access };
        let path = store.path().to_owned();
        let (entries, bytes) = texts::IN_MEMORY;
        let texts = TextCache::new(entries, bytes);
        Ok(Library(Arc::new(Shared { access, path, idle: Mutex::new(vec![store]), kept: Mutex::default(), texts })))
    }

    /// The library's file: an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The embeddings of texts that were searched for, in memory: in front of those that the library's file keeps for
    /// later processes, by fingerprint and exact text. [`TextCache::hits`] counts texts that were here or in the file,
    /// [`TextCache::misses`] those that were encoded. Clones of a library share it; at most 2,048 texts and 8 MiB.
    #[must_use]
    pub fn texts(&self) -> &TextCache {
        &self.0.texts
    }

    /// An error of this library.
    pub(crate) fn failed(&self, reason: String) -> Error {
        Error::Database { path: self.0.path.clone(), reason }
    }

    /// Calls `work` with the embeddings of a model. Their file may turn out to be damaged while it is used: then `work` is
    /// called once more, with what the library itself has. All that reads embeddings for many photos does it here.
    pub(super) fn with_vectors<T>(
        &self,
        store: &Store,
        model: &ModelRow,
        mut work: impl FnMut(&Arc<Vectors>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let vectors = || self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).get(store, model);
        match work(&vectors()?) {
            Err(Error::Vectors { .. }) => work(&vectors()?),
            done => done,
        }
    }

    /// A connection for one call, to the file that has the library's name now: a library that was removed is missing, and
    /// one that was put in its place is the library from then on.
    ///
    /// # Errors
    /// Those of [`Library::open`].
    pub(crate) fn store(&self) -> Result<Connected<'_>, Error> {
        let idle = || self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let present = FileId::at(&self.0.path).inspect_err(|_| idle().clear())?;
        // Those of another file are closed.
        let known = std::iter::from_fn(|| idle().pop()).find(|store| store.file() == present);
        let store = match known {
            Some(store) => store,
            None => Store::open(&self.0.path, self.0.access)?,
        };
        Ok(Connected { library: &self.0, store: Some(store) })
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("path", &self.0.path).field("access", &self.0.access).finish_non_exhaustive()
    }
}

/// A connection that goes back to its library.
pub(crate) struct Connected<'a> {
    library: &'a Shared,
    /// `None` while this is dropped.
    store: Option<Store>,
}

impl Deref for Connected<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store.as_ref().expect("it is there until this is dropped")
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        let mut idle = self.library.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.extend(self.store.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_share_connections() {
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.sqlite");
        assert!(matches!(Library::open(&path), Err(Error::Missing { .. })));
        let library = Library::create(&path).unwrap();
        shared(&library);
        let idle = || library.0.idle.lock().unwrap().len();
        {
            let (first, second) = (library.store().unwrap(), library.clone().0.idle.lock().unwrap().len());
            let other = library.store().unwrap();
            assert_eq!((first.path(), second), (other.path(), 0));
        }
        assert_eq!(idle(), 2);
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| library.store().unwrap().identity().unwrap());
            }
        });
        assert!((1..=MOST_IDLE).contains(&idle()));
        let reader = Library::open_read_only(&path).unwrap();
        assert_eq!(reader.store().unwrap().identity().unwrap(), library.store().unwrap().identity().unwrap());
        assert!(reader.store().unwrap().is_read_only());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_takes_the_name_is_the_library_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("a.sqlite"), folder.path().join("b.sqlite"));
        let library = Library::create(&path).unwrap();
        let identity = |library: &Library| library.store().unwrap().identity().unwrap();
        let first = identity(&library);
        let held = library.store().unwrap();
        let other = identity(&Library::create(&aside).unwrap());
        // With its log, which SQLite would take for that of the next file of the name.
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("a.sqlite{end}")));
        }
        assert!(matches!(library.store().map(drop), Err(Error::Missing { .. })));
        // No new one is made.
        assert!(!path.exists());
        std::fs::rename(&aside, &path).unwrap();
        assert_eq!(held.identity().unwrap(), first);
        drop(held);
        assert_eq!((identity(&library), other == first), (other, false));
        assert!(library.0.idle.lock().unwrap().iter().all(|store| store.file() == FileId::at(&path).unwrap()));
    }
}
