//! Collects the inputs of a call: files, folders and lists, in the order of the output.
//!
//! Reads folders and lists, never a photo (except from standard input). A file that cannot be listed becomes an input
//! that fails, so that it keeps its position in the output.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::args::Inputs;
use super::messages::{Failure, Messages};
use super::streams;
use crate::ImageInput;
use crate::files::{self, read_at_most};
use crate::walk::{PassedOver, Walk, WalkError};

/// Largest photo from standard input, as of any file: no photo is larger.
const MAX_STDIN: u64 = 1 << 29;
/// Largest list; it is held in memory.
const MAX_LIST: u64 = 1 << 30;
/// Longest path of a list. No system has paths as long.
const MAX_PATH: usize = 64 << 10;
/// Longest text of a list. A model reads 77 tokens of it.
const MAX_TEXT: usize = 1 << 20;
/// Bytes of a list that are read at a time.
const CHUNK: usize = 64 << 10;

/// A photo to read, or one that could not be listed.
pub(super) enum Photo {
    File(PathBuf),
    /// The bytes of a photo from standard input.
    Stdin(Vec<u8>),
    /// A file or folder that could not be listed.
    Unlisted(WalkError),
}

impl Photo {
    /// Its path in the output.
    pub fn path(&self) -> &Path {
        match self {
            Photo::File(path) => path,
            Photo::Unlisted(error) => error.path(),
            Photo::Stdin(_) => Path::new("-"),
        }
    }
}

impl<'a> From<&'a Photo> for ImageInput<'a> {
    fn from(photo: &'a Photo) -> Self {
        match photo {
            Photo::File(path) => ImageInput::Path(path),
            Photo::Stdin(bytes) => ImageInput::Bytes(bytes),
            Photo::Unlisted(error) => ImageInput::Unlisted(error),
        }
    }
}

/// Whether `path` stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The photos of a call.
#[derive(Default)]
pub(super) struct Found {
    pub photos: Vec<Photo>,
    /// The folders without photos.
    empty: Vec<PathBuf>,
    /// What folders have beside photos.
    pub passed_over: PassedOver,
}

impl Found {
    /// Adds a file or the photos of a folder.
    fn add(&mut self, path: PathBuf, walk: &Walk) {
        if !path.is_dir() {
            self.photos.push(Photo::File(path));
            return;
        }
        let found = walk.photos(&path);
        self.passed_over.add(found.passed_over());
        if found.len() == 0 {
            self.empty.push(path);
        }
        self.photos.extend(found.map(|found| found.map_or_else(Photo::Unlisted, Photo::File)));
    }
}

/// How the folders of a call are searched.
pub(super) fn walk(inputs: &Inputs) -> Result<Walk, Failure> {
    let walk = Walk::new().ignore_files(inputs.ignore_files).exclude(&inputs.exclude);
    walk.map_err(|error| Failure::Usage(format!("--exclude: {error}")))
}

/// Refuses calls that would read standard input twice: as a photo, or as one of the lists.
pub(super) fn read_stdin_once<'a>(
    inputs: &'a Inputs,
    lists: impl IntoIterator<Item = &'a Option<PathBuf>>,
) -> Result<(), Failure> {
    let lists = lists.into_iter().flatten().chain(&inputs.files_from);
    if inputs.inputs.iter().chain(lists).filter(|path| is_stdin(path)).count() > 1 {
        return Err(Failure::Usage("standard input can be only one of the inputs; put the others into files".into()));
    }
    Ok(())
}

