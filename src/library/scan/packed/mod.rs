//! A mapped file of packed vectors: derived from whatever holds them, made again when it does not fit.
//!
//! A file is written under an unfinished name and renamed; once it has its name, it is never changed, so that any
//! number of processes can map it. `format` specifies the bytes.
//!
//! Opening checks the header and a few hundred bytes, whatever the number of rows. All other bytes are checked when they
//! are used for the first time: a scan computes the checksum of each block of codes (a fifth of what it reads anyway is
//! not worth more), and of each row whose exact score it computes. So damage is an [`Error::Damaged`] and never a wrong
//! result. [`Packed::verify`] checks everything at once.

mod checksum;
mod error;
mod format;
mod write;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::quantise::{Codes, stride};
use super::rows::Check;
use super::workers::{BLOCK, by_blocks};
use super::{Error, Options, Rows};
use crate::files::open_regular;
use crate::weights::{Map, Stamp};
use checksum::Checksum;
pub use error::PackedError;
use format::{Fault, Head};
pub use write::{Description, Writer};

/// Vectors of a mapped file, with their codes, an id of 64 bits and a tag of some bytes for each.
///
/// Cheap to open: only what is used is read. Another process may replace the file; this one keeps what it has opened.
pub struct Packed {
    map: Map,
    head: Head,
    /// Blocks whose codes, and whose ids and tags, are known to be intact.
    codes_seen: Vec<AtomicBool>,
    tags_seen: Vec<AtomicBool>,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Packed {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, is no such file, has another version, or is damaged where opening looks.
    pub fn open(path: &Path) -> Result<Packed, PackedError> {
        let failed = |source| PackedError::Read { path: path.to_owned(), source };
        let file = open_regular(path).map_err(failed)?;
        let stamp = Stamp::of(&file).map_err(failed)?;
        let Some(len) = usize::try_from(stamp.len).ok().filter(|&len| len > 0) else {
            return Err(PackedError::NotPacked { path: path.to_owned() });
        };
        let map = Map::file(file, len, stamp).map_err(failed)?;
        let head = Head::parse(map.bytes(), stamp.len).map_err(|fault| match fault {
            Fault::NotPacked => PackedError::NotPacked { path: path.to_owned() },
            Fault::Version(version) => PackedError::Version { path: path.to_owned(), version },
            Fault::Damaged => PackedError::Damaged { path: path.to_owned() },
        })?;
        let blocks = head.rows.div_ceil(BLOCK);
        let unseen = || (0..blocks).map(|_| AtomicBool::new(false)).collect();
        let packed = Packed { map, codes_seen: unseen(), tags_seen: unseen(), head };
        if packed.small() != packed.head.small {
            return Err(PackedError::Damaged { path: path.to_owned() });
        }
        Ok(packed)
    }

    /// The text that the writer was given: which vectors may be compared with these.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.head.fingerprint
    }

    /// The bytes that the writer was given: the state of what the vectors were taken from.
    #[must_use]
    pub fn generation(&self) -> &[u8; 32] {
        &self.head.generation
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.rows
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.rows == 0
    }

