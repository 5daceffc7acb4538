//! A random checkpoint, converted: what most tests of the engine start from.
//!
//! Tests that use it declare `mod checkpoint` (from `tools/checkpoint`) at their root.

use std::path::{Path, PathBuf};

use clippie_rs::import::{self, ConvertOptions};

use crate::checkpoint::{self, Layout, Model};

/// Writes the checkpoint of `model` into `folder`, converts it there and removes it again.
pub fn weights(model: &Model, layout: Layout, seed: u64, folder: &Path) -> PathBuf {
    let source = folder.join(format!("{}-{layout:?}", model.name));
    checkpoint::write(model, seed, layout, &source).unwrap();
    let out = source.with_extension("clippie");
    // An OpenAI archive has no word on heads; where they are not 64 channels wide, the user tells.
    let options = ConvertOptions {
        image_heads: model.vit().map(|size| size.image.heads).filter(|_| layout == Layout::OpenAi),
        text_heads: model.vit().map(|size| size.text.heads).filter(|_| layout == Layout::OpenAi),
        ..ConvertOptions::default()
    };
    import::convert(&source, &out, &options, &mut |_| {}).unwrap();
    std::fs::remove_dir_all(&source).unwrap();
    out
}
