//! The files of a tar archive: their names and where their bytes are. Nothing is extracted.
//!
//! Reads headers one after another, in the forms of POSIX, GNU and old Unix; data is passed over. An archive may come from
//! anyone: every checksum is verified, sizes are compared with the length of the file, and what a header can make this
//! module hold is bounded. Archives that gzip compressed are decompressed on the way. Names are names, never paths to open. Knows nothing of photos.

mod header;
mod pax;
mod source;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::iter::FusedIterator;
use std::path::Path;

use header::{BLOCK, Header, Kind, text};
use pax::Records;
pub(crate) use source::Source;

/// Most bytes of the records or the long name of an entry.
const MAX_EXTRA: u64 = 1 << 20;
/// Longest name. No system has paths as long.
const MAX_NAME: usize = 64 << 10;
/// Most zeros after the mark of the end. The records that programs fill up have 10 KiB, and at most some MiB.
const MAX_PADDING: u64 = 64 << 20;

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Bytes of the name.
    pub name: Vec<u8>,
    /// Where its bytes start in the archive.
    pub start: u64,
    /// Number of its bytes.
    pub len: u64,
    /// Why its bytes are not those of the file, if they are not.
    pub unusable: Option<&'static str>,
}

/// The files of an archive, in order. After an error there are no more.
#[derive(Debug)]
pub(crate) struct Members {
    file: Source,
    len: u64,
    /// Where the next header is; `None` at the end.
    at: Option<u64>,
}

