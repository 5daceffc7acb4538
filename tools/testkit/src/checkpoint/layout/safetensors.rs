//! The safetensors container, written as a stream: length, JSON header, data.
//!
//! Independent of the `safetensors` crate, so the reader under test is not only tested with its own writer.

use std::cmp::Reverse;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::super::tensor::Element;
use super::entry::Entry;

/// Entries in the order of published files: by descending element size, then by name.
pub fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| (Reverse(a.element.size()), &a.name).cmp(&(Reverse(b.element.size()), &b.name)));
    entries
}

/// Writes a file of `entries`, in their order.
pub fn write(out: &mut impl Write, entries: &[Entry], seed: u64) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    let mut offset = 0;
    for entry in entries {
        let dtype = match entry.element {
            Element::F16 => "F16",
            Element::F32 => "F32",
            Element::I64 => "I64",
        };
        let end = offset + entry.byte_len();
        let description = json!({ "dtype": dtype, "shape": entry.shape, "data_offsets": [offset, end] });
        header.insert(entry.name.clone(), description);
        offset = end;
    }

    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for entry in entries {
        out.write_all(&entry.bytes(seed))?;
    }
    Ok(())
}
