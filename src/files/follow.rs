//! Symbolic links: the file that a link leads to is written, and the link stays.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Longest chain of symbolic links that is followed, as Linux does.
const MAX_LINKS: usize = 40;

/// The path at the end of a chain of symbolic links, also if no file is there yet.
///
/// # Errors
/// The links lead in a circle, or one cannot be read.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
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
