//! Converts a random checkpoint, for engine tests.

#![allow(dead_code)]

use std::path::{Path, PathBuf};

use clippie_rs::import::{self, ConvertOptions, TokenTable};
use clippie_rs::models::config::Activation;
use clippie_rs::preprocess::{Interpolation, ResizeMode};
use clippie_rs::weights::Precision;

use clippie_testkit::checkpoint::{self, Layout, Model};
use clippie_testkit::tiny_config;

/// Writes the checkpoint of `model` to `folder`, converts it and removes it.
pub fn weights(model: &Model, layout: Layout, seed: u64, folder: &Path) -> PathBuf {
    weights_with(model, layout, seed, folder, TokenTable::Exact)
}

/// As [`weights`], with a token table in this form.
pub fn weights_with(model: &Model, layout: Layout, seed: u64, folder: &Path, table: TokenTable) -> PathBuf {
    convert(model, layout, seed, folder, &format!("{table:?}"), options(model, layout).token_table(table))
}

/// As [`weights`], in half precision.
pub fn halves(model: &Model, layout: Layout, seed: u64, folder: &Path) -> PathBuf {
    in_precision(model, layout, seed, folder, Precision::F16)
}

/// As [`weights`], in this precision.
pub fn in_precision(model: &Model, layout: Layout, seed: u64, folder: &Path, precision: Precision) -> PathBuf {
    convert(model, layout, seed, folder, precision.name(), options(model, layout).precision(precision))
}

fn convert(model: &Model, layout: Layout, seed: u64, folder: &Path, form: &str, options: ConvertOptions) -> PathBuf {
    let source = folder.join(format!("{}-{layout:?}", model.name));
    checkpoint::write(model, seed, layout, &source).unwrap();
    let out = folder.join(format!("{}-{layout:?}-{form}.clippie", model.name));
    tiny_config::without_tower_name(model, &source);
    import::convert(&source, &out, &options, &mut |_| {}).unwrap();
    std::fs::remove_dir_all(&source).unwrap();
    out
}

/// Options that a user has to give for a model in this layout.
fn options(model: &Model, layout: Layout) -> ConvertOptions {
    let mut options = ConvertOptions::default();
    if let (Some(size), Layout::OpenClip | Layout::OpenClipBin) = (model.siglip(), layout)
        && model.name.starts_with("tiny-")
    {
        // The name of a published image tower would state its heads; without it, its GELU is defined with erf.
        return options.image_heads(size.image.heads);
    }
    if let Some(size) = model.perception()
        && model.name.starts_with("tiny-")
    {
        // Neither the configuration without the tower's name nor Meta's layout states these heads.
        return options.image_heads(size.image.heads).text_heads(size.text.heads);
    }
    if let Some(size) = model.multilingual()
        && model.name.starts_with("tiny-")
        && !size.is_worldwide()
    {
        // The configuration is left out, since it names a published text tower.
        let resize = if size.resize == "squash" { ResizeMode::Squash } else { ResizeMode::Shortest };
        options = options.activation(Activation::Gelu).mean(model.mean).std(model.std);
        options = options.interpolation(Interpolation::Bicubic).resize(resize);
        return options.image_heads(size.image_blocks().heads).text_heads(size.blocks().heads);
    }
    match (model.mobileclip(), layout) {
        // The configuration of Apple's files with open_clip's names has no preprocessing.
        (Some(size), Layout::Apple | Layout::ApplePrefixed) if !size.offer.has_apple_names() => {
            if !model.name.starts_with("tiny-") {
                return options.model(model.name.clone());
            }
            options = options.mean(model.mean).std(model.std);
            options.interpolation(Interpolation::Bilinear).resize(ResizeMode::Shortest)
        }
        // An OpenAI archive does not state the heads; if they are not 64 channels wide, the user has to.
        (None, Layout::OpenAi) => {
            options.image_heads = model.vit().map(|size| size.image.heads);
            options.text_heads = model.vit().map(|size| size.text.heads);
            options
        }
        _ => options,
    }
}
