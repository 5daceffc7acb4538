//! The installed models: one weights file each, named by model and source.
//!
//! ```text
//! models/NAME-SUM.clippie      a complete model; SUM is 16 digits of its checkpoint's SHA-256
//! downloads/NAME/              incomplete or kept downloads
//! locks/NAME.lock              held while a model is pulled or removed
//! ```
//! The folder itself may be a link. Nothing is written or removed through a link in it, whoever made it.
//!
//! A name that is not of single precision ends with `@@` and the precision, which no revision contains. A repository is written `ORG--REPO` or `ORG--REPO@REVISION`, with special characters of the revision as `%XX`. A
//! file under its final name is always complete.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::download::INCOMPLETE;
use super::error::Error;
use super::name::{ModelName, PREFIX};
use super::progress::{Event, Reporter};
use super::url::escape;
use crate::files;
use crate::weights::Precision;

/// Digits of the checkpoint's SHA-256 in the name of a weights file.
const SUM_DIGITS: usize = 16;
const EXTENSION: &str = ".clippie";
/// What a precision follows in the label of a model.
const PRECISION: &str = "@@";
/// Interval between attempts at a lock that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// An installed model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredModel {
    /// The name it was pulled by.
    pub name: ModelName,
    /// The weights file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A kept or incomplete download of a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredDownload {
    /// The name it was pulled by.
    pub name: ModelName,
    /// The folder.
    pub path: PathBuf,
    /// Size of its files in bytes.
    pub bytes: u64,
    /// Whether it is incomplete and will be resumed; otherwise it was kept on purpose.
    pub incomplete: bool,
}

