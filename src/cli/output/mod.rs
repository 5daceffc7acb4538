//! Rows of embeddings to bytes, one file per format. Knows what a row is, not how it came to be.

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
use super::messages::Stop;

/// What all rows of an output share.
pub(super) struct Head<'a> {
    /// What the model is called.
    pub model: &'a str,
    /// What only embeddings that can be compared share.
    pub fingerprint: &'a str,
    /// Length of the embeddings.
    pub embed_dim: usize,
    /// Whether rows of photos will come.
    pub photos: bool,
    /// Whether rows of texts will come.
    pub texts: bool,
}

/// A format that is being written.
pub(super) trait Rows {
    /// Adds a row. Formats that have no place for errors are not given any.
    fn write(&mut self, row: &Row<'_>) -> io::Result<()>;

    /// Passes complete rows on to whoever reads along.
    fn flush(&mut self) -> io::Result<()>;

    /// Completes the output and puts it in its place. Dropped before, it leaves no file.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Format {
    /// Whether failed inputs have a row.
    pub fn has_errors(self) -> bool {
        matches!(self, Format::Jsonl | Format::Json)
    }
}

/// Starts an output.
pub(super) fn start(format: Format, head: &Head<'_>, out: Destination) -> io::Result<Box<dyn Rows>> {
    Ok(match format {
        Format::Jsonl => Box::new(jsonl::Jsonl::new(head, out)),
        Format::Json => Box::new(json::Json::new(head, out)?),
        Format::Npy => Box::new(npy::Npy::new(head, out)?),
        Format::Csv => Box::new(csv::Csv::new(head, out)?),
    })
}

/// Why output to `path`, or to standard output without, ends.
pub(super) fn cannot_write(path: Option<&Path>, error: &io::Error) -> Stop {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Stop::Pipe;
    }
    match path {
        Some(path) => Stop::Failed(format!("cannot write {}: {error}", path.display())),
        None => Stop::Failed(format!("cannot write to standard output: {error}")),
    }
}

/// Whether both paths lead to one file that exists.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
