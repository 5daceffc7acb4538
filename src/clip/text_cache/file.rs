//! The file of a text cache. All numbers are little-endian:
//!
//! ```text
//! "CLIPTEXT", version u32, entries u64
//! for each entry, from the least recently used:
//!     fingerprint: 32 hexadecimal digits; bytes of the text u32, values u32; text: UTF-8; values: f32
//! SHA-256 of everything before
//! ```

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::TextCacheError as Error;
use crate::files::{Partial, folder, follow, open_regular, read_at_most, sync_folder};

const MAGIC: &[u8; 8] = b"CLIPTEXT";
const VERSION: u32 = 1;
const HEAD: usize = MAGIC.len() + 4 + 8;
const DIGEST: usize = 32;
/// Digits of a fingerprint.
pub(super) const DIGITS: usize = 32;
/// Bytes of an entry beside its text and values.
const ENTRY_HEAD: usize = DIGITS + 4 + 4;
/// Largest file: it is read as a whole. Half a million texts of a length of 512.
const MAX_FILE: usize = 1 << 30;

/// Reads a file and gives every entry, if all are valid, to `entry`: fingerprint and text as one key, and values. The
/// number of entries; 0 if there is no file.
pub(super) fn read(path: &Path, mut entry: impl FnMut(&str, &[f32])) -> Result<usize, Error> {
    let bytes = match read_bytes(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        Ok(bytes) => bytes,
    };
    let entries = parse(&bytes).map_err(|invalid| match invalid {
        Invalid::Format => Error::Format { path: path.to_owned() },
        Invalid::Version(found) => Error::Version { path: path.to_owned(), found, expected: VERSION },
        Invalid::Damaged(reason) => Error::Damaged { path: path.to_owned(), reason },
    })?;
    let mut row = Vec::new();
    for Entry { key, values } in &entries {
        row.clear();
        row.extend(values.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        entry(key, &row);
    }
    Ok(entries.len())
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(open_regular(path)?, 0, MAX_FILE as u64)?.ok_or_else(|| {
        let message = "it has more than 1 GiB, which no cache of text embeddings has";
        io::Error::new(io::ErrorKind::FileTooLarge, message)
    })
}

/// Why a file is refused.
#[derive(Debug, PartialEq, Eq)]
enum Invalid {
    Format,
    Version(u32),
    Damaged(&'static str),
}

/// An entry that was validated.
#[derive(Debug, PartialEq)]
struct Entry<'a> {
    /// Fingerprint and text.
    key: String,
    /// Finite numbers, four bytes each.
    values: &'a [u8],
}

fn parse(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Invalid> {
    let mut rest = bytes;
    if take(&mut rest, MAGIC.len()) != Some(MAGIC) {
        return Err(Invalid::Format);
    }
    // Before the checksum, which another version may have elsewhere.
    let version = take_u32(&mut rest).ok_or(SHORT)?;
    if version != VERSION {
        return Err(Invalid::Version(version));
    }
    let body = bytes.len().checked_sub(DIGEST).filter(|&body| body >= HEAD).ok_or(SHORT)?;
    let (body, digest) = bytes.split_at(body);
    // No fuzzer finds a checksum that fits.
    if Sha256::digest(body)[..] != *digest && !cfg!(fuzzing) {
        return Err(Invalid::Damaged("its checksum does not fit"));
    }
    let mut rest = body.get(HEAD..).unwrap_or_default();
    let count = body.get(HEAD - 8..HEAD).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(take_entry(&mut rest)?);
    }
    if count != Some(entries.len() as u64) {
        return Err(Invalid::Damaged("it has another number of entries than it says"));
    }
    Ok(entries)
}

const SHORT: Invalid = Invalid::Damaged("it ends early");

fn take_entry<'a>(rest: &mut &'a [u8]) -> Result<Entry<'a>, Invalid> {
    let fingerprint = take(rest, DIGITS).ok_or(SHORT)?;
    let fingerprint =
        std::str::from_utf8(fingerprint).ok().filter(|digits| digits.parse::<super::Fingerprint>().is_ok());
    let fingerprint = fingerprint.ok_or(Invalid::Damaged("a fingerprint is none"))?;
    let (text, values) = (take_u32(rest).ok_or(SHORT)?, take_u32(rest).ok_or(SHORT)?);
    let text = take(rest, text as usize).ok_or(SHORT)?;
    let text = std::str::from_utf8(text).map_err(|_| Invalid::Damaged("a text is not UTF-8"))?;
    let values = (values as usize).checked_mul(4).and_then(|bytes| take(rest, bytes)).ok_or(SHORT)?;
    if !values.as_chunks::<4>().0.iter().all(|bytes| f32::from_le_bytes(*bytes).is_finite()) {
        return Err(Invalid::Damaged("an embedding is not finite"));
    }
    Ok(Entry { key: format!("{fingerprint}{text}"), values })
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
}

