//! Writes tables.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};

use super::error::Error;
use super::schema::{Cell, Column, Kind, Schema};

/// Bytes of cells from which on a row group is written. This is the memory of a writer; 16,384 vectors of 512 values.
const GROUP_BYTES: usize = 32 << 20;
/// Most rows of a row group, for tables of short texts.
const GROUP_ROWS: usize = 1 << 17;
/// Longest text of a cell in bytes.
const MAX_TEXT: usize = 1 << 24;

/// Levels of a value in a list: the list is there, it has an element, the element is there (`[optional, repeated,
/// optional]`).
const ELEMENT: i16 = 3;
/// Level of a list without elements.
const EMPTY: i16 = 1;

/// A table that grows row by row. Without [`finish`](Self::finish), no reader can open what was written.
///
/// Values are compressed by zstd. Row groups have at most 32 MiB of cells, which is what a writer holds in memory.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<Watched<W>>,
    error: Kept,
    columns: Vec<(Column, Buffer)>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}

/// An output that keeps its error: some of the encoder's own hide where they came from.
struct Watched<W> {
    out: W,
    error: Kept,
}

/// The error of an output, shared with the writer, which gives the output away.
type Kept = Arc<Mutex<Option<io::Error>>>;

impl<W: Write> Watched<W> {
    fn keep<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            kind.into()
        })
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.out.write(bytes);
        self.keep(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.out.flush();
        self.keep(result)
    }
}

/// Why writing failed: the output's error, if it has one.
fn broken(kept: &Kept, failed: ParquetError) -> Error {
    let error = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    error.map_or_else(|| refused(failed), Error::Write)
}

fn refused(error: ParquetError) -> Error {
    Error::Row(format!("the table cannot be encoded: {error}"))
}

/// The cells of a column in the row group at hand.
enum Buffer {
    /// Values that are not null; and for each row, whether there is one.
    Strings(Vec<ByteArray>, Vec<i16>),
    /// Values of all vectors; and for each row, whether there is one.
    Vectors(Vec<f32>, Vec<bool>),
}

