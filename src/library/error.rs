//! Errors of the photo library.

use std::io;
use std::path::{Path, PathBuf};

use super::comparable::Precisions;
use crate::error::ErrorKind;

/// An error of a photo library. Each message is one sentence that names the cause and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no library at this path.
    #[error("there is no photo library {}; make it with `clippie-rs index -m MODEL DIR{}`", path.display(), option(path))]
    Missing {
        /// The library's file.
        path: PathBuf,
    },
    /// The file is no photo library.
    #[error("{} is not a photo library; name another file with --library, or move this one away", path.display())]
    NotALibrary {
        /// The file.
        path: PathBuf,
    },
    /// The library was written by a newer version.
    #[error(
        "{} has schema {found} and this version of clippie-rs knows {known} at most; update clippie-rs", path.display()
    )]
    Newer {
        /// The library's file.
        path: PathBuf,
        /// Version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The library's file is damaged.
    #[error(
        "{} is damaged ({reason}); restore a copy of it, or move it away and index again, which does no harm to photos",
        path.display()
    )]
    Damaged {
        /// The library's file.
        path: PathBuf,
        /// What SQLite or a check found.
        reason: String,
    },
    /// The mapped file of packed vectors is damaged, and was removed.
    #[error("{} was damaged; it holds nothing that the library does not have: remove it if it is still there, and run the \
             command again, which makes it anew", path.display())]
    Vectors {
        /// The file of vectors.
        path: PathBuf,
    },
    /// The library's file or its folder cannot be read.
    #[error("cannot open the photo library {}: {reason}", path.display())]
    Open {
        /// The library's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The library cannot be written.
    #[error(
        "cannot write the photo library {}: {reason}; make it and its folder writable, or name another file with \
         --library", path.display()
    )]
    ReadOnly {
        /// The library's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The disk is full.
    #[error(
        "the disk of the photo library {} is full; what was committed is kept: make room and run the command again",
        path.display()
    )]
    Full {
        /// The library's file.
        path: PathBuf,
    },
    /// Another process holds the library.
    #[error("the photo library {} is busy: another program is writing to it; try again", path.display())]
    Busy {
        /// The library's file.
        path: PathBuf,
    },
    /// An operation of the database fails for another reason.
    #[error("the photo library {} fails: {reason}", path.display())]
    Database {
        /// The library's file.
        path: PathBuf,
        /// SQLite's message.
        reason: String,
    },
    /// The library has no embeddings of this model.
    #[error("{}", unknown_model(path, name, fingerprint.as_deref(), known))]
    Fingerprint {
        /// The library's file.
        path: PathBuf,
        /// The model asked for.
        name: String,
        /// Its fingerprint, where the library has another model of this name.
        fingerprint: Option<String>,
        /// The models that the library has embeddings of; one of the same name is followed by its fingerprint.
        known: Vec<String>,
    },
    /// The library has embeddings of this model in another precision only, and comparing with them was not
    /// [allowed](super::Search::allow_precisions).
    #[error("{}", other_precision(path, name, *precisions, known))]
    OtherPrecision {
        /// The library's file.
        path: PathBuf,
        /// The model asked for.
        name: String,
        /// Its precision, and that of the stored embeddings.
        precisions: Precisions,
        /// What the library calls the model of its embeddings.
        known: String,
    },
    /// The library has no photo with this id, or no embedding of it by the model of a search.
    #[error("the library has no photo {id}, or does not know what it shows; search again, which gives new ids")]
    NoPhoto {
        /// The id.
        id: i64,
    },
    /// Embeddings that were given cannot be added.
    #[error("{}", unusable(*row, reason))]
    Given {
        /// Which of them, from 0; `None` if it is about all.
        row: Option<usize>,
        /// What is wrong with it, and what to do: the end of a sentence about a row.
        reason: String,
    },
    /// A folder or file cannot be used.
    #[error("cannot read {}: {}", path.display(), crate::files::reason(source))]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A query, filter or option cannot be used.
    #[error("{0}")]
    Query(String),
    /// A photo or text cannot be encoded.
    #[error(transparent)]
    Encode(#[from] crate::error::Error),
    /// The call was cancelled through its [`CancelToken`](crate::CancelToken).
    #[error("cancelled")]
    Cancelled,
}

/// The option that names the library, unless it is the default one.
pub(super) fn option(path: &Path) -> String {
    match super::place::default_path() {
        Some(default) if default == path => String::new(),
        _ => format!(" --library {}", path.display()),
    }
}

