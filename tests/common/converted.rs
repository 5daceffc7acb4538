//! A random checkpoint, converted: what most tests of the engine start from.

use std::path::{Path, PathBuf};

use clippie_rs::import::{self, ConvertOptions};
use clippie_rs::preprocess::{Interpolation, ResizeMode};

use clippie_testkit::checkpoint::{self, Layout, Model};
use clippie_testkit::tiny_config;

/// Writes the checkpoint of `model` into `folder`, converts it there and removes it again.
pub fn weights(model: &Model, layout: Layout, seed: u64, folder: &Path) -> PathBuf {
    let source = folder.join(format!("{}-{layout:?}", model.name));
    checkpoint::write(model, seed, layout, &source).unwrap();
    let out = source.with_extension("clippie");
    tiny_config::without_tower_name(model, &source);
    import::convert(&source, &out, &options(model, layout), &mut |_| {}).unwrap();
    std::fs::remove_dir_all(&source).unwrap();
    out
}

/// What a user has to say of a model in such a layout.
fn options(model: &Model, layout: Layout) -> ConvertOptions {
    let default = ConvertOptions::default();
    match (model.mobileclip(), layout) {
        // Apple's files under open_clip's names have a configuration without preprocessing.
        (Some(size), Layout::Apple | Layout::ApplePrefixed) if !size.offer.has_apple_names() => {
            if !model.name.starts_with("tiny-") {
                return ConvertOptions { model: Some(model.name.clone()), ..default };
            }
            ConvertOptions {
                mean: Some(model.mean),
                std: Some(model.std),
                interpolation: Some(Interpolation::Bilinear),
                resize: Some(ResizeMode::Shortest),
                ..default
            }
        }
        // An OpenAI archive has no word on heads; where they are not 64 channels wide, the user tells.
        (None, Layout::OpenAi) => ConvertOptions {
            image_heads: model.vit().map(|size| size.image.heads),
            text_heads: model.vit().map(|size| size.text.heads),
            ..default
        },
        _ => default,
    }
}
