//! Lists of paths or texts, in files or on standard input.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::is_stdin;
use crate::cli::messages::Failure;
use crate::cli::streams;
use crate::files;

/// Largest list; it is held in memory.
const MAX_LIST: u64 = 1 << 30;
/// Longest path of a list. No system has paths as long.
const MAX_PATH: usize = 64 << 10;
/// Longest text of a list. A model reads 77 tokens of it.
const MAX_TEXT: usize = 1 << 20;
/// Bytes of a list that are read at a time.
pub(super) const CHUNK: usize = 64 << 10;

/// What a list holds.
pub(super) struct Kind {
    /// Longest entry, in bytes.
    pub most: usize,
    /// Whether NUL bytes separate entries, too.
    nul: bool,
    what: &'static str,
    remedy: &'static str,
}

pub(super) const PATHS: Kind = Kind {
    most: MAX_PATH,
    nul: true,
    what: "path",
    remedy: "put each path on a line of its own, or a NUL byte after it",
};
pub(super) const TEXTS: Kind =
    Kind { most: MAX_TEXT, nul: false, what: "text", remedy: "put each text on a line of its own" };

/// What is said of a list that is UTF-16, after its name.
pub(super) const NOT_UTF16: &str = "is UTF-16; save the file as UTF-8";

/// What is said of an entry that is too long.
pub(super) fn too_long(list: &str, number: usize, kind: &Kind) -> String {
    let Kind { most, what, remedy, .. } = kind;
    format!("{list}: line {number} goes on after {} KiB, which is no {what}; {remedy}", most >> 10)
}

/// Why a list cannot be used.
enum Unread {
    Failed(io::Error),
    /// It is too long.
    List,
    /// The entry with this number, from 1, is too long.
    Entry(usize),
}

/// Reads a list.
pub(super) fn read_list(list: &Path, kind: &Kind) -> Result<Vec<u8>, Failure> {
    let read = if is_stdin(list) {
        streams::stdin().map_err(Unread::Failed).and_then(|stdin| read_entries(stdin, kind))
    } else {
        fs::File::open(list).map_err(Unread::Failed).and_then(|file| read_entries(file, kind))
    };
    read.map_err(|unread| {
        Failure::Error(match unread {
            Unread::Failed(error) => format!("cannot read {}: {}", name(list), files::reason(&error)),
            Unread::List => format!("{} goes on after 1 GiB; give the list in parts", name(list)),
            Unread::Entry(number) => too_long(&name(list), number, kind),
        })
    })
}

/// Reads everything, up to the first entry that is too long.
fn read_entries(mut input: impl Read, kind: &Kind) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    // The entry that goes on, and where it starts.
    let (mut number, mut start) = (1, 0);
    loop {
        let from = bytes.len();
        let read = input.by_ref().take(CHUNK as u64).read_to_end(&mut bytes).map_err(Unread::Failed)?;
        let new = bytes.get(from..).unwrap_or_default();
        let ends = new.iter().enumerate().filter(|(_, byte)| **byte == b'\n' || (kind.nul && **byte == 0));
        for end in ends.map(|(at, _)| from + at).chain((read == 0).then_some(bytes.len())) {
            if end - start > kind.most {
                return Err(Unread::Entry(number));
            }
            (number, start) = (number + 1, end + 1);
        }
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() - start > kind.most {
            return Err(Unread::Entry(number));
        }
        if bytes.len() as u64 > MAX_LIST {
            return Err(Unread::List);
        }
    }
}

/// A list in messages.
pub(super) fn name(list: &Path) -> String {
    if is_stdin(list) { "standard input".into() } else { list.display().to_string() }
}