/// The folder of models, downloads and locks.
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

    /// Path of the weights file that is converted from a checkpoint with this SHA-256.
    pub(super) fn model_path(&self, name: &ModelName, sha256: &str) -> PathBuf {
        let sum = sha256.get(..SUM_DIGITS).unwrap_or(sha256);
        self.models_folder().join(format!("{}-{sum}{EXTENSION}", label(name)))
    }

    /// The folder of the weights files, to write to.
    pub(super) fn own_models_folder(&self) -> Result<PathBuf, Error> {
        self.own_folder("models")
    }

    /// Folder for the downloads of a model.
    pub(super) fn download_folder(&self, name: &ModelName) -> Result<PathBuf, Error> {
        Ok(self.folder("downloads")?.join(label(name)))
    }

    /// A folder of the store, to write to or remove from.
    fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.root.join(name);
        files::refuse_link(&folder).map_err(Error::file("use", &folder))?;
        Ok(folder)
    }

    /// A folder of the store, created with its parents for all who may read the store.
    fn own_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.folder(name)?;
        fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        Ok(folder)
    }

    /// The newest weights file of a model.
    pub(super) fn find(&self, name: &ModelName) -> Result<Option<StoredModel>, Error> {
        let all = self.weights_files()?.into_iter().filter(|(model, _)| model.name == *name);
        Ok(all.max_by_key(|(_, written)| *written).map(|(model, _)| model))
    }

    /// The newest weights file of every model, sorted by name.
    pub(super) fn models(&self) -> Result<Vec<StoredModel>, Error> {
        let mut all = self.weights_files()?;
        all.sort_by_cached_key(|(model, written)| (model.name.to_string(), std::cmp::Reverse(*written)));
        all.dedup_by(|(later, _), (first, _)| later.name == first.name);
        Ok(all.into_iter().map(|(model, _)| model).collect())
    }

    /// Every weights file and its modification time. Removes unfinished files of killed processes.
    fn weights_files(&self) -> Result<Vec<(StoredModel, SystemTime)>, Error> {
        let mut all = Vec::new();
        let sweep = !self.models_folder().is_symlink();
        for path in entries(&self.models_folder())? {
            let Some(file) = path.file_name() else { continue };
            let Some(name) = file.to_str().and_then(parse_file_name) else {
                // Only of files of this store: other programs may use such names, too.
                let target = files::target_name(file).and_then(|name| std::str::from_utf8(name).ok());
                if sweep && target.and_then(parse_file_name).is_some() {
                    files::remove_dead(&path);
                }
                continue;
            };
            // Removed meanwhile, or a dangling link.
            let Ok(data) = fs::metadata(&path) else { continue };
            if data.is_file() {
                let written = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                all.push((StoredModel { name, path, bytes: data.len() }, written));
            }
        }
        Ok(all)
    }

    /// Kept and incomplete downloads, sorted by name.
    pub(super) fn downloads(&self) -> Result<Vec<StoredDownload>, Error> {
        let mut all = Vec::new();
        let folder = self.root.join("downloads");
        for path in if folder.is_symlink() { Vec::new() } else { entries(&folder)? } {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(parse_label) else { continue };
            if !path.symlink_metadata().is_ok_and(|data| data.is_dir()) {
                continue;
            }
            let files = entries(&path)?;
            if !files.is_empty() {
                let bytes = files.iter().map(|file| files::freed_by_removing(file)).sum();
                let incomplete = files.iter().any(|file| file.to_string_lossy().ends_with(INCOMPLETE));
                all.push(StoredDownload { name, path, bytes, incomplete });
            }
        }
        all.sort_by_cached_key(|download| download.name.to_string());
        Ok(all)
    }

    /// Removes the other weights files of a model, converted from older checkpoints.
    pub(super) fn remove_older(&self, kept: &StoredModel) {
        for (model, _) in self.weights_files().unwrap_or_default() {
            if model.name == kept.name && model.path != kept.path {
                // Windows cannot remove a mapped file; the next pull tries again.
                let _ = fs::remove_file(model.path);
            }
        }
    }

    /// Removes a model and its downloads. Returns the number of bytes removed.
    pub(super) fn remove(&self, name: &ModelName) -> Result<u64, Error> {
        let _lock = self.try_lock(name)?.ok_or_else(|| Error::Busy(name.to_string()))?;
        self.folder("models")?;
        self.folder("downloads")?;
        let unfinished = self.remove_unfinished(name)?;
        let models: Vec<_> =
            self.weights_files()?.into_iter().map(|(model, _)| model).filter(|m| m.name == *name).collect();
        let downloads = self.downloads()?.into_iter().find(|download| download.name == *name);
        if models.is_empty() && downloads.is_none() && unfinished.is_none() {
            return Err(Error::missing(name));
        }
        let mut bytes = unfinished.unwrap_or(0);
        for model in models {
            let freed = files::freed_by_removing(&model.path);
            fs::remove_file(&model.path).map_err(Error::file("remove", &model.path))?;
            bytes += freed;
        }
        bytes += downloads.map_or(0, |download| download.bytes);
        self.remove_download(name)?;
        Ok(bytes)
    }

    /// Removes what killed processes left of the weights files of a model. Returns its size, or `None` if nothing was
    /// left.
    fn remove_unfinished(&self, name: &ModelName) -> Result<Option<u64>, Error> {
        let mut removed = None;
        for path in entries(&self.models_folder())? {
            let target = path.file_name().and_then(files::target_name).and_then(|name| std::str::from_utf8(name).ok());
            if target.and_then(parse_file_name).as_ref() == Some(name)
                && let Some(bytes) = files::remove_dead(&path)
            {
                removed = Some(removed.unwrap_or(0) + bytes);
            }
        }
        Ok(removed)
    }

    /// Removes the downloads of a model. Follows no link.
    pub(super) fn remove_download(&self, name: &ModelName) -> Result<(), Error> {
        let folder = self.download_folder(name)?;
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", &folder)(error)),
            _ => Ok(()),
        }
    }

    /// Locks a model; waits while another process pulls or removes it.
    pub(super) fn lock(&self, name: &ModelName, reporter: &mut Reporter<'_>) -> Result<Lock, Error> {
        let mut reported = false;
        loop {
            if let Some(lock) = self.try_lock(name)? {
                return Ok(lock);
            }
            if !reported {
                reporter.report(Event::Waiting)?;
                reported = true;
            }
            reporter.sleep(LOCK_POLL)?;
        }
    }

    fn try_lock(&self, name: &ModelName) -> Result<Option<Lock>, Error> {
        let path = self.own_folder("locks")?.join(format!("{}.lock", label(name)));
        let file = files::open_or_create(&path).map_err(Error::file("write", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            // Some network file systems have no locks. Two processes may then do the same work twice, without harm.
            Err(fs::TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                tracing::warn!("the file system of {} has no locks; pull a model in one process only", path.display());
                Ok(Some(Lock { _file: file }))
            }
            Err(fs::TryLockError::Error(error)) => Err(Error::file("lock", &path)(error)),
        }
    }
}

/// A lock, released when dropped; the system releases it when the process ends.
pub(super) struct Lock {
    _file: File,
}

/// Paths in a folder; none if it does not exist.
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

/// The label of a model in file names. Special characters are escaped, so labels are unique.
fn label(name: &ModelName) -> String {
    let label = match (name.known(), name.revision()) {
        (Some(model), _) => model.name.to_owned(),
        (None, None) => name.repository().replace('/', "--"),
        (None, Some(revision)) => format!("{}@{}", name.repository().replace('/', "--"), escape(revision)),
    };
    match name.precision() {
        Precision::F32 => label,
        precision => format!("{label}{PRECISION}{}", precision.name()),
    }
}

