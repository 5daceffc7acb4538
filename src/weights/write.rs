//! Writes a weights file: streams it to a temporary name, then syncs, verifies and renames it.
//!
//! A file under its final name is always complete. A file that other processes have mapped is never touched: they keep
//! the old one until they open the path again. Each tensor is hashed and written in one pass, on two threads.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::{Error, Fault, Reason};
use super::format::{Dtype, Layout, Meta, TensorSpec};
use super::hash;
use super::header::{Header, TOWER_ALIGN};
use super::pack::exact_halves;
use super::read::{WeightsFile, read_header};
use super::{quads, scaled_rows};
use crate::files::{self, Partial};
use crate::threads;

/// Bytes that are hashed and written in parallel: small enough to stay in the cache, large enough to hide the cost of
/// a second thread. From 1 to 16 MB the speed is that of hashing alone (2.0 GB/s with SHA instructions, to memory;
/// 1.7 GB/s in sequence); 256 kB is 10 % slower.
const CHUNK: usize = 1 << 20;

/// Writes one weights file.
///
/// If it is dropped before [`Writer::finish`] succeeds, it leaves nothing behind, and an earlier file at the path
/// stays unchanged.
///
/// ```no_run
/// # use clippie_rs::weights::{Error, Meta, TensorSpec, internals::Writer};
/// # fn save(path: &std::path::Path, meta: Meta, specs: Vec<TensorSpec>, tensors: &[(String, Vec<f32>)]) -> Result<(), Error> {
/// let mut writer = Writer::create(path, meta, specs)?;
/// for (name, data) in tensors {
///     writer.write(name, data)?;
/// }
/// writer.finish()
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is written without `finish`"]
pub struct Writer {
    target: PathBuf,
    temp: Partial,
    header: Header,
    /// Index in `header.tensors` of the next tensor to write.
    next: usize,
    /// Bytes written so far.
    end: u64,
}

impl Writer {
    /// Looks whether [`Writer::create`] can make a file at `path`, before work is spent on what it is to hold.
    ///
    /// # Errors
    /// If the folder does not exist, or if something that is no file is at `path`.
    #[cfg(feature = "import")]
    pub(crate) fn look_at(path: &Path) -> Result<(), Error> {
        look_at(path).map_err(|reason| Error::new(path, reason))
    }

    /// Starts a file at `path` with exactly the tensors `specs`, in this order; the image tower comes first.
    ///
    /// # Errors
    /// If the folder does not exist or cannot be written to, if `path` is not a regular file, or if `specs` break a rule
    /// of the format ([`Reason::Unwritable`]).
    pub fn create(path: &Path, meta: Meta, specs: Vec<TensorSpec>) -> Result<Writer, Error> {
        let create = || -> Result<Writer, Reason> {
            let header = Header::plan(meta, specs).map_err(Reason::Unwritable)?;
            let head = header.encode().map_err(Reason::Unwritable)?;
            // Refuse what the reader would refuse.
            if !read_header(&mut head.as_slice(), header.file_len()).is_ok_and(|(read, _)| read == header) {
                return Err(Reason::Unwritable(Fault::Unstable));
            }
            look_at(path)?;
            let temp = Partial::create(path).map_err(Reason::Write)?;
            let mut writer = Writer { target: path.to_owned(), temp, header, next: 0, end: 0 };
            // Leave space for the head. It is written last, so an unfinished file has no valid head.
            writer.pad_to(head.len() as u64)?;
            Ok(writer)
        };
        create().map_err(|reason| Error::new(path, reason))
    }

    /// Writes the next tensor. `data` is in storage order; for an `f16` tensor every value must be exact in `f16`.
    ///
    /// # Errors
    /// If `name` is not the next tensor, if `data` does not have [`TensorSpec::stored_len`] elements, has nonzero
    /// padding or values that the element type cannot hold, or if the system cannot write.
    pub fn write(&mut self, name: &str, data: &[f32]) -> Result<(), Error> {
        self.write_next(name, Data::Numbers(data))
    }