/// Whether a list is UTF-16: it starts with the byte order mark, as PowerShell writes it, or every other byte is NUL.
/// Such a list could also be of paths of one letter each, but not if one of them is a separator or the end of a line.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    let (pairs, _) = bytes.as_chunks::<2>();
    let marked = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let plain = |nul: usize| {
        pairs.iter().all(|pair| pair[nul] == 0)
            && pairs.iter().any(|pair| matches!(pair[1 - nul], b'\n' | b'/' | b'\\'))
    };
    marked || plain(0) || plain(1)
}

/// The lines of a list, which end with LF or CRLF. A newline at the end starts no further line; a byte order mark is
/// skipped.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = (!bytes.is_empty()).then(|| whole.split(|&byte| byte == b'\n'));
    lines.into_iter().flatten().map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The paths of a list: separated by NUL bytes if it has any, else by lines. Empty ones are skipped.
pub(super) fn paths(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let nul = bytes.contains(&0);
    let by_nul = nul.then(|| bytes.split(|&byte| byte == 0));
    let by_line = (!nul).then(|| lines(bytes));
    by_nul.into_iter().flatten().chain(by_line.into_iter().flatten()).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
        lines.map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn lists_keep_empty_lines_but_not_the_end() {
        assert_eq!(list(lines(b"")), [""; 0]);
        assert_eq!(list(lines(b"\n")), [""]);
        assert_eq!(list(lines(b"a")), ["a"]);
        assert_eq!(list(lines(b"a\n")), ["a"]);
        assert_eq!(list(lines(b"a\r\n\r\nb\n\n")), ["a", "", "b", ""]);
        assert_eq!(list(lines(b"\xef\xbb\xbfa\nb\rc")), ["a", "b\rc"]);
        assert_eq!(list(lines(b"\xef\xbb\xbf")), [""; 0]);
    }

    /// A list that never ends; counts what was read of it.
    struct Endless<'a>(&'a [u8], usize);

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            for byte in &mut *buffer {
                *byte = self.0[self.1 % self.0.len()];
                self.1 += 1;
            }
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_list_is_read_up_to_an_entry_that_is_too_long() {
        for (kind, start) in [(&PATHS, &b"a.jpg\nb.jpg\n"[..]), (&PATHS, b"a.jpg\0b.jpg\0"), (&TEXTS, b"a\n\0b\n")] {
            for (end, tail) in [(kind.most, ""), (kind.most, "\n"), (kind.most, "\nx\n"), (kind.most - 1, "\r\n")] {
                let list = [start, &vec![b'x'; end], tail.as_bytes()].concat();
                assert!(read_entries(&list[..], kind).is_ok_and(|read| read == list));
                let longer = [start, &vec![b'x'; end + 1], tail.as_bytes()].concat();
                assert!(matches!(read_entries(&longer[..], kind), Err(Unread::Entry(3))), "{:?} {tail:?}", kind.what);
            }
            let mut endless = Endless(b"x", 0);
            assert!(matches!(read_entries(start.chain(&mut endless), kind), Err(Unread::Entry(3))));
            assert!(endless.1 <= kind.most + 2 * CHUNK, "read {} bytes", endless.1);
        }
    }

    #[test]
    fn utf16_is_recognised_without_its_mark() {
        let utf16 = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for text in ["\u{feff}a", "a/b.jpg\n", "a\r\nb\r\n", "C:\\a"] {
            assert!(is_utf16(&utf16(text, u16::to_le_bytes)) && is_utf16(&utf16(text, u16::to_be_bytes)), "{text:?}");
        }
        for list in [&b""[..], b"a", b"a\0b\0", b"./a\0./b\0", b"a\n", b"/\0ab\0"] {
            assert!(!is_utf16(list), "{list:?}");
        }
    }

    #[test]
    fn paths_are_lines_or_separated_by_nul() {
        assert_eq!(list(paths(b"\xef\xbb\xbfa\0b\0")), ["a", "b"]);
        assert_eq!(list(paths(b"a b\r\n\nc\n")), ["a b", "c"]);
        assert_eq!(list(paths(b"a\nb\0c\r\0")), ["a\nb", "c\r"]);
    }
}