/// Writes entries, of which the last ones are kept if there are too many for a file. The file appears only when it is
/// complete and on disk.
pub(super) fn write<R: AsRef<[f32]>>(path: &Path, entries: &[(String, R)]) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let target = follow(path).map_err(failed)?;
    let mut file = Partial::create(&target).map_err(failed)?;
    // The permissions of the file that is replaced.
    if let Ok(old) = fs::metadata(&target) {
        file.file().and_then(|file| file.set_permissions(old.permissions())).map_err(failed)?;
    }
    write_to(&mut file, last_that_fit(entries)).map_err(failed)?;
    file.file().and_then(|file| file.sync_all()).map_err(failed)?;
    file.rename(&target).map_err(failed)?;
    sync_folder(folder(&target)).map_err(failed)
}

fn last_that_fit<R: AsRef<[f32]>>(entries: &[(String, R)]) -> &[(String, R)] {
    let mut room = MAX_FILE - HEAD - DIGEST;
    let fits = entries.iter().rev().take_while(|(key, row)| {
        let bytes = ENTRY_HEAD + key.len() + size_of_val(row.as_ref());
        let left = room.checked_sub(bytes);
        room = left.unwrap_or(room);
        left.is_some()
    });
    let fits = fits.count();
    entries.get(entries.len() - fits..).unwrap_or_default()
}