    /// Writes the next tensor, a `u32` one.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn write_words(&mut self, name: &str, data: &[u32]) -> Result<(), Error> {
        self.write_next(name, Data::Words(data))
    }

    /// Writes the next tensor, an `i8` one: scaled rows or quads, as stored.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn write_integers(&mut self, name: &str, data: &[i8]) -> Result<(), Error> {
        self.write_next(name, Data::Integers(data))
    }

    /// Writes the next tensor of any element type.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub(crate) fn write_next(&mut self, name: &str, data: Data<'_>) -> Result<(), Error> {
        self.write_tensor(name, data).map_err(|reason| {
            if matches!(reason, Reason::Write(_)) {
                // An unknown part of the tensor was written, so nothing can follow.
                self.temp.remove();
            }
            Error::new(&self.target, reason)
        })
    }

    fn write_tensor(&mut self, name: &str, data: Data<'_>) -> Result<(), Reason> {
        let entry = self.header.tensors.get(self.next);
        let Some(entry) = entry.filter(|entry| entry.spec.name == name) else {
            let wanted = entry.map(|entry| entry.spec.name.clone());
            return Err(Reason::Unwritable(Fault::OutOfOrder { found: name.into(), wanted }));
        };
        let wanted = entry.spec.stored_len().unwrap_or(0);
        if data.len() != wanted {
            let (name, found) = (name.into(), data.len());
            return Err(Reason::Unwritable(Fault::Elements { name, wanted, found }));
        }
        if matches!(data, Data::Numbers(data) if !entry.spec.has_zero_padding(data)) {
            return Err(Reason::Unwritable(Fault::PanelPadding(name.into())));
        }
        let halves;
        let stored: &[u8] = match (entry.spec.dtype, data) {
            (Dtype::F32, Data::Numbers(data)) => bytemuck::cast_slice(data),
            (Dtype::F16, Data::Numbers(data)) => {
                halves = exact_halves(data).ok_or_else(|| Reason::Unwritable(Fault::NotHalves(name.into())))?;
                bytemuck::cast_slice(&halves)
            }
            (Dtype::U32, Data::Words(data)) => bytemuck::cast_slice(data),
            (Dtype::I8, Data::Integers(data)) => {
                match (entry.spec.layout, entry.spec.shape.as_slice()) {
                    (Layout::ScaledRows, &[_, width]) if !scaled_rows::are_valid(data, width) => {
                        return Err(Reason::Unwritable(Fault::NotScaledRows(name.into())));
                    }
                    (Layout::Quads16, &[k, n]) if !quads::are_valid(data, k, n) => {
                        return Err(Reason::Unwritable(Fault::NotQuads(name.into())));
                    }
                    _ => {}
                }
                bytemuck::cast_slice(data)
            }
            _ => {
                return Err(Reason::Unwritable(Fault::OtherElements(name.into())));
            }
        };
        let bytes = entry.bytes.clone();
        self.pad_to(bytes.start)?;
        let checksum = self.temp.file().and_then(|file| write_hashed(file, stored)).map_err(Reason::Write)?;
        self.end = bytes.end;
        if let Some(entry) = self.header.tensors.get_mut(self.next) {
            entry.sha256 = checksum;
        }
        self.next += 1;
        Ok(())
    }

    /// Completes the file, syncs it to disk, verifies it and renames it to its final name.
    ///
    /// # Errors
    /// If a tensor is missing, if the system cannot write or rename, or if the file does not read back as it was written.
    pub fn finish(mut self) -> Result<(), Error> {
        let target = std::mem::take(&mut self.target);
        self.complete(&target).map_err(|reason| Error::new(&target, reason))
    }

    fn complete(&mut self, target: &Path) -> Result<(), Reason> {
        if let Some(entry) = self.header.tensors.get(self.next) {
            return Err(Reason::Unwritable(Fault::Missing(entry.spec.name.clone())));
        }
        let head = self.header.encode().map_err(Reason::Unwritable)?;
        let mut seal = || -> io::Result<()> {
            let file = self.temp.file()?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&head)?;
            file.sync_all()
        };
        seal().map_err(Reason::Write)?;
        read_back(self.temp.file().map_err(Reason::Write)?, target)?;
        self.temp.rename(target).map_err(Reason::Replace)?;
        files::sync_folder(files::folder(target)).map_err(Reason::Write)
    }

    /// Writes zeros up to the offset `start`.
    fn pad_to(&mut self, start: u64) -> Result<(), Reason> {
        static ZEROS: [u8; TOWER_ALIGN as usize] = [0; TOWER_ALIGN as usize];
        while self.end < start {
            let len = (start - self.end).min(TOWER_ALIGN);
            self.temp.write_all(&ZEROS[..len as usize]).map_err(Reason::Write)?;
            self.end += len;
        }
        Ok(())
    }
}

/// The elements of a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data<'a> {
    /// Of an `f32` or `f16` tensor.
    Numbers(&'a [f32]),
    /// Of an `i8` tensor.
    Integers(&'a [i8]),
    /// Of a `u32` tensor.
    Words(&'a [u32]),
}

impl Data<'_> {
    pub(crate) fn len(self) -> usize {
        match self {
            Data::Numbers(data) => data.len(),
            Data::Integers(data) => data.len(),
            Data::Words(data) => data.len(),
        }
    }
}

fn look_at(path: &Path) -> Result<(), Reason> {
    match std::fs::metadata(path) {
        Ok(kind) if kind.is_dir() => return Err(Reason::Folder),
        Ok(kind) if !kind.is_file() => return Err(Reason::NotAFile),
        Ok(_) => return Ok(()),
        Err(_) => {}
    }
    // `new/` names a folder, and nothing is there.
    let is_folder = path.to_string_lossy().ends_with(std::path::is_separator);
    let folder = if is_folder { path } else { files::folder(path) };
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Reason::NoFolder(folder.to_owned())),
        // Such as a folder that may not be looked into: creating the file tells.
        _ => Ok(()),
    }
}

/// Writes `bytes` and returns their hex SHA-256.
fn write_hashed(file: &mut File, bytes: &[u8]) -> io::Result<String> {
    let mut hash = Sha256::new();
    for chunk in bytes.chunks(CHUNK) {
        if chunk.len() < CHUNK / 16 {
            hash.update(chunk);
            file.write_all(chunk)?;
        } else {
            threads::join(|| hash.update(chunk), || file.write_all(chunk)).1?;
        }
    }
    Ok(hash::hex(&hash.finalize()))
}

/// Reads a finished file and compares it with its checksums, before anything relies on it.
fn read_back(file: &mut File, target: &Path) -> Result<(), Reason> {
    let differs = |what: &str| Reason::ReadBack(what.to_owned());
    file.seek(SeekFrom::Start(0)).map_err(Reason::Write)?;
    // The same handle: other systems than Unix let no other one read a locked file.
    let file = file.try_clone().map_err(Reason::Write)?;
    let file =
        WeightsFile::of_file(file, target).map_err(|error| differs(&format!("the header ({})", error.reason())))?;
    let report = file.verify().map_err(|error| differs(&format!("the file ({})", error.reason())))?;
    match report.damaged.first() {
        Some(tensor) => Err(differs(&format!("tensor {tensor:?}"))),
        None if !report.padding_intact => Err(differs("the space between the tensors")),
        None => Ok(()),
    }
}
