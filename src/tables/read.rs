//! Reads columns of texts and vectors, whoever wrote them.

use std::fmt;
use std::path::{Path, PathBuf};

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{DoubleType, FloatType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::Type;

use super::decoder::{contained, of_fault};
use super::error::Error;
use super::guard::{self, Allowance, Chunks, Fault};
use super::rows::Rows;
use super::schema::Cell;
use super::values::{Levels, Values};
use crate::files::open_regular;

/// Bytes of texts, of a table that is read whole, that need no justification.
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

/// What a column holds, as far as it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holds {
    /// UTF-8 texts.
    Texts,
    /// Byte strings.
    Bytes,
    /// Lists of floats.
    Vectors,
    /// Values that cannot be read.
    Others,
}

/// A column of the table.
pub(super) struct Column {
    pub name: String,
    /// Number among the columns of values.
    leaf: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// With the definition level of a value that is there.
    Text(i16),
    Bytes(i16),
    Floats(Levels),
    Doubles(Levels),
    Other,
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
        let reader = Reader { path: path.to_owned(), chunks, reader, columns };
        let (said, rows) = (
            reader.rows(),
            (0..reader.groups()).fold(0_u64, |rows, group| rows.saturating_add(reader.rows_of_group(group))),
        );
        match rows == said {
            true => Ok(reader),
            false => {
                let reason = format!("it has {rows} rows and says {said}; write it again");
                Err(Error::Table { path: path.to_owned(), reason })
            }
        }
    }

    /// Number of rows that the file says it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Names of the columns. A struct has a column for each of its fields: `image.bytes`, `image.path`.
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

    /// What the column of this name holds; `None` if there is none.
    #[must_use]
    pub fn holds(&self, name: &str) -> Option<Holds> {
        self.columns.iter().find(|column| column.name == name).map(|column| match column.kind {
            Kind::Text(_) => Holds::Texts,
            Kind::Bytes(_) => Holds::Bytes,
            Kind::Floats(_) | Kind::Doubles(_) => Holds::Vectors,
            Kind::Other => Holds::Others,
        })
    }

    /// Reads some columns row by row: `each` gets a cell of each of them. Columns of texts, of bytes, and of lists of
    /// floats can be read; floats of double precision are rounded.
    ///
    /// Whoever reads a whole table may keep its cells, so a text that a small file repeats very often is an error here;
    /// [`rows_of`](Self::rows_of) has no such bound.
    ///
    /// # Errors
    /// There is no such column, or it is of another type; the file is damaged; `each` fails.
    pub fn read<E: From<Error>>(
        &self,
        columns: &[&str],
        mut each: impl FnMut(&[Cell<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows = self.rows_of(columns)?;
        let mut left = FREE_TEXT.saturating_add(TEXT_PER_BYTE.saturating_mul(self.len()));
        while let Some(row) = rows.next_row()? {
            for cell in &row {
                let len = match cell {
                    Cell::Text(text) => text.len(),
                    Cell::Bytes(bytes) => bytes.len(),
                    Cell::Null | Cell::Vector(_) => 0,
                };
                left = left.checked_sub(len as u64).ok_or_else(|| Error::Table {
                    path: self.path.clone(),
                    reason: "its texts are longer than its length allows".into(),
                })?;
            }
            each(&row)?;
        }
        Ok(())
    }

    /// The rows of some columns, as [`read`](Self::read) reads them.
    ///
    /// # Errors
    /// There is no such column, or it is of another type.
    pub fn rows_of(&self, columns: &[&str]) -> Result<Rows<'_>, Error> {
        let columns = columns.iter().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(Rows::new(self, columns))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file.
    pub(super) fn len(&self) -> u64 {
        self.chunks.len
    }

    /// Number of row groups.
    pub(super) fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// Number of rows of a row group.
    pub(super) fn rows_of_group(&self, group: usize) -> u64 {
        u64::try_from(self.reader.metadata().row_group(group).num_rows()).unwrap_or(0)
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

    /// Opens a column of a row group. Comes with the bytes of its largest page.
    pub(super) fn values(
        &self,
        group: usize,
        column: &Column,
        allowance: &mut Allowance,
    ) -> Result<(Values, u64), Fault> {
        let (start, len, compression) = contained(|| {
            let chunk = self.reader.metadata().row_group(group).column(column.leaf);
            let (start, len) = chunk.byte_range();
            Ok((start, len, chunk.compression()))
        })?;
        if !matches!(
            compression,
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
        ) {
            let name = match compression {
                Compression::LZ4 | Compression::LZ4_RAW => "LZ4",
                Compression::BROTLI(_) => "Brotli",
                Compression::LZO => "LZO",
                _ => "another codec",
            };
            return Err(Fault::Refused(format!("it is compressed by {name}; use snappy, gzip or zstd")));
        }
        let page = guard::pages(&self.chunks, start..start.saturating_add(len), allowance)?;
        let reader = contained(|| self.reader.get_row_group(group)?.get_column_reader(column.leaf))?;
        let wrong = || Fault::Refused("its columns change from one row group to the next".into());
        let values = match (column.kind, reader) {
            (Kind::Text(level), ColumnReader::ByteArrayColumnReader(reader)) => Values::Text(level, reader),
            (Kind::Bytes(level), ColumnReader::ByteArrayColumnReader(reader)) => Values::Bytes(level, reader),
            (Kind::Floats(levels), reader @ ColumnReader::FloatColumnReader(_)) => {
                Values::Floats(levels, get_typed_column_reader::<FloatType>(reader))
            }
            (Kind::Doubles(levels), reader @ ColumnReader::DoubleColumnReader(_)) => {
                Values::Doubles(levels, get_typed_column_reader::<DoubleType>(reader))
            }
            _ => return Err(wrong()),
        };
        Ok((values, page))
    }
}

/// Whether a column is itself a list or a map, and no struct that has one: all of it is in one repeated field.
fn is_list(column: &Type) -> bool {
    let repeats = |column: &Type| {
        let info = column.get_basic_info();
        info.has_repetition() && info.repetition() == Repetition::REPEATED
    };
    repeats(column) || matches!(column.get_fields(), [field] if repeats(field))
}

/// The columns of the schema.
fn columns(reader: &SerializedFileReader<Chunks>) -> Result<Vec<Column>, Fault> {
    contained(|| {
        let schema = reader.metadata().file_metadata().schema_descr();
        let mut columns: Vec<Column> = Vec::new();
        for leaf in 0..schema.num_columns() {
            let values = schema.column(leaf);
            let root = schema.get_column_root(leaf);
            let (repeated, nested) = (values.max_rep_level() > 0, !root.is_primitive());
            // The fields of a struct are columns of their own, lists and maps among them, but not those of a list.
            let name = if nested && !is_list(root) { values.path().string() } else { root.name().to_owned() };
            let is_text = values.converted_type() == ConvertedType::UTF8
                || values.logical_type_ref() == Some(&LogicalType::String);
            let level = values.max_def_level();
            let levels = Levels { element: values.repeated_ancestor_def_level(), value: level };
            // A list has two or three levels; more belong to a list in a struct.
            let list = values.path().parts().len() <= 3;
            let kind = match (values.physical_type(), values.max_rep_level()) {
                (Physical::BYTE_ARRAY, 0) if is_text => Kind::Text(level),
                (Physical::BYTE_ARRAY, 0) => Kind::Bytes(level),
                (Physical::FLOAT, 1) if list => Kind::Floats(levels),
                (Physical::DOUBLE, 1) if list => Kind::Doubles(levels),
                _ => Kind::Other,
            };
            match columns.last_mut().filter(|last| repeated && last.name == name) {
                // A column of lists of structs.
                Some(last) => last.kind = Kind::Other,
                None => columns.push(Column { name, leaf, kind }),
            }
        }
        Ok(columns)
    })
}
