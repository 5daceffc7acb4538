//! Reads the safetensors container: a JSON header, then contiguous little-endian tensors.
//!
//! The `safetensors` crate validates the header; this module lists the tensors.

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::element::ElementType;
use super::error::{ContainerError, damaged, printable_error, unsupported};
use super::listing::{Entry, Listing, Location, MAX_NAME, MAX_TENSORS, entry_memory};
use super::tensor::Strided;
use crate::budget::Budget;

/// Maximum length of the header. A listing of 10,000 tensors takes about 1 MiB.
const MAX_HEADER_LEN: u64 = 16 << 20;
/// Work for a byte of the header: parsing JSON, sorting the tensors.
const BYTE_WORK: u64 = 32;
/// Memory for a byte of the header while it is read: a dimension of one digit and its comma become eight bytes, in a list
/// that grows by copying; the shortest item of its metadata is an entry of a table that does.
const BYTE_MEMORY: u64 = 16;

/// Whether a file that starts with `start` may be in this format.
pub(super) fn looks_like(start: &[u8]) -> bool {
    // A u64 header length, then the header: a JSON object, perhaps after whitespace.
    matches!(start.get(8..), Some([b'{' | b' ' | b'\n' | b'\t', ..]))
        && header_len(start).is_some_and(|len| (2..1 << 40).contains(&len))
}

fn header_len(start: &[u8]) -> Option<u64> {
    start.first_chunk::<8>().map(|len| u64::from_le_bytes(*len))
}

/// Lists the tensors of the file `bytes`.
pub(super) fn list(bytes: &[u8], budget: &Budget) -> Result<Listing, ContainerError> {
    let Some(header_len) = header_len(bytes) else {
        return damaged("it ends within its safetensors header");
    };
    if header_len > MAX_HEADER_LEN {
        return unsupported(format!(
            "its safetensors header of {header_len} bytes is longer than the {MAX_HEADER_LEN} that are read"
        ));
    }
    let first = size_of::<u64>() + header_len as usize;
    let Some(header) = bytes.get(size_of::<u64>()..first) else {
        return damaged("it ends within its safetensors header");
    };
    budget.work(header_len.saturating_mul(BYTE_WORK))?;
    budget.memory(header_len.saturating_mul(BYTE_MEMORY))?;
    // Deserialising `Metadata` checks that the tensors are contiguous and have the sizes of their shapes.
    // `SafeTensors::deserialize` would also add lengths from the file without an overflow check.
    let metadata: Metadata = match serde_json::from_slice(header) {
        Ok(metadata) => metadata,
        Err(error) => return damaged(format!("its safetensors header cannot be read ({})", printable_error(error))),
    };
    if first.checked_add(metadata.data_len()) != Some(bytes.len()) {
        return damaged(format!(
            "its safetensors header describes {} bytes of tensors, but {} follow",
            metadata.data_len(),
            bytes.len() - first
        ));
    }
    let names = metadata.offset_keys();
    if names.len() > MAX_TENSORS {
        return unsupported(format!("it holds more than {MAX_TENSORS} tensors"));
    }
    let mut entries = Vec::new();
    for name in names {
        if name.len() > MAX_NAME {
            return damaged(format!("it holds a tensor with a name of more than {MAX_NAME} bytes"));
        }
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        budget.memory(entry_memory(name.len(), info.shape.len()))?;
        let (start, end) = info.data_offsets;
        let (Some(layout), Some(start), Some(end)) =
            (Strided::contiguous(info.shape.clone()), first.checked_add(start), first.checked_add(end))
        else {
            return damaged("a tensor of its header is larger than memory");
        };
        let element = element_type(info.dtype);
        entries.push(Entry { name, element, layout, location: Location::Stored(start..end) });
    }
    budget.give_back(header_len.saturating_mul(BYTE_MEMORY));
    Ok(Listing { entries, ..Listing::default() })
}

fn element_type(dtype: Dtype) -> ElementType {
    match dtype {
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        Dtype::F32 => ElementType::F32,
        Dtype::F64 => ElementType::F64,
        Dtype::I64 => ElementType::I64,
        Dtype::I32 => ElementType::I32,
        Dtype::I16 => ElementType::I16,
        Dtype::I8 => ElementType::I8,
        Dtype::U8 => ElementType::U8,
        Dtype::BOOL => ElementType::Bool,
        other => ElementType::Other(other.to_string().into()),
    }
}