impl<W: Write + Send> Writer<W> {
    /// Starts a table.
    ///
    /// # Errors
    /// If two columns have the same name, a vector has more than 2^20 values, one of fixed size has none, or `out` cannot
    /// be written.
    pub fn new(schema: &Schema, out: W) -> Result<Writer<W>, Error> {
        for (at, column) in schema.columns.iter().enumerate() {
            if schema.columns[..at].iter().any(|other| other.name == column.name) {
                return Err(Error::Row(format!("there are two columns called {}", column.name)));
            }
            if matches!(column.kind, Kind::Vectors { dim, .. } if dim > 1 << 20) {
                return Err(Error::Row(format!("the vectors of {} are too long for a table", column.name)));
            }
            if matches!(column.kind, Kind::Vectors { dim: 0, fixed: true }) {
                return Err(Error::Row(format!("the vectors of {} have no values, so no fixed size", column.name)));
            }
        }
        let level = ZstdLevel::try_new(3).map_err(refused)?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_created_by(concat!("clippie-rs version ", env!("CARGO_PKG_VERSION")).into())
            .set_key_value_metadata(Some(schema.key_values()).filter(|values| !values.is_empty()))
            // Paths and vectors are all different.
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::Chunk);
        for column in &schema.columns {
            if let Kind::Vectors { .. } = column.kind {
                properties = properties.set_column_statistics_enabled(column.path(), EnabledStatistics::None);
            }
        }
        let parquet = schema.parquet().map_err(refused)?;
        let error = Kept::default();
        let out = Watched { out, error: Arc::clone(&error) };
        let file = SerializedFileWriter::new(out, parquet, Arc::new(properties.build()));
        let file = file.map_err(|failed| broken(&error, failed))?;
        let buffer = |column: &Column| match column.kind {
            Kind::Text | Kind::Bytes => Buffer::Strings(Vec::new(), Vec::new()),
            Kind::Vectors { .. } => Buffer::Vectors(Vec::new(), Vec::new()),
        };
        let columns = schema.columns.iter().map(|column| (column.clone(), buffer(column))).collect();
        Ok(Writer { file, error, columns, rows: 0, bytes: 0 })
    }

    /// Adds a row: one cell per column.
    ///
    /// # Errors
    /// If a cell does not fit its column, or the output cannot be written.
    pub fn write(&mut self, row: &[Cell<'_>]) -> Result<(), Error> {
        if row.len() != self.columns.len() {
            return Err(Error::Row(format!("a row of {} cells for {} columns", row.len(), self.columns.len())));
        }
        // First of all, so that no column is longer than another.
        if let Some(((column, _), _)) = self.columns.iter().zip(row).find(|((column, _), cell)| !column.takes(cell)) {
            return Err(Error::Row(format!("a cell that does not fit the column {}", column.name)));
        }
        for ((_, buffer), &cell) in self.columns.iter_mut().zip(row) {
            self.bytes += buffer.push(cell);
        }
        self.rows += 1;
        if self.bytes >= GROUP_BYTES || self.rows >= GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    /// Completes the table and returns what it was written to.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn finish(mut self) -> Result<W, Error> {
        self.write_group()?;
        let error = self.error;
        Ok(self.file.into_inner().map_err(|failed| broken(&error, failed))?.out)
    }

    fn write_group(&mut self) -> Result<(), Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut write = || {
            let mut group = self.file.next_row_group()?;
            for (column, buffer) in &mut self.columns {
                let Some(mut out) = group.next_column()? else {
                    return Err(ParquetError::General("a column is missing".into()));
                };
                buffer.write(column, &mut out)?;
                out.close()?;
            }
            group.close().map(|_| ())
        };
        let written = write();
        written.map_err(|failed| broken(&self.error, failed))?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Column {
    fn takes(&self, cell: &Cell<'_>) -> bool {
        match (self.kind, cell) {
            (_, Cell::Null) => true,
            (Kind::Text, Cell::Text(text)) => text.len() <= MAX_TEXT,
            (Kind::Bytes, Cell::Bytes(bytes)) => bytes.len() <= MAX_TEXT,
            (Kind::Vectors { dim, .. }, Cell::Vector(vector)) => vector.len() == dim,
            _ => false,
        }
    }
}

impl Buffer {
    /// Adds a cell that fits the column. Returns the bytes that it takes.
    fn push(&mut self, cell: Cell<'_>) -> usize {
        match (self, cell) {
            (Buffer::Strings(values, levels), Cell::Text(text)) => push_bytes(values, levels, text.as_bytes()),
            (Buffer::Strings(values, levels), Cell::Bytes(bytes)) => push_bytes(values, levels, bytes),
            (Buffer::Strings(_, levels), _) => {
                levels.push(0);
                size_of::<i16>()
            }
            (Buffer::Vectors(values, present), cell) => {
                present.push(matches!(cell, Cell::Vector(_)));
                let Cell::Vector(vector) = cell else { return 1 };
                values.extend_from_slice(vector);
                1 + size_of_val(vector)
            }
        }
    }

    /// Writes and removes all cells.
    fn write(&mut self, column: &Column, out: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self {
            Buffer::Strings(values, levels) => {
                out.typed::<ByteArrayType>().write_batch(values, Some(levels), None)?;
                values.clear();
                levels.clear();
            }
            Buffer::Vectors(values, present) => {
                let Kind::Vectors { dim, .. } = column.kind else { return Ok(()) };
                let out = out.typed::<FloatType>();
                let defined = vec![ELEMENT; dim];
                let mut repeated = vec![1; dim];
                repeated.iter_mut().take(1).for_each(|level| *level = 0);
                let mut vectors = values.chunks_exact(dim.max(1));
                for &present in present.iter() {
                    match present {
                        true if dim == 0 => out.write_batch(&[], Some(&[EMPTY]), Some(&[0]))?,
                        true => {
                            let vector = vectors.next().unwrap_or_default();
                            out.write_batch(vector, Some(&defined), Some(&repeated))?
                        }
                        false => out.write_batch(&[], Some(&[0]), Some(&[0]))?,
                    };
                }
                values.clear();
                present.clear();
            }
        }
        Ok(())
    }
}

fn push_bytes(values: &mut Vec<ByteArray>, levels: &mut Vec<i16>, bytes: &[u8]) -> usize {
    values.push(bytes.to_vec().into());
    levels.push(1);
    size_of::<ByteArray>() + size_of::<i16>() + bytes.len()
}
