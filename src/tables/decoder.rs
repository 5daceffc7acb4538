//! Calls of the `parquet` crate's decoder: its panics and its errors as this module's own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;

use super::error::Error;
use super::guard::Fault;

/// Runs the decoder, which has assertions about files that anyone can write.
pub(super) fn contained<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, Fault> {
    contained_fault(|| decode().map_err(of_decoder))
}

/// The only place where panics of the `parquet` crate end. What panicked is not used again.
pub(super) fn contained_fault<T>(decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Fault::Refused("it is damaged: it confuses the decoder; write it again".into())))
}

pub(super) fn of_decoder(error: ParquetError) -> Fault {
    let text = match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => return Fault::Read(*error),
            Err(error) => error.to_string(),
        },
        ParquetError::General(text) | ParquetError::EOF(text) => text,
        ParquetError::NYI(text) => return Fault::Refused(format!("it cannot be read: {text}")),
        other => other.to_string(),
    };
    Fault::Refused(format!("it is damaged: {text}; write it again"))
}

pub(super) fn of_fault(path: &Path, fault: Fault) -> Error {
    match fault {
        Fault::Read(source) => Error::Read { path: path.to_owned(), source },
        Fault::Refused(reason) => Error::Table { path: path.to_owned(), reason },
    }
}
