//! The boxes of ISO base media files (ISO/IEC 14496-12): HEIC, AVIF, CR3 and JPEG XL. Knows sizes and types, not
//! contents.

/// A box: its type, its content and where that begins in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boxed<'a> {
    pub kind: [u8; 4],
    /// What the box holds, as far as the file goes: its last boxes are cut short in a truncated file.
    pub content: &'a [u8],
}

/// Iterates over the boxes in `bytes`; ends at the first one whose size makes no sense.
#[derive(Clone, Copy)]
pub(super) struct Boxes<'a>(pub &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = Boxed<'a>;

    fn next(&mut self) -> Option<Boxed<'a>> {
        let bytes = self.0;
        let (&size, rest) = bytes.split_first_chunk()?;
        let (&kind, rest) = rest.split_first_chunk()?;
        let (content, length) = match u32::from_be_bytes(size) {
            // To the end of the file.
            0 => (rest, rest.len() as u64),
            1 => {
                let (&size, rest) = rest.split_first_chunk()?;
                (rest, u64::from_be_bytes(size).checked_sub(16)?)
            }
            size => (rest, u64::from(size).checked_sub(8)?),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(content.len());
        let (content, after) = content.split_at(length);
        self.0 = after;
        Some(Boxed { kind, content })
    }
}

impl<'a> Boxes<'a> {
    /// Returns the content of the first box of a type.
    pub fn find(mut self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        self.find_map(|found| (found.kind == *kind).then_some(found.content))
    }
}

/// Splits the content of a full box into its version, its flags and the rest.
pub(super) fn full(content: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (&[version, flags @ ..], rest) = content.split_first_chunk::<4>()?;
    Some((version, flags.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)), rest))
}

/// Takes a big-endian number of up to eight bytes.
pub(super) fn take(bytes: &mut &[u8], size: usize) -> Option<u64> {
    let (number, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    Some(number.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_every_kind() {
        let bytes = b"\0\0\0\x0aaaaa12\0\0\0\x01bbbb\0\0\0\0\0\0\0\x113\0\0\0\x08cccc\0\0\0\0dddd4567";
        let all: Vec<_> = Boxes(bytes).collect();
        let expected = [(b"aaaa", &b"12"[..]), (b"bbbb", b"3"), (b"cccc", b""), (b"dddd", b"4567")];
        assert_eq!(all, expected.map(|(kind, content)| Boxed { kind: *kind, content }));
        assert_eq!((Boxes(bytes).find(b"bbbb"), Boxes(bytes).find(b"eeee")), (Some(&b"3"[..]), None));
        for end in 0..bytes.len() {
            assert!(Boxes(&bytes[..end]).count() <= 4);
        }
    }

    #[test]
    fn impossible_sizes_end_the_walk_and_large_ones_are_cut() {
        assert_eq!(Boxes(b"\0\0\0\x07aaaa\0\0\0\x08bbbb").count(), 0);
        assert_eq!(Boxes(b"\0\0\0\x01aaaa\0\0\0\0\0\0\0\x0f").count(), 0);
        for huge in [&b"\xff\xff\xff\xffaaaa12"[..], b"\0\0\0\x01aaaa\xff\xff\xff\xff\xff\xff\xff\xff12"] {
            assert_eq!(Boxes(huge).collect::<Vec<_>>(), [Boxed { kind: *b"aaaa", content: b"12" }]);
        }
    }

    #[test]
    fn numbers() {
        let mut bytes = &b"\x01\x02\x03"[..];
        assert_eq!((take(&mut bytes, 2), take(&mut bytes, 0), take(&mut bytes, 2)), (Some(0x102), Some(0), None));
        assert_eq!(bytes, b"\x03");
        assert_eq!(full(b"\x01\x02\x03\x04\x05"), Some((1, 0x02_0304, &b"\x05"[..])));
        assert_eq!(full(b"\x01\x02\x03"), None);
    }
}
