//! open_clip's `open_clip_config.json`: `{model_cfg, preprocess_cfg}`, or a bare `model_cfg`.
//!
//! Defaults of absent fields are those of open_clip 3.3.0 (`CLIPVisionCfg`, `CLIPTextCfg`, `PreprocessCfg`).

use serde_json::json;

use super::facts::{Facts, Heads, Quantity};
use super::json::Fields;
use crate::catalog::Trunk;
use crate::import::error::{Error, printable};
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// Whether `root` has this form.
pub(super) fn recognise(root: &Fields<'_>) -> bool {
    root.has("model_cfg") || (root.has("vision_cfg") && root.has("text_cfg"))
}

/// Reads the file.
pub(super) fn facts(root: &Fields<'_>) -> Result<Facts, Error> {
    let mut facts = Facts::new(root.path().display().to_string());
    match root.object("model_cfg")? {
        Some(model) => self::model(&model, &mut facts)?,
        None => self::model(root, &mut facts)?,
    }
    // Without `preprocess_cfg` the file describes only the architecture and leaves the preprocessing open.
    if let Some(preprocess) = root.object("preprocess_cfg")? {
        self::preprocess(&preprocess, &mut facts)?;
    }
    Ok(facts)
}

fn model(model: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    let activation = match model.bool("quick_gelu")?.unwrap_or(false) {
        true => Activation::QuickGelu,
        false => Activation::Gelu,
    };
    facts.claim(model.name("embed_dim"), Quantity::EmbedDim, model.usize("embed_dim")?);
    model.only("multimodal_cfg", &json!(null))?;
    model.only("init_logit_bias", &json!(null))?;

    let Some(vision) = model.object("vision_cfg")? else {
        return model.error("vision_cfg", "is missing");
    };
    let Some(text) = model.object("text_cfg")? else {
        return model.error("text_cfg", "is missing");
    };
    for (tower, cfg) in [(&mut facts.image, &vision), (&mut facts.text, &text)] {
        tower.activation = Some(activation);
        tower.norm_eps = match cfg.object("norm_kwargs")? {
            Some(kwargs) => Some(kwargs.f64("eps")?.unwrap_or(1e-5)),
            // The default differs between open_clip's own towers and timm's.
            None => None,
        };
        for (field, only) in [
            ("ls_init_value", json!(null)),
            ("act_kwargs", json!({})),
            ("final_ln_after_pool", json!(false)),
            ("qk_norm", json!(false)),
            ("scaled_cosine_attn", json!(false)),
            ("scale_heads", json!(false)),
            ("scale_attn_inner", json!(false)),
            ("scale_attn", json!(false)),
            ("scale_fc", json!(false)),
        ] {
            cfg.only(field, &only)?;
        }
    }

    for (field, only) in [
        ("timm_proj", json!(null)),
        ("attentional_pool", json!(false)),
        ("no_ln_pre", json!(false)),
        ("pos_embed_type", json!("learnable")),
        ("pool_type", json!("tok")),
    ] {
        vision.only(field, &only)?;
    }
    facts.claim(vision.name("image_size"), Quantity::ImageSize, vision.side("image_size")?);
    if let Some(name) = vision.str("timm_model_name")? {
        let Some(trunk) = Trunk::of_timm(name) else {
            return vision.error("timm_model_name", &format!("is `{}`, which is not supported", printable(name)));
        };
        vision.only("timm_pool", &json!(trunk.timm_pool))?;
        facts.claim_trunk(vision.name("timm_model_name"), trunk);
    }
    let width = vision.usize("width")?;
    facts.image.heads = Some(Heads::Width(vision.usize("head_width")?.unwrap_or(64)));
    facts.claim(vision.name("patch_size"), Quantity::PatchSize, vision.side("patch_size")?);
    facts.claim(vision.name("width"), Quantity::ImageWidth, width);
    facts.claim(vision.name("layers"), Quantity::ImageLayers, vision.usize("layers")?);
    facts.claim(vision.name("mlp_ratio"), Quantity::ImageMlp, mlp_width(&vision, width)?);

    for (field, only) in [
        ("hf_model_name", json!(null)),
        ("embed_cls", json!(false)),
        ("pool_type", json!("argmax")),
        ("proj_type", json!("linear")),
        ("proj_bias", json!(false)),
    ] {
        text.only(field, &only)?;
    }
    let width = text.usize("width")?;
    facts.text.heads = Some(Heads::Count(text.usize("heads")?.unwrap_or(8)));
    facts.causal = Some(!text.bool("no_causal_mask")?.unwrap_or(false));
    facts.claim(text.name("context_length"), Quantity::ContextLength, text.usize("context_length")?);
    facts.claim(text.name("vocab_size"), Quantity::VocabSize, text.usize("vocab_size")?);
    facts.claim(text.name("width"), Quantity::TextWidth, width);
    facts.claim(text.name("layers"), Quantity::TextLayers, text.usize("layers")?);
    facts.claim(text.name("mlp_ratio"), Quantity::TextMlp, mlp_width(&text, width)?);
    Ok(())
}

/// `int(width * mlp_ratio)`, as open_clip computes it, if both are given.
fn mlp_width(cfg: &Fields<'_>, width: Option<usize>) -> Result<Option<usize>, Error> {
    match (width, cfg.f64("mlp_ratio")?) {
        (Some(width), Some(ratio)) => Ok(Some((width as f64 * ratio) as usize)),
        _ => Ok(None),
    }
}

fn preprocess(cfg: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    cfg.only("mode", &json!("RGB"))?;
    let default = PreprocessConfig::openai(0);
    let out = &mut facts.preprocess;
    out.mean = Some(cfg.rgb("mean")?.unwrap_or(default.mean));
    out.std = Some(cfg.rgb("std")?.unwrap_or(default.std));
    out.interpolation = Some(match cfg.str("interpolation")? {
        None | Some("bicubic") => Interpolation::Bicubic,
        Some("bilinear") => Interpolation::Bilinear,
        Some(_) => return cfg.error("interpolation", "is neither `bicubic` nor `bilinear`"),
    });
    out.resize = Some(match cfg.str("resize_mode")? {
        None | Some("shortest") => ResizeMode::Shortest,
        Some("squash") => ResizeMode::Squash,
        Some(_) => return cfg.error("resize_mode", "is neither `shortest` nor `squash`"),
    });
    facts.claim(cfg.name("size"), Quantity::ImageSize, cfg.side("size")?);
    Ok(())
}
