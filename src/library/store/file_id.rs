//! Which file a name leads to.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::Path;

use super::super::error::Error;

/// Tells the file of a library from another one that took its name. Where the system does not number files, one that is
/// open cannot be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(#[cfg(unix)] (u64, u64));

impl FileId {
    /// The file that has this name now.
    ///
    /// # Errors
    /// There is none, or its folder cannot be read.
    pub fn at(path: &Path) -> Result<FileId, Error> {
        match std::fs::metadata(path) {
            Ok(data) => Ok(FileId::of(&data)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::Missing { path: path.to_owned() }),
            Err(source) => Err(Error::Io { path: path.to_owned(), source }),
        }
    }

    #[cfg(unix)]
    fn of(data: &Metadata) -> FileId {
        use std::os::unix::fs::MetadataExt;
        FileId((data.dev(), data.ino()))
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> FileId {
        FileId()
    }
}
