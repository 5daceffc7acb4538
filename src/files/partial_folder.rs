//! Unfinished folders: written under a temporary name, and gone unless they are renamed.
//!
//! A [`PartialFolder`] is `.NAME.PID-N.part` beside the folder that it becomes, as an unfinished file is, and goes away
//! in the same ways. On Unix its lock tells whether its writer lives; elsewhere what a killed process left stays.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::partial::{self, MAX_TRIES, live, short, temporary_name};
use super::{folder, sync_folder};

/// A folder that is removed with all that is in it, unless it is renamed.
#[derive(Debug)]
pub struct PartialFolder {
    /// `None` once it is renamed.
    path: Option<PathBuf>,
    /// Holds the lock.
    #[allow(dead_code, reason = "held, not read")]
    lock: Option<File>,
}

impl PartialFolder {
    /// Creates an unfinished folder that will be renamed to `target`, which has to be free or an empty folder. Removes
    /// what killed processes left of the same target.
    ///
    /// # Errors
    /// Something is in the place of `target`, or the folder that it is in cannot be written to.
    pub fn create(target: &Path) -> io::Result<PartialFolder> {
        is_free(target)?;
        let name =
            target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no folder"))?;
        let (parent, name) = (folder(target), short(name));
        sweep(parent, &name);
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..MAX_TRIES {
            let path = parent.join(temporary_name(&name));
            let mut live = live();
            match fs::create_dir(&path) {
                Ok(()) => {
                    live.push(path.clone());
                    return Ok(PartialFolder { lock: lock(&path), path: Some(path) });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Where the folder is now.
    ///
    /// # Errors
    /// It was renamed.
    pub fn path(&self) -> io::Result<&Path> {
        self.path.as_deref().ok_or_else(|| io::Error::other("the folder was renamed"))
    }

    /// Renames the folder to `target`. Its files have to be synced.
    ///
    /// # Errors
    /// Something came into the place of `target`, or the system cannot rename it. Then it is removed.
    pub fn rename(mut self, target: &Path) -> io::Result<()> {
        is_free(target)?;
        let mut live = live();
        let Some(path) = self.path.clone() else { return Err(io::Error::other("the folder was renamed")) };
        if cfg!(windows) {
            // There a folder does not replace another one.
            match fs::remove_dir(target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let renamed = fs::rename(&path, target);
        if renamed.is_ok() {
            live.retain(|other| *other != path);
            self.path = None;
        }
        drop(live);
        renamed?;
        sync_folder(folder(target))
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let mut live = live();
            // Best effort: the error that led here is the one to report.
            let _ = fs::remove_dir_all(&path);
            live.retain(|other| *other != path);
        }
    }
}

/// Whether a folder can get this name.
fn is_free(target: &Path) -> io::Result<()> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(data) if !data.is_dir() => Err(io::Error::other("something that is no folder is there; name a new folder")),
        Ok(_) if fs::read_dir(target)?.next().is_none() => Ok(()),
        Ok(_) => Err(io::Error::other("the folder is not empty; name a new one")),
    }
}

/// Locks a folder, where the system can.
fn lock(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}

/// Removes what killed processes left of the folder `name`.
fn sweep(parent: &Path, name: &std::ffi::OsStr) {
    for entry in fs::read_dir(parent).into_iter().flatten().take(super::sweep::MAX_NAMES).flatten() {
        let is_left = super::sweep::target_name(&entry.file_name()) == Some(name.as_encoded_bytes());
        if is_left
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && !partial::is_live(&entry.file_name())
            // A process that lives holds the lock.
            && let Some(_lock) = lock(&entry.path())
            && fs::remove_dir_all(entry.path()).is_ok()
        {
            tracing::info!(path = %entry.path().display(), "removed the unfinished folder of a killed process");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn a_folder_appears_only_when_complete() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("out");
        let partial = PartialFolder::create(&target).unwrap();
        fs::create_dir(partial.path().unwrap().join("a")).unwrap();
        fs::write(partial.path().unwrap().join("a/file"), "text").unwrap();
        assert!(!target.exists());
        drop(partial);
        assert!(names(parent.path()).is_empty());
        let partial = PartialFolder::create(&target).unwrap();
        fs::write(partial.path().unwrap().join("file"), "text").unwrap();
        partial.rename(&target).unwrap();
        assert_eq!((names(parent.path()), names(&target)), (vec!["out".into()], vec!["file".into()]));
    }

    #[test]
    fn only_empty_folders_are_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let target = parent.path().join("out");
        fs::create_dir(&target).unwrap();
        PartialFolder::create(&target).unwrap().rename(&target).unwrap();
        let partial = PartialFolder::create(&target).unwrap();
        fs::write(target.join("file"), "kept").unwrap();
        assert!(partial.rename(&target).unwrap_err().to_string().contains("not empty"));
        assert!(PartialFolder::create(&target).unwrap_err().to_string().contains("not empty"));
        assert!(PartialFolder::create(&target.join("file")).unwrap_err().to_string().contains("no folder is there"));
        assert!(PartialFolder::create(Path::new("/")).is_err());
        assert_eq!(names(parent.path()), ["out"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_killed_processes_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join(".out.1-0.part");
        let others = [".other.1-0.part", ".out.1-0.part.bak"].map(|name| parent.path().join(name));
        for path in others.iter().chain([&left]) {
            fs::create_dir_all(path.join("img_emb")).unwrap();
        }
        let first = PartialFolder::create(&parent.path().join("out")).unwrap();
        let second = PartialFolder::create(&parent.path().join("out")).unwrap();
        assert!(!left.exists() && others.iter().all(|path| path.exists()));
        assert!(first.path().unwrap().exists() && second.path().unwrap().exists());
    }
}
