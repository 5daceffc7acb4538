//! Encodes and decodes the start of a weights file: a fixed prelude, then the header as JSON.
//!
//! Pure functions of bytes, without files or maps, so tests can try any input. Every accepted tensor is inside the
//! stated file length, in order, aligned, without overlap.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::beside::beside;
use super::error::{Fault, Reason};
use super::format::{Dtype, Layout, Meta, Precision, Provenance, TOKEN_TABLE, TensorSpec, Tower};
use super::{hash, json};
use crate::bounded_json;

/// First bytes of every weights file. No text file starts like this: the high bit of the first byte is set.
const MAGIC: [u8; 8] = *b"\x89CLIPPIE";
/// Format version that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;
/// Length of the prelude in bytes; the JSON follows.
pub(super) const PRELUDE: usize = 64;
/// Bytes of the prelude before its checksum; the checksum covers them.
const SEALED: usize = 32;
/// Maximum length of the JSON in bytes; the largest known model needs about 100 kB.
pub(super) const MAX_HEADER: u32 = 4 << 20;
/// Maximum number of tensors; the largest known model has about 600.
pub(super) const MAX_TENSORS: usize = 16_384;
/// Alignment of tensors: a cache line, and the widest register.
pub(super) const TENSOR_ALIGN: u64 = 64;
/// Alignment of towers: the largest page size in use (AArch64 with 64 kB pages), and the window in which Linux maps
/// the neighbours of a touched page.
pub(super) const TOWER_ALIGN: u64 = 65_536;
/// Maximum length of a tensor name.
const MAX_NAME: usize = 256;

/// The header of a weights file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Header {
    /// Model, preprocessing, tokenizer and provenance.
    pub meta: Meta,
    /// The tensors in file order.
    pub tensors: Vec<TensorEntry>,
}

/// A tensor with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorEntry {
    /// Name, tower, element type, layout and shape.
    pub spec: TensorSpec,
    /// Byte range in the file.
    pub bytes: Range<u64>,
    /// Lower-case hex SHA-256 of these bytes.
    pub sha256: String,
}

/// Size of a tower.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TowerInfo {
    /// The tower.
    pub tower: Tower,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of elements by shape, without padding; those of a tokenizer are no parameters, nor are the scales, sums and gains
    /// beside matrices.
    pub parameters: u64,
    /// Byte range in the file.
    pub bytes: Range<u64>,
}

impl Header {
    /// How the table of tokens of the text tower is stored; `None` without a text tower.
    #[must_use]
    pub fn token_table(&self) -> Option<Dtype> {
        self.tensors.iter().find(|entry| entry.spec.name == TOKEN_TABLE).map(|entry| entry.spec.dtype)
    }

    /// The precision of the matrices: the smallest, if a file has several.
    #[must_use]
    pub fn precision(&self) -> Precision {
        let of_tensor = |entry: &TensorEntry| match (entry.spec.layout, entry.spec.dtype) {
            (Layout::Quads16, _) => Precision::Int8,
            (Layout::Panels16, Dtype::F16) => Precision::F16,
            _ => Precision::F32,
        };
        self.tensors.iter().map(of_tensor).max().unwrap_or_default()
    }

    /// The towers in file order.
    #[must_use]
    pub fn towers(&self) -> Vec<TowerInfo> {
        let mut towers: Vec<TowerInfo> = Vec::new();
        let by_name: HashMap<&str, &TensorEntry> =
            self.tensors.iter().map(|entry| (entry.spec.name.as_str(), entry)).collect();
        for TensorEntry { spec, bytes, .. } in &self.tensors {
            let elements = spec.shape.iter().fold(1u64, |len, &dim| len.saturating_mul(dim as u64));
            // A tokenizer is no parameter, nor is what other files have in their matrices.
            let is_beside = || beside(spec, |name| by_name.get(name).copied()).is_some();
            let parameters = if spec.dtype == Dtype::U32 || is_beside() { 0 } else { elements };
            match towers.last_mut() {
                Some(last) if last.tower == spec.tower => {
                    last.tensors += 1;
                    last.parameters = last.parameters.saturating_add(parameters);
                    last.bytes.end = bytes.end;
                }
                _ => towers.push(TowerInfo { tower: spec.tower, tensors: 1, parameters, bytes: bytes.clone() }),
            }
        }
        towers
    }

