//! Which photos and sentences a call is about: files, folders and lists, in the order of the output.
//!
//! Reads folders and lists, never a photo (but one from standard input). What cannot be listed becomes an input that
//! failed, so that it has its place among the others.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::messages::Failure;

/// Endings of the files in a folder that are taken for photos.
const EXTENSIONS: [&str; 11] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff"];

/// Bytes of a photo from standard input beyond which it is refused, as of any file: no photo is larger.
const MAX_STDIN: u64 = 1 << 29;
/// Bytes of a list beyond which it is refused, since it is held in memory.
const MAX_LIST: u64 = 1 << 30;

/// A photo to be read, or that could not be found.
pub(super) enum Photo {
    File(PathBuf),
    /// The bytes of one from standard input.
    Stdin(Vec<u8>),
    /// A file or folder that could not be listed, and why, as a sentence that names it.
    Unlisted(PathBuf, String),
}

impl Photo {
    /// What stands for it in the output.
    pub fn path(&self) -> &Path {
        match self {
            Photo::File(path) | Photo::Unlisted(path, _) => path,
            Photo::Stdin(_) => Path::new("-"),
        }
    }
}

/// Whether `path` stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The photos of `inputs` and of the list `files_from`, with folders that have none.
pub(super) fn photos(inputs: &[PathBuf], files_from: Option<&Path>) -> Result<(Vec<Photo>, Vec<PathBuf>), Failure> {
    let mut photos = Vec::new();
    let mut empty = Vec::new();
    let mut add = |path: PathBuf, photos: &mut Vec<Photo>| {
        if !path.is_dir() {
            photos.push(Photo::File(path));
            return;
        }
        let before = photos.len();
        walk(&path, photos);
        if photos.len() == before {
            empty.push(path);
        }
    };
    for input in inputs {
        if is_stdin(input) {
            photos.push(Photo::Stdin(read_stdin_photo()?));
        } else {
            add(input.clone(), &mut photos);
        }
    }
    if let Some(list) = files_from {
        for line in paths(&read_list(list)?) {
            let path = path_of(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                Failure::Error(format!("{}: {line:?} is not UTF-8, so it names no file here", name(list)))
            })?;
            add(path, &mut photos);
        }
    }
    Ok((photos, empty))
}

/// The sentences of `texts` and of the list `texts_from`.
pub(super) fn texts(texts: &[String], texts_from: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut all = texts.to_vec();
    if let Some(list) = texts_from {
        for (number, line) in lines(&read_list(list)?).enumerate() {
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

/// All bytes of the photo on standard input.
pub(super) fn read_stdin_photo() -> Result<Vec<u8>, Failure> {
    match read_at_most(io::stdin().lock(), MAX_STDIN) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Failure::Error("standard input goes on after 512 MiB, which is no photo".into())),
        Err(error) => Err(Failure::Error(format!("cannot read standard input: {error}"))),
    }
}

/// Everything, or `None` if there is more than `most` bytes of it.
fn read_at_most(input: impl Read, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    input.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// The photos of a folder in the order of their paths' bytes.
fn walk(folder: &Path, photos: &mut Vec<Photo>) {
    let mut found = Vec::new();
    let mut walked = HashSet::new();
    let mut wanted = |entry: &DirEntry| {
        let hidden = entry.depth() > 0 && is_hidden(entry.path());
        // Links are followed, since photo folders are often made of them; so a folder may be reached in many ways.
        !hidden
            && (!entry.file_type().is_dir() || fs::canonicalize(entry.path()).map_or(true, |path| walked.insert(path)))
    };
    // In the order of names, so that it is always the same way on which such a folder is walked.
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| wanted(entry)) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_photo(entry.path()) => {
                found.push(Photo::File(entry.into_path()));
            }
            Ok(_) => {}
            Err(error) => {
                let Some(path) = error.path().filter(|_| error.loop_ancestor().is_none()) else { continue };
                // A link that leads nowhere matters if it looks like a photo; a folder that cannot be read always.
                let dangling = fs::symlink_metadata(path).is_ok_and(|data| data.is_symlink()) && !is_photo(path);
                if path != folder && (is_hidden(path) || dangling) {
                    continue;
                }
                let reason = error.io_error().map_or_else(|| error.to_string(), io::Error::to_string);
                let reason = format!("cannot read {}: {reason}", path.display());
                found.push(Photo::Unlisted(path.to_owned(), reason));
            }
        }
    }
    found.sort_by(|a, b| key(a).cmp(key(b)));
    photos.append(&mut found);
}

fn key(photo: &Photo) -> &[u8] {
    photo.path().as_os_str().as_encoded_bytes()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_photo(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The bytes of a list.
fn read_list(list: &Path) -> Result<Vec<u8>, Failure> {
    let read = if is_stdin(list) {
        read_at_most(io::stdin().lock(), MAX_LIST)
    } else {
        fs::File::open(list).and_then(|file| read_at_most(file, MAX_LIST))
    };
    match read {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Failure::Error(format!("{} goes on after 1 GiB; give the list in parts", name(list)))),
        Err(error) => Err(Failure::Error(format!("cannot read {}: {error}", name(list)))),
    }
}

fn name(list: &Path) -> String {
    if is_stdin(list) { "standard input".into() } else { list.display().to_string() }
}

/// The lines of a list, LF or CRLF. A newline at the end starts no further line; a byte order mark is none of it.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = (!bytes.is_empty()).then(|| whole.split(|&byte| byte == b'\n'));
    lines.into_iter().flatten().map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The paths of a list: lines, or separated by NUL bytes if there is any; empty ones are none.
fn paths(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let nul = bytes.contains(&0);
    let by_nul = nul.then(|| bytes.split(|&byte| byte == 0));
    let by_line = (!nul).then(|| lines(bytes));
    by_nul.into_iter().flatten().chain(by_line.into_iter().flatten()).filter(|path| !path.is_empty())
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
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

    #[test]
    fn paths_are_lines_or_separated_by_nul() {
        assert_eq!(list(paths(b"a b\r\n\nc\n")), ["a b", "c"]);
        assert_eq!(list(paths(b"a\nb\0c\r\0")), ["a\nb", "c\r"]);
    }
}