    /// The rows, to be searched.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let at = &self.head.at;
        let codes = Codes {
            codes: self.slice(at.codes.clone()),
            scales: self.slice(at.scales.clone()),
            residuals: self.slice(at.residuals.clone()),
            centre: self.slice(at.centre.clone()),
        };
        Rows::coded(self.slice(at.vectors.clone()), self.head.dim, self.head.rows, codes, Some(self))
    }

    /// The ids of all rows.
    ///
    /// # Errors
    /// If the bytes are not those that were written.
    pub fn ids(&self) -> Result<&[u64], Error> {
        (0..self.tags_seen.len()).try_for_each(|block| self.check_tags(block))?;
        Ok(self.slice(self.head.at.ids.clone()))
    }

    /// The id of a row.
    ///
    /// # Errors
    /// If the bytes are not those that were written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn id(&self, row: usize) -> Result<u64, Error> {
        assert!(row < self.head.rows, "row {row} of {}", self.head.rows);
        self.check_tags(row / BLOCK)?;
        Ok(self.slice::<u64>(self.head.at.ids.clone())[row])
    }

    /// The tag of a row.
    ///
    /// # Errors
    /// If the bytes are not those that were written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn tag(&self, row: usize) -> Result<&[u8], Error> {
        assert!(row < self.head.rows, "row {row} of {}", self.head.rows);
        self.check_tags(row / BLOCK)?;
        let len = self.head.tag_len;
        Ok(&self.map.bytes()[self.head.at.tags.clone()][row * len..][..len])
    }

    /// Checks all bytes, on the threads of `options`.
    ///
    /// # Errors
    /// If a byte is not what was written, or if it is cancelled.
    pub fn verify(&self, options: &Options<'_>) -> Result<(), Error> {
        let rows = self.rows();
        by_blocks(
            self.head.rows,
            options,
            || (),
            |(), block| {
                self.check_tags(block.start / BLOCK)?;
                self.check_codes(block.start / BLOCK)?;
                block.clone().try_for_each(|row| rows.row(row).map(|_| ()))
            },
        )?;
        self.intact()
    }

    /// A section. Its range is inside of the map, and its start a multiple of 64, as [`Head::new`] has laid it out; the
    /// map starts at such an address.
    fn slice<T: bytemuck::Pod>(&self, range: std::ops::Range<usize>) -> &[T] {
        bytemuck::cast_slice(&self.map.bytes()[range])
    }

    /// The elements of a block of rows in a section with `each` bytes a row.
    fn block(&self, section: &std::ops::Range<usize>, each: usize, block: usize) -> &[u8] {
        let rows = block * BLOCK..self.head.rows.min((block + 1) * BLOCK);
        &self.map.bytes()[section.start + rows.start * each..section.start + rows.end * each]
    }

    fn check_codes(&self, block: usize) -> Result<(), Error> {
        let at = &self.head.at;
        let check = || {
            Checksum::new()
                .and(self.block(&at.codes, stride(self.head.dim), block))
                .and(self.block(&at.scales, 4, block))
                .and(self.block(&at.residuals, 4, block))
                .finish()
        };
        self.check_block(&self.codes_seen[block], block, at.code_checks.clone(), check)
    }

    fn check_tags(&self, block: usize) -> Result<(), Error> {
        let at = &self.head.at;
        let check = || {
            let ids = self.block(&at.ids, 8, block);
            Checksum::new().and(ids).and(self.block(&at.tags, self.head.tag_len, block)).finish()
        };
        self.check_block(&self.tags_seen[block], block, at.tag_checks.clone(), check)
    }

    fn check_block(
        &self,
        seen: &AtomicBool,
        block: usize,
        checks: std::ops::Range<usize>,
        check: impl FnOnce() -> u64,
    ) -> Result<(), Error> {
        if seen.load(Ordering::Relaxed) {
            return Ok(());
        }
        if check() != self.slice::<u64>(checks)[block] {
            return Err(Error::Damaged { row: block * BLOCK });
        }
        seen.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Checksum of the sections that are checked when the file is opened.
    fn small(&self) -> u64 {
        let (at, bytes) = (&self.head.at, self.map.bytes());
        let sections = [&at.code_checks, &at.tag_checks, &at.centre];
        sections.iter().fold(Checksum::new(), |sum, &range| sum.and(&bytes[range.clone()])).finish()
    }
}

impl Check for Packed {
    fn codes(&self, rows: &[u32]) -> Result<(), Error> {
        let mut last = usize::MAX;
        for block in rows.iter().map(|&row| row as usize / BLOCK) {
            if block != last {
                self.check_codes(block)?;
                last = block;
            }
        }
        Ok(())
    }

    fn row(&self, row: usize, values: &[f32]) -> Result<(), Error> {
        let expected = self.slice::<u64>(self.head.at.row_checks.clone())[row];
        if Checksum::of(bytemuck::cast_slice(values)) == expected { Ok(()) } else { Err(Error::Damaged { row }) }
    }

    fn intact(&self) -> Result<(), Error> {
        if self.map.is_lost() { Err(Error::Lost) } else { Ok(()) }
    }
}
