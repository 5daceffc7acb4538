//! Photos of a column of a Parquet table: paths, bytes of files, or structs of both, as Hugging Face's datasets have them.
//! Texts of another one.
//!
//! Rows are read as they are encoded. A row without a photo keeps its place, as one that cannot be read.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Photo;
use crate::cli::messages::Failure;
use crate::cli::photos::{Broken, Photos, Replaced};
use crate::tables::{Cell, Error, Holds, Reader, Rows};
use crate::walk::WalkError;

/// Bytes of photos that may wait to be encoded. Those of the batches at work come in any case.
const MOST_HELD: usize = 256 << 20;

/// A table of photos.
pub(in crate::cli) struct Table {
    file: PathBuf,
    reader: Reader,
    holds: Columns,
}

/// The columns that have the photos.
enum Columns {
    Paths(String),
    Bytes(String),
    /// The fields of a struct: `bytes` has precedence.
    Both {
        bytes: String,
        path: String,
    },
}

impl Table {
    /// Opens a table; `column` has the photos.
    pub fn open(file: &Path, column: &str) -> Result<Table, Failure> {
        let reader = Reader::open(file)?;
        let (bytes, path) = (format!("{column}.bytes"), format!("{column}.path"));
        let holds = match (reader.holds(column), reader.holds(&bytes), reader.holds(&path)) {
            (Some(Holds::Texts), ..) => Columns::Paths(column.to_owned()),
            (Some(Holds::Bytes), ..) => Columns::Bytes(column.to_owned()),
            (None, Some(Holds::Bytes), Some(Holds::Texts)) => Columns::Both { bytes, path },
            (None, Some(Holds::Bytes), _) => Columns::Bytes(bytes),
            (None, _, Some(Holds::Texts)) => Columns::Paths(path),
            (found, ..) => {
                let others: Vec<&str> = reader.columns().filter(|other| *other != column).take(20).collect();
                let others = if others.is_empty() { "no other".to_owned() } else { others.join(", ") };
                let reason = match found {
                    None => format!("it has no column {column}, but {others}"),
                    Some(_) => format!("its column {column} has neither paths nor bytes of photos; it has {others}"),
                };
                return Err(Failure::Error(format!("{}: {reason}; name one with --column", file.display())));
            }
        };
        Ok(Table { file: file.to_owned(), reader, holds })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        usize::try_from(self.reader.rows()).unwrap_or(usize::MAX)
    }

    /// The photos of some rows.
    pub fn photos<'a>(
        &'a self,
        range: Range<usize>,
        replaced: &'a Replaced,
        broken: &Broken,
    ) -> Result<Photos<'a>, Failure> {
        let rows = match &self.holds {
            Columns::Paths(column) | Columns::Bytes(column) => self.reader.rows_of(&[column])?,
            Columns::Both { bytes, path } => self.reader.rows_of(&[bytes, path])?,
        };
        let held = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&held);
        let photos = TablePhotos { table: self, rows, range, skipped: false, held, broken: broken.clone() };
        Ok(Photos::to_come(photos, move || waiting.load(Ordering::Relaxed) < MOST_HELD, replaced, broken))
    }
}

/// A table of texts.
pub(in crate::cli) struct TextTable {
    file: PathBuf,
    reader: Reader,
    column: String,
}

impl TextTable {
    /// Opens a table; `column` has the texts.
    pub fn open(file: &Path, column: &str) -> Result<TextTable, Failure> {
        let reader = Reader::open(file)?;
        if reader.holds(column) != Some(Holds::Texts) {
            let texts = reader.columns().filter(|other| reader.holds(other) == Some(Holds::Texts));
            let texts: Vec<&str> = texts.take(20).collect();
            let texts = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
            let (file, has) = (file.display(), if reader.has_column(column) { "no texts in" } else { "no column" });
            return Err(Failure::Error(format!(
                "{file}: it has {has} {column}; columns of texts: {texts}; name one with --text-column"
            )));
        }
        Ok(TextTable { file: file.to_owned(), reader, column: column.to_owned() })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        usize::try_from(self.reader.rows()).unwrap_or(usize::MAX)
    }

    /// Reads the texts of some rows, at most `most` at a time: `each` gets the number of the first, and the texts, without
    /// one where the cell is null.
    pub fn read(
        &self,
        range: Range<usize>,
        most: usize,
        mut each: impl FnMut(usize, Vec<Option<String>>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut rows = self.reader.rows_of(&[&self.column])?;
        rows.skip_rows(range.start as u64)?;
        for first in range.clone().step_by(most.max(1)) {
            let mut texts = Vec::new();
            for _ in first..range.end.min(first.saturating_add(most)) {
                let Some(cells) = rows.next_row()? else { break };
                texts.push(match cells.first() {
                    Some(Cell::Text(text)) => Some((*text).to_owned()),
                    _ => None,
                });
            }
            each(first, texts)?;
        }
        Ok(())
    }

    /// What a row is called in the output.
    pub fn name(&self, row: usize) -> PathBuf {
        row_name(&self.file, row)
    }
}

/// The path of a row in the output: `FILE#ROW`.
fn row_name(file: &Path, row: usize) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!("#{row}"));
    PathBuf::from(name)
}

/// The photos of a table that are still to come.
struct TablePhotos<'a> {
    table: &'a Table,
    rows: Rows<'a>,
    /// The rows to read, counted from 0.
    range: Range<usize>,
    /// Whether the rows before them were passed over.
    skipped: bool,
    held: Arc<AtomicUsize>,
    broken: Broken,
}

impl TablePhotos<'_> {
    fn read(&mut self, row: usize) -> Result<Option<Photo>, Error> {
        if !self.skipped {
            self.rows.skip_rows(row as u64)?;
            self.skipped = true;
        }
        let Some(cells) = self.rows.next_row()? else { return Ok(None) };
        // The path in the output: where the photo is.
        let name = row_name(&self.table.file, row);
        let missing = |name, reason| Photo::Unlisted(WalkError::new(name, io::Error::other(reason)));
        let found = cells.iter().find(|cell| **cell != Cell::Null);
        Ok(Some(match found {
            Some(Cell::Bytes(bytes)) => Photo::Bytes { name, bytes: Held::new(bytes, &self.held) },
            Some(Cell::Text("")) => missing(name, "its path is empty"),
            Some(Cell::Text(path)) => Photo::File(PathBuf::from(path)),
            _ => missing(name, "the cell is null"),
        }))
    }
}

impl Iterator for TablePhotos<'_> {
    type Item = Photo;

    fn next(&mut self) -> Option<Photo> {
        let row = self.range.next()?;
        self.read(row).unwrap_or_else(|error| {
            self.broken.set(error.into());
            None
        })
    }
}

/// Bytes in memory, counted together with others while they are there.
pub(in crate::cli) struct Held {
    bytes: Vec<u8>,
    total: Arc<AtomicUsize>,
}

impl Held {
    fn new(bytes: &[u8], total: &Arc<AtomicUsize>) -> Held {
        total.fetch_add(bytes.len(), Ordering::Relaxed);
        Held { bytes: bytes.to_vec(), total: Arc::clone(total) }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
