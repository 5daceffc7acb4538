//! open_clip's `open_clip_config.json`: `{model_cfg, preprocess_cfg}`, or a bare `model_cfg`.
//!
//! Defaults of absent fields are those of open_clip 3.3.0 (`CLIPVisionCfg`, `CLIPTextCfg`, `PreprocessCfg`).

use serde_json::json;

use super::facts::{About, Facts, Heads};
use super::json::Fields;
use super::trunk::Trunk;
use crate::import::error::{Error, printable};
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// Whether `root` is of this form.
pub(super) fn recognise(root: &Fields<'_>) -> bool {
    root.has("model_cfg") || (root.has("vision_cfg") && root.has("text_cfg"))
}

/// What the file says.
pub(super) fn facts(root: &Fields<'_>) -> Result<Facts, Error> {
    let mut facts = Facts::new(root.path().display().to_string());
    match root.object("model_cfg")? {
        Some(model) => self::model(&model, &mut facts)?,
        None => self::model(root, &mut facts)?,
    }
    // Without `preprocess_cfg` the file describes the architecture only, and the preprocessing stays open.
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
    facts.claim(model.name("embed_dim"), About::EmbedDim, model.usize("embed_dim")?);
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
            // The default depends on who made the tower.
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
    facts.claim(vision.name("image_size"), About::ImageSize, vision.side("image_size")?);
    if let Some(name) = vision.str("timm_model_name")? {
        let Some(trunk) = Trunk::of_timm(name) else {
            return vision.error("timm_model_name", &format!("is `{}`, which is not supported", printable(name)));
        };
        vision.only("timm_pool", &json!(trunk.pool))?;
        facts.trunk = Some((vision.name("timm_model_name"), trunk));
    }
    let width = vision.usize("width")?;
    facts.image.heads = Some(Heads::Width(vision.usize("head_width")?.unwrap_or(64)));
    facts.claim(vision.name("patch_size"), About::PatchSize, vision.side("patch_size")?);
    facts.claim(vision.name("width"), About::ImageWidth, width);
    facts.claim(vision.name("layers"), About::ImageLayers, vision.usize("layers")?);
    facts.claim(vision.name("mlp_ratio"), About::ImageMlp, mlp_width(&vision, width)?);

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
    facts.claim(text.name("context_length"), About::ContextLength, text.usize("context_length")?);
    facts.claim(text.name("vocab_size"), About::VocabSize, text.usize("vocab_size")?);
    facts.claim(text.name("width"), About::TextWidth, width);
    facts.claim(text.name("layers"), About::TextLayers, text.usize("layers")?);
    facts.claim(text.name("mlp_ratio"), About::TextMlp, mlp_width(&text, width)?);
    Ok(())
}

/// `int(width * mlp_ratio)`, if both are given.
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
    out.mean = Some(cfg.colours("mean")?.unwrap_or(default.mean));
    out.std = Some(cfg.colours("std")?.unwrap_or(default.std));
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
    facts.claim(cfg.name("size"), About::ImageSize, cfg.side("size")?);
    Ok(())
}
