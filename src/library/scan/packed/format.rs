//! The bytes of a packed file, version 1. All numbers are little-endian.
//!
//! | bytes | header |
//! |---|---|
//! | 0..8 | `clipscan` |
//! | 8..12 | version, 1 |
//! | 12..16 | length of the header: a multiple of 64, at most 4096 |
//! | 16..24 | length of the file |
//! | 24..32 | number of rows |
//! | 32..36 | values of a row, 1 to 65,536 |
//! | 36..40 | bytes of a row's tag, at most 4096 |
//! | 40..44 | length of the fingerprint |
//! | 44..48 | rows of a block, 1024 |
//! | 48..80 | generation |
//! | 80..88 | checksum of the sections `code checks`, `tag checks` and `centre` |
//! | 88.. | fingerprint, UTF-8; then zeros |
//! | last 8 | checksum of all bytes before |
//!
//! Then the sections, each at the next multiple of 64, zeros between them:
//!
//! | section | elements |
//! |---|---|
//! | vectors | f32 [rows][values] |
//! | codes | i8 [rows][values up to a multiple of 64, zeros] |
//! | scales | f32 [rows] |
//! | residuals | f32 [rows] |
//! | row checks | u64 [rows]: checksum of the row's values |
//! | ids | u64 [rows] |
//! | tags | u8 [rows][bytes of a tag] |
//! | code checks | u64 [blocks]: checksum of the block's codes, scales and residuals |
//! | tag checks | u64 [blocks]: checksum of the block's ids and tags |
//! | centre | f32 [values] |
//!
//! So every offset follows from three numbers of the header, and the length of the file must be what follows from them.

use std::ops::Range;

use super::super::MAX_DIM;
use super::super::quantise::stride;
use super::super::workers::BLOCK;
use super::checksum::Checksum;

const MAGIC: &[u8; 8] = b"clipscan";
const VERSION: u32 = 1;
const MAX_HEADER: usize = 4096;
const ALIGN: u64 = 64;
/// Bytes of the header before the fingerprint, and after it.
const FIXED: usize = 88;
const CHECK: usize = 8;
/// The largest tag of a row.
pub(super) const MAX_TAG: usize = 4096;

/// What a header says, and where everything is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) tag_len: usize,
    pub(super) fingerprint: String,
    pub(super) generation: [u8; 32],
    /// Checksum of the sections that are checked whenever the file is opened.
    pub(super) small: u64,
    pub(super) at: Sections,
    pub(super) file_len: u64,
}

/// Byte ranges of the sections.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sections {
    pub(super) vectors: Range<usize>,
    pub(super) codes: Range<usize>,
    pub(super) scales: Range<usize>,
    pub(super) residuals: Range<usize>,
    pub(super) row_checks: Range<usize>,
    pub(super) ids: Range<usize>,
    pub(super) tags: Range<usize>,
    pub(super) code_checks: Range<usize>,
    pub(super) tag_checks: Range<usize>,
    pub(super) centre: Range<usize>,
}

/// Why bytes are no header.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    NotPacked,
    Version(u32),
    Damaged,
}

impl Head {
    /// Lays out a file; `None` if it would be too large for this machine or for the format.
    pub(super) fn new(
        rows: usize,
        dim: usize,
        tag_len: usize,
        fingerprint: &str,
        generation: [u8; 32],
    ) -> Option<Head> {
        let header = header_len(fingerprint)?;
        if dim == 0 || dim > MAX_DIM || tag_len > MAX_TAG || u32::try_from(rows).is_err() {
            return None;
        }
        let blocks = rows.div_ceil(BLOCK) as u64;
        let (count, dim64) = (rows as u64, dim as u64);
        let mut at = header as u64;
        let mut next = |elements: u64, each: u64| -> Option<Range<usize>> {
            let start = at.checked_next_multiple_of(ALIGN)?;
            at = start.checked_add(elements.checked_mul(each)?)?;
            Some(usize::try_from(start).ok()?..usize::try_from(at).ok()?)
        };
        let sections = Sections {
            vectors: next(count, 4 * dim64)?,
            codes: next(count, stride(dim) as u64)?,
            scales: next(count, 4)?,
            residuals: next(count, 4)?,
            row_checks: next(count, 8)?,
            ids: next(count, 8)?,
            tags: next(count, tag_len as u64)?,
            code_checks: next(blocks, 8)?,
            tag_checks: next(blocks, 8)?,
            centre: next(dim64, 4)?,
        };
        let fingerprint = fingerprint.to_owned();
        Some(Head { rows, dim, tag_len, fingerprint, generation, small: 0, at: sections, file_len: at })
    }

