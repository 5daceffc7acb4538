//! Unfinished files: hidden, locked, and gone unless they are renamed.
//!
//! A [`Partial`] is `.NAME.PID-N.part` in the folder of the file that it becomes, because renaming works only within a
//! file system. It goes away in one of four ways: it is renamed; it is dropped; [`close`] removes it before a signal
//! ends the process; or a later process finds that its writer is dead ([`sweep`](super::sweep)), which the lock tells:
//! the system releases it with the process.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{folder, sweep};

/// Attempts at a name; the remains of killed processes that cannot be removed have the others.
pub(super) const MAX_TRIES: usize = 64;
/// Maximum length in bytes of the target's name within the temporary one: file systems allow 255 in all.
const MAX_NAME: usize = 200;

/// The unfinished files and folders of this process.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

pub(super) fn live() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the unfinished files of this process. For a process that is about to end by a signal: until [`Closed`] is
/// dropped, no file is begun or renamed to its final name.
pub fn close() -> Closed {
    let mut live = live();
    for path in live.drain(..) {
        // Nothing can be done about a file that cannot be removed; a later process tries again.
        if path.symlink_metadata().is_ok_and(|data| data.is_dir()) {
            let _ = fs::remove_dir_all(path);
        } else {
            let _ = fs::remove_file(path);
        }
    }
    Closed(live)
}

/// Whether `name` is that of an unfinished file of this process.
pub(super) fn is_live(name: &OsStr) -> bool {
    live().iter().any(|path| path.file_name() == Some(name))
}

