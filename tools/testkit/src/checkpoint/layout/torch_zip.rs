//! The ZIP dialect of PyTorch's files.
//!
//! PyTorch's writer has traits that no general ZIP library produces and that a reader must accept: every entry's data
//! starts at a multiple of 64, padded by an extra field `FB`; sizes and checksum follow the data instead of preceding
//! it; dates are zero; a ZIP64 directory end precedes the plain one. Observed in files written by torch 2.15.
//! Does not know the meaning of entries.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Alignment of every entry's data.
pub const ALIGNMENT: u64 = 64;

/// Sizes follow the data (bit 3); names are UTF-8 (bit 11).
const FLAGS: u16 = 0x0808;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// An archive being written.
pub struct TorchZip<W> {
    out: W,
    folder: String,
    offset: u64,
    entries: u16,
    directory: Vec<u8>,
}

impl<W: Write> TorchZip<W> {
    /// An archive with all entries in `folder`.
    pub fn new(out: W, folder: &str) -> Self {
        TorchZip { out, folder: folder.to_owned(), offset: 0, entries: 0, directory: Vec::new() }
    }

    /// Adds an uncompressed entry.
    pub fn store(&mut self, name: &str, data: &[u8]) -> io::Result<()> {
        self.entry(name, STORED, data, data)
    }

    /// Adds a compressed entry.
    pub fn deflate(&mut self, name: &str, data: &[u8]) -> io::Result<()> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data)?;
        self.entry(name, DEFLATED, data, &encoder.finish()?)
    }

    fn entry(&mut self, name: &str, method: u16, data: &[u8], stored: &[u8]) -> io::Result<()> {
        let name = format!("{}/{name}", self.folder);
        let name_len = field(name.len())?;
        let stored_len = size(stored.len() as u64)?;
        let data_len = size(data.len() as u64)?;
        let header_offset = size(self.offset)?;
        let version: u16 = if method == DEFLATED { 20 } else { 0 };
        let mut crc = Crc::new();
        crc.update(data);

        // The fixed part of a local header has 30 bytes, the extra field's own head 4.
        let data_offset = self.offset + 34 + name.len() as u64;
        let padding = (data_offset.next_multiple_of(ALIGNMENT) - data_offset) as usize;

        let mut local = Vec::with_capacity(192);
        local.extend(b"PK\x03\x04");
        for short in [version, FLAGS, method, 0, 0] {
            local.extend(short.to_le_bytes());
        }
        local.extend([0; 12]);
        local.extend(name_len.to_le_bytes());
        local.extend(field(padding + 4)?.to_le_bytes());
        local.extend(name.as_bytes());
        local.extend(b"FB");
        local.extend(field(padding)?.to_le_bytes());
        local.resize(local.len() + padding, b'Z');
        self.put(&local)?;
        self.put(stored)?;

        let mut sums = Vec::with_capacity(12);
        for long in [crc.sum(), stored_len, data_len] {
            sums.extend(long.to_le_bytes());
        }
        self.put(b"PK\x07\x08")?;
        self.put(&sums)?;

        self.directory.extend(b"PK\x01\x02");
        for short in [0, version, FLAGS, method, 0, 0] {
            self.directory.extend(short.to_le_bytes());
        }
        self.directory.extend(&sums);
        self.directory.extend(name_len.to_le_bytes());
        // Extra field, comment, disk number, internal and external attributes: none.
        self.directory.extend([0; 12]);
        self.directory.extend(header_offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries = self.entries.checked_add(1).ok_or_else(too_large)?;
        Ok(())
    }

    /// Writes the directory.
    pub fn finish(mut self) -> io::Result<()> {
        let directory = std::mem::take(&mut self.directory);
        let start = self.offset;
        self.put(&directory)?;
        let end = self.offset;
        let len = directory.len() as u64;
        let entries = u64::from(self.entries);

        let mut tail = Vec::with_capacity(98);
        tail.extend(b"PK\x06\x06");
        tail.extend(44_u64.to_le_bytes());
        tail.extend([0x1E, 3, 45, 0]);
        tail.extend([0; 8]);
        for long in [entries, entries, len, start] {
            tail.extend(long.to_le_bytes());
        }
        tail.extend(b"PK\x06\x07");
        tail.extend([0; 4]);
        tail.extend(end.to_le_bytes());
        tail.extend(1_u32.to_le_bytes());
        tail.extend(b"PK\x05\x06");
        tail.extend([0; 4]);
        tail.extend(self.entries.to_le_bytes());
        tail.extend(self.entries.to_le_bytes());
        tail.extend(size(len)?.to_le_bytes());
        tail.extend(size(start)?.to_le_bytes());
        tail.extend([0; 2]);
        self.put(&tail)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.offset += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

fn field(len: usize) -> io::Result<u16> {
    u16::try_from(len).map_err(|_| too_large())
}

fn size(len: u64) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| too_large())
}

fn too_large() -> io::Error {
    io::Error::other("archives beyond 4 GiB, 65535 entries or names of 64 KiB are not supported")
}
