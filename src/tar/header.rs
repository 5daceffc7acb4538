//! A header of a tar archive: a block of 512 bytes, as POSIX (`ustar`, pax), GNU and old Unix programs write it.

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;

/// Where the checksum is; it is computed as if spaces were there.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file; before POSIX also a folder, whose name ends with a slash. The name may be in an entry before.
    File,
    /// A file whose holes are left out, in the way of old GNU tar. More headers with the places of holes may follow.
    Sparse {
        more: bool,
    },
    Link,
    /// A folder, device or pipe: without data.
    NoFile,
    /// Records of pax for the next entry. Those for all entries, such as comments, are [`Kind::Other`].
    Pax,
    /// The name of the next entry, which is too long for a header.
    LongName,
    /// Part of a file that began in another archive.
    Continued,
    /// What no other kind is, with data that is passed over.
    Other,
}

/// A header whose checksum is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    /// Bytes of the name, with that of the folder.
    pub name: Vec<u8>,
    /// Bytes of data that follow; `None` if the number makes no sense.
    pub size: Option<u64>,
}

impl Header {
    /// Reads a block; `None` if it is no header.
    pub fn read(block: &[u8; BLOCK]) -> Option<Header> {
        let stated = number(block.get(CHECKSUM)?)?;
        let sum = |value: fn(u8) -> i64| -> i64 {
            block.iter().enumerate().map(|(at, &byte)| value(if CHECKSUM.contains(&at) { b' ' } else { byte })).sum()
        };
        // Old programs took bytes for signed numbers.
        let stated = i64::try_from(stated).ok()?;
        let right = sum(i64::from) == stated || sum(|byte| i64::from(byte.cast_signed())) == stated;
        // A fuzzer would hardly ever find a right one.
        if !right && !cfg!(fuzzing) {
            return None;
        }
        let mut name = text(block.get(..100)?).to_vec();
        // GNU has other things in the place of the folder.
        if block.get(257..263)? == b"ustar\0" {
            let folder = text(block.get(345..500)?);
            if !folder.is_empty() {
                name = [folder, b"/", &name].concat();
            }
        }
        let kind = match block.get(156)? {
            0 | b'0' | b'7' => Kind::File,
            b'1' | b'2' => Kind::Link,
            b'3'..=b'6' => Kind::NoFile,
            b'x' | b'X' => Kind::Pax,
            b'L' => Kind::LongName,
            b'S' => Kind::Sparse { more: *block.get(482)? != 0 },
            b'M' => Kind::Continued,
            _ => Kind::Other,
        };
        Some(Header { kind, name, size: number(block.get(124..136)?) })
    }
}

/// A text up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number: octal digits between spaces and NULs, or, as GNU writes large ones, bytes after one of 128.
fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // Others are negative, or larger than any file.
        (first == 0x80).then_some(())?;
        return rest.iter().try_fold(0u64, |value, &byte| Some(value.checked_mul(256)? + u64::from(byte)));
    }
    let digits = field.iter().copied().skip_while(|&byte| byte == b' ');
    let digits: Vec<u8> = digits.take_while(|&byte| byte != b' ' && byte != 0).collect();
    digits.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 8)?;
        Some(value.checked_mul(8)? + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_bytes() {
        assert_eq!((number(b"0000644\0"), number(b"   644 \0"), number(b"\0\0\0")), (Some(420), Some(420), Some(0)));
        assert_eq!(number(&[0x80, 0, 0, 0, 2, 0, 0, 0, 1]), Some((2 << 32) + 1));
        for wrong in [&b"12a"[..], b"8", b"-1", &[0xff; 12], &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0], b""] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
        assert_eq!(number(b"777777777777"), Some((1 << 36) - 1));
        assert_eq!(number(b"7777777777777777777777777"), None);
    }

    #[test]
    fn a_block_without_its_checksum_is_no_header() {
        assert_eq!(Header::read(&[0; BLOCK]), None);
        assert_eq!(Header::read(&[b' '; BLOCK]), None);
        assert_eq!(Header::read(&[0xff; BLOCK]), None);
    }
}