/// Keeps unfinished files from being begun or renamed; see [`close`].
#[derive(Debug)]
#[must_use = "files can be begun again once it is dropped"]
pub struct Closed(#[allow(dead_code)] MutexGuard<'static, Vec<PathBuf>>);

/// A file that is removed unless it is renamed.
#[derive(Debug)]
pub struct Partial {
    /// `None` if it has no name (any more).
    path: Option<PathBuf>,
    /// `None` once it is renamed or removed.
    file: Option<File>,
}

impl Partial {
    /// Creates an unfinished file that will be renamed to `target`, for reading and writing. Removes what killed
    /// processes left of the same target.
    ///
    /// # Errors
    /// `target` names no file, or the folder cannot be written to.
    pub fn create(target: &Path) -> io::Result<Partial> {
        let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        let (folder, name) = (folder(target), short(name));
        sweep::sweep(folder, &name);
        Partial::create_in(folder, &name, false)
    }

    /// Creates a file in `folder` that is read back and never renamed. Other users cannot open it. Where the system
    /// permits, it has no name, so nothing of it can be left behind.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn unnamed(folder: &Path) -> io::Result<Partial> {
        let name: OsString = concat!(env!("CARGO_PKG_NAME"), "-spool").into();
        sweep::sweep(folder, &name);
        let mut partial = Partial::create_in(folder, &name, true)?;
        if cfg!(unix) {
            partial.remove_name(&mut live());
        }
        Ok(partial)
    }

    fn create_in(folder: &Path, name: &OsStr, private: bool) -> io::Result<Partial> {
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..MAX_TRIES {
            let path = folder.join(temporary_name(name));
            let mut live = live();
            match create_new(&path, private) {
                Ok(file) if is_held(&file)? => {
                    live.push(path.clone());
                    return Ok(Partial { path: Some(path), file: Some(file) });
                }
                // Another process took it for a dead one's before it was locked, and removes it.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// The open file.
    ///
    /// # Errors
    /// The file was removed.
    pub fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::Error::other("an earlier write failed"))
    }

    /// Renames the file to `target`; if that fails, it stays unfinished. Does not sync it.
    ///
    /// # Errors
    /// The system cannot rename it, or it was removed.
    pub fn rename(&mut self, target: &Path) -> io::Result<()> {
        let mut live = live();
        let Some(path) = self.path.clone() else { return Err(io::Error::other("the file was removed")) };
        if cfg!(windows) {
            // Windows cannot rename a file that is locked.
            self.file = None;
        }
        match fs::rename(&path, target) {
            Ok(()) => {
                live.retain(|other| *other != path);
                (self.path, self.file) = (None, None);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Removes the file.
    pub fn remove(&mut self) {
        if cfg!(windows) {
            self.file = None;
        }
        if self.path.is_some() {
            self.remove_name(&mut live());
        }
        self.file = None;
    }

    fn remove_name(&mut self, live: &mut Vec<PathBuf>) {
        if let Some(path) = self.path.take() {
            // Best effort: the error that led here is the one to report.
            let _ = fs::remove_file(&path);
            live.retain(|other| *other != path);
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Read for Partial {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file()?.read(bytes)
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file()?.flush()
    }
}

impl Seek for Partial {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file()?.seek(to)
    }
}

/// Creates a file that did not exist, which follows no link.
fn create_new(path: &Path, private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let _ = private;
    options.open(path)
}

/// Locks a new file. Returns whether it still is in its folder.
fn is_held(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => has_name(file),
        Err(TryLockError::WouldBlock) => Ok(false),
        // No locks on this file system: the remains of a killed process are known by their age.
        Err(TryLockError::Error(_)) => Ok(true),
    }
}

#[cfg(unix)]
fn has_name(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() > 0)
}

/// An open and locked file cannot be removed here.
#[cfg(not(unix))]
fn has_name(_file: &File) -> io::Result<bool> {
    Ok(true)
}

/// A name that this process has not used yet for an unfinished file or folder.
pub(super) fn temporary_name(name: &OsStr) -> OsString {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    temporary
}

/// The part of a target's name that a temporary name has room for.
pub(super) fn short(name: &OsStr) -> OsString {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let text = name.to_string_lossy();
    let end = (0..=MAX_NAME).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;

    #[test]
    fn a_file_is_renamed_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        fs::write(&target, "old").unwrap();
        let mut partial = Partial::create(&target).unwrap();
        partial.write_all(b"new").unwrap();
        let name = names(folder.path()).remove(0).into_string().unwrap();
        assert!(name.starts_with(&format!(".out.{}-", std::process::id())) && name.ends_with(".part"), "{name}");
        drop(partial);
        assert_eq!((names(folder.path()), fs::read(&target).unwrap()), (vec!["out".into()], b"old".to_vec()));

        let mut partial = Partial::create(&target).unwrap();
        partial.write_all(b"new").unwrap();
        partial.rename(&target).unwrap();
        drop(partial);
        assert_eq!((names(folder.path()), fs::read(&target).unwrap()), (vec!["out".into()], b"new".to_vec()));
    }

    #[test]
    fn a_failed_rename_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out");
        let mut partial = Partial::create(&target).unwrap();
        fs::create_dir(&target).unwrap();
        assert!(partial.rename(&target).is_err());
        drop(partial);
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn an_unnamed_file_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut partial = Partial::unnamed(folder.path()).unwrap();
        assert_eq!(names(folder.path()).len(), usize::from(!cfg!(unix)));
        partial.write_all(b"content").unwrap();
        partial.rewind().unwrap();
        let mut text = String::new();
        partial.read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        drop(partial);
        assert!(names(folder.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn what_other_processes_link_to_is_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let (target, victim) = (folder.path().join("out"), folder.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        // Links under the next names that this process would use.
        let first = Partial::create(&target).unwrap().path.clone().unwrap().into_os_string().into_string().unwrap();
        let number: u64 = first.trim_end_matches(".part").rsplit('-').next().unwrap().parse().unwrap();
        for next in number..number + 32 {
            let name = first.replace(&format!("-{number}.part"), &format!("-{next}.part"));
            std::os::unix::fs::symlink(&victim, name).unwrap();
        }
        Partial::create(&target).unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn long_names_fit() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x".repeat(255), "é".repeat(127)] {
            let target = folder.path().join(&name);
            let mut partial = Partial::create(&target).unwrap();
            partial.rename(&target).unwrap();
            assert_eq!(names(folder.path()), [name.as_str()]);
            fs::remove_file(target).unwrap();
        }
    }
}
