//! The directory of a zip archive: names, sizes and places of its entries.
//!
//! Every count, size and offset of the directory is untrusted. Nothing is allocated by them: the number of entries must
//! fit in the directory, the directory in the file, and each entry costs what its bytes cost. Knows nothing of PyTorch.

use std::ops::Range;

use crate::budget::Budget;
use crate::import::error::{ContainerError, damaged, printable, unsupported};

/// Maximum size of the directory. One of 1000 tensors has about 100 KiB.
const MAX_DIRECTORY: usize = 32 << 20;
/// Length of a directory header without its names and fields.
const HEADER: usize = 46;
/// Length of an entry's own header without its name and fields.
const LOCAL_HEADER: usize = 30;
/// Length of the end record without its comment.
const END: usize = 22;
/// Length of the pointer to the end record with 64-bit sizes, which precedes the end record.
const LOCATOR: usize = 20;
/// Length of the end record with 64-bit sizes.
const END_64: usize = 56;
/// Identifies the field with 64-bit sizes.
const FIELD_64: u16 = 1;
/// Work for an entry, besides its bytes: a table entry and two comparisons.
const ENTRY_WORK: u64 = 200;
/// Memory for an entry, besides its name: a list and two tables of entries, which grow by copying.
const ENTRY_MEMORY: u64 = 512;

/// An entry of an archive. Its bytes are inside the file.
pub(super) struct Member<'b> {
    pub name: &'b str,
    /// Its bytes as stored.
    pub bytes: Range<usize>,
    /// Its size when inflated.
    pub len: usize,
    pub method: Method,
    /// CRC-32 of the inflated bytes.
    pub crc: u32,
}

/// How an entry is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// Lists the entries of the archive `bytes` in the order of its directory, without folders and without names that are
/// not UTF-8.
pub(super) fn members<'b>(bytes: &'b [u8], budget: &Budget) -> Result<Vec<Member<'b>>, ContainerError> {
    let Some((count, directory)) = find(bytes) else {
        return damaged("its zip directory cannot be read (it has no end)");
    };
    if directory.len() > MAX_DIRECTORY {
        return unsupported(format!(
            "its zip directory of {} bytes is longer than the {MAX_DIRECTORY} that are read; save it again with PyTorch",
            directory.len()
        ));
    }
    let Some(mut rest) = bytes.get(directory).filter(|directory| count <= directory.len() / HEADER) else {
        return damaged(format!("its zip directory cannot be read ({count} entries do not fit in it)"));
    };
    let mut members = Vec::new();
    for index in 0..count {
        let Some((header, after)) = split(rest) else {
            return damaged(format!("entry {index} of its zip directory is broken"));
        };
        rest = after;
        budget.work(ENTRY_WORK.saturating_add(header.len() as u64))?;
        budget.memory(ENTRY_MEMORY.saturating_add(header.len() as u64))?;
        members.extend(member(bytes, header, index)?);
    }
    Ok(members)
}

/// Number of entries and place of the directory, as the end record states them.
fn find(bytes: &[u8]) -> Option<(usize, Range<usize>)> {
    // The last record whose comment reaches exactly to the end of the file.
    let first = bytes.len().saturating_sub(END + usize::from(u16::MAX));
    let last = bytes.len().checked_sub(END)?;
    let is_end = |at: &usize| {
        let at = *at;
        bytes.get(at..).is_some_and(|end| end.starts_with(b"PK\x05\x06"))
            && u16_at(bytes, at + 20).map(usize::from) == Some(bytes.len() - at - END)
    };
    let end = (first..=last).rev().find(is_end)?;
    let mut limit = end;
    let mut count = u64::from(u16_at(bytes, end + 10)?);
    let mut len = u64::from(u32_at(bytes, end + 12)?);
    let mut start = u64::from(u32_at(bytes, end + 16)?);
    let locator = end.checked_sub(LOCATOR).filter(|at| bytes.get(*at..).is_some_and(|l| l.starts_with(b"PK\x06\x07")));
    if let Some(locator) = locator {
        let at = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
        let record = bytes.get(at..locator).filter(|record| record.len() >= END_64)?;
        if !record.starts_with(b"PK\x06\x06") {
            return None;
        }
        limit = at;
        count = u64_at(record, 32)?;
        len = u64_at(record, 40)?;
        start = u64_at(record, 48)?;
    }
    let start = usize::try_from(start).ok()?;
    let directory = start..start.checked_add(usize::try_from(len).ok()?)?;
    (directory.end <= limit).then_some((usize::try_from(count).ok()?, directory))
}

