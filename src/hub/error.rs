//! Errors of finding, downloading and installing models.

use std::io;
use std::path::{Path, PathBuf};

use super::name::{ModelName, NameError};
use crate::import;

/// Why a model cannot be found or installed. No message contains a token or the query of a signed URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a model name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A setting, such as an environment variable, is invalid.
    #[error("{setting} {reason}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong, and what to set it to.
        reason: String,
    },
    /// The model is not installed and the network is disabled.
    #[error(
        "{model} is not on this computer and {setting} forbids the network; allow it once for \
         `clippie-rs pull {model}`, or set CLIPPIE_HOME to a folder that has the model"
    )]
    Offline {
        /// The model.
        model: String,
        /// The setting that disables the network.
        setting: &'static str,
    },
    /// A local file or folder cannot be used.
    #[error("cannot {action} {}: {source}{}", path.display(), elsewhere(action, source))]
    File {
        /// `read`, `write` and the like.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The disk has too little free space.
    #[error(
        "{model} needs {} of disk ({} to download, {} for the weights file) but {} has {}; make room, or set \
         CLIPPIE_HOME to a folder on another disk",
        size(*needed), size(*download), size(*converted), folder.display(), size(*free)
    )]
    DiskSpace {
        /// The model.
        model: String,
        /// The folder on that disk.
        folder: PathBuf,
        /// Bytes left to download.
        download: u64,
        /// Bytes of the weights file, at most.
        converted: u64,
        /// The sum of both.
        needed: u64,
        /// Free bytes.
        free: u64,
    },
    /// The server cannot be reached, or the connection broke too often.
    #[error("cannot reach {url}: {reason}; check the network, and HF_ENDPOINT and HTTPS_PROXY if you use them")]
    Network {
        /// The URL of the request.
        url: String,
        /// The last failure.
        reason: String,
    },
    /// Access is denied: 401 or 403.
    #[error("{url}: {reason}")]
    Denied {
        /// The URL of the request.
        url: String,
        /// Why, and the remedy.
        reason: String,
    },
    /// The repository, revision or file does not exist: 404.
    #[error("{url}: {reason}")]
    NotFound {
        /// The URL of the request.
        url: String,
        /// What is missing, and the remedy.
        reason: String,
    },
    /// Too many requests: 429.
    #[error("{url}: too many requests from here (429){}; try again later, or set HF_TOKEN", wait(*seconds))]
    TooManyRequests {
        /// The URL of the request.
        url: String,
        /// Seconds after which the server allows another request.
        seconds: Option<u64>,
    },
    /// The server failed repeatedly: 5xx and the like.
    #[error("{url}: the server failed ({status}); try again later")]
    Server {
        /// The URL of the request.
        url: String,
        /// The last status.
        status: u16,
    },
    /// The response is not that of a hub.
    #[error("{url}: {reason}; check that HF_ENDPOINT is a Hugging Face hub or a mirror of it")]
    Protocol {
        /// The URL of the request.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Size or checksum of a file differ from those the hub states.
    #[error("{file} has {what} {found} but the hub says {expected}; what was fetched is thrown away, pull again")]
    Mismatch {
        /// The file.
        file: String,
        /// `SHA-256`, `git SHA-1` or `a size of`.
        what: &'static str,
        /// The value that the hub states.
        expected: String,
        /// The value of the file.
        found: String,
    },
    /// Too little arrives from the server.
    #[error(
        "{url}: less than 1 kB a second arrives, for {seconds} s; pull again later, which goes on with what was \
         downloaded, or set HF_HUB_DOWNLOAD_TIMEOUT to more seconds"
    )]
    TooSlow {
        /// The URL of the request.
        url: String,
        /// Seconds over which the rate was averaged.
        seconds: u64,
    },
    /// The checkpoint in the cache of another tool is damaged.
    #[error(
        "{} is damaged: another tool downloaded it, and {reason}; remove it and download it again with that tool, or \
         allow the network for `clippie-rs pull {model}`, which then downloads a copy of its own",
        file.display()
    )]
    DamagedCache {
        /// The model.
        model: String,
        /// The damaged file.
        file: PathBuf,
        /// Its checksum and the right one.
        reason: String,
    },
    /// The repository has no single readable checkpoint.
    #[error("{repository} {reason}")]
    Repository {
        /// The repository.
        repository: String,
        /// What it has instead, and the remedy.
        reason: String,
    },
    /// The downloaded checkpoint cannot be converted.
    #[error(
        "{error}; the files of {model} are kept in {}, where `clippie-rs convert` reads them with the options it needs",
        folder.display()
    )]
    Convert {
        /// The model.
        model: String,
        /// The folder of the downloaded files.
        folder: PathBuf,
        /// The error of the conversion.
        error: Box<import::Error>,
    },
    /// The weights file cannot be written.
    #[error(transparent)]
    Write(Box<import::Error>),
    /// Another process is pulling this model.
    #[error("{0} is being pulled by another process; wait until it is done")]
    Busy(String),
    /// The model is not installed.
    #[error("{0} is not on this computer; `clippie-rs models` shows what is")]
    Missing(String),
    /// The callback returned `Break`.
    #[error("cancelled; what was downloaded is kept, and pulling again goes on with it")]
    Cancelled,
}

/// Formats a size for messages.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// What helps where nothing can be written.
fn elsewhere(action: &str, source: &io::Error) -> &'static str {
    use io::ErrorKind::{AlreadyExists, NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let is_place = matches!(source.kind(), AlreadyExists | NotADirectory | PermissionDenied | ReadOnlyFilesystem);
    // Sentences of this crate have their own advice.
    if is_place && action == "create" && source.raw_os_error().is_some() {
        "; set CLIPPIE_HOME to a folder that you may write to"
    } else {
        ""
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

/// Makes text of a server or file fit for a message: no control characters, at most 160 characters.
pub(super) fn printable(text: &str) -> String {
    const MAX_CHARS: usize = 160;
    let mut shown: String = text.chars().take(MAX_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
