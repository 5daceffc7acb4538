//! What can go wrong between a published checkpoint and a weights file.

use std::path::{Path, PathBuf};

use super::recipes::Mismatch;

/// Why a checkpoint cannot be read or converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("{} cannot be read ({source}); check the path and its permissions", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path names no single checkpoint.
    #[error("{}: {reason}", path.display())]
    Source {
        /// The path that was given.
        path: PathBuf,
        /// Why it names none, and what to give instead.
        reason: String,
    },
    /// The bytes contradict themselves.
    #[error("{} is damaged: {reason}; download or save it again", path.display())]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// What contradicts what.
        reason: String,
    },
    /// The file is sound but in a form that is not read here.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// The checkpoint.
        path: PathBuf,
        /// The form, and the remedy.
        reason: String,
    },
    /// One tensor cannot be used.
    #[error("{}: tensor `{tensor}` {reason}", path.display())]
    Tensor {
        /// The checkpoint.
        path: PathBuf,
        /// The tensor's name in the checkpoint.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Tensors are missing, left over or wrongly shaped.
    #[error("{}: {mismatch}", path.display())]
    Mismatch {
        /// The checkpoint.
        path: PathBuf,
        /// Which tensors.
        mismatch: Box<Mismatch>,
    },
    /// A configuration file cannot be understood.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// Which field, and what was expected.
        reason: String,
    },
    /// A configuration says one thing and the tensors another.
    #[error(
        "{} says that {field} is {claimed}, but the tensors of {} say {found}; \
         the two do not belong together",
        claimant, path.display()
    )]
    Contradiction {
        /// The checkpoint.
        path: PathBuf,
        /// The configuration file or flag.
        claimant: String,
        /// The field as the configuration names it.
        field: String,
        /// What the configuration says.
        claimed: String,
        /// What the tensors say.
        found: String,
    },
    /// Something that neither the tensors nor a configuration tell.
    #[error("{}: {reason}", path.display())]
    Undetermined {
        /// The checkpoint.
        path: PathBuf,
        /// What is open, and which flags settle it.
        reason: String,
    },
    /// An option that cannot be followed.
    #[error("{reason}")]
    Option {
        /// Which option, and what it accepts.
        reason: String,
    },
    /// The weights file cannot be written.
    #[error(transparent)]
    Weights(#[from] crate::weights::Error),
}

/// What a reader of bytes found wrong, before the file's name is known to it.
#[derive(Debug)]
pub(super) enum Flaw {
    /// See [`Error::Damaged`].
    Damaged(String),
    /// See [`Error::Unsupported`].
    Unsupported(String),
}

impl Flaw {
    /// The public error, for the file at `path`.
    pub(super) fn at(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Flaw::Damaged(reason) => Error::Damaged { path, reason },
            Flaw::Unsupported(reason) => Error::Unsupported { path, reason },
        }
    }
}

/// Shorthand for [`Flaw::Damaged`].
pub(super) fn damaged<T>(reason: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw::Damaged(reason.into()))
}

/// Shorthand for [`Flaw::Unsupported`].
pub(super) fn unsupported<T>(reason: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw::Unsupported(reason.into()))
}

/// A name from a file, made fit for a message: no control characters, at most 120 characters.
pub(super) fn printable(name: &str) -> String {
    cut(name, 120)
}

/// What another library says, which may quote the file.
pub(super) fn printable_error(error: impl std::fmt::Display) -> String {
    cut(&error.to_string(), 240)
}

fn cut(name: &str, most: usize) -> String {
    let mut shown: String = name.chars().take(most).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if name.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}
