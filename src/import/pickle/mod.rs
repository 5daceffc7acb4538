//! PyTorch's containers: zip archives of `torch.save` and TorchScript, and the older files without zip.
//!
//! All hold pickles, which can run anything in Python. Here a closed interpreter builds inert values from the
//! few instructions that checkpoints need ([`machine`]); tensors are then found among them ([`collect()`]).

mod archive;
mod calls;
mod collect;
mod legacy;
mod machine;
mod outcome;
mod stack;
mod value;

use super::checkpoint::{Container, Listing};
use super::error::{Flaw, damaged, printable, unsupported};
use collect::Root;

pub(super) use archive::read as read_entry;

/// The container that a file starting with `start` may be.
pub(super) fn looks_like(start: &[u8]) -> bool {
    archive::looks_like(start) || legacy::looks_like(start)
}

/// Lists the tensors of the file `bytes`.
pub(super) fn list(bytes: &[u8]) -> Result<(Container, Listing), Flaw> {
    if archive::looks_like(bytes) { list_archive(bytes) } else { list_legacy(bytes) }
}

fn list_archive(bytes: &[u8]) -> Result<(Container, Listing), Flaw> {
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

fn list_legacy(bytes: &[u8]) -> Result<(Container, Listing), Flaw> {
    let (pickle, places) = legacy::open(bytes)?;
    let (root, listing) = collect::collect(&pickle, &|key| match places.get(key) {
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