    /// Lays out `specs` one after another, with placeholder checksums.
    pub(super) fn plan(meta: Meta, specs: Vec<TensorSpec>) -> Result<Header, Fault> {
        check_count(specs.len())?;
        let mut placement = Placement::default();
        let tensors = specs
            .into_iter()
            .map(|spec| {
                let bytes = placement.next(&spec)?;
                Ok(TensorEntry { spec, bytes, sha256: "0".repeat(64) })
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        let mut header = Header { meta, tensors };
        // Offsets count from the start of the data, so the length of the JSON does not depend on itself.
        let json = header.json(0)?;
        let data = data_start(json.len());
        for entry in &mut header.tensors {
            let end = data.checked_add(entry.bytes.end).ok_or_else(|| Fault::OutOfFile(entry.spec.name.clone()))?;
            entry.bytes = data + entry.bytes.start..end;
        }
        Ok(header)
    }

    /// Length of the whole file in bytes.
    pub(super) fn file_len(&self) -> u64 {
        self.tensors.last().map_or(0, |entry| entry.bytes.end)
    }

    /// Encodes prelude and JSON, the first bytes of the file.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Fault> {
        // Every planned header starts its data at the first tensor.
        let json = self.json(self.tensors.first().map_or(0, |entry| entry.bytes.start))?;
        let mut head = Vec::with_capacity(PRELUDE + json.len());
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&(json.len() as u32).to_le_bytes());
        head.extend_from_slice(&self.file_len().to_le_bytes());
        head.extend_from_slice(&[0; 8]);
        head.extend_from_slice(&seal(&head, &json));
        head.extend_from_slice(&json);
        Ok(head)
    }

    fn json(&self, data: u64) -> Result<Vec<u8>, Fault> {
        let raw = RawHeader {
            model: self.meta.model.clone(),
            preprocess: self.meta.preprocess.clone(),
            tokenizer: self.meta.tokenizer.clone(),
            provenance: self.meta.provenance.clone(),
            tensors: self.tensors.iter().map(|entry| RawTensor::new(entry, data)).collect(),
        };
        let json = serde_json::to_vec(&raw).unwrap_or_default();
        if json.len() > MAX_HEADER as usize {
            return Err(Fault::HeaderTooLong(json.len()));
        }
        Ok(json)
    }

    /// Decodes `json`, which follows `prelude`.
    ///
    /// On success every tensor is inside `prelude.file_len` bytes and no two overlap.
    pub(super) fn decode(prelude: &Prelude, json: &[u8]) -> Result<Header, Reason> {
        // The message quotes names from the file.
        let malformed = |error: serde_json::Error| Reason::Header(error.to_string().escape_debug().to_string());
        let raw: RawHeader = serde_json::from_slice(json).map_err(malformed)?;
        json::check_unique_keys(json).map_err(malformed)?;
        check_count(raw.tensors.len()).map_err(Reason::Table)?;
        let data = data_start(json.len());
        let mut placement = Placement::default();
        let tensors = raw
            .tensors
            .into_iter()
            .map(|tensor| tensor.check(&mut placement, data, prelude.file_len))
            .collect::<Result<Vec<_>, Fault>>()
            .map_err(Reason::Table)?;
        let meta =
            Meta { model: raw.model, preprocess: raw.preprocess, tokenizer: raw.tokenizer, provenance: raw.provenance };
        let header = Header { meta, tensors };
        let end = header.file_len();
        if end != prelude.file_len {
            return Err(Reason::Table(Fault::FileLength { end, described: prelude.file_len }));
        }
        Ok(header)
    }
}

