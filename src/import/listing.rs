//! The directory of a checkpoint, which every container provides: its tensors and the locations of their bytes.

use std::fmt;
use std::ops::Range;

use super::element::ElementType;
use super::tensor::Strided;

/// Maximum number of tensors in a file.
pub(super) const MAX_TENSORS: usize = 1 << 16;
/// Maximum length of a tensor's name, in bytes.
pub(super) const MAX_NAME: usize = 1024;

/// Memory of a listed tensor: its place in two lists, a map and a set, which grow by copying; its name in each of them
/// and, without what wrappers put there, once more; its dimensions and strides.
pub(super) fn entry_memory(name: usize, rank: usize) -> u64 {
    const PLACES: u64 = 1024;
    PLACES + 5 * name as u64 + 16 * rank as u64
}

/// Container format of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// A safetensors file.
    Safetensors,
    /// A zip archive of `torch.save`.
    TorchZip,
    /// A TorchScript archive of `torch.jit.save`.
    TorchScript,
    /// A file of `torch.save` in the format that preceded zip archives.
    TorchLegacy,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Safetensors => "safetensors",
            Container::TorchZip => "pytorch zip",
            Container::TorchScript => "torchscript",
            Container::TorchLegacy => "pytorch legacy",
        })
    }
}

/// The tensors of a checkpoint.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub entries: Vec<Entry>,
    /// Names whose values cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// The uncompressed entries of an archive that declare a checksum.
    pub sums: Vec<Sum>,
}

/// The checksum of an uncompressed entry of an archive.
#[derive(Debug)]
pub(super) struct Sum {
    /// The entry's name in the archive.
    pub name: String,
    /// Its bytes in the file.
    pub bytes: Range<usize>,
    /// CRC-32 of the bytes.
    pub crc: u32,
}

/// One tensor of a listing.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: String,
    pub element: ElementType,
    pub layout: Strided,
    pub location: Location,
}

/// Where bytes are in a file.
#[derive(Clone, Debug)]
pub(super) enum Location {
    /// Uncompressed in the file.
    Stored(Range<usize>),
    /// In a compressed entry of an archive, from this byte of the inflated entry on.
    Deflated(Deflated, usize),
}

/// A compressed entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deflated {
    /// Its bytes in the file.
    pub packed: Range<usize>,
    /// Its size when inflated, in bytes.
    pub len: usize,
    /// CRC-32 of the inflated bytes.
    pub crc: u32,
}
