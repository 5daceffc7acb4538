//! Reads PyTorch's containers: zip archives of `torch.save` and TorchScript, and the legacy format without zip.
//!
//! All contain pickles, which can execute arbitrary code in Python. Here a sandboxed interpreter ([`machine`]) builds
//! plain values from the few instructions that checkpoints need; [`collect()`] then finds the tensors.

mod archive;
mod calls;
mod collect;
mod decoded;
mod directory;
mod legacy;
mod machine;
mod stack;
mod value;

use super::error::{ContainerError, damaged, printable, unsupported};
use super::listing::{Container, Listing};
use crate::budget::Budget;
use collect::Root;

pub(super) use archive::inflate;

/// Whether a file that starts with `start` may be in one of these formats.
pub(super) fn looks_like(start: &[u8]) -> bool {
    archive::looks_like(start) || legacy::looks_like(start)
}

/// Lists the tensors of the file `bytes`.
pub(super) fn list(bytes: &[u8], budget: &Budget) -> Result<(Container, Listing), ContainerError> {
    if archive::looks_like(bytes) { list_archive(bytes, budget) } else { list_legacy(bytes, budget) }
}

fn list_archive(bytes: &[u8], budget: &Budget) -> Result<(Container, Listing), ContainerError> {
    let archive = archive::Archive::open(bytes, budget)?;
    archive.check_byte_order(budget)?;
    let source = archive.pickle(budget)?;
    let pickle = machine::run(&source, budget)?;
    let (root, mut listing) = collect::collect(&pickle, budget, &|key| match archive.entry(&format!("data/{key}")) {
        Some(stored) => Ok(stored.clone()),
        None => damaged(format!("its entry `data/{}` is missing", printable(key))),
    })?;
    let container = match root {
        Root::Script => Container::TorchScript,
        Root::Dict => Container::TorchZip,
    };
    listing.sums = archive.into_sums();
    Ok((container, listing))
}

fn list_legacy(bytes: &[u8], budget: &Budget) -> Result<(Container, Listing), ContainerError> {
    let (pickle, blobs) = legacy::open(bytes, budget)?;
    let (root, listing) = collect::collect(&pickle, budget, &|key| match blobs.get(key) {
        Some(stored) => Ok(stored.clone()),
        None => damaged(format!("its storage `{}` is missing", printable(key))),
    })?;
    match root {
        Root::Dict => Ok((Container::TorchLegacy, listing)),
        Root::Script => unsupported("it holds a TorchScript module outside an archive; save it again"),
    }
}

#[cfg(test)]
mod tests;
