//! What a run of the index did.

use std::path::PathBuf;

use crate::walk::PassedOver;

/// What a run of [`Index`](super::Index) did. The numbers count files, not contents.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct IndexReport {
    /// Photos of the folders.
    pub found: u64,
    /// Photos that are as the library knows them.
    pub unchanged: u64,
    /// Photos that are as the library knows them, and of which it had no embedding by this model until now.
    pub new_to_model: u64,
    /// Photos that were encoded and whose path the library did not know.
    pub new: u64,
    /// Files that the library knew with another content.
    pub changed: u64,
    /// Photos at new paths whose content the library knew at a path where nothing is any more: moved or renamed files. The
    /// old paths are dropped.
    pub moved: u64,
    /// Photos at new paths whose content the library knew or found at others.
    pub copied: u64,
    /// Photos that were missing and are there again.
    pub found_again: u64,
    /// Files that cannot be read as photos and whose failure the library did not know.
    pub failed: u64,
    /// Files that failed in an earlier run and have not changed, or failed again.
    pub failed_before: u64,
    /// Files that the folders no longer have, that were not noted before and have not moved.
    pub missing: u64,
    /// Files and contents that were removed from the library because they are missing.
    pub pruned: (u64, u64),
    /// Folders that cannot be reached, or are empty although photos of them are known: nothing of them was changed.
    pub unreachable: Vec<PathBuf>,
    /// Folders that could be reached.
    pub compared: u64,
    /// Subfolders and links that cannot be read: nothing of them was changed.
    pub unreadable: u64,
    /// What the folders have beside photos.
    pub passed_over: PassedOver,
    /// Photo files that were opened.
    pub opened: u64,
    /// Photos that were encoded.
    pub encoded: u64,
    /// The bytes of the opened files.
    pub bytes: u64,
    /// Transactions that wrote photos and files.
    pub commits: u64,
    /// Seconds from the start to the end.
    pub seconds: f64,
    /// Seconds in the database, of all threads.
    pub database_seconds: f64,
    /// Whether the run was cancelled: everything that was done until then is kept.
    pub cancelled: bool,
}

impl IndexReport {
    /// Whether the library was as the folders are.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let IndexReport { new, new_to_model, changed, moved, copied, found_again, .. } = self;
        let IndexReport { failed, missing, pruned, cancelled, .. } = self;
        [new, new_to_model, changed, moved, copied, found_again, failed, missing, &pruned.0, &pruned.1]
            .iter()
            .all(|number| **number == 0)
            && !cancelled
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexProgress {
    /// Photos that were found and compared with the library.
    pub found: u64,
    /// Number of photos that have to be read, once all folders were compared.
    pub total: Option<u64>,
    /// Number of them that are done.
    pub done: u64,
}
