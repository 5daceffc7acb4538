//! Writes a weights file: streams it to a temporary name, then syncs and renames it.
//!
//! A file under its final name is always complete. A file that other processes have mapped is never touched: they keep
//! the old one until they open the path again. Each tensor is hashed and written in one pass, on two threads.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::error::{Error, Fault, Reason};
use super::format::{Dtype, Meta, TensorSpec};
use super::hash;
use super::header::{Header, TOWER_ALIGN};
use super::pack::exact_halves;
use super::read::read_header;
use crate::threads;

/// Bytes that are hashed and written in parallel: small enough to stay in the cache, large enough to hide the cost of
/// a second thread. From 1 to 16 MB the speed is that of hashing alone (2.0 GB/s with SHA instructions, to memory;
/// 1.7 GB/s in sequence); 256 kB is 10 % slower.
const CHUNK: usize = 1 << 20;

/// Attempts at a name for the temporary file; killed programs may have left some behind.
const TEMP_TRIES: usize = 64;

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
    temp: Temp,
    header: Header,
    /// Index in `header.tensors` of the next tensor to write.
    next: usize,
    /// Bytes written so far.
    end: u64,
}

impl Writer {
    /// Starts a file at `path` with exactly the tensors `specs`, in this order; the image tower comes first.
    ///
    /// # Errors
    /// If the folder cannot be written to, if `path` is not a regular file, or if `specs` break a rule of the format
    /// ([`Reason::Unwritable`]).
    pub fn create(path: &Path, meta: Meta, specs: Vec<TensorSpec>) -> Result<Writer, Error> {
        let create = || -> Result<Writer, Reason> {
            let header = Header::plan(meta, specs).map_err(Reason::Unwritable)?;
            let head = header.encode().map_err(Reason::Unwritable)?;
            // Refuse what the reader would refuse.
            if !read_header(&mut head.as_slice(), header.file_len()).is_ok_and(|(read, _)| read == header) {
                return Err(Reason::Unwritable(Fault::Unstable));
            }
            match std::fs::metadata(path) {
                Ok(kind) if kind.is_dir() => return Err(Reason::Folder),
                Ok(kind) if !kind.is_file() => return Err(Reason::NotAFile),
                _ => {}
            }
            let temp = Temp::create(path).map_err(Reason::Write)?;
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
        self.write_next(name, data).map_err(|reason| {
            if matches!(reason, Reason::Write(_)) {
                // An unknown part of the tensor was written, so nothing can follow.
                self.temp.remove();
            }
            Error::new(&self.target, reason)
        })
    }

    fn write_next(&mut self, name: &str, data: &[f32]) -> Result<(), Reason> {
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
        if !entry.spec.has_zero_padding(data) {
            return Err(Reason::Unwritable(Fault::PanelPadding(name.into())));
        }
        let halves = match entry.spec.dtype {
            Dtype::F32 => None,
            Dtype::F16 => {
                let Some(halves) = exact_halves(data) else {
                    return Err(Reason::Unwritable(Fault::NotHalves(name.into())));
                };
                Some(halves)
            }
        };
        let bytes = entry.bytes.clone();
        self.pad_to(bytes.start)?;
        let stored = halves.as_deref().map_or(bytemuck::cast_slice(data), bytemuck::cast_slice);
        let checksum = write_hashed(self.temp.file()?, stored).map_err(Reason::Write)?;
        self.end = bytes.end;
        if let Some(entry) = self.header.tensors.get_mut(self.next) {
            entry.sha256 = checksum;
        }
        self.next += 1;
        Ok(())
    }

    /// Completes the file, syncs it to disk and renames it to its final name.
    ///
    /// # Errors
    /// If a tensor is missing, or if the system cannot write or rename.
    pub fn finish(mut self) -> Result<(), Error> {
        let target = std::mem::take(&mut self.target);
        self.complete(&target).map_err(|reason| Error::new(&target, reason))
    }

    fn complete(&mut self, target: &Path) -> Result<(), Reason> {
        if let Some(entry) = self.header.tensors.get(self.next) {
            return Err(Reason::Unwritable(Fault::Missing(entry.spec.name.clone())));
        }
        let head = self.header.encode().map_err(Reason::Unwritable)?;
        let file = self.temp.file()?;
        let mut seal = || -> io::Result<()> {
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&head)?;
            file.sync_all()
        };
        seal().map_err(Reason::Write)?;
        self.temp.rename(target).map_err(Reason::Replace)?;
        sync_folder(folder(target)).map_err(Reason::Write)
    }

    /// Writes zeros up to the offset `start`.
    fn pad_to(&mut self, start: u64) -> Result<(), Reason> {
        static ZEROS: [u8; TOWER_ALIGN as usize] = [0; TOWER_ALIGN as usize];
        while self.end < start {
            let len = (start - self.end).min(TOWER_ALIGN);
            self.temp.file()?.write_all(&ZEROS[..len as usize]).map_err(Reason::Write)?;
            self.end += len;
        }
        Ok(())
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

/// A temporary file that is removed unless it is renamed.
#[derive(Debug)]
struct Temp {
    path: PathBuf,
    /// `None` once it is closed and renamed or removed.
    file: Option<File>,
}

impl Temp {
    /// Creates `.NAME.PID-N.part` in the folder of `target`: renaming works only within a file system. The leading
    /// dot hides the file from programs that watch the folder.
    fn create(target: &Path) -> io::Result<Temp> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name"))?;
        let mut error = None;
        for _ in 0..TEMP_TRIES {
            let mut temp = OsString::from(".");
            temp.push(name);
            temp.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
            let path = folder(target).join(temp);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Temp { path, file: Some(file) }),
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => error = Some(taken),
                Err(other) => return Err(other),
            }
        }
        Err(error.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into()))
    }

    fn file(&mut self) -> Result<&mut File, Reason> {
        self.file.as_mut().ok_or_else(|| Reason::Write(io::Error::other("an earlier write failed")))
    }

    fn remove(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn rename(&mut self, target: &Path) -> io::Result<()> {
        // Close it first: Windows cannot rename an open file.
        drop(self.file.take());
        std::fs::rename(&self.path, target).inspect_err(|_| {
            let _ = std::fs::remove_file(&self.path);
        })
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The folder of `path`.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the new name survive a power loss. Some network file systems cannot sync folders; the file is complete and in
/// place anyway.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

/// Does nothing: this system cannot sync folders.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
