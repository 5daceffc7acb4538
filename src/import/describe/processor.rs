//! Hugging Face's configuration of a `CLIPImageProcessor`: `preprocessor_config.json`, or an object in
//! `processor_config.json`.
//!
//! Defaults of absent fields are those of transformers 5.23.

use std::path::Path;

use serde_json::Value;

use super::facts::{Facts, PreprocessFacts, Quantity};
use super::json::{Fields, has};
use super::siglip;
use super::tables::processor as tables;
use super::tables::siglip as siglip_tables;
use crate::import::error::Error;
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// Whether `root` is an image processor's configuration.
pub(super) fn recognise(root: &Value) -> bool {
    ["image_mean", "image_processor_type", "feature_extractor_type", "image_processor"]
        .iter()
        .any(|field| has(root, field))
}

/// Reads the file at `path`.
pub(super) fn facts(path: &Path, root: &Value) -> Result<Facts, Error> {
    if !has(root, "image_processor") {
        return match siglip::is_processor(root) {
            true => siglip::processor(&Fields::root(path, root, &siglip_tables::IMAGE)?),
            false => image(&Fields::root(path, root, &tables::IMAGE)?),
        };
    }
    let is_siglip = root.get("image_processor").is_some_and(siglip::is_processor);
    let root = Fields::root(path, root, &tables::FILE_OF_ALL)?;
    let table = if is_siglip { &siglip_tables::IMAGE } else { &tables::IMAGE };
    match root.object("image_processor", table)? {
        Some(cfg) if is_siglip => siglip::processor(&cfg),
        Some(cfg) => image(&cfg),
        None => Ok(Facts::new(path.display().to_string())),
    }
}

fn image(cfg: &Fields<'_>) -> Result<Facts, Error> {
    let mut facts = Facts::new(cfg.path().display().to_string());
    let default = PreprocessConfig::openai(224);
    let out = &mut facts.preprocess;
    values(cfg, default.mean, default.std, out)?;
    out.interpolation = Some(filter(cfg)?.unwrap_or(Interpolation::Bicubic));
    let crop = side(cfg, "crop_size")?;
    let crop = if cfg.bool("do_center_crop")?.unwrap_or(true) { Some(crop.unwrap_or(224)) } else { None };
    let (resize, size) = size(cfg)?;
    match (resize, crop) {
        (ResizeMode::Shortest, None) => {
            return cfg.error("do_center_crop", "is off, so that images stay oblong, which is not supported");
        }
        (_, Some(crop)) if crop != size => {
            return cfg
                .error("crop_size", &format!("is {crop} but images are resized to {size}, which is not supported"));
        }
        _ => {}
    }
    out.resize = Some(resize);
    let field = if crop.is_some() { "crop_size" } else { "size" };
    facts.claim(cfg.name(field), Quantity::ImageSize, Some(size));
    Ok(facts)
}

/// Reads how the values of pixels become those that a tower takes, with these defaults. Refuses photos as they are.
pub(super) fn values(
    cfg: &Fields<'_>,
    default_mean: [f64; 3],
    default_std: [f64; 3],
    out: &mut PreprocessFacts,
) -> Result<(), Error> {
    let is_on = |field: &str| Ok::<bool, Error>(cfg.bool(field)?.unwrap_or(true));
    let (mean, std) = (cfg.rgb("image_mean")?, cfg.rgb("image_std")?);
    if is_on("do_normalize")? {
        out.mean = Some(mean.unwrap_or(default_mean));
        out.std = Some(std.unwrap_or(default_std));
    } else {
        out.mean = Some([0.0; 3]);
        out.std = Some([1.0; 3]);
    }
    if !is_on("do_rescale")? {
        return cfg.error("do_rescale", "is off, which is not supported");
    }
    if let Some(factor) = cfg.f64("rescale_factor")?
        && (factor * 255.0 - 1.0).abs() > 1e-6
    {
        return cfg.error("rescale_factor", "is not 1/255, which is not supported");
    }
    if !is_on("do_resize")? {
        return cfg.error("do_resize", "is off, which is not supported");
    }
    Ok(())
}

/// The resampling filter, in Pillow's numbering.
pub(super) fn filter(cfg: &Fields<'_>) -> Result<Option<Interpolation>, Error> {
    Ok(Some(match cfg.usize("resample")? {
        None => return Ok(None),
        Some(3) => Interpolation::Bicubic,
        Some(2) => Interpolation::Bilinear,
        Some(_) => return cfg.error("resample", "is neither 3 (bicubic) nor 2 (bilinear)"),
    }))
}

/// How an image is resized, and to which side: `size` is a number or `{shortest_edge}` for its shorter side, or
/// `{height, width}` for both.
pub(super) fn size(cfg: &Fields<'_>) -> Result<(ResizeMode, usize), Error> {
    let (mode, size) = match cfg.get("size") {
        Some(value @ Value::Object(_)) => {
            let size = cfg.child("size", value, &tables::SIZE)?;
            let sides = square(cfg, "size", &size)?;
            match (size.usize("shortest_edge")?, sides) {
                (Some(shortest), None) => (ResizeMode::Shortest, Some(shortest)),
                (None, Some(side)) => (ResizeMode::Squash, Some(side)),
                _ => return cfg.error("size", "is neither `shortest_edge` nor equal `height` and `width`"),
            }
        }
        _ => (ResizeMode::Shortest, cfg.usize("size")?),
    };
    Ok((mode, size.unwrap_or(224)))
}

/// Side of a square: a number, or equal `height` and `width`.
fn side(cfg: &Fields<'_>, field: &str) -> Result<Option<usize>, Error> {
    match cfg.get(field) {
        Some(value @ Value::Object(_)) => {
            let sides = cfg.child(field, value, &tables::SIZE)?;
            match (square(cfg, field, &sides)?, sides.has("shortest_edge")) {
                (Some(side), false) => Ok(Some(side)),
                _ => cfg.error(field, "is not the side of a square; other images are not supported"),
            }
        }
        _ => cfg.side(field),
    }
}

/// Equal `height` and `width`; `None` without either.
fn square(cfg: &Fields<'_>, field: &str, sides: &Fields<'_>) -> Result<Option<usize>, Error> {
    match (sides.usize("height")?, sides.usize("width")?) {
        (None, None) => Ok(None),
        (Some(height), Some(width)) if height == width => Ok(Some(height)),
        _ => cfg.error(field, "is not the side of a square; other images are not supported"),
    }
}
