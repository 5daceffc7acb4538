//! Hugging Face's `config.json` of a `SiglipModel`, or of one of its towers, and its image processor. SigLIP 2's models of
//! fixed size have the same form.
//!
//! Defaults of absent fields are those of transformers 5.24 (`SiglipTextConfig`, `SiglipVisionConfig`,
//! `SiglipImageProcessor`); published files list what differs.

use std::path::Path;

use serde_json::Value;

use super::facts::{Facts, Heads, Quantity, TowerFacts};
use super::huggingface::{image_sizes, text_sizes};
use super::json::Fields;
use super::processor;
use super::tables::siglip as tables;
use crate::import::error::{Error, printable};
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, ResizeMode};

/// Reads the file at `path`, whose `model_type` is this one.
pub(super) fn facts(path: &Path, root: &Value, model_type: &str) -> Result<Facts, Error> {
    let mut facts = Facts::new(path.display().to_string());
    facts.sigmoid = Some(true);
    facts.causal = Some(false);
    match model_type {
        "siglip_text_model" => text_tower(Some(&Fields::root(path, root, &tables::TEXT)?), &mut facts)?,
        "siglip_vision_model" => image_tower(Some(&Fields::root(path, root, &tables::VISION)?), &mut facts)?,
        _ => {
            let root = Fields::root(path, root, &tables::MODEL)?;
            image_tower(root.object("vision_config", &tables::VISION)?.as_ref(), &mut facts)?;
            text_tower(root.object("text_config", &tables::TEXT)?.as_ref(), &mut facts)?;
        }
    }
    Ok(facts)
}

/// Reads the image tower's settings and claims. An absent configuration means transformers' defaults.
fn image_tower(vision: Option<&Fields<'_>>, facts: &mut Facts) -> Result<(), Error> {
    tower(vision, &mut facts.image)?;
    if let Some(vision) = vision {
        image_sizes(vision, facts)?;
    }
    Ok(())
}

/// Reads the text tower's settings and claims. An absent configuration means transformers' defaults.
fn text_tower(text: Option<&Fields<'_>>, facts: &mut Facts) -> Result<(), Error> {
    tower(text, &mut facts.text)?;
    if let Some(text) = text {
        text_sizes(text, facts)?;
        facts.claim(text.name("projection_size"), Quantity::EmbedDim, text.usize("projection_size")?);
    }
    Ok(())
}

/// Reads the settings of a tower.
fn tower(cfg: Option<&Fields<'_>>, facts: &mut TowerFacts) -> Result<(), Error> {
    facts.activation = Some(Activation::GeluTanh);
    facts.norm_eps = Some(1e-6);
    facts.heads = Some(Heads::Count(12));
    let Some(cfg) = cfg else { return Ok(()) };
    match cfg.str("hidden_act")? {
        None | Some("gelu_pytorch_tanh") => {}
        Some("gelu") => facts.activation = Some(Activation::Gelu),
        Some("quick_gelu") => facts.activation = Some(Activation::QuickGelu),
        Some(other) => {
            let reason =
                format!("is `{}`; `gelu_pytorch_tanh`, `gelu` and `quick_gelu` are supported", printable(other));
            return cfg.error("hidden_act", &reason);
        }
    }
    if let Some(eps) = cfg.f64("layer_norm_eps")? {
        facts.norm_eps = Some(eps);
    }
    if let Some(heads) = cfg.usize("num_attention_heads")? {
        facts.heads = Some(Heads::Count(heads));
    }
    Ok(())
}

/// Whether an image processor is SigLIP's: its name says so.
pub(super) fn is_processor(cfg: &Value) -> bool {
    let name = |field: &str| cfg.get(field).and_then(Value::as_str).unwrap_or_default();
    name("image_processor_type").starts_with("Siglip") || name("feature_extractor_type").starts_with("Siglip")
}

/// Reads SigLIP's image processor, which resizes to a square and does not crop.
pub(super) fn processor(cfg: &Fields<'_>) -> Result<Facts, Error> {
    let mut facts = Facts::new(cfg.path().display().to_string());
    processor::values(cfg, [0.5; 3], [0.5; 3], &mut facts.preprocess)?;
    facts.preprocess.interpolation = Some(processor::filter(cfg)?.unwrap_or(Interpolation::Bicubic));
    let (mode, size) = match cfg.has("size") {
        true => processor::size(cfg)?,
        false => (ResizeMode::Squash, 224),
    };
    if mode != ResizeMode::Squash {
        return cfg.error("size", "is no `height` and `width`, as SigLIP's are");
    }
    facts.preprocess.resize = Some(mode);
    facts.claim(cfg.name("size"), Quantity::ImageSize, Some(size));
    Ok(facts)
}
