//! Reads columns of texts and vectors, whoever wrote them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::error::Error;
use super::guard::{self, Allowance, Chunks, Fault};
use super::schema::Cell;
use crate::files::open_regular;

/// Rows that are decoded at once.
const BATCH: usize = 256;
/// Bytes of texts that need no justification.
const FREE_TEXT: u64 = 64 << 20;
/// Most bytes of texts per byte of the file, above [`FREE_TEXT`].
const TEXT_PER_BYTE: u64 = 256;

/// A table that is open for reading.
pub struct Reader {
    path: PathBuf,
    /// For headers of pages; the reader has another handle.
    chunks: Chunks,
    reader: SerializedFileReader<Chunks>,
    columns: Vec<Column>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A column that can be read.
struct Column {
    name: String,
    /// Number among the columns of values.
    leaf: usize,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bytes,
    Floats(Levels),
    Doubles(Levels),
    Other,
}

/// Definition levels of a list.
#[derive(Clone, Copy)]
struct Levels {
    /// From this level on, the list has an element.
    element: i16,
    /// At this level the element is there.
    value: i16,
}

impl Reader {
    /// Opens a Parquet file. Files that were damaged, or made to damage a program, are errors.
    ///
    /// # Errors
    /// The file cannot be read or is no such file.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let file = open_regular(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let chunks = Chunks { file: file.try_clone().map_err(failed)?, len };
        guard::footer(&chunks).map_err(|fault| of_fault(path, fault))?;
        let reader =
            contained(|| SerializedFileReader::new(Chunks { file, len })).map_err(|fault| of_fault(path, fault))?;
        let columns = columns(&reader).map_err(|fault| of_fault(path, fault))?;
        Ok(Reader { path: path.to_owned(), chunks, reader, columns })
    }

    /// Number of rows that the file says it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Whether there is a column of this name.
    #[must_use]
    pub fn has_column(&self, name: &str) -> bool {
        self.columns().any(|column| column == name)
    }

