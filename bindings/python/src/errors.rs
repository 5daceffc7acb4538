//! Errors of the engine as exceptions of `clippie_rs.errors`, one class for each kind.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use clippie_rs::weights::Reason;
use clippie_rs::{Error, ErrorKind};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The module of the exceptions.
const MODULE: &str = "clippie_rs.errors";

/// An error of the engine or of this package, as an exception.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    make(py, class(error), &error.to_string(), error.index(), error.path())
}

/// An error that does not say which of several inputs it is about, as an exception that does.
pub fn exception_of(py: Python<'_>, error: &Error, index: Option<usize>) -> PyErr {
    let message = match index {
        Some(index) if error.path().is_none() && !matches!(error, Error::Cancelled) => {
            format!("image {index}: {error}")
        }
        _ => error.to_string(),
    };
    make(py, class(error), &message, index, error.path())
}

/// An exception about one of several inputs of a call. Its message names the input by its index.
pub fn of_input(py: Python<'_>, class: &str, what: &str, index: Option<usize>, reason: &str) -> PyErr {
    let message = match index {
        Some(index) => format!("{what} {index}: {reason}"),
        None => reason.to_owned(),
    };
    make(py, class, &message, index, None)
}

/// An option or argument that cannot be used.
pub fn option(py: Python<'_>, reason: &str) -> PyErr {
    make(py, "OptionError", reason, None, None)
}

/// An argument of a type that the call does not take.
pub fn wrong_type(what: &str, index: Option<usize>, reason: &str) -> PyErr {
    PyTypeError::new_err(match index {
        Some(index) => format!("{what} {index}: {reason}"),
        None => format!("{what}: {reason}"),
    })
}

fn make(py: Python<'_>, class: &str, message: &str, index: Option<usize>, path: Option<&Path>) -> PyErr {
    let path = path.map(Path::as_os_str).map(OsStr::to_os_string);
    let made = py
        .import(MODULE)
        .and_then(|module| module.getattr(class))
        .and_then(|class| class.call1((message, index, path)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => failed,
    }
}

/// The name of the exception's class.
fn class(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Io => match system_kind(error) {
            Some(io::ErrorKind::NotFound) => "MissingFileError",
            Some(io::ErrorKind::PermissionDenied) => "PermissionDeniedError",
            Some(io::ErrorKind::IsADirectory) => "FolderError",
            _ => "FileError",
        },
        ErrorKind::Weights => "WeightsError",
        ErrorKind::Image => "ImageError",
        ErrorKind::Text => "TextError",
        ErrorKind::Checkpoint => "CheckpointError",
        ErrorKind::Network => "NetworkError",
        ErrorKind::Memory => "OutOfMemoryError",
        ErrorKind::Option => "OptionError",
        ErrorKind::Cancelled => "Cancelled",
        ErrorKind::Internal => "InternalError",
        _ => "Error",
    }
}

/// What the system said, if an error of the system is the cause.
fn system_kind(error: &Error) -> Option<io::ErrorKind> {
    if let Error::Weights(weights) = error.reason() {
        match weights.reason() {
            Reason::NotFound => return Some(io::ErrorKind::NotFound),
            Reason::Folder => return Some(io::ErrorKind::IsADirectory),
            _ => {}
        }
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.reason());
    while let Some(error) = cause {
        if let Some(system) = error.downcast_ref::<io::Error>() {
            return Some(system.kind());
        }
        cause = error.source();
    }
    None
}
