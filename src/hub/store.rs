//! The models that are here: one weights file for each, named by model and source.
//!
//! ```text
//! models/NAME-SUM.clippie      a model, whole; SUM are 16 digits of its checkpoint's SHA-256
//! downloads/NAME/              what is being downloaded, or was kept
//! locks/NAME.lock              held while a model is pulled or removed
//! ```
//! A repository is written `ORG--REPO` or `ORG--REPO@REVISION`, with the revision's odd characters as `%XX`. What has
//! its final name is whole, always.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::download::INCOMPLETE;
use super::error::Error;
use super::name::{ModelName, PREFIX};
use super::progress::{Event, Teller};
use super::url::escape;

/// Digits of the checkpoint's SHA-256 in the name of a weights file.
const SUM_DIGITS: usize = 16;
const EXTENSION: &str = ".clippie";
/// Between two looks at a lock that another process holds.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A model that is here.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredModel {
    /// What it was pulled as.
    pub name: ModelName,
    /// The weights file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// What lies beside the weights files of a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredDownload {
    /// What it was pulled as.
    pub name: ModelName,
    /// The folder.
    pub path: PathBuf,
    /// Bytes in it.
    pub bytes: u64,
    /// Whether it waits to be gone on with; otherwise it was kept.
    pub incomplete: bool,
}

