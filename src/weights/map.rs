//! Immutable bytes at a stable address: a mapped file, an owned copy, or bytes compiled into the program.
//!
//! With `guard.rs`, the only file of this module with `unsafe`. It knows no format; callers check ranges first.
//!
//! Opening gives the system no paging advice, because the default suits weights. Nothing is read until a page is
//! touched; then the kernel reads a window around it (128 kB by default). A first pass over cold weights is as fast as
//! reading the file (0.8 and 3.3 GB/s measured on two states of one disk, the same as `read`). `MADV_RANDOM` would read
//! 4 kB at a time; `MADV_WILLNEED` and `MAP_POPULATE` would read a whole tower or file where a part may be enough. The
//! kernel also maps neighbours that are in the page cache, within an aligned window of 64 kB. Towers start at multiples
//! of 64 kB, so using one tower makes no page of the other resident and reads at most half a window of it from disk.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use memmap2::{Mmap, MmapOptions};

use super::guard::Watched;
use super::header::TENSOR_ALIGN;
use super::stamp::Stamp;
use super::view::Element;
use crate::tensor::AlignedBuf;

/// Maps all of `file`, a checkpoint that [`crate::import`] reads. `file` must not be empty.
#[cfg(feature = "import")]
#[allow(unsafe_code)]
pub(crate) fn map_foreign(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and every slice of it borrows from it. If another process changes the file
    // meanwhile, the bytes are still decoded one number at a time and validated before use: wrong bytes give wrong
    // numbers or errors, nothing worse. If another process truncates the file, the system ends this process at the
    // missing page.
    unsafe { Mmap::map(file) }
}

/// Read-only bytes that start at a multiple of 64 and never move.
pub(crate) struct Map(Backing);

enum Backing {
    File {
        /// Dropped before the map.
        watched: Watched,
        map: Mmap,
        file: File,
        /// When the header was read.
        opened: Stamp,
    },
    Static(&'static [u8]),
    /// The first `len` bytes of `buffer`.
    Owned {
        buffer: AlignedBuf,
        len: usize,
    },
}

impl Map {
    /// Maps the first `len` bytes of `file`, which has at least as many and the stamp `opened`.
    #[allow(unsafe_code)]
    pub(crate) fn file(file: File, len: usize, opened: Stamp) -> io::Result<Map> {
        // SAFETY: the map is shared and read-only, and lives as long as any slice of it. Rust cannot rule out that
        // another process changes the file meanwhile. No program should write into a weights file in use, and
        // `Writer` never does: it replaces files by renaming (see `WeightsFile::open`). Any bit pattern is a valid
        // element, so changed bytes give wrong numbers, which `WeightsFile::during` refuses, and nothing worse. If the
        // file is truncated, the system ends the process with SIGBUS at the missing page, or `guard` puts zeros there.
        let map = unsafe { MmapOptions::new().len(len).map(&file)? };
        // Every known system maps at multiples of 4096; tensor views rely on it.
        if !is_aligned(&map) {
            return Err(io::Error::other("the system maps at unaligned addresses"));
        }
        let watched = Watched::new(&map);
        Ok(Map(Backing::File { watched, map, file, opened }))
    }

    /// Uses bytes of the program itself in place; `None` if they do not start at a multiple of 64.
    pub(super) fn from_static(bytes: &'static [u8]) -> Option<Map> {
        is_aligned(bytes).then_some(Map(Backing::Static(bytes)))
    }

    /// No bytes.
    pub(super) fn empty() -> Map {
        static EMPTY: Aligned<[u8; 0]> = Aligned([]);
        Map(Backing::Static(&EMPTY.0))
    }

    /// Reads `len` bytes to an aligned buffer; `None` if there is no memory for it.
    pub(super) fn read(bytes: &mut impl Read, len: usize) -> io::Result<Option<Map>> {
        let Some(mut buffer) = AlignedBuf::try_zeros(len.div_ceil(size_of::<f32>())) else { return Ok(None) };
        bytes.read_exact(&mut bytemuck::cast_slice_mut(&mut buffer)[..len])?;
        Ok(Some(Map(Backing::Owned { buffer, len })))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Backing::File { map, .. } => map,
            Backing::Static(bytes) => bytes,
            Backing::Owned { buffer, len } => &bytemuck::cast_slice(buffer)[..*len],
        }
    }