    /// An entry of the file's metadata.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let entries = self.reader.metadata().file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// Reads some columns row by row: `each` gets a cell of each of them. Columns of texts, of bytes, and of lists of
    /// floats can be read; floats of double precision are rounded.
    ///
    /// # Errors
    /// There is no such column, or it is of another type; the file is damaged; `each` fails.
    pub fn read<E: From<Error>>(
        &self,
        columns: &[&str],
        mut each: impl FnMut(&[Cell<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns = columns.iter().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>()?;
        if columns.is_empty() {
            return Ok(());
        }
        let mut allowance = Allowance::of(self.chunks.len);
        let mut text_left = FREE_TEXT.saturating_add(TEXT_PER_BYTE.saturating_mul(self.chunks.len));
        let mut rows = 0;
        for group in 0..self.reader.num_row_groups() {
            let failed = |fault| of_fault(&self.path, fault);
            let mut readers = Vec::new();
            for column in &columns {
                readers.push(self.column_reader(group, column, &mut allowance).map_err(failed)?);
            }
            let mut left = u64::try_from(self.reader.metadata().row_group(group).num_rows()).unwrap_or(0);
            while left > 0 {
                let count = left.min(BATCH as u64) as usize;
                let mut batches = Vec::new();
                for reader in &mut readers {
                    batches.push(contained_fault(|| reader.read(count)).map_err(failed)?);
                }
                let mut row = Vec::new();
                for at in 0..count {
                    rows += 1;
                    row.clear();
                    for (column, batch) in columns.iter().zip(&batches) {
                        let cell = batch.cell(at).map_err(|reason| {
                            failed(Fault::Refused(format!("row {rows} of its column {}: {reason}", column.name)))
                        })?;
                        let len = match cell {
                            Cell::Text(text) => text.len(),
                            Cell::Bytes(bytes) => bytes.len(),
                            Cell::Null | Cell::Vector(_) => 0,
                        };
                        if len > 0 {
                            text_left = text_left.checked_sub(len as u64).ok_or_else(|| {
                                failed(Fault::Refused("its texts are longer than its length allows".into()))
                            })?;
                        }
                        row.push(cell);
                    }
                    each(&row)?;
                }
                left -= count as u64;
            }
        }
        if rows != self.rows() {
            let said = self.rows();
            return Err(of_fault(&self.path, Fault::Refused(format!("it has {rows} rows and says {said}"))).into());
        }
        Ok(())
    }

    fn column(&self, name: &str) -> Result<&Column, Error> {
        let refused = |reason| Error::Table { path: self.path.clone(), reason };
        match self.columns.iter().find(|column| column.name == name) {
            None => {
                let some: Vec<&str> = self.columns().take(20).collect();
                Err(refused(format!("it has no column {name}, only {}", some.join(", "))))
            }
            Some(column) if matches!(column.kind, Kind::Other) => {
                Err(refused(format!("its column {name} holds neither texts nor lists of floats")))
            }
            Some(column) => Ok(column),
        }
    }

    fn column_reader(&self, group: usize, column: &Column, allowance: &mut Allowance) -> Result<Values, Fault> {
        let (start, len, compression) = contained(|| {
            let chunk = self.reader.metadata().row_group(group).column(column.leaf);
            let (start, len) = chunk.byte_range();
            Ok((start, len, chunk.compression()))
        })?;
        if !matches!(
            compression,
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
        ) {
            return Err(Fault::Refused(format!("it is compressed by {compression}; use snappy, gzip or zstd")));
        }
        guard::pages(&self.chunks, start..start.saturating_add(len), allowance)?;
        let reader = contained(|| self.reader.get_row_group(group)?.get_column_reader(column.leaf))?;
        let wrong = || Fault::Refused("its columns change from one row group to the next".into());
        match (column.kind, reader) {
            (Kind::Text, ColumnReader::ByteArrayColumnReader(reader)) => Ok(Values::Text(reader)),
            (Kind::Bytes, ColumnReader::ByteArrayColumnReader(reader)) => Ok(Values::Bytes(reader)),
            (Kind::Floats(levels), reader @ ColumnReader::FloatColumnReader(_)) => {
                Ok(Values::Floats(levels, get_typed_column_reader::<FloatType>(reader)))
            }
            (Kind::Doubles(levels), reader @ ColumnReader::DoubleColumnReader(_)) => {
                Ok(Values::Doubles(levels, get_typed_column_reader::<DoubleType>(reader)))
            }
            _ => Err(wrong()),
        }
    }
}

/// The columns of the schema.
fn columns(reader: &SerializedFileReader<Chunks>) -> Result<Vec<Column>, Fault> {
    contained(|| {
        let schema = reader.metadata().file_metadata().schema_descr();
        let mut columns: Vec<Column> = Vec::new();
        for leaf in 0..schema.num_columns() {
            let values = schema.column(leaf);
            let root = schema.get_column_root(leaf);
            let name = root.name().to_owned();
            let (physical, nested) = (values.physical_type(), !root.is_primitive());
            let is_text = values.converted_type() == ConvertedType::UTF8
                || values.logical_type_ref() == Some(&LogicalType::String);
            let levels = Levels { element: values.repeated_ancestor_def_level(), value: values.max_def_level() };
            let kind = match (physical, values.max_rep_level()) {
                (Physical::BYTE_ARRAY, 0) if !nested && is_text => Kind::Text,
                (Physical::BYTE_ARRAY, 0) if !nested => Kind::Bytes,
                (Physical::FLOAT, 1) => Kind::Floats(levels),
                (Physical::DOUBLE, 1) => Kind::Doubles(levels),
                _ => Kind::Other,
            };
            match columns.last_mut().filter(|last| nested && last.name == name) {
                // A column of structs.
                Some(last) => last.kind = Kind::Other,
                None => columns.push(Column { name, leaf, kind }),
            }
        }
        Ok(columns)
    })
}

/// The values of a column chunk.
enum Values {
    Text(ColumnReaderImpl<ByteArrayType>),
    Bytes(ColumnReaderImpl<ByteArrayType>),
    Floats(Levels, ColumnReaderImpl<FloatType>),
    Doubles(Levels, ColumnReaderImpl<DoubleType>),
}

/// The cells of some rows.
enum Batch {
    Strings {
        text: bool,
        /// For each row, the place of its value.
        rows: Vec<Option<usize>>,
        values: Vec<ByteArray>,
    },
    Lists {
        rows: Vec<Row>,
        values: Vec<f32>,
    },
}

/// A row of a column of lists.
enum Row {
    Null,
    /// Start and end of its values.
    List(usize, usize),
    /// An element of the list is null.
    Gap,
}

impl Values {
    /// Reads the next `count` rows.
    fn read(&mut self, count: usize) -> Result<Batch, Fault> {
        match self {
            Values::Text(reader) => strings(reader, count, true),
            Values::Bytes(reader) => strings(reader, count, false),
            Values::Floats(levels, reader) => lists(reader, *levels, count, |value| value),
            Values::Doubles(levels, reader) => lists(reader, *levels, count, |value| value as f32),
        }
    }
}

fn strings(reader: &mut ColumnReaderImpl<ByteArrayType>, count: usize, text: bool) -> Result<Batch, Fault> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (rows, _, read) = reader.read_records(count, Some(&mut levels), None, &mut values).map_err(of_decoder)?;
    complete(rows, count)?;
    // A column that cannot be null has no levels.
    let present = |row: usize| levels.get(row).is_none_or(|&level| level > 0);
    let mut next = 0..values.len();
    let rows = (0..read).map(|row| if present(row) { next.next() } else { None }).collect();
    Ok(Batch::Strings { text, rows, values })
}

fn lists<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    levels: Levels,
    count: usize,
    convert: impl Fn(T::T) -> f32,
) -> Result<Batch, Fault> {
    let (mut defined, mut repeated, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let (rows, _, _) =
        reader.read_records(count, Some(&mut defined), Some(&mut repeated), &mut values).map_err(of_decoder)?;
    complete(rows, count)?;
    let (mut rows, mut at) = (Vec::new(), 0);
    for (&defined, &repeated) in defined.iter().zip(&repeated) {
        if repeated == 0 {
            // Just below the level of elements is the empty list; below that, no list.
            rows.push(if defined + 1 >= levels.element { Row::List(at, at) } else { Row::Null });
        }
        let Some(row) = rows.last_mut() else {
            return Err(Fault::Refused("a row begins in the middle of a list; write it again".into()));
        };
        if defined < levels.element {
            continue;
        }
        match row {
            _ if defined < levels.value => *row = Row::Gap,
            Row::List(_, end) => *end += 1,
            _ => {}
        }
        at += usize::from(defined >= levels.value);
    }
    complete(rows.len(), count)?;
    Ok(Batch::Lists { rows, values: values.into_iter().map(convert).collect() })
}

fn complete(rows: usize, count: usize) -> Result<(), Fault> {
    match rows == count {
        true => Ok(()),
        false => Err(Fault::Refused("a column has fewer rows than the file says; write it again".into())),
    }
}

impl Batch {
    /// A cell, or what is wrong with it.
    fn cell(&self, row: usize) -> Result<Cell<'_>, &'static str> {
        const DAMAGED: &str = "it has no values; the file is damaged";
        match self {
            Batch::Strings { text, rows, values } => {
                let Some(&Some(at)) = rows.get(row) else { return Ok(Cell::Null) };
                let bytes = values.get(at).ok_or(DAMAGED)?.data();
                match text {
                    true => std::str::from_utf8(bytes).map(Cell::Text).map_err(|_| "it is not UTF-8"),
                    false => Ok(Cell::Bytes(bytes)),
                }
            }
            Batch::Lists { rows, values } => match rows.get(row).ok_or(DAMAGED)? {
                Row::Null => Ok(Cell::Null),
                Row::Gap => Err("a value of the list is null"),
                Row::List(start, end) => values.get(*start..*end).map(Cell::Vector).ok_or(DAMAGED),
            },
        }
    }
}

/// Runs the decoder, which has assertions about files that anyone can write.
fn contained<T>(decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, Fault> {
    contained_fault(|| decode().map_err(of_decoder))
}

/// The only place where panics of the `parquet` crate end. What panicked is not used again.
fn contained_fault<T>(decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(Fault::Refused("it is damaged: it confuses the decoder; write it again".into())))
}

fn of_decoder(error: ParquetError) -> Fault {
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

fn of_fault(path: &Path, fault: Fault) -> Error {
    match fault {
        Fault::Read(source) => Error::Read { path: path.to_owned(), source },
        Fault::Refused(reason) => Error::Table { path: path.to_owned(), reason },
    }
}