fn unusable(row: Option<usize>, reason: &str) -> String {
    row.map_or_else(|| reason.to_owned(), |row| format!("vector {} {reason}", row + 1))
}

fn unknown_model(path: &Path, name: &str, fingerprint: Option<&str>, known: &[String]) -> String {
    let library = option(path);
    let path = path.display();
    let add = format!("clippie-rs index -m {name}{library}");
    match (known, fingerprint) {
        ([], _) => format!(
            "the photo library {path} has no embeddings yet; add some with `clippie-rs index DIR -m \
             {name}{library}`"
        ),
        (known, Some(fingerprint)) => format!(
            "the photo library {path} has no embeddings of {name} ({fingerprint}), only of {}: another file or other options \
             under the same name; use those with -m, or add the missing embeddings with `{add}`",
            known.join(" and ")
        ),
        (known, None) => format!(
            "the photo library {path} has no embeddings of {name}, only of {}; use that model with -m, or add the other \
             one's with `{add}`",
            known.join(" and ")
        ),
    }
}

fn other_precision(path: &Path, name: &str, Precisions { query, stored }: Precisions, known: &str) -> String {
    let library = option(path);
    let (path, query, stored) = (path.display(), query.name(), stored.name());
    format!(
        "the photo library {path} has embeddings of {known} in {stored}, and {name} is the same model in {query}, with which \
         scores differ a little: compare them with --allow-precision {query}, use those of {stored} with -m {known}, or add \
         those of {query} with `clippie-rs index -m {name}{library}`"
    )
}

impl Error {
    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Encode(error) => error.kind(),
            Error::Cancelled => ErrorKind::Cancelled,
            Error::Query(_) | Error::NoPhoto { .. } | Error::Given { .. } => ErrorKind::Option,
            Error::Fingerprint { .. } | Error::OtherPrecision { .. } => ErrorKind::Option,
            _ => ErrorKind::Io,
        }
    }

    /// The error for a model that the library has no embeddings of, only those of `known`. Messages call it `argument`; its
    /// name and fingerprint are as the library would note them. Fingerprints tell models of the same name apart.
    pub(super) fn other_model<'a>(
        path: &Path,
        argument: &str,
        (name, fingerprint): (&str, &str),
        known: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Error {
        let mut namesake = false;
        let known = known.into_iter().map(|(other, digits)| {
            if other != name {
                return other.to_owned();
            }
            namesake = true;
            format!("{other} ({digits})")
        });
        let known = known.collect();
        let fingerprint = namesake.then(|| fingerprint.to_owned());
        Error::Fingerprint { path: path.to_owned(), name: argument.to_owned(), fingerprint, known }
    }

    /// The sentence for an error of SQLite on the library at `path`.
    pub(super) fn database(path: &Path, error: &rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
            ReadOnly, SystemIoFailure,
        };
        let path = path.to_owned();
        let reason = match error {
            rusqlite::Error::SqliteFailure(code, message) => message.clone().unwrap_or_else(|| code.to_string()),
            error => error.to_string(),
        };
        // What no library of this program has; SQLite's own words would be statements.
        let unlike = match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..) => Some("it has a value that cannot be there"),
            rusqlite::Error::QueryReturnedNoRows => Some("a row of it is gone"),
            _ if reason.starts_with("no such ") => Some("a table or column of it is gone"),
            // A step of the schema meets what it makes, or a view in place of a table.
            _ if reason.contains(" already exists in ")
                || reason.starts_with("duplicate column name")
                || reason.starts_with("Cannot add a column to a view") =>
            {
                Some("its tables are not those of its version")
            }
            _ => None,
        };
        if let Some(unlike) = unlike {
            return Error::Damaged { path, reason: unlike.to_owned() };
        }
        // Growing the index of the log, SQLite does not say that it was for want of room.
        if error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return Error::Full { path };
        }
        match error.sqlite_error_code() {
            Some(NotADatabase) => Error::NotALibrary { path },
            Some(DatabaseCorrupt) => Error::Damaged { path, reason },
            Some(DiskFull) => Error::Full { path },
            Some(DatabaseBusy | DatabaseLocked) => Error::Busy { path },
            Some(ReadOnly | PermissionDenied) => Error::ReadOnly { path, reason },
            Some(CannotOpen | SystemIoFailure) => Error::Open { path, reason },
            _ => Error::Database { path, reason },
        }
    }
}
