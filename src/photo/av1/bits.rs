//! Bits of headers (sections 4.10 and 8.1): the highest bit of a byte comes first.

use super::super::decode_error::DecodeError;

/// Reads fields of bits. After the end every field is an error.
#[derive(Clone)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits that were read.
    position: usize,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, position: 0 }
    }

    /// `f(n)`, at most 32 bits.
    pub fn read(&mut self, count: u32) -> Result<u32, DecodeError> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.position / 8).ok_or(DecodeError::Truncated)?;
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Ok(value)
    }

    /// `f(n)` of at most eight bits.
    pub fn byte(&mut self, count: u32) -> Result<u8, DecodeError> {
        Ok(self.read(count.min(8))? as u8)
    }

    /// `f(1)`.
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        Ok(self.read(1)? != 0)
    }

    /// `su(n)`.
    pub fn signed(&mut self, count: u32) -> Result<i32, DecodeError> {
        let value = self.read(count)? as i32;
        let sign = 1 << (count - 1);
        Ok(if value & sign == 0 { value } else { value - 2 * sign })
    }

    /// `ns(n)`: a number below `count`, which is not zero.
    pub fn below(&mut self, count: u32) -> Result<u32, DecodeError> {
        let width = count.max(1).ilog2() + 1;
        let short = (1 << width) - count;
        let value = self.read(width - 1)?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1) - short + self.read(1)?)
    }

    /// `uvlc()`.
    pub fn skip_variable(&mut self) -> Result<(), DecodeError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
        }
        if zeros < 32 {
            self.read(zeros)?;
        }
        Ok(())
    }

    /// Bytes that are begun.
    pub fn bytes_read(&self) -> usize {
        self.position.div_ceil(8)
    }
}

/// `leb128()`: takes a number of seven bits in each byte, the lowest first.
pub fn take_leb128(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for index in 0..8 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 127) << (7 * index);
        if byte & 128 == 0 {
            break;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_kind() {
        let mut bits = Bits::new(&[0b1011_0010, 0b0001_1111, 0xff]);
        assert_eq!((bits.read(3), bits.signed(3), bits.flag()), (Ok(5), Ok(-4), Ok(true)));
        assert_eq!(bits.bytes_read(), 1);
        assert_eq!((bits.skip_variable(), bits.read(8)), (Ok(()), Ok(0xff)));
        assert_eq!((bits.read(5), bits.read(1)), (Err(DecodeError::Truncated), Err(DecodeError::Truncated)));
        // Numbers below five take two or three bits.
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000]);
        let numbers: Vec<_> = (0..5).map(|_| bits.below(5).unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(Bits::new(&[]).below(1), Ok(0));
    }

    #[test]
    fn numbers_of_bytes() {
        let mut bytes = &[0xe5, 0x8e, 0x26, 7][..];
        assert_eq!((take_leb128(&mut bytes), bytes), (Some(624_485), &[7][..]));
        assert_eq!(take_leb128(&mut &[0x80; 3][..]), None);
        assert_eq!(take_leb128(&mut &[0xff; 9][..]), Some((1 << 56) - 1));
    }
}