/// The fixed-size start of a file.
#[derive(Debug)]
pub(super) struct Prelude {
    sealed: [u8; SEALED],
    /// Length of the JSON in bytes.
    pub(super) header_len: usize,
    file_len: u64,
    checksum: [u8; 32],
}

impl Prelude {
    /// Decodes the prelude of a file of `found` bytes. `head` holds at least its first 64 bytes, or the whole file.
    ///
    /// Checks the version before the rest, because the version decides what the rest means. A newer file is therefore
    /// never reported as damaged.
    pub(super) fn decode(head: &[u8], found: u64) -> Result<Prelude, Reason> {
        if head.is_empty() {
            return Err(Reason::Empty);
        }
        let len = head.len().min(MAGIC.len());
        if head[..len] != MAGIC[..len] {
            return Err(Reason::NotWeights);
        }
        let Some(&prelude) = head.first_chunk::<PRELUDE>() else { return Err(Reason::TooShort(found)) };
        let version = u32_at(&prelude, 8);
        if version > VERSION {
            return Err(Reason::NewerVersion(version));
        }
        if version != VERSION {
            return Err(Reason::UnknownVersion(version));
        }
        let header_len = u32_at(&prelude, 12);
        if header_len > MAX_HEADER {
            return Err(Reason::HeaderLength(header_len));
        }
        let (low, high) = (u32_at(&prelude, 16), u32_at(&prelude, 20));
        let file_len = u64::from(high) << 32 | u64::from(low);
        let mut sealed = [0; SEALED];
        sealed.copy_from_slice(&prelude[..SEALED]);
        let mut checksum = [0; 32];
        checksum.copy_from_slice(&prelude[SEALED..]);
        let prelude = Prelude { sealed, header_len: header_len as usize, file_len, checksum };
        if found < (PRELUDE + prelude.header_len) as u64 {
            // The header is truncated, so its checksum cannot confirm the stated length.
            return Err(if found < file_len {
                Reason::Truncated { found, described: file_len }
            } else {
                Reason::HeaderDamaged
            });
        }
        Ok(prelude)
    }

    /// Checks prelude and `json` against their checksum, and the length of the file against the stated one.
    pub(super) fn check(&self, json: &[u8], found: u64) -> Result<(), Reason> {
        if seal(&self.sealed, json) != self.checksum {
            return Err(Reason::HeaderDamaged);
        }
        let described = self.file_len;
        match found.cmp(&described) {
            std::cmp::Ordering::Less => return Err(Reason::Truncated { found, described }),
            std::cmp::Ordering::Greater => return Err(Reason::Trailing { found, described }),
            std::cmp::Ordering::Equal => {}
        }
        if self.sealed[24..] != [0; 8] {
            return Err(Reason::Reserved);
        }
        Ok(())
    }
}

fn seal(prelude: &[u8], json: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(prelude).chain_update(json).finalize().into()
}

fn u32_at(prelude: &[u8; PRELUDE], at: usize) -> u32 {
    u32::from_le_bytes([prelude[at], prelude[at + 1], prelude[at + 2], prelude[at + 3]])
}

/// Offset of the first tensor in a file with `json_len` bytes of JSON.
fn data_start(json_len: usize) -> u64 {
    ((PRELUDE + json_len) as u64).next_multiple_of(TOWER_ALIGN)
}

fn check_count(count: usize) -> Result<(), Fault> {
    if count == 0 || count > MAX_TENSORS { Err(Fault::Count(count)) } else { Ok(()) }
}

/// Assigns byte ranges to tensors, counted from the start of the data. The writer uses it and the reader compares
/// files with it, so each tensor has exactly one valid place.
#[derive(Default)]
struct Placement {
    end: u64,
    tower: Option<Tower>,
    names: HashSet<String>,
}

