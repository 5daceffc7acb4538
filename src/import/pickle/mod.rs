//! Reads PyTorch's containers: zip archives of `torch.save` and TorchScript, and the legacy format without zip.
//!
//! All contain pickles, which can execute arbitrary code in Python. Here a sandboxed interpreter ([`machine`]) builds
//! plain values from the few instructions that checkpoints need; [`collect()`] then finds the tensors.

mod archive;
mod calls;
mod collect;
mod decoded;
mod legacy;
mod machine;
mod stack;
mod value;

use super::error::{ContainerError, damaged, printable, unsupported};
use super::listing::{Container, Listing};
use collect::Root;

pub(super) use archive::read as read_entry;

/// Whether a file that starts with `start` may be in one of these formats.
pub(super) fn looks_like(start: &[u8]) -> bool {
    archive::looks_like(start) || legacy::looks_like(start)
}

/// Lists the tensors of the file `bytes`.
pub(super) fn list(bytes: &[u8]) -> Result<(Container, Listing), ContainerError> {
    if archive::looks_like(bytes) { list_archive(bytes) } else { list_legacy(bytes) }
}

fn list_archive(bytes: &[u8]) -> Result<(Container, Listing), ContainerError> {
    let archive = archive::Archive::open(bytes)?;
    archive.check_byte_order(bytes)?;
    let source = archive.pickle(bytes)?;
    let pickle = machine::run(&source)?;
    let (root, listing) = collect::collect(&pickle, &|key| match archive.entry(&format!("data/{key}")) {
        Some(stored) => Ok(stored.clone()),
        None => damaged(format!("its entry `data/{}` is missing", printable(key))),
    })?;
    let container = match root {
        Root::Script => Container::TorchScript,
        Root::Dict => Container::TorchZip,
    };
    Ok((container, listing))
}

fn list_legacy(bytes: &[u8]) -> Result<(Container, Listing), ContainerError> {
    let (pickle, blobs) = legacy::open(bytes)?;
    let (root, listing) = collect::collect(&pickle, &|key| match blobs.get(key) {
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
