//! The public error of the crate.

mod kind;

use std::io;
use std::path::{Path, PathBuf};

use crate::hub::NameError;
use crate::kernels::isa::IsaError;
#[cfg(feature = "decode")]
use crate::photo;
use crate::{models, pixels, preprocess, tokenizer, weights};
pub use kind::ErrorKind;

/// Any error of this crate. Each message is one sentence that names the cause and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The weights file cannot be used.
    #[error(transparent)]
    Weights(#[from] weights::Error),
    /// The model in a weights file, or its input, cannot be used.
    #[error("{}: {error}", path.display())]
    Model {
        /// The weights file.
        path: PathBuf,
        /// What is wrong.
        error: models::Error,
    },
    /// The weights file lacks a tower.
    #[error("{} has no {tower} tower; use a file with both or ask for the other one", path.display())]
    NoTower {
        /// The weights file.
        path: PathBuf,
        /// `image` or `text`.
        tower: &'static str,
    },
    /// The name of a model was given where only a file can be opened: as a path, or without the feature `hub`.
    #[error("{}", model_name_message(name))]
    ModelName {
        /// The name.
        name: String,
    },
    /// Neither a weights file nor a model has this name.
    #[error("there is no file {name}, and {error}")]
    NoModel {
        /// The name.
        name: String,
        /// Why it is not the name of a model.
        error: NameError,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {}", path.display(), crate::files::reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A photo cannot be decoded; the message names it.
    #[cfg(feature = "decode")]
    #[error("{error}")]
    Photo {
        /// The photo's file, if it was read from one.
        path: Option<PathBuf>,
        /// What is wrong.
        error: photo::Error,
    },
    /// A file or folder cannot be listed.
    #[cfg(feature = "walk")]
    #[error(transparent)]
    Walk(#[from] crate::walk::WalkError),
    /// The length of a pixel buffer does not match its sides.
    #[error(transparent)]
    Pixels(#[from] pixels::Error),
    /// A preprocessing cannot be used.
    #[error(transparent)]
    Preprocess(#[from] preprocess::Error),
    /// A text cannot be used.
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
    /// A text for a model whose file holds no tokenizer for it.
    #[error(
        "the model's text tower has {found} tokens, and its file no tokenizer for them, so that it takes no text; convert \
         its checkpoint again with its tokenizer beside it, or use the model for photos alone, or from a program, which \
         can give ids to `TextEncoder::encode_ids`"
    )]
    Vocabulary {
        /// Rows of the model's token embedding.
        found: usize,
    },
    /// An input cannot be used: [`Error::path`] and [`Error::index`] say which, [`Error::reason`] why.
    #[error("{}", item_message(what, *index, path.is_some(), error))]
    Item {
        /// `image` or `text`.
        what: &'static str,
        /// Its index in the batch or stream, from 0; `None` if it is the only one.
        index: Option<usize>,
        /// The image's file, if it came from one; the reason then names it.
        path: Option<PathBuf>,
        /// What is wrong with it.
        #[source]
        error: Box<Error>,
    },
    /// Pixels have another shape than the tower takes.
    #[error("pixels of shape {found:?} do not fit the image tower, which takes [images, 3, {size}, {size}]")]
    PixelShape {
        /// The shape given.
        found: Vec<usize>,
        /// The side that the tower takes.
        size: usize,
    },
    /// The slice for embeddings has the wrong length.
    #[error("the slice for embeddings has {len} values; {inputs} inputs need {expected}")]
    OutputLength {
        /// Number of values that it has.
        len: usize,
        /// Number of inputs.
        inputs: usize,
        /// Number of values that it must have.
        expected: usize,
    },
    /// Embeddings of different lengths cannot be compared.
    #[error("embeddings of {left} and {right} values cannot be compared; encode both with the same model")]
    EmbedDim {
        /// Length of the first ones.
        left: usize,
        /// Length of the second ones.
        right: usize,
    },
    /// Embeddings or scores of two models are not those of the same inputs.
    #[error(
        "{left} and {right} embeddings are not those of the same inputs; give both of every input, in the same order"
    )]
    Inputs {
        /// Number of the first ones.
        left: usize,
        /// Number of the second ones.
        right: usize,
    },
    /// The system gives no memory for what a call returns.
    #[error("the system gives no memory for {what} ({bytes} bytes); give fewer inputs at a time")]
    Memory {
        /// What it is needed for.
        what: &'static str,
        /// Memory for all of it, in bytes.
        bytes: usize,
    },
    /// A classifier cannot be built or used: its labels, templates or settings, or embeddings that do not fit it.
    #[error("{0}")]
    Classifier(String),
    /// `CLIPPIE_ISA` names an instruction set that cannot be used.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// The call was cancelled through its [`CancelToken`](crate::CancelToken).
    #[error("cancelled")]
    Cancelled,
    /// A checkpoint cannot be converted.
    #[cfg(feature = "import")]
    #[error(transparent)]
    Import(Box<crate::import::Error>),
    /// A model cannot be opened by name.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(Box<crate::hub::Error>),
    /// Arrays whose sizes contradict each other; a bug in this crate.
    #[error("internal shape error: {0}; please report it")]
    Shape(#[from] ndarray::ShapeError),
}

#[cfg(feature = "decode")]
impl From<photo::Error> for Error {
    fn from(error: photo::Error) -> Self {
        Error::Photo { path: None, error }
    }
}

/// Says how to open the model that has this name.
fn model_name_message(name: &str) -> String {
    #[cfg(feature = "demo")]
    if name == "demo" {
        return "`demo` is the compiled-in model, not a file; open it with `Clip::demo()`".into();
    }
    #[cfg(feature = "hub")]
    return format!(
        "`{name}` is a model name, not a file; open it with `Clip::from_name`, or give the path of its .clippie file, \
         which `clippie-rs pull {name}` prints"
    );
    #[cfg(not(feature = "hub"))]
    {
        let by_hand = name.parse().map(|name: crate::hub::ModelName| name.by_hand());
        let how = by_hand.unwrap_or_else(|_| "give the path of its .clippie file".into());
        format!("`{name}` is a model name, and this build of clippie-rs has no network (feature `hub`): {how}")
    }
}

/// Names the item by its index, unless the reason names its file.
fn item_message(what: &str, index: Option<usize>, named: bool, error: &Error) -> String {
    match (index, error) {
        #[cfg(feature = "decode")]
        (Some(index), Error::Photo { error, .. }) if !named && error.name() == photo::NAMELESS => {
            // The index replaces the name: "image 1 is ..." instead of "image 1: the image is ...".
            format!("{what} {index}{}", error.to_string().strip_prefix(photo::NAMELESS).unwrap_or_default())
        }
        (Some(index), _) if !named => format!("{what} {index}: {error}"),
        _ => error.to_string(),
    }
}

#[cfg(feature = "import")]
impl From<crate::import::Error> for Error {
    fn from(error: crate::import::Error) -> Self {
        match error {
            crate::import::Error::Cancelled => Error::Cancelled,
            // Boxed, because it is by far the largest variant.
            error => Error::Import(Box::new(error)),
        }
    }
}

#[cfg(feature = "hub")]
impl From<crate::hub::Error> for Error {
    fn from(error: crate::hub::Error) -> Self {
        Error::Hub(Box::new(error))
    }
}

impl Error {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Item { error, .. } => error.kind(),
            Error::Read { .. } => ErrorKind::Io,
            #[cfg(feature = "walk")]
            Error::Walk(_) => ErrorKind::Io,
            Error::Weights(error) if is_io(error.reason()) => ErrorKind::Io,
            Error::Weights(error) if matches!(error.reason(), weights::Reason::Memory(_)) => ErrorKind::Memory,
            Error::Memory { .. } | Error::Model { error: models::Error::Memory { .. }, .. } => ErrorKind::Memory,
            Error::Tokenizer(tokenizer::Error::Memory { .. }) => ErrorKind::Memory,
            Error::Model { error: models::Error::Token { .. } | models::Error::TextLength { .. }, .. } => {
                ErrorKind::Text
            }
            Error::Weights(_) | Error::Model { .. } | Error::NoTower { .. } | Error::UnknownTokenizer { .. } => {
                ErrorKind::Weights
            }
            #[cfg(feature = "decode")]
            Error::Photo { .. } => ErrorKind::Image,
            Error::Pixels(_) | Error::Preprocess(_) | Error::PixelShape { .. } => ErrorKind::Image,
            #[cfg(feature = "import")]
            Error::Tokenizer(tokenizer::Error::File { .. }) => ErrorKind::Checkpoint,
            Error::Tokenizer(_) | Error::Vocabulary { .. } => ErrorKind::Text,
            Error::ModelName { .. } | Error::NoModel { .. } => ErrorKind::Option,
            Error::Isa(_)
            | Error::OutputLength { .. }
            | Error::EmbedDim { .. }
            | Error::Inputs { .. }
            | Error::Classifier(_) => ErrorKind::Option,
            Error::Cancelled => ErrorKind::Cancelled,
            #[cfg(feature = "import")]
            Error::Import(_) => ErrorKind::Checkpoint,
            #[cfg(feature = "hub")]
            Error::Hub(error) => hub_kind(error),
            Error::Shape(_) => ErrorKind::Internal,
        }
    }

    /// The file that the error is about: the weights file, or the photo that cannot be used.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Error::Item { path: Some(path), .. }
            | Error::Model { path, .. }
            | Error::NoTower { path, .. }
            | Error::UnknownTokenizer { path, .. }
            | Error::Read { path, .. } => Some(path),
            #[cfg(feature = "decode")]
            Error::Photo { path, .. } => path.as_deref(),
            Error::Item { error, .. } => error.path(),
            Error::Weights(error) => Some(error.path()),
            #[cfg(feature = "walk")]
            Error::Walk(error) => Some(error.path()),
            #[cfg(feature = "import")]
            Error::Tokenizer(tokenizer::Error::File { path, .. }) => Some(path),
            _ => None,
        }
    }

    /// The input that the error is about: its index in the batch or stream, from 0.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            Error::Item { index, .. } => *index,
            Error::Model {
                error: models::Error::NotFinite { index, .. } | models::Error::NoLength { index, .. },
                ..
            } => Some(*index),
            _ => None,
        }
    }

    /// The error itself, without the input that it is about.
    #[must_use]
    pub fn reason(&self) -> &Error {
        match self {
            Error::Item { error, .. } => error,
            error => error,
        }
    }

    /// Adds which input the error is about, if that is known. A cancellation is about no single input.
    pub(crate) fn of_item(self, what: &'static str, index: Option<usize>, path: Option<&Path>) -> Self {
        if matches!(self, Error::Cancelled) || (index.is_none() && path.is_none()) {
            return self;
        }
        Error::Item { what, index, path: path.map(Path::to_owned), error: Box::new(self) }
    }

    /// Removes the index: the input was the only one.
    pub(crate) fn without_index(self) -> Self {
        match self {
            Error::Item { path: None, error, .. } => *error,
            Error::Item { what, path, error, .. } => Error::Item { what, index: None, path, error },
            error => error,
        }
    }

    /// Shifts the index ([`Error::index`]): each batch counts from its own start, and a caller that encodes inputs in
    /// several batches counts on. An error that is about no single input stays as it is.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        match &mut self {
            Error::Item { index: Some(index), .. } => *index += by,
            Error::Model { error, .. } => error.index_mut().into_iter().for_each(|index| *index += by),
            _ => {}
        }
        self
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

/// Whether the file system is the cause, not the file's content.
fn is_io(reason: &weights::Reason) -> bool {
    use weights::Reason::{Folder, Map, NotAFile, NotFound, Open, Read, ReadBack, Replace, Write};
    matches!(reason, NotFound | Folder | NotAFile | Open(_) | Read(_) | Map(_) | Write(_) | ReadBack(_) | Replace(_))
}

#[cfg(feature = "hub")]
fn hub_kind(error: &crate::hub::Error) -> ErrorKind {
    use crate::hub::Error::*;
    match error {
        Name(_) | Setting { .. } | Offline { .. } | Missing(_) => ErrorKind::Option,
        File { .. } | DiskSpace { .. } | Write(_) | Busy(_) => ErrorKind::Io,
        Network { .. }
        | Denied { .. }
        | NotFound { .. }
        | TooManyRequests { .. }
        | TooSlow { .. }
        | Server { .. }
        | Protocol { .. } => ErrorKind::Network,
        Mismatch { .. } | DamagedCache { .. } | Repository { .. } | Convert { .. } => ErrorKind::Checkpoint,
        Cancelled => ErrorKind::Cancelled,
    }
}