/// The photos of a call; those of folders as `walk` finds them. Warns of folders without photos.
pub(super) fn photos(inputs: &Inputs, walk: &Walk, messages: &Messages) -> Result<Found, Failure> {
    let mut found = Found::default();
    for input in &inputs.inputs {
        if is_stdin(input) {
            found.photos.push(Photo::Stdin(read_stdin_photo()?));
        } else {
            found.add(input.clone(), walk);
        }
    }
    if let Some(list) = inputs.files_from.as_deref() {
        let bytes = read_list(list, &PATHS)?;
        // Would be taken for paths of one letter, separated by NUL bytes.
        if is_utf16(&bytes) {
            return Err(Failure::Error(format!("{} is UTF-16; save the file as UTF-8", name(list))));
        }
        for line in paths(&bytes) {
            let path = files::path_of(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                Failure::Error(format!("{}: {line:?} is not UTF-8, so it names no file here", name(list)))
            })?;
            found.add(path, walk);
        }
    }
    for folder in &found.empty {
        messages.warning(&format!("{}: no photos in this folder", folder.display()));
    }
    Ok(found)
}

/// The texts of `texts` and of the list `texts_from`.
pub(super) fn texts(texts: &[String], texts_from: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut all = texts.to_vec();
    if let Some(list) = texts_from {
        for (number, line) in lines(&read_list(list, &TEXTS)?).enumerate() {
            let text = std::str::from_utf8(line).map_err(|error| {
                Failure::Error(format!(
                    "{}: line {} is not UTF-8 (byte {} of it); save the file as UTF-8",
                    name(list),
                    number + 1,
                    error.valid_up_to() + 1
                ))
            })?;
            all.push(text.to_owned());
        }
    }
    Ok(all)
}

/// Reads the photo on standard input.
pub(super) fn read_stdin_photo() -> Result<Vec<u8>, Failure> {
    match streams::stdin().and_then(|stdin| read_at_most(stdin, 0, MAX_STDIN)) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Failure::Error("standard input goes on after 512 MiB, which is no photo".into())),
        Err(error) => Err(Failure::Error(format!("cannot read standard input: {error}"))),
    }
}

/// What a list holds.
struct Kind {
    /// Longest entry, in bytes.
    most: usize,
    /// Whether NUL bytes separate entries, too.
    nul: bool,
    what: &'static str,
    remedy: &'static str,
}

const PATHS: Kind = Kind {
    most: MAX_PATH,
    nul: true,
    what: "path",
    remedy: "put each path on a line of its own, or a NUL byte after it",
};
const TEXTS: Kind = Kind { most: MAX_TEXT, nul: false, what: "text", remedy: "put each text on a line of its own" };

/// Why a list cannot be used.
enum Unread {
    Failed(io::Error),
    /// It is too long.
    List,
    /// The entry with this number, from 1, is too long.
    Entry(usize),
}

/// Reads a list.
fn read_list(list: &Path, kind: &Kind) -> Result<Vec<u8>, Failure> {
    let read = if is_stdin(list) {
        streams::stdin().map_err(Unread::Failed).and_then(|stdin| read_entries(stdin, kind))
    } else {
        fs::File::open(list).map_err(Unread::Failed).and_then(|file| read_entries(file, kind))
    };
    read.map_err(|unread| {
        Failure::Error(match unread {
            Unread::Failed(error) => format!("cannot read {}: {}", name(list), files::reason(&error)),
            Unread::List => format!("{} goes on after 1 GiB; give the list in parts", name(list)),
            Unread::Entry(number) => {
                let Kind { most, what, remedy, .. } = kind;
                format!("{}: line {number} goes on after {} KiB, which is no {what}; {remedy}", name(list), most >> 10)
            }
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

fn name(list: &Path) -> String {
    if is_stdin(list) { "standard input".into() } else { list.display().to_string() }
}

/// Whether a list is UTF-16: it starts with the byte order mark, as PowerShell writes it, or every other byte is NUL.
/// Such a list could also be of paths of one letter each, but not if one of them is a separator or the end of a line.
fn is_utf16(bytes: &[u8]) -> bool {
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
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = (!bytes.is_empty()).then(|| whole.split(|&byte| byte == b'\n'));
    lines.into_iter().flatten().map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The paths of a list: separated by NUL bytes if it has any, else by lines. Empty ones are skipped.
fn paths(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
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
