//! The orientation in a photo's metadata: the EXIF tag or, without one, the XMP property.
//!
//! Equals `PIL.ImageOps.exif_transpose`, except that unreadable metadata counts as none.

use crate::pixels::Orientation;

/// Returns the orientation for a value of the EXIF tag and an XMP packet; the tag takes precedence.
pub(super) fn orientation(tag: Option<u32>, xmp: Option<&[u8]>) -> Orientation {
    tag.or_else(|| xmp.and_then(property)).map_or(Orientation::Upright, Orientation::from_exif)
}

/// The number of the orientation tag.
const ORIENTATION: u16 = 0x0112;

/// Reads the orientation tag from the first directory of an EXIF block: a TIFF structure, optionally prefixed with
/// `Exif\0\0`. A value that is not an integer is zero, which stands for upright.
///
/// Accepts what Pillow accepts: numbers of every type, the first of several values or tags, and a directory that is cut
/// short.
pub(super) fn tag(exif: &[u8]) -> Option<u32> {
    const PREFIX: &[u8] = b"Exif\0\0";
    // Some files have the prefix twice.
    let exif = exif.strip_prefix(PREFIX).unwrap_or(exif);
    let exif = exif.strip_prefix(PREFIX).unwrap_or(exif);
    let order = match exif.get(..4)? {
        // Some writers swap the bytes of the magic number too.
        b"II*\0" | b"II\0*" => Order::Little,
        b"MM\0*" | b"MM*\0" | b"MM\0+" => Order::Big,
        _ => return None,
    };
    let start = usize::try_from(order.four(exif, 4)?).ok()?;
    let directory = exif.get(start..)?;
    let count = usize::from(order.two(directory, 0)?);
    // Bytes that the values of all tags claim.
    let mut claimed = 0u64;
    for entry in directory.get(2..)?.as_chunks::<12>().0.iter().take(count) {
        let (tag, kind) = (order.two(entry, 0)?, order.two(entry, 2)?);
        let Some(each) = value_size(kind) else {
            continue;
        };
        let size = u64::from(order.four(entry, 4)?) * each;
        let value = if size <= 4 {
            &entry[8..8 + size as usize]
        } else {
            claimed += size;
            if claimed > exif.len() as u64 {
                continue;
            }
            // A value outside of the block ends the directory.
            let at = order.four(entry, 8)? as usize;
            exif.get(at..at.checked_add(size as usize)?)?
        };
        if tag == ORIENTATION && !value.is_empty() {
            let value = order.number(kind, value).unwrap_or(0.0);
            return Some(if value.fract() == 0.0 { value as u32 } else { 0 });
        }
    }
    None
}

/// Returns the size of a value of a TIFF type in bytes.
fn value_size(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 => Some(8),
        _ => None,
    }
}

