//! A file of a checkpoint: its bytes, its container, and the bytes of its tensors. Knows no model.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::bytes::Bytes;
use super::error::{ContainerError, Error, damaged, unsupported};
use super::listing::{Container, Deflated, Entry, Listing, Location, Sum};
use super::sums::Sums;
use super::tensor::Data;
use super::{pickle, safetensors};
use crate::budget::Budget;

/// Elements that the tensors may have beyond the number of bytes in the file, through sharing or compression. Without
/// a limit, a small file could describe any amount of output.
const EXTRA_ELEMENTS: usize = 1 << 20;
/// Limit of the total inflated size, as a multiple of the file size; at least [`MIN_INFLATION_LIMIT`] is allowed.
/// Published checkpoints are not compressed; compressing one saves less than half.
const MAX_INFLATION: usize = 8;
/// See [`MAX_INFLATION`].
const MIN_INFLATION_LIMIT: usize = 256 << 20;

/// A file with tensors.
pub(super) struct Part {
    pub path: PathBuf,
    pub bytes: Bytes,
    pub container: Container,
    inflated: Mutex<Inflated>,
    sums: Sums,
}

/// The last entry that was inflated, kept because many tensors may share it.
#[derive(Default)]
struct Inflated {
    entry: Option<(Deflated, Arc<Vec<u8>>)>,
    total: usize,
}

impl Part {
    /// Reads the directory of a file.
    pub(super) fn read(path: &Path, bytes: Bytes, budget: &Budget) -> Result<(Part, Listing), Error> {
        let listed = list(&bytes, budget).and_then(|(container, listing)| {
            check_amount(&listing.entries, bytes.len())?;
            Ok((container, listing))
        });
        let (container, mut listing) = listed.map_err(|error| error.at_path(path))?;
        let sums = Sums::new(std::mem::take(&mut listing.sums));
        Ok((Part { path: path.to_owned(), bytes, container, inflated: Mutex::default(), sums }, listing))
    }

    /// A file without bytes.
    #[cfg(test)]
    pub(super) fn empty(path: &str) -> Part {
        let (bytes, container) = (Bytes::Owned(Vec::new()), Container::TorchZip);
        Part { path: path.into(), bytes, container, inflated: Mutex::default(), sums: Sums::default() }
    }

    /// Returns the bytes of a tensor, from its first element on.
    pub(super) fn data(&self, location: &Location, budget: &Budget) -> Result<Data<'_>, Error> {
        Ok(match location {
            // Listing checked that the range is inside the file; otherwise reading fails.
            Location::Stored(range) => Data::Borrowed(self.bytes.get(range.clone()).unwrap_or_default()),
            Location::Deflated(entry, first) => {
                let bytes = self.inflate(entry, budget).map_err(|error| error.at_path(&self.path))?;
                Data::Shared(bytes, *first)
            }
        })
    }

    /// The entry of a tensor, if it has another checksum than declared and was not looked at before.
    pub(super) fn differing(&self, location: &Location) -> Option<&Sum> {
        match location {
            Location::Stored(range) => self.sums.differing(&self.bytes, range.start),
            // Inflating compares the checksum.
            Location::Deflated(..) => None,
        }
    }

    fn inflate(&self, entry: &Deflated, budget: &Budget) -> Result<Arc<Vec<u8>>, ContainerError> {
        let mut inflated = self.inflated.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((last, bytes)) = &inflated.entry
            && last == entry
        {
            return Ok(bytes.clone());
        }
        inflated.total = inflated.total.saturating_add(entry.len);
        if inflated.total > self.bytes.len().saturating_mul(MAX_INFLATION).max(MIN_INFLATION_LIMIT) {
            return unsupported("its compressed tensors are far larger than the file; save it again with PyTorch");
        }
        // The total is limited, so the entry may cost what it declares, twice while it grows.
        let cost = entry.len as u64 + 1;
        budget.grant(cost, 2 * cost);
        // Free the old entry first, so that only one is in memory.
        inflated.entry = None;
        let bytes = Arc::new(pickle::inflate(&self.bytes, entry, budget)?);
        budget.memory(cost)?;
        inflated.entry = Some((entry.clone(), bytes.clone()));
        Ok(bytes)
    }
}

fn list(bytes: &[u8], budget: &Budget) -> Result<(Container, Listing), ContainerError> {
    if pickle::looks_like(bytes) {
        return pickle::list(bytes, budget);
    }
    if safetensors::looks_like(bytes) {
        return Ok((Container::Safetensors, safetensors::list(bytes, budget)?));
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

/// Rejects tensors whose total size is much larger than the file.
fn check_amount(entries: &[Entry], file_len: usize) -> Result<(), ContainerError> {
    let total = entries.iter().fold(0usize, |total, entry| total.saturating_add(entry.layout.len()));
    if total > file_len.saturating_add(EXTRA_ELEMENTS) {
        return damaged(format!("its tensors claim {total} elements, far more than its {file_len} bytes can hold"));
    }
    Ok(())
}