/// Splits the first header off a directory.
fn split(directory: &[u8]) -> Option<(&[u8], &[u8])> {
    if !directory.starts_with(b"PK\x01\x02") {
        return None;
    }
    let [name, fields, comment] = [28, 30, 32].map(|at| u16_at(directory, at).map(usize::from));
    directory.split_at_checked(HEADER + name? + fields? + comment?)
}

/// Reads a header of the directory; `None` for folders.
fn member<'b>(bytes: &'b [u8], header: &'b [u8], index: usize) -> Result<Option<Member<'b>>, ContainerError> {
    let broken = || damaged(format!("entry {index} of its zip directory is broken"));
    let fixed = || {
        let name_end = HEADER + usize::from(u16_at(header, 28)?);
        let fields_end = name_end + usize::from(u16_at(header, 30)?);
        let sizes = sizes(header, header.get(name_end..fields_end)?)?;
        let (flags, method, crc) = (u16_at(header, 8)?, u16_at(header, 10)?, u32_at(header, 16)?);
        Some((header.get(HEADER..name_end)?, flags, method, crc, sizes))
    };
    let Some((name, flags, method, crc, [len, packed, at])) = fixed() else {
        return broken();
    };
    let Ok(name) = std::str::from_utf8(name) else {
        return Ok(None);
    };
    if name.ends_with('/') {
        return Ok(None);
    }
    let shown = || printable(name);
    if flags & 1 != 0 {
        return unsupported(format!("its entry `{}` is encrypted", shown()));
    }
    let method = match method {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => {
            return unsupported(format!(
                "its entry `{}` is compressed by method {other}; save it again with PyTorch",
                shown()
            ));
        }
    };
    let [Ok(len), Ok(packed), Ok(at)] = [len, packed, at].map(usize::try_from) else {
        return damaged(format!("its entry `{}` is larger than memory", shown()));
    };
    // The name and fields of an entry's own header may have other lengths than those of the directory.
    let start = bytes.get(at..).filter(|local| local.starts_with(b"PK\x03\x04")).and_then(|local| {
        let skipped = LOCAL_HEADER + usize::from(u16_at(local, 26)?) + usize::from(u16_at(local, 28)?);
        at.checked_add(skipped)
    });
    let Some(start) = start else {
        return broken();
    };
    let Some(end) = start.checked_add(packed).filter(|&end| end <= bytes.len()) else {
        return damaged(format!("its entry `{}` reaches beyond the end of the file", shown()));
    };
    Ok(Some(Member { name, bytes: start..end, len, method, crc }))
}

/// Inflated size, stored size and offset of an entry. `fields` replace those that do not fit in 32 bits.
fn sizes(header: &[u8], mut fields: &[u8]) -> Option<[u64; 3]> {
    let mut sizes = [u64::from(u32_at(header, 24)?), u64::from(u32_at(header, 20)?), u64::from(u32_at(header, 42)?)];
    while let (Some(id), Some(len)) = (u16_at(fields, 0), u16_at(fields, 2)) {
        let (field, rest) = fields.get(4..)?.split_at_checked(usize::from(len))?;
        if id == FIELD_64 {
            let mut wide = field.as_chunks::<8>().0.iter();
            for size in sizes.iter_mut().filter(|size| **size == u64::from(u32::MAX)) {
                *size = u64::from_le_bytes(*wide.next()?);
            }
            break;
        }
        fields = rest;
    }
    Some(sizes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
