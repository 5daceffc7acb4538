//! The tensors of a safetensors file, to be renamed, left out and added: checkpoints as people have them, made from
//! those that the generator writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// A tensor as the container stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Element type, such as `F32`.
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// Tensors by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tensors(pub BTreeMap<String, Stored>);

impl Tensors {
    /// Reads a file that the generator or a reference library wrote.
    pub fn read(path: &Path) -> Tensors {
        let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let len = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        let header: Map<String, Value> = serde_json::from_slice(&file[8..8 + len]).unwrap();
        let tensor = |(name, info): (&String, &Value)| {
            let at = |i: usize| 8 + len + info["data_offsets"][i].as_u64().unwrap() as usize;
            let shape = info["shape"].as_array().unwrap().iter().map(|dim| dim.as_u64().unwrap() as usize).collect();
            let dtype = info["dtype"].as_str().unwrap().to_owned();
            (name.clone(), Stored { dtype, shape, bytes: file[at(0)..at(1)].to_vec() })
        };
        Tensors(header.iter().filter(|(name, _)| *name != "__metadata__").map(tensor).collect())
    }

    /// The file with these tensors, in the order of their names.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = Map::new();
        let mut data = Vec::new();
        for (name, Stored { dtype, shape, bytes }) in &self.0 {
            let offsets = [data.len(), data.len() + bytes.len()];
            header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets }));
            data.extend(bytes);
        }
        let header = Value::Object(header).to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        fs::write(path, self.bytes()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// The same tensors under other names.
    pub fn renamed(&self, name: impl Fn(&str) -> String) -> Tensors {
        Tensors(self.0.iter().map(|(old, tensor)| (name(old), tensor.clone())).collect())
    }

    /// The tensors whose names `keep` accepts.
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Tensors {
        Tensors(
            self.0.iter().filter(|(name, _)| keep(name)).map(|(name, tensor)| (name.clone(), tensor.clone())).collect(),
        )
    }

    /// These tensors and those of `other`.
    pub fn and(&self, other: &Tensors) -> Tensors {
        Tensors(self.0.iter().chain(&other.0).map(|(name, tensor)| (name.clone(), tensor.clone())).collect())
    }

    /// A tensor of f32.
    pub fn f32(name: &str, shape: &[usize], values: &[f32]) -> Tensors {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let stored = Stored { dtype: "F32".to_owned(), shape: shape.to_vec(), bytes };
        Tensors(BTreeMap::from([(name.to_owned(), stored)]))
    }

    /// Writes parts of about equal numbers of tensors, as `save_pretrained` of transformers does, with their index.
    pub fn write_parts(&self, folder: &Path, stem: &str, count: usize) {
        let mut map = Map::new();
        let names: Vec<&String> = self.0.keys().collect();
        for (i, names) in names.chunks(names.len().div_ceil(count)).enumerate() {
            let file = format!("{stem}-{:05}-of-{count:05}.safetensors", i + 1);
            self.only(|name| names.iter().any(|other| *other == name)).write(&folder.join(&file));
            map.extend(names.iter().map(|name| ((*name).clone(), Value::from(file.clone()))));
        }
        let index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
        let path = folder.join(format!("{stem}.safetensors.index.json"));
        fs::write(&path, index.to_string()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
