//! Bytes that stay where they are: a mapped file, or bytes compiled into the program.
//!
//! The only place of this module with `unsafe`. It knows no format; its callers check ranges before they ask.
//!
//! No advice is given to the system at opening. Its default is right for weights: nothing is read until a page
//! is touched, and then the disk's read-ahead window around it (128 kB unless configured otherwise), so that a first
//! pass over cold weights is as fast as reading the file (measured 0.8 and 3.3 GB/s on two states of one disk, `read`
//! the same). `MADV_RANDOM` would read 4 kB at a time, `MADV_WILLNEED` and `MAP_POPULATE` a whole tower or file of which
//! a part may suffice. Neighbours that are already in the page cache are mapped along with a touched page, within
//! its aligned 64 kB; since towers start at multiples of that, using one tower makes no page of the other resident,
//! and reads at most half a window of it from the disk.

use std::fs::File;
use std::io;
use std::ops::Range;

use memmap2::{Mmap, MmapOptions};

use super::header::TENSOR_ALIGN;

/// Maps all of `file`, a file of another program that [`crate::import`] reads; it must not be empty.
#[cfg(feature = "import")]
#[allow(unsafe_code)]
pub(crate) fn map_foreign(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and every slice of it borrows from it. Another process that changes the file
    // meanwhile changes bytes that are decoded one number at a time and validated before use, so wrong bytes give
    // wrong numbers or errors and nothing worse; one that cuts it short makes the system end this process at the
    // missing page.
    unsafe { Mmap::map(file) }
}

/// Read-only bytes that start at a multiple of 64 and never move.
pub(super) struct Map(Backing);

enum Backing {
    File { map: Mmap, file: File },
    Static(&'static [u8]),
    Owned { lines: Vec<Aligned<[u8; TENSOR_ALIGN as usize]>>, len: usize },
}

impl Map {
    /// Maps the first `len` bytes of `file`, which has at least as many.
    #[allow(unsafe_code)]
    pub(super) fn file(file: File, len: usize) -> io::Result<Map> {
        // SAFETY: the map is shared and read-only, and lives as long as any slice of it. What Rust cannot rule
        // out is that another process changes the file meanwhile: no program should write into a weights file
        // that others may use, and `Writer` never does, it replaces files by renaming (see `WeightsFile::open`).
        // Any bit pattern is a valid `f32`, so changed bytes give wrong numbers and nothing worse; a file cut
        // short makes the system end the process with SIGBUS at the missing page.
        let map = unsafe { MmapOptions::new().len(len).map(&file)? };
        // Every known system maps at pages, which are multiples of 4096; tensors rely on it.
        if !is_aligned(&map) {
            return Err(io::Error::other("the system maps at unaligned addresses"));
        }
        Ok(Map(Backing::File { map, file }))
    }

    /// Takes bytes of the program itself; `None` if they do not start at a multiple of 64.
    pub(super) fn of_static(bytes: &'static [u8]) -> Option<Map> {
        is_aligned(bytes).then_some(Map(Backing::Static(bytes)))
    }

    /// Copies bytes to aligned addresses.
    pub(super) fn owned(bytes: &[u8]) -> Map {
        let lines = bytes.chunks(TENSOR_ALIGN as usize).map(|chunk| {
            let mut line = [0; TENSOR_ALIGN as usize];
            line[..chunk.len()].copy_from_slice(chunk);
            Aligned(line)
        });
        Map(Backing::Owned { lines: lines.collect(), len: bytes.len() })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Backing::File { map, .. } => map,
            Backing::Static(bytes) => bytes,
            Backing::Owned { lines, len } => &bytemuck::cast_slice(lines)[..*len],
        }
    }

    /// The floats in `range`, in bytes, which the caller has checked: inside, and starting and ending at
    /// multiples of 4.
    pub(super) fn floats(&self, range: Range<usize>) -> &[f32] {
        bytemuck::cast_slice(&self.bytes()[range])
    }

    /// The halves in `range`, in bytes, which the caller has checked: inside, and starting and ending at even
    /// places.
    pub(super) fn halves(&self, range: Range<usize>) -> &[u16] {
        bytemuck::cast_slice(&self.bytes()[range])
    }

    /// Bytes that the file has now; `None` for bytes that cannot change.
    pub(super) fn len_now(&self) -> io::Result<Option<u64>> {
        match &self.0 {
            Backing::File { file, .. } => Ok(Some(file.metadata()?.len())),
            Backing::Static(_) | Backing::Owned { .. } => Ok(None),
        }
    }

    /// Gives the mapped pages back to the system; they come back when they are touched.
    #[cfg(unix)]
    #[allow(unsafe_code)]
    pub(super) fn release(&self) {
        if let Backing::File { map, .. } = &self.0 {
            // SAFETY: the map is a shared, read-only one of a file, so its pages hold nothing that the file does
            // not hold: a slice of it reads the same bytes afterwards.
            let result = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
            if let Err(error) = result {
                tracing::debug!(%error, "mapped pages were not released");
            }
        }
    }

    /// Does nothing: this system has no such advice.
    #[cfg(not(unix))]
    pub(super) fn release(&self) {}
}

fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(TENSOR_ALIGN as usize)
}

/// Bytes that start at a multiple of 64, for weights that are compiled into a program.
///
/// ```
/// use clippie_rs::weights::{Aligned, WeightsFile};
///
/// // As a rule `&Aligned(*include_bytes!("model.clippie"))`.
/// static MODEL: &Aligned<[u8]> = &Aligned(*b"not a model");
/// let error = WeightsFile::from_static(&MODEL.0, "built-in model").unwrap_err();
/// assert!(error.to_string().starts_with("built-in model: is not a .clippie weights file"));
/// ```
#[repr(C, align(64))]
pub struct Aligned<B: ?Sized>(pub B);

impl<B: Copy> Clone for Aligned<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Copy> Copy for Aligned<B> {}

// SAFETY: `repr(C)` over 64 bytes at an alignment of 64, so there is no padding; zeros are valid bytes.
#[allow(unsafe_code)]
unsafe impl bytemuck::Zeroable for Aligned<[u8; 64]> {}
// SAFETY: as above; every bit pattern is valid, and it is `Copy` and `'static` without pointers or interior
// mutability.
#[allow(unsafe_code)]
unsafe impl bytemuck::Pod for Aligned<[u8; 64]> {}
