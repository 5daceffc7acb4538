//! The Arrow schema of a table: the entry `ARROW:schema` of a Parquet file's metadata, by which pyarrow, Polars and others
//! take lists as lists of a fixed size. Parquet itself has no such type.
//!
//! The entry is an Arrow IPC message with a schema, in base64 (Arrow's `format/Message.fbs` and `format/Schema.fbs`,
//! and "Encapsulated message format" of its specification). The message is a FlatBuffer: every table is preceded here by
//! its own table of offsets, and each of its fields has four bytes, so that everything is aligned.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::schema::{Column, Kind};

/// The key of the entry.
pub(super) const KEY: &str = "ARROW:schema";

/// `MetadataVersion::V5`, the one of all Arrow libraries since 1.0.
const VERSION: i16 = 4;
/// `MessageHeader::Schema`.
const SCHEMA: u8 = 1;
/// `Precision::SINGLE`.
const SINGLE: i16 = 1;
// Members of the union `Type`.
const FLOATING_POINT: u8 = 3;
const BINARY: u8 = 4;
const UTF8: u8 = 5;
const LIST: u8 = 12;
const FIXED_SIZE_LIST: u8 = 16;

/// A field of a FlatBuffer's table.
enum Value<'a> {
    Absent,
    Byte(u8),
    Short(i16),
    Int(i32),
    Text(&'a str),
    Table(Vec<Value<'a>>),
    Tables(Vec<Vec<Value<'a>>>),
}

/// The entry for a table with these columns and this metadata, which pyarrow looks for here and not in the file's own.
pub(super) fn schema(columns: &[Column], metadata: &[(String, String)]) -> String {
    // Message: version, type of the header, header. Schema: byte order (0 is little), fields, metadata.
    let fields = columns.iter().map(|column| field(&column.name, column.kind)).collect();
    let metadata = metadata.iter().map(|(key, value)| vec![Value::Text(key), Value::Text(value)]).collect();
    let schema = vec![Value::Absent, Value::Tables(fields), Value::Tables(metadata)];
    let message = vec![Value::Short(VERSION), Value::Byte(SCHEMA), Value::Table(schema)];
    let mut flat = Flat(vec![0; 4]);
    flat.reference(0, |flat| flat.table(&message));
    flat.align(8);
    let len = u32::try_from(flat.0.len()).unwrap_or(u32::MAX);
    STANDARD.encode([&[0xff; 4][..], &len.to_le_bytes(), &flat.0].concat())
}

/// Field: name, nullable, type, its parameters, dictionary, children.
fn field(name: &str, kind: Kind) -> Vec<Value<'_>> {
    let (number, parameters, children) = match kind {
        Kind::Text => (UTF8, vec![], vec![]),
        Kind::Bytes => (BINARY, vec![], vec![]),
        Kind::Vectors { fixed: false, .. } => (LIST, vec![], vec![element()]),
        Kind::Vectors { dim, fixed: true } => {
            let len = i32::try_from(dim).unwrap_or(i32::MAX);
            (FIXED_SIZE_LIST, vec![Value::Int(len)], vec![element()])
        }
    };
    typed(name, number, parameters, children)
}

fn element<'a>() -> Vec<Value<'a>> {
    typed("element", FLOATING_POINT, vec![Value::Short(SINGLE)], vec![])
}

fn typed<'a>(name: &'a str, number: u8, parameters: Vec<Value<'a>>, children: Vec<Vec<Value<'a>>>) -> Vec<Value<'a>> {
    // Readers want a list of children also where there are none.
    vec![
        Value::Text(name),
        Value::Byte(1),
        Value::Byte(number),
        Value::Table(parameters),
        Value::Absent,
        Value::Tables(children),
    ]
}

/// A FlatBuffer that is written from its root on. References lead forward and are filled in when their target is known.
struct Flat(Vec<u8>);

impl Flat {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn put(&mut self, bytes: [u8; 4]) {
        self.0.extend(bytes);
    }

    fn put_short(&mut self, value: usize) {
        self.0.extend(u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes());
    }

    /// Writes a target and, at `from`, its distance.
    fn reference(&mut self, from: usize, target: impl FnOnce(&mut Flat) -> usize) {
        let distance = u32::try_from(target(self) - from).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = self.0.get_mut(from..from + 4) {
            place.copy_from_slice(&distance);
        }
    }

