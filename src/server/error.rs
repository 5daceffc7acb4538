//! Why a server cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No address can be listened on.
    #[error("cannot listen on {address}: {source}{}", listen_remedy(.source))]
    Listen {
        /// The last address that was tried.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The system gives no thread or no means to wait for connections.
    #[error("cannot start the server: {0}")]
    Start(io::Error),
    /// A token file that cannot be used.
    #[error("cannot use the token in {}: {reason}", .path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An address of another server that cannot be used.
    #[error("{0}")]
    Upstream(String),
    /// Authorities of certificates that cannot be used.
    #[error(transparent)]
    Fetch(crate::hub::Error),
    /// A name for a model that is not open.
    #[error("--alias {alias}={model} names a model that is not open")]
    Alias {
        /// The name.
        alias: String,
        /// The model.
        model: String,
    },
    /// A further name that is one already.
    #[error("--alias {alias}={model} cannot be: {alias} is the name of another model; give --alias another name")]
    AliasTaken {
        /// The name.
        alias: String,
        /// The model.
        model: String,
    },
    /// A name of Immich for a model of another length.
    #[error(
        "--alias {alias}={model} cannot be: embeddings of {alias} have {expected} values in Immich's database, those of \
         {model} {found}"
    )]
    AliasLength {
        /// Immich's name.
        alias: String,
        /// The length that it stands for.
        expected: usize,
        /// The model.
        model: String,
        /// Its length.
        found: usize,
    },
    /// A model that cannot be opened.
    #[error(transparent)]
    Model(#[from] crate::error::Error),
    /// A library that cannot be used.
    #[cfg(feature = "library")]
    #[error(transparent)]
    Library(#[from] crate::library::Error),
}

/// What to do about an address that cannot be listened on.
fn listen_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => "; --port gives another one",
        _ => "",
    }
}
