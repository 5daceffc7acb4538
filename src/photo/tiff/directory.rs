//! The header and the first directory of a TIFF file, classic or BigTIFF. Knows the places of tags, not their meaning.

use super::super::decode_error::DecodeError;
use crate::budget::Budget;

/// Numbers of the tags that are read.
pub(super) mod tag {
    pub const IMAGE_WIDTH: u16 = 256;
    pub const IMAGE_LENGTH: u16 = 257;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES_PER_PIXEL: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTE_COUNTS: u16 = 279;
    pub const PLANAR_CONFIGURATION: u16 = 284;
    pub const T4_OPTIONS: u16 = 292;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_LENGTH: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTE_COUNTS: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const YCBCR_COEFFICIENTS: u16 = 529;
    pub const YCBCR_SUBSAMPLING: u16 = 530;
    pub const REFERENCE_BLACK_WHITE: u16 = 532;
    pub const XMP: u16 = 700;
    pub const PROFILE: u16 = 34675;
}

/// Types of values.
const BYTE: u16 = 1;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;
const FLOAT: u16 = 11;
const IFD: u16 = 13;
const LONG8: u16 = 16;
const IFD8: u16 = 18;

/// Returns the size of a value of a type in bytes; none if the type is unknown.
fn size_of(kind: u16) -> Option<usize> {
    Some(match kind {
        BYTE | 2 | 6 | UNDEFINED => 1,
        SHORT | 8 => 2,
        LONG | 9 | FLOAT | IFD => 4,
        RATIONAL | 10 | 12 | LONG8 | 17 | IFD8 => 8,
        _ => return None,
    })
}

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// Joins up to eight bytes.
    pub fn join(self, bytes: &[u8]) -> u64 {
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self {
            ByteOrder::Little => bytes.iter().rev().fold(0, join),
            ByteOrder::Big => bytes.iter().fold(0, join),
        }
    }

    pub fn two(self, bytes: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        }
    }

    pub fn four(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// The values of a tag, read from the file when they are asked for: a count costs nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    order: ByteOrder,
    kind: u16,
    /// Bytes of a value; not zero.
    size: usize,
    data: &'a [u8],
}

impl<'a> Values<'a> {
    pub fn len(&self) -> usize {
        self.data.len() / self.size
    }

    /// Returns the bytes of all values.
    pub fn bytes(&self) -> &'a [u8] {
        self.data
    }

    fn value(&self, index: usize) -> Option<&'a [u8]> {
        let start = index.checked_mul(self.size)?;
        self.data.get(start..start.checked_add(self.size)?)
    }

    /// Returns a value of an unsigned integer type.
    pub fn number(&self, index: usize) -> Option<u64> {
        matches!(self.kind, BYTE | SHORT | LONG | IFD | LONG8 | IFD8).then_some(())?;
        Some(self.order.join(self.value(index)?))
    }

    /// Returns a rational, floating-point or integer value.
    pub fn real(&self, index: usize) -> Option<f32> {
        let value = self.value(index)?;
        match self.kind {
            RATIONAL => {
                let (above, below) = (self.order.join(&value[..4]), self.order.join(&value[4..]));
                Some(if below == 0 { 0.0 } else { (above as f64 / below as f64) as f32 })
            }
            FLOAT => Some(f32::from_bits(self.order.join(value) as u32)),
            _ => self.number(index).map(|number| number as f32),
        }
    }
}

/// The first directory of a file.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    pub order: ByteOrder,
    big: bool,
    /// The entries, each of [`Directory::entry_size`] bytes.
    entries: &'a [u8],
}

impl<'a> Directory<'a> {
    /// Finds the first directory.
    pub fn open(bytes: &'a [u8], budget: &Budget) -> Result<Directory<'a>, DecodeError> {
        let order = match bytes.first() {
            Some(b'I') => ByteOrder::Little,
            _ => ByteOrder::Big,
        };
        let number = |at: usize, size: usize| {
            let field = at.checked_add(size).and_then(|end| bytes.get(at..end)).ok_or(DecodeError::Truncated)?;
            usize::try_from(order.join(field)).map_err(|_| DecodeError::Truncated)
        };
        let big = number(2, 2)? == 43;
        if big && number(4, 2)? != 8 {
            return Err(DecodeError::damaged("its offsets have an unknown size"));
        }
        let (at, count_size) = if big { (number(8, 8)?, 8) } else { (number(4, 4)?, 2) };
        let count = number(at, count_size)?;
        let mut directory = Directory { bytes, order, big, entries: &[] };
        let start = at.checked_add(count_size).ok_or(DecodeError::Truncated)?;
        let length = count.checked_mul(directory.entry_size()).ok_or(DecodeError::Truncated)?;
        let end = start.checked_add(length).ok_or(DecodeError::Truncated)?;
        directory.entries = bytes.get(start..end).ok_or(DecodeError::Truncated)?;
        // Each of some forty look-ups may visit all entries.
        budget.work(40 * count as u64)?;
        Ok(directory)
    }

    /// Whether offsets have 64 bits.
    pub fn is_big(&self) -> bool {
        self.big
    }

    fn entry_size(&self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// Returns the values of a tag; none if the directory does not have it or it has no values.
    pub fn values(&self, tag: u16) -> Result<Option<Values<'a>>, DecodeError> {
        let entries = self.entries.chunks_exact(self.entry_size());
        // Of an entry that is repeated, the last counts.
        let Some(entry) = entries.rev().find(|entry| self.order.join(&entry[..2]) == u64::from(tag)) else {
            return Ok(None);
        };
        let kind = self.order.join(&entry[2..4]) as u16;
        let size = size_of(kind).ok_or(DecodeError::damaged(format_args!("tag {tag} has an unknown type")))?;
        let (count, inline) = if self.big { (&entry[4..12], &entry[12..]) } else { (&entry[4..8], &entry[8..]) };
        let length = self.order.join(count).checked_mul(size as u64);
        let length = length.and_then(|length| usize::try_from(length).ok()).ok_or(DecodeError::Truncated)?;
        if length == 0 {
            return Ok(None);
        }
        let data = if length <= inline.len() {
            &inline[..length]
        } else {
            let start = usize::try_from(self.order.join(inline)).map_err(|_| DecodeError::Truncated)?;
            let end = start.checked_add(length).ok_or(DecodeError::Truncated)?;
            self.bytes.get(start..end).ok_or(DecodeError::Truncated)?
        };
        Ok(Some(Values { order: self.order, kind, size, data }))
    }

    /// Returns the values of a tag that must be there.
    pub fn required(&self, tag: u16) -> Result<Values<'a>, DecodeError> {
        self.values(tag)?.ok_or_else(|| DecodeError::damaged(format_args!("tag {tag} is missing")))
    }