/// The folder with all of it.
#[derive(Clone, Debug)]
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    pub(super) fn new(root: PathBuf) -> Store {
        Store { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the weights files.
    pub(super) fn models_folder(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Where the weights file of a model goes that is converted from a checkpoint with this SHA-256.
    pub(super) fn model_path(&self, name: &ModelName, sha256: &str) -> PathBuf {
        let sum = sha256.get(..SUM_DIGITS).unwrap_or(sha256);
        self.models_folder().join(format!("{}-{sum}{EXTENSION}", label(name)))
    }

    /// Where the files of a model are downloaded to.
    pub(super) fn download_folder(&self, name: &ModelName) -> PathBuf {
        self.root.join("downloads").join(label(name))
    }

    /// The newest weights file of a model.
    pub(super) fn find(&self, name: &ModelName) -> Result<Option<StoredModel>, Error> {
        let all = self.all()?.into_iter().filter(|(model, _)| model.name == *name);
        Ok(all.max_by_key(|(_, written)| *written).map(|(model, _)| model))
    }

    /// Every model, by name; of each the newest file.
    pub(super) fn models(&self) -> Result<Vec<StoredModel>, Error> {
        let mut all = self.all()?;
        all.sort_by_cached_key(|(model, written)| (model.name.to_string(), std::cmp::Reverse(*written)));
        all.dedup_by(|(later, _), (first, _)| later.name == first.name);
        Ok(all.into_iter().map(|(model, _)| model).collect())
    }

    /// Every weights file and when it was written.
    fn all(&self) -> Result<Vec<(StoredModel, SystemTime)>, Error> {
        let mut all = Vec::new();
        for path in entries(&self.models_folder())? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(name_of_file) else { continue };
            // Gone since, or a link to nothing.
            let Ok(data) = fs::metadata(&path) else { continue };
            if data.is_file() {
                let written = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                all.push((StoredModel { name, path, bytes: data.len() }, written));
            }
        }
        Ok(all)
    }

    /// What is downloaded, by name.
    pub(super) fn downloads(&self) -> Result<Vec<StoredDownload>, Error> {
        let mut all = Vec::new();
        for path in entries(&self.root.join("downloads"))? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(unlabel) else { continue };
            let (mut bytes, mut incomplete) = (0, false);
            for file in entries(&path)? {
                bytes += fs::metadata(&file).map_or(0, |data| data.len());
                incomplete |= file.to_string_lossy().ends_with(INCOMPLETE);
            }
            if bytes > 0 {
                all.push(StoredDownload { name, path, bytes, incomplete });
            }
        }
        all.sort_by_cached_key(|download| download.name.to_string());
        Ok(all)
    }

    /// Removes the other weights files of a model, which are of older checkpoints.
    pub(super) fn remove_older(&self, kept: &StoredModel) {
        for (model, _) in self.all().unwrap_or_default() {
            if model.name == kept.name && model.path != kept.path {
                // On some systems not while it is mapped; the next pull tries again.
                let _ = fs::remove_file(model.path);
            }
        }
    }

    /// Removes everything of a model and tells how many bytes that were.
    pub(super) fn remove(&self, name: &ModelName) -> Result<u64, Error> {
        let _lock = self.try_lock(name)?.ok_or_else(|| Error::Busy(name.to_string()))?;
        let models: Vec<_> = self.all()?.into_iter().map(|(model, _)| model).filter(|m| m.name == *name).collect();
        let downloads = self.downloads()?.into_iter().find(|download| download.name == *name);
        if models.is_empty() && downloads.is_none() {
            return Err(Error::missing(name));
        }
        let mut bytes = 0;
        for model in models {
            fs::remove_file(&model.path).map_err(Error::file("remove", &model.path))?;
            bytes += model.bytes;
        }
        bytes += downloads.map_or(0, |download| download.bytes);
        self.remove_download(name)?;
        Ok(bytes)
    }

    /// Removes what was downloaded of a model.
    pub(super) fn remove_download(&self, name: &ModelName) -> Result<(), Error> {
        let folder = self.download_folder(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", &folder)(error)),
            _ => Ok(()),
        }
    }

    /// Waits until no other process pulls or removes this model.
    pub(super) fn lock(&self, name: &ModelName, teller: &mut Teller<'_>) -> Result<Lock, Error> {
        let mut told = false;
        loop {
            if let Some(lock) = self.try_lock(name)? {
                return Ok(lock);
            }
            if !told {
                teller.tell(Event::Waiting)?;
                told = true;
            }
            teller.sleep(LOOK_AGAIN)?;
        }
    }

    fn try_lock(&self, name: &ModelName) -> Result<Option<Lock>, Error> {
        let folder = self.root.join("locks");
        create_folder(&folder)?;
        let path = folder.join(format!("{}.lock", label(name)));
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(Error::file("write", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks. Two processes may then do the work twice, never harm.
            Err(fs::TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                tracing::warn!(path = %path.display(), "cannot be locked here");
                Ok(Some(Lock { _file: file }))
            }
            Err(fs::TryLockError::Error(error)) => Err(Error::file("lock", &path)(error)),
        }
    }
}

/// Held until it is dropped; the system drops it when the process ends, however it ends.
pub(super) struct Lock {
    _file: File,
}

/// Creates a folder and those above it.
pub(super) fn create_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("create", folder))
}

/// What lies in a folder, which may not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        read => read.map_err(Error::file("read", folder))?,
    };
    let path = |entry: std::io::Result<fs::DirEntry>| Ok(entry.map_err(Error::file("read", folder))?.path());
    read.map(path).collect()
}

/// A model's name as a file's: what may not stand in those is escaped, so that no two names share one.
fn label(name: &ModelName) -> String {
    match (name.known(), name.revision()) {
        (Some(model), _) => model.name.to_owned(),
        (None, None) => name.repository().replace('/', "--"),
        (None, Some(revision)) => format!("{}@{}", name.repository().replace('/', "--"), escape(revision)),
    }
}

/// The name that [`label`] was made of.
fn unlabel(label: &str) -> Option<ModelName> {
    let name = match label.split_once("--") {
        None => label.parse().ok()?,
        Some((owner, rest)) => format!("{PREFIX}{owner}/{}", unescape(rest)?).parse().ok()?,
    };
    (self::label(&name) == label).then_some(name)
}

