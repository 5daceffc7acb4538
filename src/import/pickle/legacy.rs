//! Reads PyTorch's legacy format, the default before zip archives: five pickles, then the storages in sequence.

use std::collections::HashMap;

use super::collect::{Blob, storage_types};
use super::decoded::Pickle;
use super::machine::run;
use super::value::{Node, Value};
use crate::budget::Budget;
use crate::import::error::{ContainerError, damaged, printable, unsupported};
use crate::import::listing::Location;

/// Content of the first pickle: LONG1 of ten bytes, PyTorch's magic number 0x1950a86a20f9469cfc6c.
const MAGIC: [u8; 12] = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Format version, the second pickle.
const VERSION: i64 = 1001;

/// Whether a file that starts with `start` may be in this format.
pub(super) fn looks_like(start: &[u8]) -> bool {
    matches!(start, [0x80, _, rest @ ..] if rest.starts_with(&MAGIC))
}

/// Returns the pickle of the objects, and the location of each storage.
pub(super) fn open<'b>(
    bytes: &'b [u8],
    budget: &Budget,
) -> Result<(Pickle<'b>, HashMap<String, Blob>), ContainerError> {
    let mut at = 0;
    let mut next = || -> Result<Pickle<'b>, ContainerError> {
        let pickle = run(bytes.get(at..).unwrap_or_default(), budget)?;
        at = at.saturating_add(pickle.len);
        Ok(pickle)
    };
    next()?;
    if next()?.root != Value::Int(VERSION) {
        return unsupported("it is of a version that PyTorch no longer writes; load it there and save it again");
    }
    let system = next()?;
    if little_endian(&system) == Some(false) {
        return unsupported("it was written on a big-endian machine; save it again on a little-endian one");
    }
    let objects = next()?;
    let keys = next()?;
    let Some(Node::List(listed)) = keys.node(keys.root) else {
        return damaged("it does not list its storages");
    };

    let types = storage_types(&objects, budget)?;
    let mut blobs = HashMap::new();
    for &key in listed {
        let Some(key) = keys.text(key) else {
            return damaged("it lists a storage by something that is not a string");
        };
        budget.work(key.len() as u64)?;
        budget.memory(key.len() as u64)?;
        let Some(size) = types.get(key).and_then(|element| element.as_ref()?.size()) else {
            // Without the element size, the following storages cannot be located.
            return unsupported(format!(
                "its storage `{}` is of a type that is not read; load it in PyTorch and save the state dict again",
                printable(key)
            ));
        };
        let len = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
        let len = len.and_then(|len| usize::try_from(u64::from_le_bytes(*len)).ok());
        let range = len.and_then(|len| {
            let start = at.checked_add(size_of::<u64>())?;
            let end = start.checked_add(len.checked_mul(size)?)?;
            (end <= bytes.len()).then_some(start..end)
        });
        let Some(range) = range else {
            return damaged(format!("it ends within its storage `{}`", printable(key)));
        };
        at = range.end;
        let len = range.len();
        if blobs.insert(key.to_owned(), Blob { location: Location::Stored(range), len }).is_some() {
            return damaged(format!("it lists its storage `{}` twice", printable(key)));
        }
    }
    Ok((objects, blobs))
}

fn little_endian(system: &Pickle<'_>) -> Option<bool> {
    let Some(Node::Dict(items)) = system.node(system.root) else {
        return None;
    };
    items.iter().find_map(|&(key, value)| match value {
        Value::Bool(little) if system.is(key, "little_endian") => Some(little),
        _ => None,
    })
}
