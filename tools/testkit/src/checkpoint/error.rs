//! Errors of the generator.

use std::io;
use std::path::PathBuf;

/// Why a checkpoint was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model's name is not in the table.
    #[error("unknown model \"{name}\"; known are {known}")]
    UnknownModel {
        /// The name as given.
        name: String,
        /// The names of the table, separated by commas.
        known: String,
    },
    /// The layout cannot represent the model.
    #[error("{model} cannot be written in the {layout} layout: {reason}")]
    Unsupported {
        /// Name of the model.
        model: String,
        /// Name of the layout.
        layout: &'static str,
        /// What the layout cannot express.
        reason: String,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
