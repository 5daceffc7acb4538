//! Writing a weights file: streamed to a temporary name, then synced and renamed.
//!
//! A file under its final name is always complete, and one that other processes have mapped is never touched: they
//! keep the old one until they open it again. Hashing and writing share one pass over each tensor, on two threads.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;
use sha2::{Digest, Sha256};

use super::error::{Error, Fault, Reason};
use super::format::{Dtype, Meta, TensorSpec};
use super::hash;
use super::header::{Header, TOWER_ALIGN};
use super::read::read_header;

/// Bytes that are hashed and written side by side: few enough to stay in the cache between the two, many enough
/// that handing them to another thread costs nothing. From 1 to 16 MB the speed is that of hashing alone (2.0 GB/s
/// with SHA instructions, to memory; 1.7 GB/s one after the other); 256 kB is 10 % slower.
const CHUNK: usize = 1 << 20;

/// Names that are tried for the temporary file: others may be left over from programs that were killed.
const TEMP_TRIES: usize = 64;

/// Writes one weights file.
///
/// Dropped before [`Writer::finish`] succeeds, it leaves nothing behind, and a file that was at the path before
/// stays as it was.
///
/// ```no_run
/// # use clippie_rs::weights::*;
/// # fn save(path: &std::path::Path, meta: Meta, specs: Vec<TensorSpec>, tensors: &[(String, Vec<f32>)]) -> Result<(), Error> {
/// let mut writer = Writer::create(path, meta, specs)?;
/// for (name, data) in tensors {
///     writer.write(name, data)?;
/// }
/// writer.finish()
/// # }
/// ```
pub struct Writer {
    target: PathBuf,
    temp: Temp,
    header: Header,
    /// Position in `header.tensors` of the tensor that is due.
    due: usize,
    /// Bytes of the file so far.
    end: u64,
}

impl Writer {
    /// Starts a file at `path` that will hold exactly `specs`, in their order: image tower first.
    ///
    /// # Errors
    /// If the folder cannot be written to, if something other than a file is at `path`, or if `specs` break a rule
    /// of the format ([`Reason::Unwritable`]).
    pub fn create(path: &Path, meta: Meta, specs: Vec<TensorSpec>) -> Result<Writer, Error> {
        let create = || -> Result<Writer, Reason> {
            let header = Header::plan(meta, specs).map_err(Reason::Unwritable)?;
            let head = header.encode().map_err(Reason::Unwritable)?;
            // Nothing is written that would not be read.
            if !read_header(&mut head.as_slice(), header.file_len()).is_ok_and(|(read, _)| read == header) {
                return Err(Reason::Unwritable(Fault::Unstable));
            }
            match std::fs::metadata(path) {
                Ok(kind) if kind.is_dir() => return Err(Reason::Folder),
                Ok(kind) if !kind.is_file() => return Err(Reason::NotAFile),
                _ => {}
            }
            let temp = Temp::beside(path).map_err(Reason::Write)?;
            let mut writer = Writer { target: path.to_owned(), temp, header, due: 0, end: 0 };
            // Room for the head: it is written last, so that an unfinished file is never taken for a whole one.
            writer.pad_to(head.len() as u64)?;
            Ok(writer)
        };
        create().map_err(|reason| Error::new(path, reason))
    }

    /// Writes the next tensor, `data` as its layout stores it; for a tensor of `f16` every value must be one.
    ///
    /// # Errors
    /// If it is not this tensor's turn, if `data` does not have [`TensorSpec::stored_len`] elements, fills its
    /// last panel with other than zeros or loses by its element type, or if the disk refuses.
    pub fn write(&mut self, name: &str, data: &[f32]) -> Result<(), Error> {
        self.write_next(name, data).map_err(|reason| {
            if matches!(reason, Reason::Write(_)) {
                // How much of the tensor was written is unknown, so nothing can follow it.
                self.temp.remove();
            }
            Error::new(&self.target, reason)
        })
    }

    fn write_next(&mut self, name: &str, data: &[f32]) -> Result<(), Reason> {
        let entry = self.header.tensors.get(self.due);
        let Some(entry) = entry.filter(|entry| entry.spec.name == name) else {
            let wanted = entry.map(|entry| entry.spec.name.clone());
            return Err(Reason::Unwritable(Fault::Turn { found: name.into(), wanted }));
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
        if let Some(entry) = self.header.tensors.get_mut(self.due) {
            entry.sha256 = checksum;
        }
        self.due += 1;
        Ok(())
    }

    /// Completes the file, waits until it is on disk and puts it in place of what was there.
    ///
    /// # Errors
    /// If a tensor is missing, or if the disk or the folder refuses.
    pub fn finish(mut self) -> Result<(), Error> {
        let target = std::mem::take(&mut self.target);
        self.complete(&target).map_err(|reason| Error::new(&target, reason))
    }

    fn complete(&mut self, target: &Path) -> Result<(), Reason> {
        if let Some(entry) = self.header.tensors.get(self.due) {
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

    /// Writes zeros up to the byte `start` of the file.
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

/// The values as binary16, if every one of them is one.
pub fn exact_halves(values: &[f32]) -> Option<Vec<u16>> {
    let half = |&value: &f32| {
        let half = f16::from_f32(value);
        (half.to_f32().to_bits() == value.to_bits()).then_some(half.to_bits())
    };
    values.iter().map(half).collect()
}

/// Writes `bytes` and returns their hex SHA-256.
fn write_hashed(file: &mut File, bytes: &[u8]) -> io::Result<String> {
    let mut hash = Sha256::new();
    for chunk in bytes.chunks(CHUNK) {
        if chunk.len() < CHUNK / 16 {
            hash.update(chunk);
            file.write_all(chunk)?;
        } else {
            rayon::join(|| hash.update(chunk), || file.write_all(chunk)).1?;
        }
    }
    Ok(hash::hex(&hash.finalize()))
}

/// A file that exists only until it is renamed.
struct Temp {
    path: PathBuf,
    /// Closed, and nothing left to remove, when `None`.
    file: Option<File>,
}

impl Temp {
    /// Creates `.NAME.PID-N.part` in the folder of `target`: renaming works only within a file system, and the
    /// leading dot hides it from programs that watch the folder.
    fn beside(target: &Path) -> io::Result<Temp> {
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
        // Closed first: Windows renames no open file.
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

/// The folder that `path` lies in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the new name survive a loss of power. Some network file systems cannot sync folders; the file is in place
/// and whole even so.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

/// Folders cannot be synced here.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