    /// Writes a table and what it refers to. Returns its place.
    fn table(&mut self, fields: &[Value<'_>]) -> usize {
        // The offsets: their size, the table's, one per field. Both begin at a multiple of four.
        self.align(4);
        let offsets = self.0.len();
        let present = |fields: &[Value<'_>]| fields.iter().filter(|value| !matches!(value, Value::Absent)).count();
        self.put_short(4 + 2 * fields.len());
        self.put_short(4 + 4 * present(fields));
        for (at, value) in fields.iter().enumerate() {
            self.put_short(match value {
                Value::Absent => 0,
                _ => 4 + 4 * present(fields.get(..at).unwrap_or_default()),
            });
        }
        self.align(4);
        let table = self.0.len();
        self.put(i32::try_from(table - offsets).unwrap_or(i32::MAX).to_le_bytes());
        for value in fields {
            match *value {
                Value::Absent => {}
                Value::Byte(value) => self.put([value, 0, 0, 0]),
                Value::Short(value) => self.put(i32::from(value).to_le_bytes()),
                Value::Int(value) => self.put(value.to_le_bytes()),
                Value::Text(_) | Value::Table(_) | Value::Tables(_) => self.put([0; 4]),
            }
        }
        let present = fields.iter().filter(|value| !matches!(value, Value::Absent));
        for (at, value) in present.enumerate() {
            let from = table + 4 + 4 * at;
            match value {
                Value::Text(text) => self.reference(from, |flat| flat.text(text)),
                Value::Table(fields) => self.reference(from, |flat| flat.table(fields)),
                Value::Tables(tables) => self.reference(from, |flat| flat.tables(tables)),
                Value::Absent | Value::Byte(_) | Value::Short(_) | Value::Int(_) => {}
            }
        }
        table
    }

    fn tables(&mut self, tables: &[Vec<Value<'_>>]) -> usize {
        let list = self.len_of(tables.len());
        self.0.resize(self.0.len() + 4 * tables.len(), 0);
        for (at, fields) in tables.iter().enumerate() {
            self.reference(list + 4 + 4 * at, |flat| flat.table(fields));
        }
        list
    }

    fn text(&mut self, text: &str) -> usize {
        let place = self.len_of(text.len());
        self.0.extend(text.bytes().chain([0]));
        place
    }

    /// Writes the length of what follows. Returns its place.
    fn len_of(&mut self, len: usize) -> usize {
        self.align(4);
        let place = self.0.len();
        self.put(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a FlatBuffer as its specification says.
    #[derive(Clone, Copy)]
    struct Read<'a>(&'a [u8], usize);

    impl<'a> Read<'a> {
        fn int(self) -> usize {
            assert_eq!(self.1 % 4, 0);
            u32::from_le_bytes(self.0[self.1..self.1 + 4].try_into().unwrap()) as usize
        }

        fn follow(self) -> Read<'a> {
            Read(self.0, self.1 + self.int())
        }

        /// A field of a table.
        fn field(self, number: usize) -> Option<Read<'a>> {
            let offsets = self.1 - self.int();
            let short = |at: usize| usize::from(u16::from_le_bytes(self.0[at..at + 2].try_into().unwrap()));
            let at = offsets + 4 + 2 * number;
            let offset = if at < offsets + short(offsets) { short(at) } else { 0 };
            assert!(offset < short(offsets + 2));
            (offset > 0).then(|| Read(self.0, self.1 + offset))
        }

        fn tables(self) -> Vec<Read<'a>> {
            let list = self.follow();
            (1..=list.int()).map(|at| Read(self.0, list.1 + 4 * at).follow()).collect()
        }

        fn text(self) -> &'a str {
            let text = self.follow();
            assert_eq!(self.0[text.1 + 4 + text.int()], 0);
            std::str::from_utf8(&self.0[text.1 + 4..text.1 + 4 + text.int()]).unwrap()
        }

        fn byte(self) -> u8 {
            self.0[self.1]
        }
    }

    #[test]
    fn the_message_is_read_back() {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = [
            column("path", Kind::Text),
            column("ü", Kind::Bytes),
            column("embedding", Kind::Vectors { dim: 512, fixed: true }),
            column("v", Kind::Vectors { dim: 3, fixed: false }),
        ];
        let metadata = [("model".to_owned(), "demo".to_owned()), ("ä".to_owned(), String::new())];
        let bytes = STANDARD.decode(schema(&columns, &metadata)).unwrap();
        assert_eq!(bytes[..4], [0xff; 4]);
        assert_eq!((Read(&bytes, 4).int(), bytes.len() % 8), (bytes.len() - 8, 0));
        let message = Read(&bytes[8..], 0).follow();
        assert_eq!((message.field(0).unwrap().byte(), message.field(1).unwrap().byte()), (4, 1));
        assert!(message.field(3).is_none());
        let header = message.field(2).unwrap().follow();
        let entries = header.field(2).unwrap().tables();
        let text = |entry: &Read<'_>, number| entry.field(number).unwrap().text().to_owned();
        let entries: Vec<_> = entries.iter().map(|entry| (text(entry, 0), text(entry, 1))).collect();
        assert_eq!(entries, metadata);
        let fields = header.field(1).unwrap().tables();
        let described: Vec<(&str, u8, u8)> = fields
            .iter()
            .map(|field| {
                let part = |number| field.field(number).unwrap();
                (part(0).text(), part(1).byte(), part(2).byte())
            })
            .collect();
        assert_eq!(described, [("path", 1, 5), ("ü", 1, 4), ("embedding", 1, 16), ("v", 1, 12)]);
        assert_eq!(fields[2].field(3).unwrap().follow().field(0).unwrap().int(), 512);
        assert!(fields[3].field(3).unwrap().follow().field(0).is_none());
        for (field, children) in fields.iter().zip([0, 0, 1, 1]) {
            let elements = field.field(5).unwrap().tables();
            assert_eq!(elements.len(), children);
            for element in elements {
                let part = |number| element.field(number).unwrap();
                assert_eq!((part(0).text(), part(2).byte()), ("element", 3));
                assert_eq!(part(3).follow().field(0).unwrap().byte(), 1);
            }
        }
    }
}