/// The order of the bytes of a number.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// Returns the bytes at `at`, most significant first.
    fn bytes<const N: usize>(self, bytes: &[u8], at: usize) -> Option<[u8; N]> {
        let mut bytes = *bytes.get(at..)?.first_chunk::<N>()?;
        if matches!(self, Order::Little) {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn two(self, bytes: &[u8], at: usize) -> Option<u16> {
        self.bytes(bytes, at).map(u16::from_be_bytes)
    }

    fn four(self, bytes: &[u8], at: usize) -> Option<u32> {
        self.bytes(bytes, at).map(u32::from_be_bytes)
    }

    /// Reads the first number of a value of a TIFF type; `None` for texts and bytes.
    fn number(self, kind: u16, value: &[u8]) -> Option<f64> {
        Some(match kind {
            3 => self.two(value, 0)?.into(),
            4 | 13 => self.four(value, 0)?.into(),
            5 => f64::from(self.four(value, 0)?) / f64::from(self.four(value, 4)?),
            6 => f64::from(*value.first()? as i8),
            8 => (self.two(value, 0)? as i16).into(),
            9 => (self.four(value, 0)? as i32).into(),
            10 => f64::from(self.four(value, 0)? as i32) / f64::from(self.four(value, 4)? as i32),
            11 => f32::from_bits(self.four(value, 0)?).into(),
            12 => f64::from_bits(u64::from_be_bytes(self.bytes(value, 0)?)),
            16 => u64::from_be_bytes(self.bytes(value, 0)?) as f64,
            _ => return None,
        })
    }
}

/// Reads the XMP property `tiff:Orientation`, written as an attribute or as an element.
fn property(xmp: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    xmp.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).find_map(|(at, _)| {
        let rest = &xmp[at + NAME.len()..];
        let rest = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        rest.first().filter(|digit| digit.is_ascii_digit()).map(|digit| u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(little: bool, kind: u16, count: u32, value: &[u8; 4]) -> Vec<u8> {
        let two = |v: u16| {
            if little { v.to_le_bytes() } else { v.to_be_bytes() }
        };
        let four = |v: u32| {
            if little { v.to_le_bytes() } else { v.to_be_bytes() }
        };
        let mut out = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        out.extend(four(8));
        out.extend(two(1));
        out.extend(two(0x0112));
        out.extend(two(kind));
        out.extend(four(count));
        out.extend(value);
        out
    }

    #[test]
    fn both_byte_orders_and_all_numbers() {
        for exif in [
            block(true, 3, 1, &[6, 0, 0, 0]),
            block(false, 3, 1, &[0, 6, 0, 0]),
            block(true, 3, 2, &[6, 0, 3, 0]),
            block(true, 4, 1, &[6, 0, 0, 0]),
            block(false, 4, 1, &[0, 0, 0, 6]),
            block(true, 6, 1, &[6, 0, 0, 0]),
            block(false, 8, 1, &[0, 6, 0, 0]),
            block(true, 9, 1, &[6, 0, 0, 0]),
            block(true, 11, 1, &6f32.to_le_bytes()),
            block(false, 13, 1, &[0, 0, 0, 6]),
            [b"Exif\0\0".to_vec(), block(true, 3, 1, &[6, 0, 0, 0])].concat(),
            // Values behind the directory, which has 22 bytes.
            [block(true, 5, 1, &[22, 0, 0, 0]), vec![12, 0, 0, 0, 2, 0, 0, 0]].concat(),
            [block(false, 10, 1, &[0, 0, 0, 22]), vec![0, 0, 0, 6, 0, 0, 0, 1]].concat(),
            [block(true, 12, 1, &[22, 0, 0, 0]), 6f64.to_le_bytes().to_vec()].concat(),
            [block(true, 16, 1, &[22, 0, 0, 0]), 6u64.to_le_bytes().to_vec()].concat(),
        ] {
            assert_eq!(orientation(tag(&exif), None), Orientation::Right, "{exif:?}");
            for end in 0..exif.len() {
                tag(&exif[..end]);
            }
        }
    }

    #[test]
    fn the_magic_number_may_have_either_order() {
        for (little, magic, read) in [
            (true, b"II\0*", true),
            (false, b"MM*\0", true),
            (true, b"II\0+", false),
            (true, b"II+\0", false),
            (true, b"XX*\0", false),
        ] {
            let mut exif = block(little, 4, 1, &if little { 3u32.to_le_bytes() } else { 3u32.to_be_bytes() });
            exif[..4].copy_from_slice(magic);
            assert_eq!(tag(&exif), read.then_some(3), "{magic:?}");
        }
    }

    #[test]
    fn other_values_mean_upright() {
        for (exif, value) in [
            (block(true, 3, 1, &[0, 0, 0, 0]), Some(0)),
            (block(true, 3, 1, &[9, 0, 0, 0]), Some(9)),
            (block(true, 1, 1, &[6, 0, 0, 0]), Some(0)),
            (block(true, 2, 2, b"6\0\0\0"), Some(0)),
            (block(true, 11, 1, &6.5f32.to_le_bytes()), Some(0)),
            (block(true, 11, 1, &f32::NAN.to_le_bytes()), Some(0)),
            (block(true, 9, 1, &[0xff; 4]), Some(0)),
            (block(true, 3, 0, &[6, 0, 0, 0]), None),
            (block(true, 99, 1, &[6, 0, 0, 0]), None),
            (block(true, 5, 1, &[0xff; 4]), None),
            (block(true, 3, u32::MAX, &[8, 0, 0, 0]), None),
            (b"II*\0\xff\xff\xff\xff".to_vec(), None),
            (b"nothing".to_vec(), None),
        ] {
            assert_eq!(tag(&exif), value, "{exif:?}");
            assert_eq!(orientation(tag(&exif), None), Orientation::Upright, "{exif:?}");
        }
    }

    #[test]
    fn the_first_tag_counts() {
        let two = |first: [u8; 12], second: [u8; 12]| {
            tag(&[&b"II*\0\x08\0\0\0\x02\0"[..], &first, &second, &[0; 4]].concat())
        };
        let entry = |kind: u8, count: u8, value: u8| [0x12, 1, kind, 0, count, 0, 0, 0, value, 0, 0, 0];
        assert_eq!(two(entry(3, 1, 3), entry(3, 1, 6)), Some(3));
        // Unknown types and tags without a value are passed over; a value outside of the block ends the directory.
        assert_eq!(two(entry(99, 1, 3), entry(3, 1, 6)), Some(6));
        assert_eq!(two(entry(3, 0, 3), entry(3, 1, 6)), Some(6));
        assert_eq!(two(entry(3, 100, 3), entry(3, 1, 6)), Some(6));
        assert_eq!(two(entry(5, 1, 200), entry(3, 1, 6)), None);
    }

    #[test]
    fn xmp_counts_only_without_exif() {
        let attribute = b"<rdf:Description tiff:Orientation=\"8\"/>";
        let element = b"<tiff:Orientation>8</tiff:Orientation>";
        for xmp in [&attribute[..], element] {
            assert_eq!(orientation(None, Some(xmp)), Orientation::Left);
            // A tag without a meaning is a tag.
            assert_eq!(orientation(tag(&block(true, 1, 1, &[6, 0, 0, 0])), Some(xmp)), Orientation::Upright);
            assert_eq!(orientation(Some(1), Some(xmp)), Orientation::Upright);
        }
        assert_eq!(orientation(None, Some(b"tiff:Orientation='8'")), Orientation::Upright);
    }
}
