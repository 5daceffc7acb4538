//! The wire format of protocol buffers: numbered fields, one after the other. Knows no messages.
//!
//! Source: protobuf.dev/programming-guides/encoding. Fields borrow from the file, so reading allocates nothing.

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// The bytes end in the middle of a field, or are no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// The fields of a message. After an error there are none.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields(message)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Broken)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0_u64;
        for place in 0..10 {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                return Err(Broken);
            }
            value |= bits << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Broken> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|&number| number > 0 && number < 1 << 29).ok_or(Broken)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Broken)?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Fixed32(self.array()?),
            _ => return Err(Broken),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Broken> {
        Fields::of(bytes).collect()
    }

    #[test]
    fn all_wire_types() {
        let bytes = b"\x08\x96\x01\x12\x02hi\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08\xc2\x3e\x00";
        let expected = vec![
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed32([1, 2, 3, 4])),
            (4, Value::Fixed64([1, 2, 3, 4, 5, 6, 7, 8])),
            (1000, Value::Bytes(b"")),
        ];
        assert_eq!(fields(bytes), Ok(expected));
        assert_eq!(fields(b""), Ok(vec![]));
        assert_eq!(fields(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Ok(vec![(1, Value::Varint(u64::MAX))]));
    }

    #[test]
    fn broken_fields_end_the_message() {
        for bytes in [
            &b"\x08"[..],                                        // no value
            b"\x08\x80",                                         // a number without end
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     // a number above 64 bits
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // too many bytes
            b"\x12\x03hi",                                       // bytes beyond the end
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // many bytes beyond the end
            b"\x1d\x01\x02\x03",                                 // half a number
            b"\x21\x01",                                         // less than half
            b"\x0b\x0c",                                         // a group
            b"\x0e",                                             // no such type
            b"\x00\x00",                                         // field 0
            b"\x80\x80\x80\x80\x10\x00",                         // a field above the last
        ] {
            assert_eq!(fields(bytes), Err(Broken), "{bytes:?}");
            let mut left = Fields::of(bytes);
            assert!(left.by_ref().any(|field| field.is_err()));
            assert_eq!(left.next(), None);
        }
    }
}
