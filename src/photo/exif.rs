//! The orientation in a photo's metadata: the EXIF tag or, without one, the XMP property.
//!
//! Equals `PIL.ImageOps.exif_transpose`, except that unreadable metadata counts as none.

use crate::pixels::Orientation;

/// Returns the orientation for a value of the EXIF tag and an XMP packet; the tag takes precedence.
pub(super) fn orientation(tag: Option<u32>, xmp: Option<&[u8]>) -> Orientation {
    tag.or_else(|| xmp.and_then(property)).map_or(Orientation::Upright, Orientation::from_exif)
}

/// Reads the orientation tag, 0x0112, from the first directory of an EXIF block: a TIFF structure, optionally
/// prefixed with `Exif\0\0`.
pub(super) fn tag(exif: &[u8]) -> Option<u32> {
    const PREFIX: &[u8] = b"Exif\0\0";
    // Some files have the prefix twice.
    let exif = exif.strip_prefix(PREFIX).unwrap_or(exif);
    let exif = exif.strip_prefix(PREFIX).unwrap_or(exif);
    let little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let two = |bytes: &[u8]| {
        let bytes = *bytes.first_chunk::<2>()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let four = |bytes: &[u8]| {
        let bytes = *bytes.first_chunk::<4>()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let start = usize::try_from(four(&exif[4..])?).ok()?;
    let directory = exif.get(start..)?;
    let count = usize::from(two(directory)?);
    let mut value = None;
    for entry in directory.get(2..)?.as_chunks::<12>().0.iter().take(count) {
        if two(entry)? == 0x0112 && four(&entry[4..])? == 1 {
            // SHORT and SSHORT, LONG and SLONG; an entry of another type is ignored.
            value = match two(&entry[2..])? {
                3 | 8 => two(&entry[8..]).map(u32::from),
                4 | 9 => four(&entry[8..]),
                _ => value,
            };
        }
    }
    value
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
    fn both_byte_orders_and_integer_types() {
        for exif in [
            block(true, 3, 1, &[6, 0, 0, 0]),
            block(false, 3, 1, &[0, 6, 0, 0]),
            block(true, 4, 1, &[6, 0, 0, 0]),
            block(false, 4, 1, &[0, 0, 0, 6]),
            [b"Exif\0\0".to_vec(), block(true, 3, 1, &[6, 0, 0, 0])].concat(),
        ] {
            assert_eq!(orientation(tag(&exif), None), Orientation::Right, "{exif:?}");
            for end in 0..exif.len() {
                tag(&exif[..end]);
            }
        }
    }

    #[test]
    fn other_values_mean_upright() {
        for exif in [
            block(true, 3, 1, &[0, 0, 0, 0]),
            block(true, 3, 1, &[9, 0, 0, 0]),
            block(true, 3, 2, &[6, 0, 0, 0]),
            block(true, 1, 1, &[6, 0, 0, 0]),
            b"II*\0\xff\xff\xff\xff".to_vec(),
            b"nothing".to_vec(),
        ] {
            assert_eq!(orientation(tag(&exif), None), Orientation::Upright, "{exif:?}");
        }
    }

    #[test]
    fn xmp_counts_only_without_exif() {
        let attribute = b"<rdf:Description tiff:Orientation=\"8\"/>";
        let element = b"<tiff:Orientation>8</tiff:Orientation>";
        for xmp in [&attribute[..], element] {
            assert_eq!(orientation(None, Some(xmp)), Orientation::Left);
            assert_eq!(orientation(Some(1), Some(xmp)), Orientation::Upright);
        }
        assert_eq!(orientation(None, Some(b"tiff:Orientation='8'")), Orientation::Upright);
    }
}
