//! Output formats of embedding rows, one file per format. Knows no engine.

mod csv;
mod destination;
mod json;
mod jsonl;
pub(super) mod npy;
mod row;

use std::path::Path;
use std::{fs, io};

pub(super) use destination::Destination;
pub(super) use row::{Row, Source};

use super::args::Format;
use super::messages::Failure;

/// Properties shared by all rows of an output.
pub(super) struct Head<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Fingerprint of the embeddings.
    pub fingerprint: &'a str,
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Whether there will be rows of photos.
    pub photos: bool,
    /// Whether there will be rows of texts.
    pub texts: bool,
}

/// Writes rows in one format.
pub(super) trait RowWriter {
    /// Writes a row. Rows with errors are passed only if [`Format::has_errors`].
    fn write(&mut self, row: &Row<'_>) -> io::Result<()>;

    /// Flushes complete rows to the reader.
    fn flush(&mut self) -> io::Result<()>;

    /// Completes the output. Without this call, no file remains.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Format {
    /// Whether failed inputs get a row in this format.
    pub fn has_errors(self) -> bool {
        matches!(self, Format::Jsonl | Format::Json)
    }
}

/// Starts an output in `format`.
pub(super) fn start(format: Format, head: &Head<'_>, out: Destination) -> io::Result<Box<dyn RowWriter>> {
    Ok(match format {
        Format::Jsonl => Box::new(jsonl::Jsonl::new(head, out)),
        Format::Json => Box::new(json::Json::new(head, out)?),
        Format::Npy => Box::new(npy::Npy::new(head, out)?),
        Format::Csv => Box::new(csv::Csv::new(head, out)?),
    })
}

/// Converts an error of writing to `path`, or to standard output without.
pub(super) fn cannot_write(path: Option<&Path>, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::ClosedPipe;
    }
    match path {
        Some(path) => Failure::Error(format!("cannot write {}: {error}", path.display())),
        None => Failure::Error(format!("cannot write to standard output: {error}")),
    }
}

/// Whether both paths refer to the same existing file.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
