//! Output formats of embedding rows, one file per format. Knows no engine.

#[cfg(all(feature = "library", feature = "parquet"))]
mod clip_retrieval;
pub(super) mod csv;
mod destination;
mod json;
mod jsonl;
pub(super) mod npy;
#[cfg(feature = "parquet")]
mod parquet;
pub(super) mod plain_json;
mod row;
mod target;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub(super) use destination::{Destination, is_stdout};
pub(super) use row::{JsonPath, Row, Source};

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
    /// Whether there may be rows of inputs that failed.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "the columns of tables depend on it"))]
    pub errors: bool,
    /// Name of the column of embeddings of a table.
    #[cfg(feature = "parquet")]
    pub column: &'a str,
    /// Whether embeddings of a table are lists of a fixed size.
    #[cfg(feature = "parquet")]
    pub fixed_size: bool,
    /// Whether there may be paths that are not UTF-8.
    #[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "the columns of tables depend on it"))]
    pub odd_paths: bool,
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
        #[cfg(feature = "parquet")]
        if self == Format::Parquet {
            return true;
        }
        matches!(self, Format::Jsonl | Format::Json)
    }

    /// Whether the output is a folder.
    pub fn is_folder(self) -> bool {
        #[cfg(all(feature = "library", feature = "parquet"))]
        return self == Format::ClipRetrieval;
        #[cfg(not(all(feature = "library", feature = "parquet")))]
        false
    }

    /// Whether the output is bytes that are of no use on a terminal.
    pub fn is_binary(self) -> bool {
        !matches!(self, Format::Jsonl | Format::Json | Format::Csv)
    }
}

/// Writes a row as JSON, without a fingerprint.
pub(super) fn write_json_row(out: &mut impl io::Write, row: &Row<'_>) -> io::Result<()> {
    plain_json::write(out, &row::JsonRow::new(row))
}

/// Prints a text to standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let print = || {
        let mut out = Destination::open(None)?;
        out.write_all(text.as_bytes())?;
        out.commit()
    };
    print().map_err(|error| cannot_write(None, &error))
}

/// Starts an output in `format`.
pub(super) fn start(format: Format, head: &Head<'_>, out: Destination) -> io::Result<Box<dyn RowWriter>> {
    #[cfg(all(feature = "library", feature = "parquet"))]
    let out = match out {
        Destination::Folder(folder) => return Ok(Box::new(clip_retrieval::ClipRetrieval::new(head, folder)?)),
        out => out,
    };
    Ok(match format {
        Format::Jsonl => Box::new(jsonl::Jsonl::new(head, out)),
        Format::Json => Box::new(json::Json::new(head, out)?),
        Format::Npy => Box::new(npy::Npy::new(head, out)?),
        Format::Csv => Box::new(csv::Csv::new(head, out)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::Parquet::new(head, out)?),
        #[cfg(all(feature = "library", feature = "parquet"))]
        Format::ClipRetrieval => return Err(io::Error::other("it writes a folder; name one")),
    })
}

/// Converts an error of writing to `path`, or to standard output without.
pub(super) fn cannot_write(path: Option<&Path>, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::ClosedPipe;
    }
    match path {
        Some(path) if error.kind() == io::ErrorKind::NotFound && !crate::files::folder(path).exists() => {
            let (path, folder) = (path.display(), crate::files::folder(path).display());
            Failure::Error(format!("cannot write {path}: the folder {folder} does not exist; create it first"))
        }
        Some(path) => Failure::Error(format!("cannot write {}: {error}", path.display())),
        None => Failure::Error(format!("cannot write to standard output: {error}")),
    }
}

/// The sidecar of a `.npy` file: the same name with `.jsonl` after it, beside the file that a link leads to.
pub(super) fn sidecar(npy: &Path) -> PathBuf {
    let mut path = crate::files::follow(npy).unwrap_or_else(|_| npy.to_owned()).into_os_string();
    path.push(".jsonl");
    path.into()
}

/// Identifies an existing file, whatever path leads to it.
#[derive(PartialEq, Eq)]
pub(super) struct FileId(#[cfg(unix)] (u64, u64), #[cfg(not(unix))] PathBuf);

impl FileId {
    /// Returns `None` if there is no file.
    pub fn of(path: &Path) -> Option<FileId> {
        #[cfg(unix)]
        return fs::metadata(path).ok().map(|data| FileId::of_data(&data));
        #[cfg(not(unix))]
        fs::canonicalize(path).ok().map(FileId)
    }

    #[cfg(unix)]
    fn of_data(data: &fs::Metadata) -> FileId {
        use std::os::unix::fs::MetadataExt;
        FileId((data.dev(), data.ino()))
    }

    /// The file or pipe that standard output goes to. `None` for a device, which loses nothing when two write to it.
    #[cfg(unix)]
    pub fn of_stdout() -> Option<FileId> {
        use std::os::fd::AsFd;
        use std::os::unix::fs::FileTypeExt;
        let stdout = super::streams::stdout().ok()?.as_fd().try_clone_to_owned().ok()?;
        let data = fs::File::from(stdout).metadata().ok()?;
        (!data.file_type().is_char_device()).then(|| FileId::of_data(&data))
    }

    /// Not known; this system does not replace a file that is open elsewhere.
    #[cfg(not(unix))]
    pub fn of_stdout() -> Option<FileId> {
        None
    }
}

/// Whether both paths refer to the same existing file.
pub(super) fn same_file(a: &Path, b: &Path) -> bool {
    FileId::of(a).is_some_and(|a| FileId::of(b) == Some(a))
}

/// Whether both paths name the same file, which need not exist yet.
pub(super) fn same_place(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        // Also through links that lead to no file yet.
        let path = &crate::files::follow(path).ok()?;
        fs::canonicalize(path)
            .ok()
            .or_else(|| Some(fs::canonicalize(crate::files::folder(path)).ok()?.join(path.file_name()?)))
    };
    a == b || place(a).is_some_and(|a| place(b) == Some(a))
}
