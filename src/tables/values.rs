//! The values of a column chunk, decoded some rows at a time.

use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType};

use super::decoder::of_decoder;
use super::guard::Fault;
use super::schema::Cell;

/// Definition levels of a list.
#[derive(Clone, Copy)]
pub(super) struct Levels {
    /// From this level on, the list has an element.
    pub element: i16,
    /// At this level the element is there.
    pub value: i16,
}

/// The values of a column chunk.
pub(super) enum Values {
    /// With the definition level of a value that is there.
    Text(i16, ColumnReaderImpl<ByteArrayType>),
    Bytes(i16, ColumnReaderImpl<ByteArrayType>),
    Floats(Levels, ColumnReaderImpl<FloatType>),
    Doubles(Levels, ColumnReaderImpl<DoubleType>),
}

/// The cells of some rows.
pub(super) enum Batch {
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
pub(super) enum Row {
    Null,
    /// Start and end of its values.
    List(usize, usize),
    /// An element of the list is null.
    Gap,
}

impl Values {
    /// Reads the next `count` rows.
    pub fn read(&mut self, count: usize) -> Result<Batch, Fault> {
        match self {
            Values::Text(level, reader) => strings(reader, *level, count, true),
            Values::Bytes(level, reader) => strings(reader, *level, count, false),
            Values::Floats(levels, reader) => lists(reader, *levels, count, |value| value),
            Values::Doubles(levels, reader) => lists(reader, *levels, count, |value| value as f32),
        }
    }
}

fn strings(
    reader: &mut ColumnReaderImpl<ByteArrayType>,
    defined: i16,
    count: usize,
    text: bool,
) -> Result<Batch, Fault> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (rows, _, read) = reader.read_records(count, Some(&mut levels), None, &mut values).map_err(of_decoder)?;
    complete(rows, count)?;
    // A column that cannot be null has no levels.
    let present = |row: usize| levels.get(row).is_none_or(|&level| level == defined);
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
    pub fn cell(&self, row: usize) -> Result<Cell<'_>, &'static str> {
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
