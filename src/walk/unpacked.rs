//! The photos of a compressed archive, read by several threads in about their order while it is decompressed once.
//!
//! A photo that is passed on the way to a later one is kept until it is asked for, so that no order of the threads makes
//! the archive be decompressed again. What is kept is bounded: of photos that nobody asks for, the oldest go.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::tar::Source;

/// Most bytes of photos that are kept.
const MOST_KEPT: usize = 64 << 20;

/// A compressed archive whose photos are known.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// Length of each photo, by its place.
    photos: BTreeMap<u64, u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    source: Option<Source>,
    /// Where the source is.
    at: u64,
    kept: BTreeMap<u64, Vec<u8>>,
    kept_bytes: usize,
}

impl Unpacked {
    /// An archive with these photos: the place and the length of each.
    pub fn new(photos: BTreeMap<u64, u64>) -> Unpacked {
        Unpacked { photos, state: Mutex::default() }
    }

    /// Reads the photo at `start`.
    pub fn read(&self, archive: &Path, start: u64) -> io::Result<Vec<u8>> {
        // After a panic of another thread, the archive is read again.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = state.kept.remove(&start) {
            state.kept_bytes -= bytes.len();
            return Ok(bytes);
        }
        let source = state.source.take().filter(|_| state.at <= start);
        let (source, at) = match source {
            Some(source) => (source, state.at),
            None => (Source::open(archive)?, 0),
        };
        let bytes = self.advance(&mut state, source, at, start);
        if self.photos.range(start + 1..).next().is_none() {
            // Nothing is left to be read in order.
            state.source = None;
        }
        bytes
    }

    /// Reads on to the photo at `start`, keeps those before it, and returns it.
    fn advance(&self, state: &mut State, mut source: Source, mut at: u64, start: u64) -> io::Result<Vec<u8>> {
        for (&place, &len) in self.photos.range(at..=start) {
            source.seek(place)?;
            let mut bytes = Vec::new();
            source.by_ref().take(len).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != len {
                return Err(io::Error::other("the archive is shorter than when it was listed"));
            }
            at = place + len;
            if place == start {
                (state.source, state.at) = (Some(source), at);
                return Ok(bytes);
            }
            state.kept_bytes += bytes.len();
            state.kept.insert(place, bytes);
            while state.kept_bytes > MOST_KEPT {
                let Some((_, oldest)) = state.kept.pop_first() else { break };
                state.kept_bytes -= oldest.len();
            }
        }
        Err(io::Error::other("the archive has no photo there"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::Archive;

    /// A tar archive of photos, compressed.
    fn compressed(photos: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, data) in photos {
            let mut block = vec![0; 512];
            block[..name.len()].copy_from_slice(name.as_bytes());
            block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
            block[156] = b'0';
            block[257..265].copy_from_slice(b"ustar\x0000");
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            tar.extend(block);
            tar.extend(data);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.resize(tar.len() + 1024, 0);
        gzip(&tar)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn list(bytes: &[u8]) -> (tempfile::NamedTempFile, Archive) {
        let mut file = tempfile::NamedTempFile::with_suffix(".tar.gz").unwrap();
        file.write_all(bytes).unwrap();
        let archive = Archive::list(file.path());
        (file, archive)
    }

    fn photos() -> Vec<(&'static str, Vec<u8>)> {
        let bytes = |len: usize, by: usize| (0..len).map(|at| (at * by % 251) as u8).collect();
        vec![
            ("a.jpg", bytes(3000, 7)),
            ("notes.txt", bytes(100, 1)),
            ("b.jpg", bytes(0, 1)),
            ("c.jpg", bytes(70_000, 13)),
        ]
    }

    #[test]
    fn photos_are_read_in_any_order() {
        let expected: Vec<Vec<u8>> =
            photos().into_iter().filter(|(name, _)| name.ends_with("jpg")).map(|(_, data)| data).collect();
        let (_file, archive) = list(&compressed(&photos()));
        let found: Vec<_> = archive.map(Result::unwrap).collect();
        assert_eq!(found.len(), 3);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 2, 2]] {
            for at in order {
                assert_eq!(found[at].read().unwrap(), expected[at], "{order:?}");
            }
        }
        // Side by side.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    found.iter().zip(&expected).for_each(|(photo, bytes)| assert_eq!(photo.read().unwrap(), *bytes))
                });
            }
        });
    }

    #[test]
    fn damaged_archives_end_with_an_error() {
        let whole = compressed(&photos());
        let error = |bytes: &[u8]| list(bytes).1.last().unwrap().unwrap_err().to_string();
        assert!(error(&whole[..whole.len() / 2]).contains("end early"), "{}", error(&whole[..whole.len() / 2]));
        let mut flipped = whole.clone();
        // Of the checksum at the end.
        let at = flipped.len() - 6;
        flipped[at] ^= 1;
        assert!(error(&flipped).contains("are damaged"), "{}", error(&flipped));
        assert!(error(&gzip(b"no archive")).contains("it is no tar archive"));
        assert!(error(&gzip(&vec![b'a'; 1 << 10])).contains("it is no tar archive"));
        assert!(error(b"\x28\xb5\x2f\xfd").contains("it is no tar archive"));
        // A file that says it has far more bytes than the archive can have.
        let lie = compressed(&[("a.jpg", vec![0; 64])]);
        assert!(list(&lie).1.all(|photo| photo.is_ok()));
        // Zeros that go on.
        let error = error(&gzip(&[&[1; 512][..], &vec![0; 80 << 20]].concat()));
        assert!(error.contains("no tar archive"), "{error}");
        let (_file, bomb) = list(&compressed(&[("a.jpg", vec![0; 80 << 20])]));
        let error = bomb.last().unwrap().unwrap_err().to_string();
        assert!(error.contains("64 times as large"), "{error}");
    }

    #[test]
    fn names_say_what_an_archive_is() {
        for name in ["a.tar", "a.TAR", "b/a.tar.gz", "a.Tar.GZ", "a.tgz"] {
            assert!(super::super::is_archive(name), "{name}");
        }
        for name in ["a.gz", "tar.gz", "a.tar.zst", "tar", ".tar", "a.tar/b"] {
            assert!(!super::super::is_archive(name), "{name}");
        }
    }
}
