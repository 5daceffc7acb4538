//! Reads the expected embeddings in `tests/goldens/models`.
//!
//! Tests that compare with them declare `#[path = "common/goldens.rs"] mod goldens;`. Nothing here knows
//! the engine; checkpoints and inputs come from `tools/checkpoint`.

#![allow(dead_code)]

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

/// A golden of float64, such as `tiny-quick-image-stages`; the shapes stand in
/// `tools/reference/goldens_vit.py`.
pub fn read(name: &str) -> ArrayD<f64> {
    let path = folder().join(format!("{name}.npy"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(npy.order(), npyz::Order::C, "{name}");
    let shape: Vec<usize> = npy.shape().iter().map(|&side| side as usize).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), npy.into_vec().unwrap()).unwrap()
}

/// The index: `seed`, `first_pixels` and for each of `models` its `name`, `model_cfg` and `ids`.
pub fn index() -> Value {
    let text = std::fs::read_to_string(folder().join("index.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models")
}
