//! What can go wrong between a model's name and its weights file.

use std::io;
use std::path::{Path, PathBuf};

use super::name::{ModelName, NameError};
use crate::import;

/// Why a model cannot be had. No message has a token or the query of a signed address in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No model is called this.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A setting, such as an environment variable, that cannot be followed.
    #[error("{setting} {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong, and what to set it to.
        reason: String,
    },
    /// The model is not here, and the network shall not be used.
    #[error(
        "{model} is not on this computer and {setting} forbids the network; allow it once for \
         `clippie-rs pull {model}`, or set CLIPPIE_HOME to a folder that has the model"
    )]
    Offline {
        /// The model.
        model: String,
        /// What forbids it.
        setting: &'static str,
    },
    /// A file or folder of this computer.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write` and the like.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is too full.
    #[error(
        "{model} needs {} of disk ({} to download, {} for the weights file) but {} has {}; make room, or set \
         CLIPPIE_HOME to a folder on another disk",
        size(*needed), size(*download), size(*converted), folder.display(), size(*free)
    )]
    DiskSpace {
        /// The model.
        model: String,
        /// The folder that has too little.
        folder: PathBuf,
        /// Bytes that are still to be downloaded.
        download: u64,
        /// Bytes of the weights file, at most.
        converted: u64,
        /// The sum of both.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The server cannot be reached, or the connection broke too often.
    #[error("cannot reach {url}: {reason}; check the network, and HF_ENDPOINT and HTTPS_PROXY if you use them")]
    Network {
        /// What was asked for.
        url: String,
        /// What happened last.
        reason: String,
    },
    /// The server says no: 401 or 403.
    #[error("{url}: {reason}")]
    Denied {
        /// What was asked for.
        url: String,
        /// Why, and the remedy.
        reason: String,
    },
    /// There is no such repository, revision or file: 404.
    #[error("{url}: {reason}")]
    NotFound {
        /// What was asked for.
        url: String,
        /// What is missing, and the remedy.
        reason: String,
    },
    /// Too many requests: 429.
    #[error("{url}: too many requests from here (429){}; try again later, or set HF_TOKEN", wait(*seconds))]
    TooManyRequests {
        /// What was asked for.
        url: String,
        /// When the server wants to be asked again.
        seconds: Option<u64>,
    },
    /// The server failed, again and again: 5xx and the like.
    #[error("{url}: the server failed ({status}); try again later")]
    Server {
        /// What was asked for.
        url: String,
        /// The last status.
        status: u16,
    },
    /// An answer that no hub gives.
    #[error("{url}: {reason}; check that HF_ENDPOINT is a Hugging Face hub or a mirror of it")]
    Protocol {
        /// What was asked for.
        url: String,
        /// What was odd.
        reason: String,
    },
    /// A file is not what the hub says it is.
    #[error("{file} has {what} {found} but the hub says {expected}; what was fetched is thrown away, pull again")]
    Mismatch {
        /// The file.
        file: String,
        /// `SHA-256`, `git SHA-1` or `a size of`.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The repository holds no checkpoint that can be read.
    #[error("{repository} {reason}")]
    Repository {
        /// The repository.
        repository: String,
        /// What it holds instead, and the remedy.
        reason: String,
    },
    /// The checkpoint was fetched but cannot be converted.
    #[error(
        "{error}; the files of {model} are kept in {}, where `clippie-rs convert` reads them with the options it needs",
        folder.display()
    )]
    Convert {
        /// The model.
        model: String,
        /// The files.
        folder: PathBuf,
        /// Why not.
        error: Box<import::Error>,
    },
    /// The weights file cannot be written.
    #[error(transparent)]
    Write(Box<import::Error>),
    /// Another process is pulling this model right now.
    #[error("{0} is being pulled by another process; wait until it is done")]
    Busy(String),
    /// The model is not here.
    #[error("{0} is not on this computer; `clippie-rs models` shows what is")]
    Missing(String),
    /// The callback said so.
    #[error("cancelled; what was downloaded is kept, and pulling again goes on with it")]
    Cancelled,
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn wait(seconds: Option<u64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(", for another {seconds} s"))
}

impl Error {
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::File { action, path: path.to_owned(), source }
    }

    pub(super) fn missing(name: &ModelName) -> Error {
        Error::Missing(name.to_string())
    }
}

/// What a server or a file says, made fit for a message: no control characters, at most 160 characters.
pub(super) fn printable(text: &str) -> String {
    const MOST: usize = 160;
    let mut shown: String = text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
