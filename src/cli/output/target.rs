//! The file that an output becomes: whether it can be written is found out at the start.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest chain of symbolic links that is followed, as Linux does.
const MAX_LINKS: usize = 40;

/// A file to be created or replaced.
pub(super) struct Target {
    /// Its path, without symbolic links at the end.
    pub path: PathBuf,
    /// The permissions of the file that is there.
    pub permissions: Option<Permissions>,
}

impl Target {
    /// Looks at `path`. Symbolic links are followed, also to a file that does not exist yet: the link stays.
    ///
    /// # Errors
    /// Something that is no file is there, or a file that cannot be written.
    pub fn find(path: &Path) -> io::Result<Target> {
        let path = follow(path)?;
        let data = match fs::symlink_metadata(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Target { path, permissions: None }),
            // Such as a name that is too long.
            Err(error) => return Err(error),
        };
        if data.is_dir() {
            return Err(io::Error::other("it is a folder; name a file"));
        }
        if !data.is_file() {
            return Err(io::Error::other("something that is no file is in its place; name another file"));
        }
        if data.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file there is read-only"));
        }
        // Finds what permissions do not tell: other users' files, read-only mounts, immutable files.
        OpenOptions::new().write(true).open(&path)?;
        Ok(Target { path, permissions: Some(data.permissions()) })
    }

    /// Whether the output can be written over the existing file where the folder permits no new file or no renaming:
    /// in a read-only folder; and where the file itself is a mount point, as containers have them.
    pub fn can_be_overwritten(&self, error: &io::Error) -> bool {
        use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
        let refused = matches!(error.kind(), CrossesDevices | PermissionDenied | ReadOnlyFilesystem | ResourceBusy);
        self.permissions.is_some() && refused
    }

    /// Copies the complete output over the existing file.
    pub fn overwrite(&self, complete: &mut impl Read) -> io::Result<()> {
        let mut out = OpenOptions::new().write(true).truncate(true).open(&self.path)?;
        io::copy(complete, &mut out)?;
        out.sync_all()
    }
}

/// The path at the end of a chain of symbolic links, where there need not be a file.
pub(super) fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(data) if data.is_symlink() => {
                let to = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(to);
            }
            _ => return Ok(path),
        }
    }
    Err(io::Error::other("it is a symbolic link that leads to no file; name another file"))
}