impl Placement {
    fn next(&mut self, spec: &TensorSpec) -> Result<Range<u64>, Fault> {
        let name = || spec.name.clone();
        if spec.name.is_empty() || spec.name.len() > MAX_NAME || !spec.name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(Fault::Name(name()));
        }
        if !self.names.insert(name()) {
            return Err(Fault::Duplicate(name()));
        }
        if self.tower > Some(spec.tower) {
            return Err(Fault::TowerOrder(name()));
        }
        let shape_fault = || Fault::Shape { name: name(), shape: format!("{:?}", spec.shape), layout: spec.layout };
        if !spec.layout.supports(spec.dtype) {
            return Err(Fault::Unsupported { name: name(), dtype: spec.dtype, layout: spec.layout });
        }
        let len = spec.stored_len().ok_or_else(shape_fault)?;
        let bytes = (len as u64).checked_mul(spec.dtype.size() as u64).ok_or_else(shape_fault)?;
        let align = if self.tower == Some(spec.tower) { TENSOR_ALIGN } else { TOWER_ALIGN };
        let start = self.end.checked_next_multiple_of(align).ok_or_else(shape_fault)?;
        let end = start.checked_add(bytes).ok_or_else(shape_fault)?;
        self.tower = Some(spec.tower);
        self.end = end;
        Ok(start..end)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    #[serde(deserialize_with = "bounded_json::value")]
    model: serde_json::Value,
    #[serde(deserialize_with = "bounded_json::value")]
    preprocess: serde_json::Value,
    #[serde(deserialize_with = "bounded_json::value")]
    tokenizer: serde_json::Value,
    provenance: Provenance,
    tensors: Vec<RawTensor>,
}

/// A row of the tensor table before its checks: words may be unknown, numbers wrong.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    name: String,
    tower: String,
    dtype: String,
    layout: String,
    shape: Vec<usize>,
    offset: u64,
    bytes: u64,
    sha256: String,
}

impl RawTensor {
    fn new(entry: &TensorEntry, data: u64) -> RawTensor {
        let TensorEntry { spec, bytes, sha256 } = entry;
        RawTensor {
            name: spec.name.clone(),
            tower: spec.tower.name().into(),
            dtype: spec.dtype.name().into(),
            layout: spec.layout.name().into(),
            shape: spec.shape.clone(),
            offset: bytes.start - data,
            bytes: bytes.end - bytes.start,
            sha256: sha256.clone(),
        }
    }

    /// Checks the row against the rows before it and the file length.
    fn check(self, placement: &mut Placement, data: u64, file_len: u64) -> Result<TensorEntry, Fault> {
        let RawTensor { name, tower, dtype, layout, shape, offset, bytes, sha256 } = self;
        let Some(tower) = Tower::from_name(&tower) else { return Err(Fault::Tower { name, tower }) };
        let Some(dtype) = Dtype::from_name(&dtype) else { return Err(Fault::Dtype { name, dtype }) };
        let Some(layout) = Layout::from_name(&layout) else { return Err(Fault::Layout { name, layout }) };
        let spec = TensorSpec { name, tower, dtype, layout, shape };
        let (opens_tower, previous_end) = (placement.tower != Some(tower), placement.end);
        let expected = placement.next(&spec)?;

        let name = || spec.name.clone();
        if bytes != expected.end - expected.start {
            return Err(Fault::Length { name: name(), wanted: expected.end - expected.start, found: bytes });
        }
        if !offset.is_multiple_of(TENSOR_ALIGN) {
            return Err(Fault::Misaligned { name: name(), offset });
        }
        if opens_tower && !offset.is_multiple_of(TOWER_ALIGN) {
            return Err(Fault::TowerMisaligned { name: name(), offset });
        }
        if offset < previous_end {
            return Err(Fault::Overlap { name: name(), offset });
        }
        if offset != expected.start {
            return Err(Fault::Gap { name: name(), wanted: expected.start, found: offset });
        }
        let end = data.checked_add(expected.end).filter(|&end| end <= file_len);
        let Some(end) = end else { return Err(Fault::OutOfFile(name())) };
        if !hash::is_hex_sha256(&sha256) {
            return Err(Fault::Checksum(name()));
        }
        Ok(TensorEntry { bytes: data + expected.start..end, spec, sha256 })
    }
}
