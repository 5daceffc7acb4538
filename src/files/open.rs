//! Opens regular files for reading; refuses everything else with one sentence for each kind.

use std::fmt;
use std::fs::{File, FileType, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// What is in the place of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "only the standard library for Unix tells all kinds apart"))]
pub(crate) enum NotRegular {
    Folder,
    Pipe,
    Socket,
    Device,
    /// A kind that this system does not name.
    Other,
}

impl fmt::Display for NotRegular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotRegular::Folder => "it is a folder; name a file in it",
            NotRegular::Pipe => "it is a pipe and not a file; write what comes out of it to a file and name that",
            NotRegular::Socket => "it is a socket and not a file; name a file",
            NotRegular::Device => "it is a device and not a file; copy its data to a file and name that",
            NotRegular::Other => "it is not a regular file; name one",
        })
    }
}

impl std::error::Error for NotRegular {}

impl From<NotRegular> for io::Error {
    fn from(kind: NotRegular) -> Self {
        let error = match kind {
            NotRegular::Folder => io::ErrorKind::IsADirectory,
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(error, kind)
    }
}

impl NotRegular {
    /// The kind that an error of [`open_regular`] states, if it states one.
    pub(crate) fn of(error: &io::Error) -> Option<NotRegular> {
        error.get_ref()?.downcast_ref().copied()
    }

    #[cfg(unix)]
    fn from_type(kind: FileType) -> NotRegular {
        use std::os::unix::fs::FileTypeExt;
        match kind {
            kind if kind.is_dir() => NotRegular::Folder,
            kind if kind.is_fifo() => NotRegular::Pipe,
            kind if kind.is_socket() => NotRegular::Socket,
            kind if kind.is_char_device() || kind.is_block_device() => NotRegular::Device,
            _ => NotRegular::Other,
        }
    }

    #[cfg(not(unix))]
    fn from_type(kind: FileType) -> NotRegular {
        if kind.is_dir() { NotRegular::Folder } else { NotRegular::Other }
    }

    pub(super) fn check(data: &Metadata) -> io::Result<()> {
        if data.is_file() { Ok(()) } else { Err(NotRegular::from_type(data.file_type()).into()) }
    }
}

/// Opens the regular file at `path` for reading; symbolic links are followed. Never waits for another program.
///
/// # Errors
/// Those of the system, and a [`NotRegular`] inside the error for anything that is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    #[cfg(test)]
    slow::open(path);
    // Opening a device can move a tape or start a watchdog, so the path is looked at first. It may be replaced before
    // it is opened: opening never waits, and only what is open counts.
    NotRegular::check(&path.metadata()?)?;
    let file = open_without_waiting(path)?;
    NotRegular::check(&file.metadata()?)?;
    Ok(file)
}

/// Reads everything from `input`, of which about `len` bytes are expected; `None` if it is more than `most` bytes.
///
/// # Errors
/// Those of the system.
pub fn read_at_most(input: impl Read, len: u64, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(len.min(most)).unwrap_or(0));
    input.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

#[cfg(unix)]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    use std::fs::OpenOptions;
    use std::os::unix::fs::OpenOptionsExt;
    match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        // Another program has a lease on the regular file, such as a file server. The system asks for it back, which
        // takes a bounded time, but only on behalf of a caller that waits.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => File::open(path),
        opened => opened,
    }
}

/// Named pipes of Windows are not in folders, so a path in one does not wait.
#[cfg(not(unix))]
fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// A server that takes long to answer, for tests.
#[cfg(test)]
pub(crate) mod slow {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Files in folders of this name are on that server.
    pub const FOLDER: &str = "answers-after-20-ms";
    const TIME: Duration = Duration::from_millis(20);

    /// The number of its files that are being opened, and the largest there was.
    static OPENING: AtomicUsize = AtomicUsize::new(0);
    pub static MOST: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn open(path: &Path) {
        if path.parent().is_some_and(|folder| folder.ends_with(FOLDER)) {
            MOST.fetch_max(OPENING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(TIME);
            OPENING.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "content").unwrap();
        let mut text = String::new();
        open_regular(&path).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        assert_eq!(open_regular(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = open_regular(folder.path()).unwrap_err();
        assert_eq!((error.kind(), NotRegular::of(&error)), (io::ErrorKind::IsADirectory, Some(NotRegular::Folder)));
        assert_eq!(error.to_string(), "it is a folder; name a file in it");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_regular_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "content").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert!(open_regular(&link).is_ok());
        let null = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        assert_eq!(NotRegular::of(&open_regular(&null).unwrap_err()), Some(NotRegular::Device));
    }

    /// A pipe without a writer would be waited for.
    #[cfg(unix)]
    #[test]
    fn pipes_sockets_and_devices_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind, words) in [
            (pipe.as_path(), NotRegular::Pipe, "a pipe and not a file"),
            (&socket, NotRegular::Socket, "a socket and not a file"),
            (Path::new("/dev/zero"), NotRegular::Device, "a device and not a file"),
        ] {
            let error = open_regular(path).unwrap_err();
            assert_eq!((error.kind(), NotRegular::of(&error)), (io::ErrorKind::InvalidInput, Some(kind)));
            assert!(error.to_string().contains(words), "{error}");
        }
        // Replaced by a pipe between the look and the opening: opened, but not waited for, and refused by its handle.
        let file = open_without_waiting(&pipe).unwrap();
        assert!(NotRegular::check(&file.metadata().unwrap()).is_err());
    }
}