/// The inverse of [`label`].
fn parse_label(label: &str) -> Option<ModelName> {
    let (rest, precision) = match label.split_once(PRECISION) {
        None => (label, Precision::F32),
        Some((rest, precision)) => (rest, Precision::named(precision)?),
    };
    let name: ModelName = match rest.split_once("--") {
        None => rest.parse().ok()?,
        Some((owner, rest)) => format!("{PREFIX}{owner}/{}", unescape(rest)?).parse().ok()?,
    };
    let name = name.with_precision(precision);
    (self::label(&name) == label).then_some(name)
}

/// The model of the weights file `LABEL-SUM.clippie`.
fn parse_file_name(file: &str) -> Option<ModelName> {
    let (label, sum) = file.strip_suffix(EXTENSION)?.rsplit_once('-')?;
    let is_sum = sum.len() == SUM_DIGITS && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_sum { parse_label(label) } else { None }
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
    fn file_names_round_trip() {
        let sum = "0123456789abcdef0123";
        let store = Store::new(PathBuf::from("/c"));
        let names = catalog::models().iter().map(|model| model.name.to_owned());
        let others = ["hf-hub:a/b", "hf-hub:a/b@main", "hf-hub:a/b-c@refs/pr/1", "hf-hub:a/b@x+y", "hf-hub:a-b/c.d_e"];
        let others = others.into_iter().chain([
            "mobileclip2-s2:f16",
            "hf-hub:a/b:f16",
            "hf-hub:a/b@c/d:f16",
            "mobileclip2-s2:int8",
            "hf-hub:a/b@c:int8",
        ]);
        for text in names.chain(others.map(str::to_owned)) {
            let path = store.model_path(&name(&text), sum);
            let file = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(parse_file_name(file), Some(name(&text)), "{file}");
            assert!(file.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@%".contains(&b)), "{file}");
        }
        assert_eq!(
            store.model_path(&name("mobileclip-b-lt"), sum),
            Path::new("/c/models/mobileclip-b-lt-0123456789abcdef.clippie")
        );
        assert_eq!(label(&name("hf-hub:a/b-c@refs/pr/1")), "a--b-c@refs%2Fpr%2F1");
        for other in ["notes.txt", "mobileclip-b.clippie", "x-0123456789abcdef.clippie", ".mobileclip-b-0.part"] {
            assert_eq!(parse_file_name(other), None, "{other}");
        }
        // A name that is a prefix of another is not confused with it.
        assert_eq!(parse_file_name("mobileclip-b-lt-0123456789abcdef.clippie"), Some(name("mobileclip-b-lt")));
    }

    #[test]
    fn the_newest_file_counts_and_all_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let (s0, b) = (name("mobileclip-s0"), name("mobileclip-b"));
        assert_eq!((store.find(&s0).unwrap(), store.models().unwrap()), (None, vec![]));
        store.own_models_folder().unwrap();
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
        fs::create_dir_all(store.download_folder(&s0).unwrap()).unwrap();
        fs::write(store.download_folder(&s0).unwrap().join("x.pt.0123.incomplete"), "12").unwrap();
        let downloads = store.downloads().unwrap();
        assert_eq!((downloads[0].bytes, downloads[0].incomplete), (2, true));
        assert_eq!(store.remove(&s0).unwrap(), 3 + 5 + 2);
        assert_eq!((store.find(&s0).unwrap(), store.downloads().unwrap()), (None, vec![]));
        assert!(store.find(&b).unwrap().is_some());
        assert!(matches!(store.remove(&s0), Err(Error::Missing(_))));
    }

    #[test]
    fn what_killed_processes_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let models = store.models_folder();
        fs::create_dir_all(&models).unwrap();
        let left = |target: &str| {
            let path = models.join(format!(".{target}.999999-3.part"));
            fs::write(&path, "12345").unwrap();
            path
        };
        let (s0, b) = ("mobileclip-s0-0000000000000000.clippie", "mobileclip-b-0000000000000000.clippie");
        // Removing a model frees what was left of it.
        let (first, second) = (left(s0), left(b));
        assert_eq!(store.remove(&name("mobileclip-s0")).unwrap(), 5);
        assert!(!first.exists() && matches!(store.remove(&name("mobileclip-s0")), Err(Error::Missing(_))));
        // So does looking for any model.
        assert!(!second.exists());
        let third = left(b);
        let live = files::Partial::create(&models.join(s0)).unwrap();
        store.find(&name("mobileclip-s0")).unwrap();
        assert!(!third.exists());
        assert_eq!(entries(&models).unwrap().len(), 1, "the unfinished file of a live process stays");
        drop(live);
    }

    #[test]
    fn locked_models_are_not_removed() {
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
