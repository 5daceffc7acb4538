//! Small weights files whose descriptions ask for much memory.

#![allow(dead_code, reason = "each test binary uses some of them")]

use std::path::{Path, PathBuf};

use clippie_rs::weights::internals::Writer;
use clippie_rs::weights::{Dtype, Layout, Meta, Provenance, TensorSpec, Tower};
use serde_json::{Value, json};

/// Channels of a token, and length of the embeddings.
const WIDTH: usize = 16;
const VOCABULARY: usize = 64;

/// Writes a model of one text tower with one block; every weight is zero.
pub fn text(folder: &Path, context_length: usize, mlp_width: usize) -> PathBuf {
    let model = json!({
        "embed_dim": WIDTH, "logit_scale": 1.0,
        "text": {
            "architecture": "transformer", "context_length": context_length, "vocab_size": VOCABULARY, "causal": false,
            "pad_id": 0, "blocks": blocks(mlp_width), "pooling": "largest_id",
        },
    });
    let mut specs = vec![
        spec("text.token_embedding", Tower::Text, Layout::Rows, &[VOCABULARY, WIDTH]),
        spec("text.position", Tower::Text, Layout::Rows, &[context_length, WIDTH]),
    ];
    specs.extend(block_and_projection(Tower::Text, mlp_width));
    write(folder, model, 16, specs)
}

/// Writes a model of one image tower with one block; every weight is zero.
pub fn image(folder: &Path, image_size: usize, patch_size: usize, mlp_width: usize) -> PathBuf {
    let model = json!({
        "embed_dim": WIDTH, "logit_scale": 1.0,
        "image": {
            "architecture": "vit", "image_size": image_size, "patch_size": patch_size, "class_token": true,
            "pre_norm": false, "blocks": blocks(mlp_width), "pooling": "class_token",
        },
    });
    let grid = image_size / patch_size;
    let mut specs = vec![
        spec("image.patch.weight", Tower::Image, Layout::Panels16, &[3 * patch_size * patch_size, WIDTH]),
        spec("image.position", Tower::Image, Layout::Rows, &[grid * grid + 1, WIDTH]),
    ];
    specs.extend(block_and_projection(Tower::Image, mlp_width));
    write(folder, model, image_size, specs)
}

fn blocks(mlp_width: usize) -> Value {
    json!({
        "width": WIDTH, "layers": 1, "heads": 1, "mlp_width": mlp_width, "activation": "gelu", "norm_eps": 1e-5,
    })
}

fn spec(name: &str, tower: Tower, layout: Layout, shape: &[usize]) -> TensorSpec {
    TensorSpec::new(name, tower, Dtype::F32, layout, shape)
}

fn block_and_projection(tower: Tower, mlp_width: usize) -> Vec<TensorSpec> {
    let linears = [
        ("blocks.0.qkv", WIDTH, 3 * WIDTH),
        ("blocks.0.out", WIDTH, WIDTH),
        ("blocks.0.fc1", WIDTH, mlp_width),
        ("blocks.0.fc2", mlp_width, WIDTH),
        ("proj", WIDTH, WIDTH),
    ];
    let tensors = linears.map(|(name, inputs, outputs)| {
        let name = format!("{}.{name}", tower.name());
        [
            spec(&format!("{name}.weight"), tower, Layout::Panels16, &[inputs, outputs]),
            spec(&format!("{name}.bias"), tower, Layout::Panels16, &[outputs]),
        ]
    });
    tensors.into_iter().flatten().collect()
}

fn write(folder: &Path, model: Value, image_size: usize, specs: Vec<TensorSpec>) -> PathBuf {
    let path = folder.join("absurd.clippie");
    let preprocess = json!({
        "image_size": image_size, "resize": "squash", "interpolation": "bilinear", "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
    });
    let tokenizer = json!({
        "kind": "clip", "revision": 1,
        "data_sha256": "edc733dfcd1e172ec0eac504852e22013a806d98359f0f4769ed9bbf1671f7e3",
    });
    let provenance = Provenance::new("none", "0".repeat(64), 1, "openai", "a test");
    let mut writer = Writer::create(&path, Meta::new(model, preprocess, tokenizer, provenance), specs.clone()).unwrap();
    for spec in &specs {
        writer.write(&spec.name, &vec![0.0; spec.stored_len().unwrap()]).unwrap();
    }
    writer.finish().unwrap();
    path
}
