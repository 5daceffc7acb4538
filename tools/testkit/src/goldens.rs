//! Reads the expected embeddings in `tests/goldens/models`.
//!
//! Independent of the engine; checkpoints and inputs come from [`crate::checkpoint`].

use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

/// Reads a float64 golden, such as `tiny-quick-image-stages`; `tools/reference/goldens_vit.py` documents the shapes.
pub fn read(name: &str) -> ArrayD<f64> {
    let (shape, values) = read_as(name);
    ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()
}

/// Reads the stages of a tiny MobileCLIP's tower by name, in order of computation: `name` such as `tiny-mci`, `tower`
/// `image` or `text`. `tools/reference/goldens_mobileclip.py` documents them.
///
/// Feature maps are `[batch, height, width, channels]`, tokens `[batch, tokens, channels]`; the last stage,
/// `projected`, holds the embeddings before normalisation.
pub fn stages(name: &str, tower: &str) -> Vec<(String, ArrayD<f32>)> {
    let (_, values) = read_as::<f32>(&format!("{name}-{tower}-stages"));
    let mut values = values.into_iter();
    let entry = mobileclip(name);
    let stages = entry[format!("{tower}_stages")].as_array().unwrap().iter().map(|stage| {
        let shape: Vec<usize> =
            stage[1].as_array().unwrap().iter().map(|side| side.as_u64().unwrap() as usize).collect();
        let part: Vec<f32> = values.by_ref().take(shape.iter().product()).collect();
        (stage[0].as_str().unwrap().to_owned(), ArrayD::from_shape_vec(IxDyn(&shape), part).unwrap())
    });
    let stages = stages.collect();
    assert_eq!(values.next(), None, "{name}");
    stages
}

/// Returns the entry of a MobileCLIP in the index.
pub fn mobileclip(name: &str) -> Value {
    let index = index();
    let entry = index["mobileclip"].as_array().unwrap().iter().find(|entry| entry["name"] == name);
    entry.unwrap_or_else(|| panic!("no golden is called {name}")).clone()
}

fn read_as<T: npyz::Deserialize>(name: &str) -> (Vec<usize>, Vec<T>) {
    let path = folder().join(format!("{name}.npy"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(npy.order(), npyz::Order::C, "{name}");
    let shape = npy.shape().iter().map(|&side| side as usize).collect();
    (shape, npy.into_vec().unwrap())
}

/// Reads the index: `seed`, `first_pixels`; for each of `models` its `name`, `model_cfg` and `ids`; for each of
/// `mobileclip` its `name`, `image_size`, `ids`, and `image_stages` and `text_stages` if it is tiny, otherwise the
/// `model_cfg` if open_clip has one.
pub fn index() -> Value {
    let text = std::fs::read_to_string(folder().join("index.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/models")
}