    /// The bytes of the header.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let len = header_len(&self.fingerprint).unwrap_or(MAX_HEADER);
        let mut bytes = Vec::with_capacity(len);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((len as u32).to_le_bytes());
        bytes.extend(self.file_len.to_le_bytes());
        bytes.extend((self.rows as u64).to_le_bytes());
        bytes.extend((self.dim as u32).to_le_bytes());
        bytes.extend((self.tag_len as u32).to_le_bytes());
        bytes.extend((self.fingerprint.len() as u32).to_le_bytes());
        bytes.extend((BLOCK as u32).to_le_bytes());
        bytes.extend(self.generation);
        bytes.extend(self.small.to_le_bytes());
        bytes.extend(self.fingerprint.as_bytes());
        bytes.resize(len - CHECK, 0);
        bytes.extend(Checksum::of(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the header at the start of a file of `file_len` bytes.
    pub(super) fn parse(bytes: &[u8], file_len: u64) -> Result<Head, Fault> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        if !bytes.starts_with(MAGIC) {
            return Err(Fault::NotPacked);
        }
        match u32_at(8) {
            Some(VERSION) => {}
            Some(version) => return Err(Fault::Version(version)),
            None => return Err(Fault::Damaged),
        }
        let parse = || {
            let len = u32_at(12)? as usize;
            let header = bytes.get(..len).filter(|_| len <= MAX_HEADER)?;
            let (checked, check) = header.split_last_chunk::<CHECK>()?;
            if u64::from_le_bytes(*check) != Checksum::of(checked) || u32_at(44)? as usize != BLOCK {
                return None;
            }
            let fingerprint = checked.get(FIXED..FIXED.checked_add(u32_at(40)? as usize)?)?;
            let fingerprint = std::str::from_utf8(fingerprint).ok()?;
            let generation = *bytes.get(48..)?.first_chunk()?;
            let (rows, dim, tag_len) = (usize::try_from(u64_at(24)?).ok()?, u32_at(32)? as usize, u32_at(36)? as usize);
            let head = Head::new(rows, dim, tag_len, fingerprint, generation)?;
            let head = Head { small: u64_at(80)?, ..head };
            (head.file_len == u64_at(16)? && head.file_len == file_len && head.bytes() == header).then_some(head)
        };
        parse().ok_or(Fault::Damaged)
    }
}

/// Length of the header with this fingerprint; `None` if that is too long.
fn header_len(fingerprint: &str) -> Option<usize> {
    let len = (FIXED + fingerprint.len() + CHECK).next_multiple_of(ALIGN as usize);
    (len <= MAX_HEADER).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        for (rows, dim, tag_len, fingerprint) in
            [(0, 1, 0, ""), (5, 512, 32, "0011"), (1_000_000, 65_536, 4096, &"x".repeat(4000))]
        {
            let head = Head { small: 77, ..Head::new(rows, dim, tag_len, fingerprint, [9; 32]).unwrap() };
            let bytes = head.bytes();
            assert!(bytes.len().is_multiple_of(64) && bytes.len() <= head.at.vectors.start);
            assert_eq!(Head::parse(&bytes, head.file_len), Ok(head.clone()));
            assert_eq!(Head::parse(&bytes, head.file_len + 1), Err(Fault::Damaged));
        }
        assert_eq!(Head::new(1, 0, 0, "", [0; 32]), None);
        assert_eq!(Head::new(1, MAX_DIM + 1, 0, "", [0; 32]), None);
        assert_eq!(Head::new(1 << 32, 1, 0, "", [0; 32]), None);
        assert_eq!(Head::new(1, 1, MAX_TAG + 1, "", [0; 32]), None);
        assert_eq!(Head::new(1, 1, 0, &"x".repeat(4001), [0; 32]), None);
    }

    #[test]
    fn no_byte_of_a_header_can_change() {
        let head = Head::new(5, 512, 32, "0011", [9; 32]).unwrap();
        let bytes = head.bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                let fault = Head::parse(&other, head.file_len).unwrap_err();
                assert_eq!(matches!(fault, Fault::NotPacked), at < 8);
                assert_eq!(matches!(fault, Fault::Version(_)), (8..12).contains(&at));
            }
            assert!(Head::parse(&bytes[..at], head.file_len).is_err());
        }
    }
}
