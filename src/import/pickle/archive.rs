//! Reads PyTorch's zip archives: finds the pickle and the location of each storage.
//!
//! Stored entries are used directly from the mapped file. Deflated entries are inflated on demand, never beyond their
//! declared size. Checksums of stored entries are listed, to be compared when their tensors are read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::collect::Blob;
use super::directory::{Member, Method, members};
use super::machine::MAX_PICKLE_LEN;
use crate::budget::Budget;
use crate::import::error::{ContainerError, damaged, printable, printable_error, unsupported};
use crate::import::listing::{Deflated, Location, Sum};

/// Maximum expansion ratio of deflate.
const MAX_EXPANSION: usize = 1032;
/// Bytes that are inflated at a time.
const CHUNK: usize = 1 << 20;

/// Whether a file that starts with `start` may be a zip archive.
pub(super) fn looks_like(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

/// The directory of an archive.
pub(super) struct Archive<'b> {
    bytes: &'b [u8],
    /// Folder of `data.pkl`, with a trailing slash.
    folder: String,
    entries: HashMap<&'b str, Blob>,
    sums: Vec<Sum>,
}

impl<'b> Archive<'b> {
    pub(super) fn open(bytes: &'b [u8], budget: &Budget) -> Result<Archive<'b>, ContainerError> {
        let mut entries = HashMap::new();
        let mut sums = Vec::new();
        for member in members(bytes, budget)? {
            let name = member.name;
            // PyTorch can write archives without checksums.
            if member.method == Method::Stored && member.crc != 0 {
                budget.memory((size_of::<Sum>() + name.len()) as u64)?;
                sums.push(Sum { name: name.to_owned(), bytes: member.bytes.clone(), crc: member.crc });
            }
            if entries.insert(name, blob(member)?).is_some() {
                return damaged(format!("its zip directory names its entry `{}` twice", printable(name)));
            }
        }
        let folder = find_folder(&entries)?;
        Ok(Archive { bytes, folder, entries, sums })
    }

    /// Returns location and inflated size of the entry `name` in the archive's folder.
    pub(super) fn entry(&self, name: &str) -> Option<&Blob> {
        self.entries.get(format!("{}{name}", self.folder).as_str())
    }

    /// The checksums that stored entries declare.
    pub(super) fn into_sums(self) -> Vec<Sum> {
        self.sums
    }

    /// Rejects archives written on big-endian machines.
    pub(super) fn check_byte_order(&self, budget: &Budget) -> Result<(), ContainerError> {
        let Some(Blob { location, len }) = self.entry("byteorder") else {
            return Ok(());
        };
        if *len > 16 {
            return damaged("its `byteorder` entry is too long");
        }
        match self.read(location, budget)?.trim_ascii() {
            b"little" => Ok(()),
            b"big" => unsupported("it was written on a big-endian machine; save it again on a little-endian one"),
            _ => damaged("its `byteorder` entry says neither little nor big"),
        }
    }

    /// Returns the archive's pickle.
    pub(super) fn pickle(&self, budget: &Budget) -> Result<Cow<'b, [u8]>, ContainerError> {
        match self.entry("data.pkl") {
            Some(Blob { len, .. }) if *len > MAX_PICKLE_LEN => unsupported("its data.pkl is too long to be one"),
            Some(Blob { location, .. }) => self.read(location, budget),
            None => damaged("it has no data.pkl"),
        }
    }

    fn read(&self, location: &Location, budget: &Budget) -> Result<Cow<'b, [u8]>, ContainerError> {
        match location {
            Location::Stored(range) => match self.bytes.get(range.clone()) {
                Some(stored) => Ok(stored.into()),
                None => damaged("an entry of it lies outside the file"),
            },
            Location::Deflated(entry, _) => Ok(inflate(self.bytes, entry, budget)?.into()),
        }
    }
}

/// Returns the location of an entry.
fn blob(member: Member<'_>) -> Result<Blob, ContainerError> {
    let Member { name, bytes, len, method, crc } = member;
    let location = match method {
        Method::Stored if bytes.len() == len => Location::Stored(bytes),
        Method::Deflated if len / MAX_EXPANSION <= bytes.len() => {
            Location::Deflated(Deflated { packed: bytes, len, crc }, 0)
        }
        Method::Stored | Method::Deflated => {
            return damaged(format!("its entry `{}` cannot have {len} bytes", printable(name)));
        }
    };
    Ok(Blob { location, len })
}

/// Returns the only top-level folder with a `data.pkl`.
fn find_folder(entries: &HashMap<&str, Blob>) -> Result<String, ContainerError> {
    let mut folders = entries.keys().filter_map(|name| {
        let folder = name.strip_suffix("data.pkl")?;
        let inside = folder.strip_suffix('/')?;
        (!inside.contains('/')).then_some(folder)
    });
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder.to_owned()),
        (Some(_), Some(_)) => damaged("it has more than one data.pkl"),
        (None, _) => unsupported(
            "it is a zip archive without `*/data.pkl`, so not a file of PyTorch; give the checkpoint itself",
        ),
    }
}

/// Inflates an entry of the file `bytes`, which must have the size and the checksum that it declares.
pub(in crate::import) fn inflate(bytes: &[u8], entry: &Deflated, budget: &Budget) -> Result<Vec<u8>, ContainerError> {
    let mut decoder = DeflateDecoder::new(bytes.get(entry.packed.clone()).unwrap_or_default());
    let mut inflated = Vec::new();
    let mut crc = Crc::new();
    // Allocate by what was inflated, not by the declared size, and read one byte more than that to notice a longer one.
    while inflated.len() <= entry.len {
        let from = inflated.len();
        let more = CHUNK.max(from).min(entry.len - from + 1);
        budget.work(more as u64)?;
        budget.reserve_exact(&mut inflated, more)?;
        match decoder.by_ref().take(more as u64).read_to_end(&mut inflated) {
            Ok(0) => break,
            Ok(_) => crc.update(inflated.get(from..).unwrap_or_default()),
            Err(error) => {
                return damaged(format!("a compressed entry of it cannot be read ({})", printable_error(error)));
            }
        }
    }
    match inflated.len() == entry.len {
        true if crc.sum() == entry.crc => Ok(inflated),
        true => damaged("a compressed entry of it has another checksum than declared"),
        false => damaged("a compressed entry of it has another size than declared"),
    }
}
