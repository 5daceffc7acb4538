//! Reads PyTorch's zip archives: finds the pickle and the location of each storage.
//!
//! Stored entries are used directly from the mapped file. Deflated entries are inflated on demand, never beyond their
//! declared size. Checksums of stored entries are not verified, because PyTorch can write archives without them.

use std::collections::HashMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use super::collect::Blob;
use super::machine::MAX_PICKLE_LEN;
use crate::import::error::{ContainerError, damaged, printable, printable_error, unsupported};
use crate::import::listing::Location;

/// Maximum size of all directory and entry headers. An archive of 1000 tensors has about 150 KiB.
const MAX_DIRECTORY: u64 = 32 << 20;
/// Maximum expansion ratio of deflate.
const MAX_EXPANSION: usize = 1032;

/// Whether a file that starts with `start` may be a zip archive.
pub(super) fn looks_like(start: &[u8]) -> bool {
    start.starts_with(b"PK\x03\x04")
}

/// The directory of an archive.
pub(super) struct Archive {
    /// Folder of `data.pkl`, with a trailing slash.
    folder: String,
    entries: HashMap<String, Blob>,
}

impl Archive {
    pub(super) fn open(bytes: &[u8]) -> Result<Archive, ContainerError> {
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let reader = Limited { cursor: Cursor::new(bytes), left: MAX_DIRECTORY };
        let mut zip = match ZipArchive::with_config(config, reader) {
            Ok(zip) => zip,
            Err(error) => return damaged(format!("its zip directory cannot be read ({})", printable_error(error))),
        };
        if zip.has_duplicate_names() {
            return damaged("its zip directory names an entry twice");
        }
        let mut entries = HashMap::new();
        for index in 0..zip.len() {
            let Some((name, entry)) = entry(&mut zip, index, bytes.len())? else {
                continue;
            };
            entries.insert(name, entry);
        }
        let folder = find_folder(&entries)?;
        Ok(Archive { folder, entries })
    }

    /// Returns location and inflated size of the entry `name` in the archive's folder.
    pub(super) fn entry(&self, name: &str) -> Option<&Blob> {
        self.entries.get(&format!("{}{name}", self.folder))
    }

    /// Rejects archives written on big-endian machines.
    pub(super) fn check_byte_order(&self, bytes: &[u8]) -> Result<(), ContainerError> {
        let Some(Blob { location, len }) = self.entry("byteorder") else {
            return Ok(());
        };
        if *len > 16 {
            return damaged("its `byteorder` entry is too long");
        }
        match read(bytes, location, *len)?.trim_ascii() {
            b"little" => Ok(()),
            b"big" => unsupported("it was written on a big-endian machine; save it again on a little-endian one"),
            _ => damaged("its `byteorder` entry says neither little nor big"),
        }
    }

    /// Returns the archive's pickle.
    pub(super) fn pickle<'b>(&self, bytes: &'b [u8]) -> Result<std::borrow::Cow<'b, [u8]>, ContainerError> {
        match self.entry("data.pkl") {
            Some(Blob { len, .. }) if *len > MAX_PICKLE_LEN => unsupported("its data.pkl is too long to be one"),
            Some(Blob { location: Location::Stored(range), .. }) => match bytes.get(range.clone()) {
                Some(pickle) => Ok(pickle.into()),
                None => damaged("its data.pkl lies outside the file"),
            },
            Some(Blob { location, len }) => Ok(read(bytes, location, *len)?.into()),
            None => damaged("it has no data.pkl"),
        }
    }
}

/// Returns name and location of entry `index`; `None` for folders.
fn entry(
    zip: &mut ZipArchive<Limited<'_>>,
    index: usize,
    file_len: usize,
) -> Result<Option<(String, Blob)>, ContainerError> {
    let file = match zip.by_index_raw(index) {
        Ok(file) => file,
        Err(error) => {
            return damaged(format!("entry {index} of its zip directory is broken ({})", printable_error(error)));
        }
    };
    let Ok(name) = std::str::from_utf8(file.name_raw()) else {
        return Ok(None);
    };
    if name.ends_with('/') {
        return Ok(None);
    }
    let shown = || printable(name);
    if file.encrypted() {
        return unsupported(format!("its entry `{}` is encrypted", shown()));
    }
    let sizes = (
        usize::try_from(file.size()),
        usize::try_from(file.compressed_size()),
        file.data_start().map(usize::try_from),
        usize::try_from(file.header_start()),
    );
    let (Ok(len), Ok(packed), Some(Ok(start)), Ok(header)) = sizes else {
        return damaged(format!("its entry `{}` is larger than memory", shown()));
    };
    let Some(end) = start.checked_add(packed).filter(|&end| end <= file_len) else {
        return damaged(format!("its entry `{}` reaches beyond the end of the file", shown()));
    };
    let location = match file.compression() {
        CompressionMethod::Stored if packed == len => Location::Stored(start..end),
        CompressionMethod::Deflated if len / MAX_EXPANSION <= packed => Location::Deflated { header, len, first: 0 },
        CompressionMethod::Stored | CompressionMethod::Deflated => {
            return damaged(format!("its entry `{}` cannot have {len} bytes", shown()));
        }
        other => {
            return unsupported(format!(
                "its entry `{}` is compressed by {other}; save it again with PyTorch",
                shown()
            ));
        }
    };
    Ok(Some((name.to_owned(), Blob { location, len })))
}

/// Returns the only top-level folder with a `data.pkl`.
fn find_folder(entries: &HashMap<String, Blob>) -> Result<String, ContainerError> {
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

/// Reads an entry, which must have `len` bytes when inflated.
pub(in crate::import) fn read(bytes: &[u8], location: &Location, len: usize) -> Result<Vec<u8>, ContainerError> {
    let header = match location {
        Location::Stored(range) => {
            return match bytes.get(range.clone()) {
                Some(stored) => Ok(stored.to_vec()),
                None => damaged("an entry of it lies outside the file"),
            };
        }
        Location::Deflated { header, .. } => *header,
    };
    let mut stream = bytes.get(header..).unwrap_or_default();
    let file = match zip::read::read_zipfile_from_stream(&mut stream) {
        Ok(Some(file)) => file,
        Ok(None) => return damaged("an entry of it has no header"),
        Err(error) => return damaged(format!("a compressed entry of it cannot be read ({})", printable_error(error))),
    };
    // Allocate by what is inflated, not by the declared size. One extra byte detects an entry that is longer.
    let mut inflated = Vec::with_capacity(len.min(1 << 20));
    let most = u64::try_from(len).unwrap_or(u64::MAX).saturating_add(1);
    match file.take(most).read_to_end(&mut inflated) {
        Ok(read) if read == len => Ok(inflated),
        Ok(_) => damaged("a compressed entry of it has another size than declared"),
        Err(error) => damaged(format!("a compressed entry of it cannot be read ({})", printable_error(error))),
    }
}

/// A reader that fails after a number of bytes, because the directory's declared size is untrusted.
struct Limited<'a> {
    cursor: Cursor<&'a [u8]>,
    left: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.cursor.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other("the directory is too long")),
        }
        Ok(read)
    }
}

impl Seek for Limited<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.cursor.seek(to)
    }
}
