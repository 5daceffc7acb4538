//! The error of what cannot be listed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file or folder that cannot be listed.
#[derive(Clone, Debug)]
pub struct WalkError {
    pub(super) path: PathBuf,
    pub(super) reason: Arc<io::Error>,
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), crate::files::reason(&self.reason))
    }
}

impl std::error::Error for WalkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.reason)
    }
}

impl WalkError {
    /// An input of a program's own that cannot be listed, for [`ImageInput::Unlisted`](crate::ImageInput::Unlisted): it
    /// keeps its place in a stream and fails with this reason.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, reason: io::Error) -> WalkError {
        WalkError { path: path.into(), reason: Arc::new(reason) }
    }

    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it cannot be listed.
    #[must_use]
    pub fn reason(&self) -> &io::Error {
        &self.reason
    }
}
