//! What can go wrong while a checkpoint is generated.

use std::io;
use std::path::PathBuf;

/// Why no checkpoint was written.
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
    /// The model cannot be told apart from another one in this layout.
    #[error("{model} cannot be written in the {layout} layout: {reason}")]
    Unsupported {
        /// Name of the model.
        model: String,
        /// Name of the layout.
        layout: &'static str,
        /// What the layout has no word for.
        reason: String,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}