    /// The elements in `range`, in bytes. The caller has checked that the range is inside the map and that both ends
    /// are multiples of the element size.
    pub(super) fn elements<T: Element>(&self, range: Range<usize>) -> &[T] {
        bytemuck::cast_slice(&self.bytes()[range])
    }

    /// Copies the bytes from `at` on to `out`, without making a page of a mapped file resident.
    pub(super) fn copy_to(&self, at: usize, out: &mut [u8]) -> io::Result<()> {
        match self.as_file() {
            Some(file) => ReadAt { file, at: at as u64 }.read_exact(out),
            None => {
                out.copy_from_slice(&self.bytes()[at..at + out.len()]);
                Ok(())
            }
        }
    }

    /// The mapped file; `None` for bytes that cannot change.
    pub(super) fn as_file(&self) -> Option<&File> {
        match &self.0 {
            Backing::File { file, .. } => Some(file),
            Backing::Static(_) | Backing::Owned { .. } => None,
        }
    }

    /// Current stamp of the file; `None` for bytes that cannot change.
    pub(super) fn stamp(&self) -> io::Result<Option<Stamp>> {
        self.as_file().map(Stamp::of).transpose()
    }

    /// Stamp of the file when it was opened; `None` for bytes that cannot change.
    pub(super) fn opened(&self) -> Option<Stamp> {
        match &self.0 {
            Backing::File { opened, .. } => Some(*opened),
            Backing::Static(_) | Backing::Owned { .. } => None,
        }
    }

    /// Whether a page could not be read and holds zeros instead, from now on and for ever.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(&self.0, Backing::File { watched, .. } if watched.is_lost())
    }

    /// Whether the bytes are part of the program.
    pub(super) fn is_compiled_in(&self) -> bool {
        matches!(&self.0, Backing::Static(_))
    }

    /// Releases the mapped pages; they are mapped again when touched.
    #[cfg(unix)]
    #[allow(unsafe_code)]
    pub(super) fn release(&self) {
        if let Backing::File { map, .. } = &self.0 {
            // SAFETY: the map is a shared, read-only map of a file, so its pages hold nothing that the file does not
            // hold: a slice of it reads the same bytes afterwards.
            let result = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            if let Err(error) = result {
                tracing::debug!(%error, "mapped pages were not released");
            }
        }
    }

    /// Does nothing: this system has no such request.
    #[cfg(not(unix))]
    pub(super) fn release(&self) {}
}

/// Reads a file from an offset on, whatever other readers of it do.
pub(super) struct ReadAt<'a> {
    pub(super) file: &'a File,
    pub(super) at: u64,
}

impl Read for ReadAt<'_> {
    #[cfg(unix)]
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = std::os::unix::fs::FileExt::read_at(self.file, out, self.at)?;
        self.at += read as u64;
        Ok(read)
    }

    #[cfg(windows)]
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = std::os::windows::fs::FileExt::seek_read(self.file, out, self.at)?;
        self.at += read as u64;
        Ok(read)
    }

    #[cfg(not(any(unix, windows)))]
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file;
        io::Seek::seek(&mut file, io::SeekFrom::Start(self.at))?;
        let read = file.read(out)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(TENSOR_ALIGN as usize)
}

/// Aligns bytes to 64, for weights compiled into a program with [`WeightsFile::from_static`].
///
/// [`WeightsFile::from_static`]: super::WeightsFile::from_static
///
/// ```
/// use clippie_rs::weights::{Aligned, WeightsFile};
///
/// // Usually `&Aligned(*include_bytes!("model.clippie"))`.
/// static MODEL: &Aligned<[u8]> = &Aligned(*b"not a model");
/// let error = WeightsFile::from_static(&MODEL.0, "built-in model").unwrap_err();
/// assert!(error.to_string().starts_with("built-in model: is not a .clippie weights file"));
/// ```
#[repr(C, align(64))]
pub struct Aligned<B: ?Sized>(pub B);

impl<B: ?Sized> std::fmt::Debug for Aligned<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The bytes are a whole model.
        f.debug_struct("Aligned").finish_non_exhaustive()
    }
}
