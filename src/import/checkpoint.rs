//! One view over every container: names, types and shapes of the tensors, and reading any one of them.
//!
//! Nothing is loaded at opening but the directory; tensors are read where they lie. Knows no model.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::bytes::Bytes;
use super::element::ElementType;
use super::error::{Error, Flaw, damaged, printable, unsupported};
use super::tensor::{Data, Strided, Tensor};
use super::{pickle, safetensors};

/// Elements beyond the file's own bytes that its tensors may have by sharing or compression. Without a limit, a
/// small file could describe any amount of output.
const SLACK: usize = 1 << 20;
/// Bytes that compressed entries may give in all, as a multiple of the file, and at least [`MIN_INFLATED`]. Real
/// checkpoints are stored; those that someone compressed inflate once, by less than two.
const MAX_INFLATED: usize = 8;
/// See [`MAX_INFLATED`].
const MIN_INFLATED: usize = 256 << 20;

/// The form of a checkpoint's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// A safetensors file.
    Safetensors,
    /// A zip archive of `torch.save`.
    TorchZip,
    /// A TorchScript archive of `torch.jit.save`.
    TorchScript,
    /// A file of `torch.save` from before its zip archives.
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

/// A tensor of a listing.
pub(super) struct Entry {
    pub name: String,
    pub element: ElementType,
    pub layout: Strided,
    pub place: Place,
}

/// Where bytes lie in a checkpoint.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In the file as they are.
    Stored(Range<usize>),
    /// In a compressed entry of an archive.
    Deflated {
        /// Where the entry's header starts in the file.
        header: usize,
        /// Bytes of the entry when inflated.
        len: usize,
        /// First byte of the tensor in them.
        first: usize,
    },
}

/// What a container holds.
#[derive(Default)]
pub(super) struct Listing {
    pub entries: Vec<Entry>,
    /// Names whose values cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
}

/// What the listing says of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct TensorInfo<'a> {
    /// Name in the checkpoint, without a common `module.`.
    pub name: &'a str,
    /// Type of the elements.
    pub element_type: &'a ElementType,
    /// Dimensions, slowest first; empty for a single number.
    pub shape: &'a [usize],
}

/// An open checkpoint.
pub struct Checkpoint {
    path: PathBuf,
    bytes: Bytes,
    container: Container,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    unreadable: HashMap<String, String>,
    inflated: Mutex<Inflated>,
}

/// The compressed entry that was inflated last, since many tensors may share one.
#[derive(Default)]
struct Inflated {
    header: usize,
    bytes: Option<Arc<Vec<u8>>>,
    total: usize,
}

impl Checkpoint {
    /// Opens the checkpoint at `path`, a file of any container.
    ///
    /// # Errors
    /// If it cannot be read, is no checkpoint, or contradicts itself.
    pub fn open(path: &Path) -> Result<Checkpoint, Error> {
        Checkpoint::read(path, Bytes::map(path)?)
    }