impl Members {
    /// Opens an archive.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(path: &Path) -> io::Result<Members> {
        let file = Source::open(path)?;
        Ok(Members { len: file.len(), file, at: Some(0) })
    }

    /// Whether the archive is compressed, so that places of files count in what it becomes.
    pub fn is_compressed(&self) -> bool {
        matches!(self.file, Source::Gzip(_))
    }

    /// Reads a file of at most `most` bytes: the one that came last.
    ///
    /// # Errors
    /// The archive cannot be read, or the file is longer.
    pub fn content(&mut self, member: &Member, most: u64) -> io::Result<Vec<u8>> {
        if member.len > most {
            return Err(refused(format!("it has {} bytes, of which {most} are read", member.len)));
        }
        let mut bytes = vec![0; usize::try_from(member.len).unwrap_or(0)];
        self.file.seek(member.start)?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads up to the next file.
    fn read(&mut self, mut at: u64) -> io::Result<Option<Member>> {
        let (mut records, mut long_name) = (Records::default(), None);
        loop {
            let Some(block) = self.block(at)? else {
                return Err(refused(match (at, self.len) {
                    (0, 0) => "it is empty".to_owned(),
                    (0, _) => NO_ARCHIVE.to_owned(),
                    _ => "it ends without the mark of its end, so it may be cut short; copy it again".to_owned(),
                }));
            };
            if block == [0; BLOCK] {
                self.at = None;
                self.end(at)?;
                return Ok(None);
            }
            let Some(header) = Header::read(&block) else {
                return Err(refused(match at {
                    0 => no_archive(&block).to_owned(),
                    _ => format!("the header at byte {at} is damaged; copy it again"),
                }));
            };
            let mut data = at + BLOCK as u64;
            if let Kind::Sparse { more: true } = header.kind {
                data = self.after_holes(data)?;
            }
            let is_member = matches!(header.kind, Kind::File | Kind::Sparse { .. } | Kind::Continued | Kind::Other);
            let size = match header.kind {
                Kind::Link | Kind::NoFile => Some(0),
                _ if is_member => records.size.or(header.size),
                _ => header.size,
            };
            let end = size.and_then(|size| Some((size, data.checked_add(size)?))).filter(|&(_, end)| end <= self.len);
            let Some((size, end)) = end else {
                let name = records.name.as_ref().or(long_name.as_ref()).unwrap_or(&header.name);
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(refused(format!("the data of {name:?} goes on after its end; copy it again")));
            };
            // A length that is no multiple of a block ends in the middle of one, where no header can be.
            at = end.next_multiple_of(BLOCK as u64);
            let damaged = || refused(format!("the records at byte {data} are damaged; copy it again"));
            let unusable = match header.kind {
                Kind::Pax => {
                    records.add(&self.extra(data, size)?).ok_or_else(damaged)?;
                    continue;
                }
                Kind::LongName => {
                    long_name = Some(text(&self.extra(data, size)?).to_vec());
                    continue;
                }
                Kind::NoFile | Kind::Other => {
                    (records, long_name) = (Records::default(), None);
                    continue;
                }
                // Only the whole name tells: a long one may be cut in its header just after a slash.
                Kind::File if records.name.as_ref().or(long_name.as_ref()).unwrap_or(&header.name).ends_with(b"/") => {
                    (records, long_name) = (Records::default(), None);
                    continue;
                }
                Kind::File if !records.sparse => None,
                Kind::File | Kind::Sparse { .. } => Some("the archive leaves out its zeros; write it without --sparse"),
                Kind::Link => {
                    Some("it is a link in the archive; write the archive with --hard-dereference --dereference")
                }
                Kind::Continued => Some("it began in another archive; write one archive"),
            };
            self.at = Some(at);
            let name = records.name.or(long_name).unwrap_or(header.name);
            if name.len() > MAX_NAME {
                return Err(refused(format!("the name at byte {data} has {} bytes, as no file has", name.len())));
            }
            return Ok(Some(Member { name, start: data, len: size, unusable }));
        }
    }

    /// Looks at what follows the mark of the end at `at`: zeros alone, or files would be left out unseen.
    fn end(&mut self, at: u64) -> io::Result<()> {
        let mut rest = self.file.by_ref().take(MAX_PADDING + 1);
        let (mut zeros, mut part) = (0, vec![0; 64 << 10]);
        loop {
            let read = match rest.read(&mut part) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if part.iter().take(read).any(|&byte| byte != 0) {
                return Err(refused(format!(
                    "something follows the end of the archive at byte {at}; take joined archives apart"
                )));
            }
            zeros += read as u64;
            if zeros > MAX_PADDING {
                return Err(refused(format!(
                    "there are only zeros from byte {at} on, for more than {} MiB; copy it again",
                    MAX_PADDING >> 20
                )));
            }
        }
    }

    /// The block at `at`; `None` if the file ends before its end.
    fn block(&mut self, at: u64) -> io::Result<Option<[u8; BLOCK]>> {
        if at.checked_add(BLOCK as u64).is_none_or(|end| end > self.len) {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        self.file.seek(at)?;
        match self.file.read_exact(&mut block) {
            // The length of a compressed archive is not known before.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.is_compressed() => Ok(None),
            read => read.map(|()| Some(block)),
        }
    }

    /// The data of an entry about the next one.
    fn extra(&mut self, start: u64, size: u64) -> io::Result<Vec<u8>> {
        if size > MAX_EXTRA {
            return Err(refused(format!("the records at byte {start} have {size} bytes, as no name needs")));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.file.seek(start)?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over the headers with the places of holes.
    fn after_holes(&mut self, mut at: u64) -> io::Result<u64> {
        while let Some(block) = self.block(at)? {
            at += BLOCK as u64;
            if block.get(504).is_none_or(|&more| more == 0) {
                break;
            }
        }
        Ok(at)
    }
}

impl Iterator for Members {
    type Item = io::Result<Member>;

    fn next(&mut self) -> Option<io::Result<Member>> {
        let at = self.at.take()?;
        self.read(at).transpose()
    }
}

impl FusedIterator for Members {}

const NO_ARCHIVE: &str = "it is no tar archive";

/// What a file is whose first block is no header.
fn no_archive(block: &[u8; BLOCK]) -> &'static str {
    const COMPRESSED: [&[u8]; 4] = [b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"\x04\x22\x4d\x18"];
    if COMPRESSED.iter().any(|start| block.starts_with(start)) {
        return "the archive is compressed, and not by gzip; decompress it first";
    }
    NO_ARCHIVE
}

fn refused(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