/// The model of the weights file `LABEL-SUM.clippie`.
fn name_of_file(file: &str) -> Option<ModelName> {
    let (label, sum) = file.strip_suffix(EXTENSION)?.rsplit_once('-')?;
    let is_sum = sum.len() == SUM_DIGITS && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_sum { unlabel(label) } else { None }
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = (part.get(..2)?, part.get(2..)?);
        out.push(char::from(u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?));
        out += rest;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn name(text: &str) -> ModelName {
        text.parse().unwrap()
    }

    #[test]
    fn names_of_files_come_from_names_of_models_and_lead_back() {
        let sum = "0123456789abcdef0123";
        let store = Store::new(PathBuf::from("/c"));
        let names = catalog::models().iter().map(|model| model.name.to_owned());
        let others = ["hf-hub:a/b", "hf-hub:a/b@main", "hf-hub:a/b-c@refs/pr/1", "hf-hub:a/b@x+y", "hf-hub:a-b/c.d_e"];
        for text in names.chain(others.map(str::to_owned)) {
            let path = store.model_path(&name(&text), sum);
            let file = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(name_of_file(file), Some(name(&text)), "{file}");
            assert!(file.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@%".contains(&b)), "{file}");
        }
        assert_eq!(
            store.model_path(&name("mobileclip-b-lt"), sum),
            Path::new("/c/models/mobileclip-b-lt-0123456789abcdef.clippie")
        );
        assert_eq!(label(&name("hf-hub:a/b-c@refs/pr/1")), "a--b-c@refs%2Fpr%2F1");
        for other in ["notes.txt", "mobileclip-b.clippie", "x-0123456789abcdef.clippie", ".mobileclip-b-0.part"] {
            assert_eq!(name_of_file(other), None, "{other}");
        }
        // A shorter name is not taken for the start of a longer one.
        assert_eq!(name_of_file("mobileclip-b-lt-0123456789abcdef.clippie"), Some(name("mobileclip-b-lt")));
    }

    #[test]
    fn the_newest_file_of_a_model_counts_and_all_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let (s0, b) = (name("mobileclip-s0"), name("mobileclip-b"));
        assert_eq!((store.find(&s0).unwrap(), store.models().unwrap()), (None, vec![]));
        create_folder(&store.models_folder()).unwrap();
        let write = |name: &ModelName, sum: &str, text: &str, seconds: u64| {
            let path = store.model_path(name, sum);
            fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            path
        };
        write(&s0, "0000000000000000", "old", 1000);
        let new = write(&s0, "1111111111111111", "newer", 2000);
        write(&b, "2222222222222222", "b", 500);
        let found = store.find(&s0).unwrap().unwrap();
        assert_eq!((&found.path, found.bytes), (&new, 5));
        let models = store.models().unwrap();
        assert_eq!(models.iter().map(|model| model.bytes).collect::<Vec<_>>(), [1, 5]);
        create_folder(&store.download_folder(&s0)).unwrap();
        fs::write(store.download_folder(&s0).join("x.pt.0123.incomplete"), "12").unwrap();
        let downloads = store.downloads().unwrap();
        assert_eq!((downloads[0].bytes, downloads[0].incomplete), (2, true));
        assert_eq!(store.remove(&s0).unwrap(), 3 + 5 + 2);
        assert_eq!((store.find(&s0).unwrap(), store.downloads().unwrap()), (None, vec![]));
        assert!(store.find(&b).unwrap().is_some());
        assert!(matches!(store.remove(&s0), Err(Error::Missing(_))));
    }

    #[test]
    fn what_is_locked_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let model = name("mobileclip-s0");
        let lock = store.try_lock(&model).unwrap().unwrap();
        assert!(store.try_lock(&model).unwrap().is_none());
        assert!(store.try_lock(&name("mobileclip-b")).unwrap().is_some());
        assert!(matches!(store.remove(&model), Err(Error::Busy(_))));
        drop(lock);
        assert!(matches!(store.remove(&model), Err(Error::Missing(_))));
    }
}
