//! Where the bytes of an archive come from: a file, or a file that is decompressed on the way.
//!
//! A compressed archive is read from its start on, so places in it are reached by reading what is before them. It may be made
//! to become far larger than it is: how much is decompressed is bounded by its length.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::header::BLOCK;
use super::refused;
use crate::files::open_regular;

/// What gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Most decompressed bytes for each byte of an archive, beyond [`FREE`]: photos hardly become smaller.
const MOST_PER_BYTE: u64 = 64;
/// Decompressed bytes that need no justification.
const FREE: u64 = 16 << 20;
/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// The bytes of an archive.
#[derive(Debug)]
pub(crate) enum Source {
    /// An archive as it is, and its length.
    Plain(BufReader<File>, u64),
    /// One that is decompressed.
    Gzip(Box<Gzip>),
}

/// A compressed archive that is read from its start on.
#[derive(Debug)]
pub(crate) struct Gzip {
    decoder: MultiGzDecoder<BufReader<File>>,
    /// Decompressed bytes so far.
    at: u64,
    most: u64,
}

impl Source {
    /// Opens an archive.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(path: &Path) -> io::Result<Source> {
        let mut file = open_regular(path)?;
        let len = file.metadata()?.len();
        let mut start = Vec::new();
        file.by_ref().take(GZIP.len() as u64).read_to_end(&mut start)?;
        file.seek(SeekFrom::Start(0))?;
        if start != GZIP {
            return Ok(Source::Plain(BufReader::with_capacity(4 * BLOCK, file), len));
        }
        let most = len.saturating_mul(MOST_PER_BYTE).saturating_add(FREE);
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file));
        Ok(Source::Gzip(Box::new(Gzip { decoder, at: 0, most })))
    }

    /// Number of bytes; of a compressed archive, which is not known before they are read, more than there can be.
    pub fn len(&self) -> u64 {
        match self {
            Source::Plain(_, len) => *len,
            Source::Gzip(_) => u64::MAX >> 1,
        }
    }

    /// Goes to a place, which in a compressed archive is not before the present one. Its end may be before that place.
    ///
    /// # Errors
    /// The file cannot be read, or its compressed bytes are damaged.
    pub fn seek(&mut self, at: u64) -> io::Result<()> {
        match self {
            Source::Plain(file, _) => {
                let from = file.stream_position()?;
                // Within the buffer, if the place is in it.
                match (i64::try_from(at), i64::try_from(from)) {
                    (Ok(at), Ok(from)) => file.seek_relative(at - from),
                    _ => file.seek(SeekFrom::Start(at)).map(|_| ()),
                }
            }
            Source::Gzip(gzip) => {
                let ahead = at.checked_sub(gzip.at).ok_or_else(|| io::Error::other("the place was passed already"))?;
                io::copy(&mut gzip.take(ahead), &mut io::sink()).map(|_| ())
            }
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Plain(file, _) => file.read(buffer),
            Source::Gzip(gzip) => gzip.read(buffer),
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            io::ErrorKind::UnexpectedEof => refused("its compressed bytes end early; copy it again".into()),
            _ => refused(format!("its compressed bytes are damaged ({error}); copy it again")),
        })?;
        self.at += read as u64;
        if self.at > self.most {
            return Err(refused(format!(
                "it becomes more than {MOST_PER_BYTE} times as large when it is decompressed, which no photos do; decompress it \
                 first"
            )));
        }
        Ok(read)
    }
}
