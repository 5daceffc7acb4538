//! Removes the unfinished files of processes that were killed.
//!
//! A file is removed if its name is that of a [`Partial`](super::Partial), it is a regular file that this user may
//! write, and its lock can be taken: the system has released it with the process that wrote it. Processes in other
//! containers and on other computers that share the folder hold locks too, so their files are safe. Where a file
//! system has no locks, a file counts as dead a day after it was last written to.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::partial;

/// Age at which an unfinished file without locks is dead.
const DEAD_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Maximum number of names to look at in a folder: about 20 ms. In a larger folder some remains may be missed.
pub(super) const MAX_NAMES: usize = 1 << 16;

/// The name of the target in the name of an unfinished file, `.NAME.PID-N.part`.
pub(crate) fn target_name(name: &OsStr) -> Option<&[u8]> {
    let rest = name.as_encoded_bytes().strip_prefix(b".")?.strip_suffix(b".part")?;
    let dot = rest.iter().rposition(|&byte| byte == b'.')?;
    let (target, writer) = (rest.get(..dot)?, rest.get(dot + 1..)?);
    let dash = writer.iter().position(|&byte| byte == b'-')?;
    let is_number = |digits: &[u8]| matches!(digits.len(), 1..=20) && digits.iter().all(u8::is_ascii_digit);
    let is_writer = is_number(writer.get(..dash)?) && is_number(writer.get(dash + 1..)?);
    (is_writer && !target.is_empty()).then_some(target)
}

/// Removes what killed processes left in `folder` of the target `name`. What cannot be removed stays.
pub(super) fn sweep(folder: &Path, name: &OsStr) {
    for entry in fs::read_dir(folder).into_iter().flatten().take(MAX_NAMES).flatten() {
        if target_name(&entry.file_name()) == Some(name.as_encoded_bytes()) {
            remove_dead(&entry.path());
        }
    }
}

/// Removes the unfinished file at `path` if its process is dead. Returns its size, or `None` if it stays.
pub(crate) fn remove_dead(path: &Path) -> Option<u64> {
    let remove = || -> io::Result<Option<u64>> {
        // On some network file systems a process shares its locks, so it could take that of its own file.
        if path.file_name().is_none_or(partial::is_live) || !path.symlink_metadata()?.is_file() {
            return Ok(None);
        }
        let file = open(path)?;
        let data = file.metadata()?;
        let dead = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => data.modified()?.elapsed().is_ok_and(|age| age > DEAD_AFTER),
        };
        // Only who holds the lock removes the name, so the name stays that of this file until then.
        if !dead || !data.is_file() || !is_same(&file, path)? {
            return Ok(None);
        }
        #[cfg(windows)]
        drop(file);
        fs::remove_file(path)?;
        Ok(Some(data.len()))
    };
    let removed = remove().ok().flatten();
    if let Some(bytes) = removed {
        tracing::info!(path = %path.display(), bytes, "removed the unfinished file of a killed process");
    }
    removed
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Whether `path` is still the name of the open file.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, named) = (file.metadata()?, path.symlink_metadata()?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn is_same(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::Partial;
    use super::*;

    #[test]
    fn names_of_unfinished_files_are_exact() {
        let target = |name: &str| target_name(OsStr::new(name)).map(|name| String::from_utf8(name.to_vec()).unwrap());
        assert_eq!(target(".out.jsonl.123-0.part").as_deref(), Some("out.jsonl"));
        assert_eq!(target(".a-1.b.1-2.part").as_deref(), Some("a-1.b"));
        for other in [
            "out.1-2.part",
            ".out.part",
            ".out.1.part",
            ".out.1-2",
            ".out.x-2.part",
            ".out.1-.part",
            ".out.-2.part",
            "..1-2.part",
            ".1-2.part",
            ".out.1-2-3.part",
            ".out.1-2.part.bak",
            ".out. 1-2.part",
        ] {
            assert_eq!(target(other), None, "{other}");
        }
    }

    #[test]
    fn dead_files_of_the_same_target_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let dead = [".out.1-0.part", ".out.999999-17.part"];
        let others = [".other.1-0.part", ".out.1-0.part.bak", ".out.part", "out.1-0.part", ".out.x-0.part"];
        for name in dead.iter().chain(&others) {
            fs::write(path(name), "left").unwrap();
        }
        fs::create_dir(path(".out.5-5.part")).unwrap();
        let live = Partial::create(&path("out")).unwrap();
        assert!(dead.iter().all(|name| !path(name).exists()));
        assert!(others.iter().all(|name| path(name).exists()) && path(".out.5-5.part").is_dir());
        // A live file is not removed, even by its own process.
        let before = fs::read_dir(folder.path()).unwrap().count();
        let second = Partial::create(&path("out")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before + 1);
        drop((live, second));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before - 1);
    }

    #[test]
    fn removed_sizes_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".out.1-0.part");
        assert_eq!(remove_dead(&path), None);
        fs::write(&path, "left").unwrap();
        let holder = File::open(&path).unwrap();
        holder.try_lock().unwrap();
        assert_eq!((remove_dead(&path), path.exists()), (None, true));
        drop(holder);
        assert_eq!((remove_dead(&path), path.exists()), (Some(4), false));
    }

    #[cfg(unix)]
    #[test]
    fn links_pipes_and_files_of_others_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("victim"), "precious").unwrap();
        std::os::unix::fs::symlink("victim", path(".out.1-0.part")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path(".out.1-1.part")).status().unwrap().success());
        drop(Partial::create(&path("out")).unwrap());
        assert!(path(".out.1-0.part").is_symlink() && path(".out.1-1.part").symlink_metadata().is_ok());
        assert_eq!(fs::read(path("victim")).unwrap(), b"precious");
        // Root may write any file.
        fs::write(path(".out.1-2.part"), "left").unwrap();
        fs::set_permissions(path(".out.1-2.part"), fs::Permissions::from_mode(0o444)).unwrap();
        if File::options().write(true).open(path(".out.1-2.part")).is_err() {
            drop(Partial::create(&path("out")).unwrap());
            assert!(path(".out.1-2.part").exists());
        }
    }
}
