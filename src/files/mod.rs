//! Files without surprises: regular files are opened without ever waiting for another program, and unfinished files do
//! not outlive the process that writes them.
//!
//! Knows no format. Every path that a user, a list or a folder names is opened with `open_regular`, so that a pipe, a
//! device or a folder in the place of a file is an error with a sentence. Every file that is written is a [`Partial`]
//! until it is complete.
//!
//! This module is public for the command and is not part of the library's API.

#[cfg(feature = "decode")]
mod ahead;
mod follow;
mod open;
#[cfg(feature = "hub")]
mod own;
mod partial;
mod partial_folder;
mod sweep;

use std::io;
use std::path::Path;

#[cfg(feature = "decode")]
pub(crate) use ahead::{ReadAhead, Reading, Room};
pub use follow::follow;
pub use open::read_at_most;
#[cfg(test)]
pub(crate) use open::slow;
pub(crate) use open::{NotRegular, open_regular};
#[cfg(feature = "hub")]
pub(crate) use own::{freed_by_removing, open_or_create, open_unlinked, private_folder, refuse_link, resume_or_create};
pub use partial::{Closed, Partial, close};
pub use partial_folder::PartialFolder;
#[cfg(feature = "hub")]
pub(crate) use sweep::{remove_dead, target_name};

/// The folder of `path`.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Why the system does not give a file, as messages say it: in the same words for every file that is not there.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file; check the path".into(),
        _ => error.to_string(),
    }
}

/// The path that bytes of a list name; `None` if this system has no such path.
#[cfg(unix)]
pub fn path_of(bytes: &[u8]) -> Option<std::path::PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

/// The path that bytes of a list name; `None` if this system has no such path.
#[cfg(not(unix))]
pub fn path_of(bytes: &[u8]) -> Option<std::path::PathBuf> {
    std::str::from_utf8(bytes).ok().map(Into::into)
}

/// Makes a new name in `folder` survive a power loss. Some network file systems cannot sync folders; the file is
/// complete and in place anyway.
///
/// # Errors
/// The disk fails.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match std::fs::File::open(folder)?.sync_all() {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

/// Does nothing: this system cannot sync folders.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Names of everything in a folder, sorted.
#[cfg(test)]
pub(crate) fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}
