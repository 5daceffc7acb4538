//! An open checkpoint in any container: lists names, types and shapes of the tensors and reads each of them.
//!
//! Opening reads only the directory; tensor data stays in the mapped file. Knows no model.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::bytes::Bytes;
use super::element::ElementType;
use super::error::{ContainerError, Error, damaged, printable, unsupported};
use super::listing::{Container, Entry, Listing, Location};
use super::tensor::{Data, Tensor};
use super::{pickle, safetensors};

/// Elements that the tensors may have beyond the number of bytes in the file, through sharing or compression. Without
/// a limit, a small file could describe any amount of output.
const EXTRA_ELEMENTS: usize = 1 << 20;
/// Limit of the total inflated size, as a multiple of the file size; at least [`MIN_INFLATION_LIMIT`] is allowed.
/// Published checkpoints are not compressed; compressing one saves less than half.
const MAX_INFLATION: usize = 8;
/// See [`MAX_INFLATION`].
const MIN_INFLATION_LIMIT: usize = 256 << 20;

/// Name, type and shape of a tensor in a checkpoint.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TensorInfo<'a> {
    /// Name in the checkpoint, without the `module.` that DataParallel adds.
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

/// The last entry that was inflated, kept because many tensors may share it.
#[derive(Default)]
struct Inflated {
    header: usize,
    bytes: Option<Arc<Vec<u8>>>,
    total: usize,
}

impl Checkpoint {
    /// Opens the checkpoint file at `path`; its content determines the container.
    ///
    /// # Errors
    /// If the file cannot be read, is not a checkpoint, or is inconsistent.
    pub fn open(path: &Path) -> Result<Checkpoint, Error> {
        Checkpoint::read(path, Bytes::map(path)?)
    }

    /// Opens a checkpoint in memory. Error messages refer to it as `name`.
    ///
    /// # Errors
    /// See [`Checkpoint::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Checkpoint, Error> {
        Checkpoint::read(Path::new(name), Bytes::Owned(bytes))
    }

    fn read(path: &Path, bytes: Bytes) -> Result<Checkpoint, Error> {
        let (container, listing) = list(&bytes).map_err(|error| error.at_path(path))?;
        let Listing { mut entries, mut unreadable } = listing;
        strip_module(&mut entries, &mut unreadable);
        check_amount(&entries, bytes.len()).map_err(|error| error.at_path(path))?;
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

    /// Creates a checkpoint of names and shapes without data.
    #[cfg(test)]
    pub(super) fn of_shapes(shapes: impl IntoIterator<Item = (String, ElementType, Vec<usize>)>) -> Self {
        let entry = |(name, element, shape)| Entry {
            name,
            element,
            layout: super::tensor::Strided::contiguous(shape).unwrap(),
            location: Location::Stored(0..0),
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

    /// Returns the path of the file, or the name given to [`Checkpoint::from_bytes`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the container format.
    #[must_use]
    pub fn container(&self) -> Container {
        self.container
    }

    /// Returns the bytes of the file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Iterates over all tensors in the order of the file.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.entries.iter().map(Entry::info)
    }

    /// Returns type and shape of the tensor `name`, if there is one.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<TensorInfo<'_>> {
        Some(self.entries.get(*self.by_name.get(name)?)?.info())
    }

    /// Returns why the value `name` of the file is not listed as a tensor.
    #[must_use]
    pub fn why_unreadable(&self, name: &str) -> Option<&str> {
        self.unreadable.get(name).map(String::as_str)
    }

    /// Returns the tensor `name` for reading.
    ///
    /// # Errors
    /// If there is no such tensor or its compressed entry is damaged.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'_>, Error> {
        let Some(entry) = self.by_name.get(name).and_then(|&i| self.entries.get(i)) else {
            let reason = self.why_unreadable(name).unwrap_or("is missing").to_owned();
            return Err(Error::Tensor { path: self.path.clone(), tensor: printable(name), reason });
        };
        let data = match &entry.location {
            // Listing checked that the range is inside the file; otherwise reading fails.
            Location::Stored(range) => Data::Borrowed(self.bytes.get(range.clone()).unwrap_or_default()),
            location @ Location::Deflated { header, len, first } => {
                let bytes = self.inflate(location, *header, *len).map_err(|error| error.at_path(&self.path))?;
                Data::Shared(bytes, *first)
            }
        };
        Ok(Tensor { path: &self.path, name: &entry.name, element: &entry.element, layout: &entry.layout, data })
    }

    fn inflate(&self, location: &Location, header: usize, len: usize) -> Result<Arc<Vec<u8>>, ContainerError> {
        let mut inflated = self.inflated.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(bytes) = &inflated.bytes
            && inflated.header == header
        {
            return Ok(bytes.clone());
        }
        inflated.total = inflated.total.saturating_add(len);
        if inflated.total > self.bytes.len().saturating_mul(MAX_INFLATION).max(MIN_INFLATION_LIMIT) {
            return unsupported("its compressed tensors are far larger than the file; save it again with PyTorch");
        }
        // Free the old entry first, so that only one is in memory.
        inflated.bytes = None;
        let bytes = Arc::new(pickle::read_entry(&self.bytes, location, len)?);
        inflated.header = header;
        inflated.bytes = Some(bytes.clone());
        Ok(bytes)
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("path", &self.path)
            .field("container", &self.container)
            .field("tensors", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl Entry {
    fn info(&self) -> TensorInfo<'_> {
        TensorInfo { name: &self.name, element_type: &self.element, shape: self.layout.shape() }
    }
}

fn list(bytes: &[u8]) -> Result<(Container, Listing), ContainerError> {
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

/// Removes the prefix `module.` of PyTorch's DataParallel if all names have it.
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

/// Rejects tensors whose total size is much larger than the file.
fn check_amount(entries: &[Entry], file_len: usize) -> Result<(), ContainerError> {
    let total = entries.iter().fold(0usize, |total, entry| total.saturating_add(entry.layout.len()));
    if total > file_len.saturating_add(EXTRA_ELEMENTS) {
        return damaged(format!("its tensors claim {total} elements, far more than its {file_len} bytes can hold"));
    }
    Ok(())
}
