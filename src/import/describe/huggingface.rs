//! Hugging Face's `config.json` of a `CLIPModel`, and `preprocessor_config.json` of a `CLIPImageProcessor`.
//!
//! Defaults of absent fields are those of transformers 5.23 (`CLIPTextConfig`, `CLIPVisionConfig`,
//! `CLIPImageProcessor`).

use serde_json::Value;

use super::facts::{Facts, Heads, Quantity, TowerFacts};
use super::json::Fields;
use crate::import::error::{Error, printable};
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// Whether `root` is a model's configuration.
pub(super) fn recognise_model(root: &Fields<'_>) -> bool {
    root.get("model_type").and_then(Value::as_str) == Some("clip")
        || (root.has("vision_config") && root.has("text_config"))
}

/// Whether `root` is an image processor's configuration.
pub(super) fn recognise_processor(root: &Fields<'_>) -> bool {
    ["image_mean", "image_processor_type", "feature_extractor_type", "image_processor"]
        .iter()
        .any(|field| root.has(field))
}

/// Reads a model's configuration.
pub(super) fn model(root: &Fields<'_>) -> Result<Facts, Error> {
    let mut facts = Facts::new(root.path().display().to_string());
    // Older files lack the field; its default of 512 would be no evidence.
    facts.claim(root.name("projection_dim"), Quantity::EmbedDim, root.usize("projection_dim")?);

    // The old form `*_config_dict` takes precedence as a whole, including defaults of absent fields.
    let text = match root.object("text_config_dict")? {
        Some(text) => Some(text),
        None => root.object("text_config")?,
    };
    let vision = match root.object("vision_config_dict")? {
        Some(vision) => Some(vision),
        None => root.object("vision_config")?,
    };
    tower(vision.as_ref(), 12, &mut facts.image)?;
    tower(text.as_ref(), 8, &mut facts.text)?;
    facts.causal = Some(true);
    if let Some(vision) = vision {
        facts.claim(vision.name("patch_size"), Quantity::PatchSize, vision.side("patch_size")?);
        facts.claim(vision.name("image_size"), Quantity::ImageSize, vision.side("image_size")?);
        facts.claim(vision.name("hidden_size"), Quantity::ImageWidth, vision.usize("hidden_size")?);
        facts.claim(vision.name("num_hidden_layers"), Quantity::ImageLayers, vision.usize("num_hidden_layers")?);
        facts.claim(vision.name("intermediate_size"), Quantity::ImageMlp, vision.usize("intermediate_size")?);
        vision.only("num_channels", &3.into())?;
    }
    if let Some(text) = text {
        let positions = "max_position_embeddings";
        facts.claim(text.name(positions), Quantity::ContextLength, text.usize(positions)?);
        let vocab_size = text.usize("vocab_size")?;
        facts.claim(text.name("vocab_size"), Quantity::VocabSize, vocab_size);
        facts.claim(text.name("hidden_size"), Quantity::TextWidth, text.usize("hidden_size")?);
        facts.claim(text.name("num_hidden_layers"), Quantity::TextLayers, text.usize("num_hidden_layers")?);
        facts.claim(text.name("intermediate_size"), Quantity::TextMlp, text.usize("intermediate_size")?);
        check_end(&text, vocab_size.unwrap_or(49408))?;
    }
    Ok(facts)
}

/// Reads the settings of a tower. An absent configuration means transformers' defaults.
fn tower(cfg: Option<&Fields<'_>>, default_heads: usize, facts: &mut TowerFacts) -> Result<(), Error> {
    let (act, eps, heads) = match cfg {
        Some(cfg) => (cfg.str("hidden_act")?, cfg.f64("layer_norm_eps")?, cfg.usize("num_attention_heads")?),
        None => (None, None, None),
    };
    facts.activation = Some(match (act, cfg) {
        (Some("gelu"), _) => Activation::Gelu,
        (Some(other), Some(cfg)) if other != "quick_gelu" => {
            let reason = format!("is `{}`; `gelu` and `quick_gelu` are supported", printable(other));
            return cfg.error("hidden_act", &reason);
        }
        _ => Activation::QuickGelu,
    });
    facts.norm_eps = Some(eps.unwrap_or(1e-5));
    facts.heads = Some(Heads::Count(heads.unwrap_or(default_heads)));
    Ok(())
}

/// Refuses pooling at a token other than the one with the largest id. `eos_token_id` may be that id, or 2, which
/// transformers treats as this rule in old configurations.
fn check_end(text: &Fields<'_>, vocab_size: usize) -> Result<(), Error> {
    match text.get("eos_token_id").and_then(Value::as_u64) {
        Some(end) if end != 2 && end.saturating_add(1) < vocab_size as u64 => {
            text.error("eos_token_id", "is not the largest id, so that pooling by it is not supported")
        }
        _ => Ok(()),
    }
}

/// Reads an image processor's configuration.
pub(super) fn processor(root: &Fields<'_>) -> Result<Facts, Error> {
    let mut facts = Facts::new(root.path().display().to_string());
    // Newer files nest it, next to the tokenizer's configuration.
    let nested = root.object("image_processor")?;
    let cfg = nested.as_ref().unwrap_or(root);
    let is_on = |field: &str| Ok::<bool, Error>(cfg.bool(field)?.unwrap_or(true));

    let out = &mut facts.preprocess;
    let default = PreprocessConfig::openai(224);
    if is_on("do_normalize")? {
        out.mean = Some(cfg.rgb("image_mean")?.unwrap_or(default.mean));
        out.std = Some(cfg.rgb("image_std")?.unwrap_or(default.std));
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
    // Pillow's numbering of filters.
    out.interpolation = Some(match cfg.usize("resample")? {
        None | Some(3) => Interpolation::Bicubic,
        Some(2) => Interpolation::Bilinear,
        Some(_) => return cfg.error("resample", "is neither 3 (bicubic) nor 2 (bilinear)"),
    });
    if !is_on("do_resize")? {
        return cfg.error("do_resize", "is off, which is not supported");
    }
    let crop = if is_on("do_center_crop")? { Some(square(cfg, "crop_size")?.unwrap_or(224)) } else { None };
    let (resize, size) = match cfg.object_or_none("size") {
        Some(size) if size.has("shortest_edge") => (ResizeMode::Shortest, size.usize("shortest_edge")?),
        Some(_) => (ResizeMode::Squash, square(cfg, "size")?),
        None => (ResizeMode::Shortest, cfg.usize("size")?),
    };
    let size = size.unwrap_or(224);
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

/// Side of a square: a number, or equal `height` and `width`.
fn square(cfg: &Fields<'_>, field: &str) -> Result<Option<usize>, Error> {
    match cfg.object_or_none(field) {
        None => cfg.side(field),
        Some(sides) => match (sides.usize("height")?, sides.usize("width")?) {
            (Some(height), Some(width)) if height == width => Ok(Some(height)),
            _ => cfg.error(field, "is not the side of a square; other images are not supported"),
        },
    }
}
