//! The one public error of the crate.

use std::io;
use std::path::{Path, PathBuf};

use crate::kernels::isa::IsaError;
#[cfg(feature = "decode")]
use crate::photo;
use crate::{models, pixels, preprocess, tokenizer, weights};

/// Everything that can go wrong; each message is one sentence that names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The weights file.
    #[error(transparent)]
    Weights(#[from] weights::Error),
    /// The model in a weights file, or what it was given.
    #[error("{}: {error}", path.display())]
    Model {
        /// The weights file.
        path: PathBuf,
        /// What is wrong.
        error: models::Error,
    },
    /// The weights file has no such tower.
    #[error("{} has no {tower} tower; use a file with both or ask for the other one", path.display())]
    NoTower {
        /// The weights file.
        path: PathBuf,
        /// `image` or `text`.
        tower: &'static str,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A photo that cannot be decoded; the message names it.
    #[cfg(feature = "decode")]
    #[error("{error}")]
    Photo {
        /// The photo's file, if it was read from one.
        path: Option<PathBuf>,
        /// What is wrong.
        error: photo::Error,
    },
    /// A pixel buffer whose length does not match its sides.
    #[error(transparent)]
    Pixels(#[from] pixels::Error),
    /// A preprocessing that cannot be used.
    #[error(transparent)]
    Preprocess(#[from] preprocess::Error),
    /// A text that cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] tokenizer::Error),
    /// The weights file names a tokenizer that this version does not have.
    #[error("{}: {error}", path.display())]
    UnknownTokenizer {
        /// The weights file.
        path: PathBuf,
        /// Which tokenizer, and the remedy.
        error: tokenizer::Error,
    },
    /// A text for a model with a vocabulary of its own.
    #[error(
        "the model has {found} tokens but CLIP's vocabulary has {}; give token ids instead of text",
        tokenizer::VOCAB_SIZE
    )]
    Vocabulary {
        /// Rows of the model's token embedding.
        found: usize,
    },
    /// Pixels of another shape than the tower takes.
    #[error("pixels of shape {found:?} do not fit the image tower, which takes [images, 3, {size}, {size}]")]
    PixelShape {
        /// The shape given.
        found: Vec<usize>,
        /// The side that the tower takes.
        size: usize,
    },
    /// `CLIPPIE_ISA` names an instruction set that cannot be used.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The threads could not be started.
    #[error("cannot start worker threads: {0}")]
    Threads(String),
    /// The call was cancelled through its [`CancelToken`](crate::CancelToken).
    #[error("cancelled")]
    Cancelled,
    /// A checkpoint that cannot be converted.
    #[cfg(feature = "import")]
    #[error(transparent)]
    Import(Box<crate::import::Error>),
    /// A model that cannot be had by name.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(Box<crate::hub::Error>),
    /// Arrays whose sizes contradict each other; a defect of this crate.
    #[error("internal shape error: {0}; please report it")]
    Shape(#[from] ndarray::ShapeError),
}

/// What kind of thing went wrong, for callers that act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file is missing or cannot be opened, read or written.
    Io,
    /// A weights file is damaged, foreign or of another version, or its model cannot be run.
    Weights,
    /// An image cannot be decoded or is too large.
    Image,
    /// A text or token ids cannot be used.
    Text,
    /// A checkpoint cannot be converted.
    Checkpoint,
    /// A model cannot be fetched: the network, the server, or what it says.
    Network,
    /// An option or environment variable cannot be used here.
    Option,
    /// The call was cancelled.
    Cancelled,
    /// A defect of this crate.
    Internal,
}

#[cfg(feature = "decode")]
impl From<photo::Error> for Error {
    fn from(error: photo::Error) -> Self {
        Error::Photo { path: None, error }
    }
}

#[cfg(feature = "import")]
impl From<crate::import::Error> for Error {
    fn from(error: crate::import::Error) -> Self {
        // By far the largest of them.
        Error::Import(Box::new(error))
    }
}

#[cfg(feature = "hub")]
impl From<crate::hub::Error> for Error {
    fn from(error: crate::hub::Error) -> Self {
        Error::Hub(Box::new(error))
    }
}

impl Error {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Read { .. } => ErrorKind::Io,
            Error::Weights(error) if is_io(error.reason()) => ErrorKind::Io,
            Error::Model { error: models::Error::Token { .. } | models::Error::TextLength { .. }, .. } => {
                ErrorKind::Text
            }
            Error::Weights(_) | Error::Model { .. } | Error::NoTower { .. } | Error::UnknownTokenizer { .. } => {
                ErrorKind::Weights
            }
            #[cfg(feature = "decode")]
            Error::Photo { .. } => ErrorKind::Image,
            Error::Pixels(_) | Error::Preprocess(_) | Error::PixelShape { .. } => ErrorKind::Image,
            Error::Tokenizer(_) | Error::Vocabulary { .. } => ErrorKind::Text,
            Error::Isa(_) | Error::Threads(_) => ErrorKind::Option,
            Error::Cancelled => ErrorKind::Cancelled,
            #[cfg(feature = "import")]
            Error::Import(_) => ErrorKind::Checkpoint,
            #[cfg(feature = "hub")]
            Error::Hub(error) => hub_kind(error),
            Error::Shape(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn model(path: &Path, error: models::Error) -> Self {
        match error {
            // It names the file itself.
            models::Error::Weights(error) => Error::Weights(error),
            error => Error::Model { path: path.to_owned(), error },
        }
    }

    pub(crate) fn no_tower(path: &Path, tower: &'static str) -> Self {
        Error::NoTower { path: path.to_owned(), tower }
    }

    #[cfg(feature = "decode")]
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Error::Read { path: path.to_owned(), source }
    }

    /// Adds the file of a photo that cannot be decoded.
    #[cfg(feature = "decode")]
    pub(crate) fn at(self, file: &Path) -> Self {
        match self {
            Error::Photo { error, .. } => Error::Photo { path: Some(file.to_owned()), error },
            other => other,
        }
    }
}

/// Whether the file system, not the file's content, is the reason.
fn is_io(reason: &weights::Reason) -> bool {
    use weights::Reason::{Folder, Map, NotAFile, NotFound, Open, Read, Replace, Write};
    matches!(reason, NotFound | Folder | NotAFile | Open(_) | Read(_) | Map(_) | Write(_) | Replace(_))
}

#[cfg(feature = "hub")]
fn hub_kind(error: &crate::hub::Error) -> ErrorKind {
    use crate::hub::Error::*;
    match error {
        Name(_) | Setting { .. } | Offline { .. } | Missing(_) => ErrorKind::Option,
        File { .. } | DiskSpace { .. } | Write(_) | Busy(_) => ErrorKind::Io,
        Network { .. } | Denied { .. } | NotFound { .. } | TooManyRequests { .. } | Server { .. } | Protocol { .. } => {
            ErrorKind::Network
        }
        Mismatch { .. } | Repository { .. } | Convert { .. } => ErrorKind::Checkpoint,
        Cancelled => ErrorKind::Cancelled,
    }
}
