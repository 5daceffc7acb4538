//! The columns of a table, and a cell of it.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use super::arrow;

/// Columns and metadata of a table to be written. Every cell may be null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    pub(super) columns: Vec<Column>,
    metadata: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Bytes,
    Vectors {
        dim: usize,
        /// Whether Arrow takes them as lists of a fixed size.
        fixed: bool,
    },
}

/// A cell of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// A text of a column of texts.
    Text(&'a str),
    /// Bytes of a column of bytes.
    Bytes(&'a [u8]),
    /// A vector.
    Vector(&'a [f32]),
}

impl Schema {
    /// A table without columns.
    #[must_use]
    pub fn new() -> Schema {
        Schema::default()
    }

    /// Adds a column of UTF-8 texts.
    #[must_use]
    pub fn text(self, name: &str) -> Schema {
        self.column(name, Kind::Text)
    }

    /// Adds a column of byte strings.
    #[must_use]
    pub fn bytes(self, name: &str) -> Schema {
        self.column(name, Kind::Bytes)
    }

    /// Adds a column of vectors of `dim` values.
    #[must_use]
    pub fn vectors(self, name: &str, dim: usize) -> Schema {
        self.column(name, Kind::Vectors { dim, fixed: false })
    }

    /// Adds a column of vectors of `dim` values, at least one, that programs with Arrow (pyarrow, pandas, Polars) take as
    /// lists of a fixed size. Others take them as those of [`vectors`](Self::vectors).
    #[must_use]
    pub fn vectors_of_fixed_size(self, name: &str, dim: usize) -> Schema {
        self.column(name, Kind::Vectors { dim, fixed: true })
    }

    /// Adds an entry to the metadata of the file.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: &str) -> Schema {
        self.metadata.push((key.to_owned(), value.to_owned()));
        self
    }

    fn column(mut self, name: &str, kind: Kind) -> Schema {
        self.columns.push(Column { name: name.to_owned(), kind });
        self
    }

    pub(super) fn key_values(&self) -> Vec<KeyValue> {
        let fixed = self.columns.iter().any(|column| matches!(column.kind, Kind::Vectors { fixed: true, .. }));
        let arrow = fixed.then(|| KeyValue::new(arrow::KEY.to_owned(), arrow::schema(&self.columns, &self.metadata)));
        let given = self.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        given.chain(arrow).collect()
    }

    /// The schema in Parquet's terms.
    pub(super) fn parquet(&self) -> Result<TypePtr, ParquetError> {
        let fields = self.columns.iter().map(|column| column.parquet().map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?))
    }
}

impl Column {
    fn parquet(&self) -> Result<Type, ParquetError> {
        let strings = Type::primitive_type_builder(&self.name, Physical::BYTE_ARRAY);
        match self.kind {
            Kind::Bytes => strings.with_repetition(Repetition::OPTIONAL).build(),
            Kind::Text => strings
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::String))
                .with_converted_type(ConvertedType::UTF8)
                .build(),
            // The form of the format's LogicalTypes.md; elements are never null, but optional as all writers have them.
            Kind::Vectors { .. } => {
                let element = Type::primitive_type_builder("element", Physical::FLOAT)
                    .with_repetition(Repetition::OPTIONAL)
                    .build()?;
                let list = Type::group_type_builder("list")
                    .with_repetition(Repetition::REPEATED)
                    .with_fields(vec![Arc::new(element)])
                    .build()?;
                Type::group_type_builder(&self.name)
                    .with_repetition(Repetition::OPTIONAL)
                    .with_logical_type(Some(LogicalType::List))
                    .with_converted_type(ConvertedType::LIST)
                    .with_fields(vec![Arc::new(list)])
                    .build()
            }
        }
    }

    /// The path of the column's values.
    pub(super) fn path(&self) -> ColumnPath {
        let mut path = vec![self.name.clone()];
        if let Kind::Vectors { .. } = self.kind {
            path.extend(["list".to_owned(), "element".to_owned()]);
        }
        ColumnPath::new(path)
    }
}
