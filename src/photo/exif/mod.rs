//! The orientation in a photo's metadata: the EXIF tag or, without one, the XMP property. `block` reads EXIF blocks.
//!
//! Equals `PIL.ImageOps.exif_transpose`, except that unreadable metadata counts as none.

mod block;

pub(super) use block::{Block, Entries, Entry};

use crate::pixels::Orientation;

/// Returns the orientation for a value of the EXIF tag and an XMP packet; the tag takes precedence.
pub(super) fn orientation(tag: Option<u32>, xmp: Option<&[u8]>) -> Orientation {
    tag.or_else(|| xmp.and_then(xmp_orientation)).map_or(Orientation::Upright, Orientation::from_exif)
}

/// The number of the orientation tag.
const ORIENTATION: u16 = 0x0112;

/// Reads the orientation tag from the first directory of an EXIF block. A value that is not an integer is zero, which
/// stands for upright.
///
/// Accepts what Pillow accepts: the first of several values or tags counts.
pub(super) fn tag(exif: &[u8]) -> Option<u32> {
    let entry = Block::of(exif)?.first()?.find(|entry| entry.tag == ORIENTATION && !entry.value.is_empty())?;
    let value = entry.number(0).unwrap_or(0.0);
    Some(if value.fract() == 0.0 { value as u32 } else { 0 })
}

/// Finds the values of an XMP property, written as an attribute or as an element: what follows the opening quote or tag.
pub(super) fn property<'x>(xmp: &'x [u8], name: &'static [u8]) -> impl Iterator<Item = &'x [u8]> {
    xmp.windows(name.len()).enumerate().filter(move |(_, window)| *window == name).filter_map(move |(at, _)| {
        let rest = &xmp[at + name.len()..];
        rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))
    })
}

/// Reads the XMP property `tiff:Orientation`.
fn xmp_orientation(xmp: &[u8]) -> Option<u32> {
    property(xmp, b"tiff:Orientation")
        .find_map(|value| value.first().filter(|digit| digit.is_ascii_digit()))
        .map(|digit| u32::from(digit - b'0'))
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
