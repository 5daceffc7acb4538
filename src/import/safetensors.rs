//! The safetensors container: a JSON header, then dense little-endian tensors.
//!
//! The `safetensors` crate validates the header against the length of the file; this module only lists what
//! is there.

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::checkpoint::{Entry, Listing, Place};
use super::element::ElementType;
use super::error::{Flaw, damaged, printable_error, unsupported};
use super::tensor::Strided;

/// Longest header that is read. A listing of 10,000 tensors takes about 1 MiB.
const MAX_HEADER: u64 = 16 << 20;

/// Whether a file that starts with `start` may be of this container.
pub(super) fn looks_like(start: &[u8]) -> bool {
    // u64 length of the header, then the header, which opens an object (perhaps after spaces).
    matches!(start.get(8..), Some([b'{' | b' ' | b'\n' | b'\t', ..]))
        && header_len(start).is_some_and(|len| (2..1 << 40).contains(&len))
}

fn header_len(start: &[u8]) -> Option<u64> {
    start.first_chunk::<8>().map(|len| u64::from_le_bytes(*len))
}

/// Lists the tensors of the file `bytes`.
pub(super) fn list(bytes: &[u8]) -> Result<Listing, Flaw> {
    let Some(header_len) = header_len(bytes) else {
        return damaged("it ends within its safetensors header");
    };
    if header_len > MAX_HEADER {
        return unsupported(format!(
            "its safetensors header of {header_len} bytes is longer than the {MAX_HEADER} that are read"
        ));
    }
    let first = size_of::<u64>() + header_len as usize;
    let Some(header) = bytes.get(size_of::<u64>()..first) else {
        return damaged("it ends within its safetensors header");
    };
    // Deserialising checks that the tensors follow each other without gaps, each as long as its shape says.
    // (`SafeTensors::deserialize` would also add up lengths from the file without a check for overflow.)
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
    let mut entries = Vec::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        let (start, end) = info.data_offsets;
        let (Some(layout), Some(start), Some(end)) =
            (Strided::contiguous(info.shape.clone()), first.checked_add(start), first.checked_add(end))
        else {
            return damaged("a tensor of its header is larger than memory");
        };
        let element = element_type(info.dtype);
        entries.push(Entry { name, element, layout, place: Place::Stored(start..end) });
    }
    Ok(Listing { entries, unreadable: Vec::new() })
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
