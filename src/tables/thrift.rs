//! Thrift's compact protocol, as far as it takes to look through the headers of a Parquet file
//! (thrift-compact-protocol.md): fields by number, integers, and what lies between them.
//!
//! Every method returns `None` for bytes that are cut short or make no sense.

/// Deepest nesting of values that are passed over.
const MAX_DEPTH: usize = 32;
/// Most elements of a list. Files have a row group per some ten thousand rows, and a column chunk per column of it.
const MAX_LIST: u64 = 1 << 18;

const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// What is left of the bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact<'a>(&'a [u8]);

/// A field of a struct.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub id: i16,
    kind: u8,
}

impl<'a> Compact<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Compact(bytes)
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// The next field after that of number `last`; `Some(None)` at the end of the struct.
    pub fn field(&mut self, last: i16) -> Option<Option<Field>> {
        let header = self.byte()?;
        if header & 15 == 0 {
            return Some(None);
        }
        let id = match header >> 4 {
            0 => i16::try_from(self.integer()?).ok()?,
            step => last.checked_add(i16::from(step))?,
        };
        Some(Some(Field { id, kind: header & 15 }))
    }

    /// The value of a field that is a number.
    pub fn number(&mut self, field: Field) -> Option<i64> {
        matches!(field.kind, 4..=6).then(|| self.integer())?
    }

    /// The number of structs of a field that is a list of such.
    pub fn structs(&mut self, field: Field) -> Option<u64> {
        let (kind, count) = (field.kind == LIST).then(|| self.list())??;
        (kind == STRUCT || count == 0).then_some(count)
    }

    /// Whether a field is a struct, whose fields come next.
    pub fn is_struct(field: Field) -> bool {
        field.kind == STRUCT
    }

    /// Passes over the value of a field.
    pub fn skip(&mut self, field: Field) -> Option<()> {
        match field.kind {
            // Booleans are in the header of a field.
            1 | 2 => Some(()),
            kind => self.skip_value(kind, MAX_DEPTH),
        }
    }

    fn skip_value(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1..=3 => self.bytes(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.bytes(8),
            BINARY => {
                let len = usize::try_from(self.varint()?).ok()?;
                self.bytes(len)
            }
            LIST | SET => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.skip_value(kind, depth))
            }
            MAP => {
                let count = self.varint().filter(|&count| count <= MAX_LIST)?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.skip_value(kinds >> 4, depth)?;
                    self.skip_value(kinds & 15, depth)
                })
            }
            STRUCT => {
                // Numbers do not matter here, so neither does the last one.
                while let Some(field) = self.field(0)? {
                    match field.kind {
                        1 | 2 => {}
                        kind => self.skip_value(kind, depth)?,
                    }
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Type and number of the elements of a list. An element has at least one byte.
    fn list(&mut self) -> Option<(u8, u64)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        (count <= MAX_LIST && count <= self.0.len() as u64).then_some((header & 15, count))
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn bytes(&mut self, len: usize) -> Option<()> {
        self.0 = self.0.get(len..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte & 128 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}