    /// Opens a checkpoint in memory; messages call it `name`.
    ///
    /// # Errors
    /// See [`Checkpoint::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Checkpoint, Error> {
        Checkpoint::read(Path::new(name), Bytes::Owned(bytes))
    }

    fn read(path: &Path, bytes: Bytes) -> Result<Checkpoint, Error> {
        let (container, listing) = list(&bytes).map_err(|flaw| flaw.at(path))?;
        let Listing { mut entries, mut unreadable } = listing;
        strip_module(&mut entries, &mut unreadable);
        check_amount(&entries, bytes.len()).map_err(|flaw| flaw.at(path))?;
        let by_name = entries.iter().enumerate().map(|(i, entry)| (entry.name.clone(), i)).collect();
        Ok(Checkpoint {
            path: path.to_owned(),
            bytes,
            container,
            entries,
            by_name,
            unreadable: unreadable.into_iter().collect(),
            inflated: Mutex::default(),
        })
    }

    /// A checkpoint of names and shapes alone, none of which can be read.
    #[cfg(test)]
    pub(super) fn of_shapes(shapes: impl IntoIterator<Item = (String, ElementType, Vec<usize>)>) -> Self {
        let entry = |(name, element, shape)| Entry {
            name,
            element,
            layout: Strided::contiguous(shape).unwrap(),
            place: Place::Stored(0..0),
        };
        let entries: Vec<Entry> = shapes.into_iter().map(entry).collect();
        let by_name = entries.iter().enumerate().map(|(i, e)| (e.name.clone(), i)).collect();
        Checkpoint {
            path: "shapes.pt".into(),
            bytes: Bytes::Owned(Vec::new()),
            container: Container::TorchZip,
            entries,
            by_name,
            unreadable: HashMap::new(),
            inflated: Mutex::default(),
        }
    }

    /// The file, or the name it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The form of the file.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The file's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Every tensor, in the order of the file.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.entries.iter().map(Entry::info)
    }

    /// What the listing says of the tensor `name`.
    pub fn info(&self, name: &str) -> Option<TensorInfo<'_>> {
        Some(self.entries.get(*self.by_name.get(name)?)?.info())
    }

    /// Why the value `name`, which the file holds, is not among the tensors.
    pub fn why_unreadable(&self, name: &str) -> Option<&str> {
        self.unreadable.get(name).map(String::as_str)
    }

    /// The tensor `name`, to be read.
    ///
    /// # Errors
    /// If there is none, or if its compressed entry is broken.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, Error> {
        let Some(entry) = self.by_name.get(name).and_then(|&i| self.entries.get(i)) else {
            let reason = self.why_unreadable(name).unwrap_or("is missing").to_owned();
            return Err(Error::Tensor { path: self.path.clone(), tensor: printable(name), reason });
        };
        let data = match &entry.place {
            // Listing checked that the range lies in the file; were it not so, reading would fail.
            Place::Stored(range) => Data::Borrowed(self.bytes.get(range.clone()).unwrap_or_default()),
            place @ Place::Deflated { header, len, first } => {
                let bytes = self.inflate(place, *header, *len).map_err(|flaw| flaw.at(&self.path))?;
                Data::Shared(bytes, *first)
            }
        };
        Ok(Tensor { path: &self.path, name: &entry.name, element: &entry.element, layout: &entry.layout, data })
    }

    fn inflate(&self, place: &Place, header: usize, len: usize) -> Result<Arc<Vec<u8>>, Flaw> {
        let mut inflated = self.inflated.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(bytes) = &inflated.bytes
            && inflated.header == header
        {
            return Ok(bytes.clone());
        }
        inflated.total = inflated.total.saturating_add(len);
        if inflated.total > self.bytes.len().saturating_mul(MAX_INFLATED).max(MIN_INFLATED) {
            return unsupported("its compressed tensors are far larger than the file; save it again with PyTorch");
        }
        // The old entry goes first, so that never two are held.
        inflated.bytes = None;
        let bytes = Arc::new(pickle::read_entry(&self.bytes, place, len)?);
        inflated.header = header;
        inflated.bytes = Some(bytes.clone());
        Ok(bytes)
    }
}

impl Entry {
    fn info(&self) -> TensorInfo<'_> {
        TensorInfo { name: &self.name, element_type: &self.element, shape: self.layout.shape() }
    }
}

fn list(bytes: &[u8]) -> Result<(Container, Listing), Flaw> {
    if pickle::looks_like(bytes) {
        return pickle::list(bytes);
    }
    if safetensors::looks_like(bytes) {
        return Ok((Container::Safetensors, safetensors::list(bytes)?));
    }
    unsupported(match bytes {
        [] => "it is empty; download it again",
        _ if bytes.starts_with(b"version https://git-lfs") => {
            "it is a Git LFS pointer, not the checkpoint itself; fetch it with `git lfs pull` or download it"
        }
        [b'<', ..] => "it is a web page, not a checkpoint; download it again from its direct address",
        _ => {
            "it is neither safetensors nor a file of torch.save or torch.jit.save; \
             give a .safetensors, .pt, .pth or .bin checkpoint"
        }
    })
}

/// Removes `module.`, which PyTorch's DataParallel puts before every name, if all have it.
fn strip_module(entries: &mut [Entry], unreadable: &mut [(String, String)]) {
    const PREFIX: &str = "module.";
    if entries.is_empty() || !entries.iter().all(|entry| entry.name.starts_with(PREFIX)) {
        return;
    }
    let names = entries.iter_mut().map(|entry| &mut entry.name);
    for name in names.chain(unreadable.iter_mut().map(|(name, _)| name)) {
        if let Some(short) = name.strip_prefix(PREFIX) {
            *name = short.to_owned();
        }
    }
}

/// Refuses tensors that together are much larger than the file.
fn check_amount(entries: &[Entry], file_len: usize) -> Result<(), Flaw> {
    let total = entries.iter().fold(0usize, |total, entry| total.saturating_add(entry.layout.len()));
    if total > file_len.saturating_add(SLACK) {
        return damaged(format!("its tensors claim {total} elements, far more than its {file_len} bytes can hold"));
    }
    Ok(())
}