fn write_to<R: AsRef<[f32]>>(out: &mut impl Write, entries: &[(String, R)]) -> io::Result<()> {
    let mut out = Summed { out: BufWriter::with_capacity(1 << 16, out), sum: Sha256::new() };
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&(entries.len() as u64).to_le_bytes())?;
    for (key, row) in entries {
        let (fingerprint, text) = key.split_at_checked(DIGITS).unwrap_or((key, ""));
        let length = |length: usize| u32::try_from(length).map_err(|_| io::Error::other("a text has 4 GiB"));
        out.write_all(fingerprint.as_bytes())?;
        out.write_all(&length(text.len())?.to_le_bytes())?;
        out.write_all(&length(row.as_ref().len())?.to_le_bytes())?;
        out.write_all(text.as_bytes())?;
        for value in row.as_ref() {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    let Summed { mut out, sum } = out;
    out.write_all(&sum.finalize())?;
    out.flush()
}

/// A writer that sums up what is written.
struct Summed<W> {
    out: W,
    sum: Sha256,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: &str = "00112233445566778899aabbccddeeff";

    fn file(entries: &[(String, Vec<f32>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_to(&mut bytes, entries).unwrap();
        bytes
    }

    fn entries() -> Vec<(String, Vec<f32>)> {
        vec![(PRINT.into(), vec![]), (format!("{PRINT}é\0\n"), vec![1.0, -0.0]), (format!("{PRINT}b"), vec![f32::MIN])]
    }

    /// With a checksum that fits.
    fn sealed(mut body: Vec<u8>) -> Vec<u8> {
        let digest = Sha256::digest(&body);
        body.extend(digest);
        body
    }

    #[test]
    fn the_format_is_the_specified_one() {
        let bytes = file(&[(format!("{PRINT}é"), vec![1.0, -2.0])]);
        let mut body = b"CLIPTEXT\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        body.extend(PRINT.as_bytes());
        body.extend(b"\x02\0\0\0\x02\0\0\0\xc3\xa9\0\0\x80\x3f\0\0\0\xc0");
        assert_eq!(bytes, sealed(body));
    }

    #[test]
    fn what_is_written_is_read() {
        for entries in [vec![], entries()] {
            let bytes = file(&entries);
            let parsed = parse(&bytes).unwrap();
            assert_eq!(parsed.len(), entries.len());
            for (parsed, (key, row)) in parsed.iter().zip(&entries) {
                let values: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
                assert_eq!((&parsed.key, parsed.values), (key, &values[..]));
            }
        }
    }

    #[test]
    fn every_damage_is_found() {
        let good = file(&entries());
        for len in 0..good.len() {
            assert!(parse(&good[..len]).is_err(), "{len}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(parse(&bad).is_err(), "{at}");
        }
        assert_eq!(parse(b"PNG"), Err(Invalid::Format));
        let mut newer = good.clone();
        newer[8] = 7;
        assert_eq!(parse(&newer), Err(Invalid::Version(7)));
        assert_eq!(parse(&newer[..12]), Err(Invalid::Version(7)));
    }

    /// Files whose checksum fits, written by somebody who means harm.
    #[test]
    fn contents_are_validated() {
        let head = |count: u64| [&b"CLIPTEXT\x01\0\0\0"[..], &count.to_le_bytes()].concat();
        let entry = |print: &str, text_len: u32, values: u32, data: &[u8]| {
            [print.as_bytes(), &text_len.to_le_bytes(), &values.to_le_bytes(), data].concat()
        };
        let refused = |count, entry: Vec<u8>| match parse(&sealed([head(count), entry].concat())) {
            Err(Invalid::Damaged(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert!(parse(&sealed([head(1), entry(PRINT, 1, 1, b"a\0\0\0\0")].concat())).is_ok());
        for (print, text, values, data, reason) in [
            (PRINT, u32::MAX, 1, &b"a\0\0\0\0"[..], "it ends early"),
            (PRINT, 1, u32::MAX, b"a\0\0\0\0", "it ends early"),
            (PRINT, 1, 2, b"a\0\0\0\0", "it ends early"),
            (PRINT, 1, 1, b"a\0\0\0\0x", "it ends early"),
            (PRINT, 1, 1, b"\xff\0\0\0\0", "a text is not UTF-8"),
            (PRINT, 1, 1, b"a\0\0\xc0\x7f", "an embedding is not finite"),
            (PRINT, 1, 1, b"a\0\0\x80\xff", "an embedding is not finite"),
            (&PRINT.to_uppercase(), 1, 1, b"a\0\0\0\0", "a fingerprint is none"),
        ] {
            assert_eq!(refused(1, entry(print, text, values, data)), reason);
        }
        for count in [0, 2, u64::MAX] {
            assert_eq!(refused(count, entry(PRINT, 0, 0, b"")), "it has another number of entries than it says");
        }
    }

    #[test]
    fn the_last_entries_are_kept_if_there_are_too_many() {
        let entries = entries();
        assert_eq!(last_that_fit(&entries).len(), 3);
        assert_eq!(last_that_fit::<Vec<f32>>(&[]).len(), 0);
        let large: std::sync::Arc<[f32]> = vec![0.0; MAX_FILE / 4 / 3].into();
        let many: Vec<_> = (0..5).map(|i| (format!("{PRINT}{i}"), large.clone())).collect();
        assert_eq!(last_that_fit(&many).first().map(|(key, _)| key.as_str()), Some(&*format!("{PRINT}3")));
    }
}