    /// Returns the first value of a tag of an unsigned integer type.
    pub fn number(&self, tag: u16) -> Result<Option<u64>, DecodeError> {
        let Some(values) = self.values(tag)? else { return Ok(None) };
        let wrong = || DecodeError::damaged(format_args!("tag {tag} is not a whole number"));
        values.number(0).map(Some).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelToken;

    fn classic(order: ByteOrder, entries: &[(u16, u16, u32, [u8; 4])], rest: &[u8]) -> Vec<u8> {
        let two = |v: u16| if order == ByteOrder::Little { v.to_le_bytes() } else { v.to_be_bytes() };
        let four = |v: u32| if order == ByteOrder::Little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut out = if order == ByteOrder::Little { b"II".to_vec() } else { b"MM".to_vec() };
        out.extend(two(42));
        out.extend(four(8));
        out.extend(two(entries.len() as u16));
        for (tag, kind, count, value) in entries {
            out.extend([two(*tag), two(*kind)].concat());
            out.extend(four(*count));
            out.extend(value);
        }
        out.extend([0; 4]);
        out.extend(rest);
        out
    }

    fn open(bytes: &[u8]) -> Result<Directory<'_>, DecodeError> {
        Directory::open(bytes, &Budget::photo(bytes.len(), &crate::budget::Limits::new(), &CancelToken::new()))
    }

    #[test]
    fn values_are_inline_or_elsewhere() {
        let bytes = classic(
            ByteOrder::Little,
            &[(256, 3, 1, [7, 1, 0, 0]), (273, 4, 2, [38, 0, 0, 0]), (256, 1, 2, [9, 8, 0, 0])],
            &[],
        );
        let bytes = [bytes, vec![0; 20]].concat();
        let directory = open(&bytes).unwrap();
        // The last entry of a tag counts.
        assert_eq!(directory.number(256), Ok(Some(9)));
        let values = directory.required(273).unwrap();
        assert_eq!((values.len(), values.number(0), values.number(2)), (2, Some(u64::from(bytes[38])), None));
        assert_eq!(directory.number(257), Ok(None));
        assert!(directory.required(257).is_err());
        let bytes = classic(ByteOrder::Big, &[(256, 3, 1, [1, 7, 0, 0])], &[]);
        assert_eq!(open(&bytes).unwrap().number(256), Ok(Some(263)));
    }

    #[test]
    fn hostile_counts_and_offsets_are_errors() {
        for (count, at) in [(u32::MAX, 0u32), (1 << 30, 8), (3, u32::MAX), (3, 40)] {
            let bytes = classic(ByteOrder::Little, &[(273, 4, count, at.to_le_bytes())], &[0; 8]);
            assert_eq!(open(&bytes).unwrap().values(273).map(|_| ()), Err(DecodeError::Truncated), "{count} at {at}");
        }
        let bytes = classic(ByteOrder::Little, &[(273, 99, 1, [0; 4]), (279, 4, 0, [0; 4])], &[]);
        assert!(matches!(open(&bytes).unwrap().values(273), Err(DecodeError::Damaged(_))));
        assert!(open(&bytes).unwrap().values(279).unwrap().is_none());
        assert!(open(b"II+\0\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        let endless = [b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec(), vec![0xff; 8]].concat();
        assert_eq!(open(&endless).map(|_| ()), Err(DecodeError::Truncated));
        for end in 0..bytes.len() - 4 {
            assert_eq!(open(&bytes[..end]).map(|_| ()), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn real_numbers() {
        let bytes =
            classic(ByteOrder::Big, &[(529, 5, 2, [0, 0, 0, 26])], &[0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 0]);
        let values = open(&bytes).unwrap().required(529).unwrap();
        assert_eq!(
            (values.real(0), values.real(1), values.real(2), values.number(0)),
            (Some(0.75), Some(0.0), None, None)
        );
    }
}
