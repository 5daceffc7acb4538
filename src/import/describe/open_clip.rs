//! open_clip's `open_clip_config.json`: `{model_cfg, preprocess_cfg}`, or a bare `model_cfg`.
//!
//! Defaults of absent fields are those of open_clip 3.3.0 (`CLIPVisionCfg`, `CLIPTextCfg`, `PreprocessCfg`).

use std::path::Path;

use serde_json::Value;

use super::facts::{Facts, Heads, Quantity};
use super::json::{Fields, has};
use super::tables::Table;
use super::tables::open_clip as tables;
use super::transformers;
use crate::catalog::Trunk;
use crate::import::error::{Error, printable};
use crate::models::config::{Activation, ImageConfig, ResnetConfig, TextPooling};
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use crate::tokenizer::{Clean, END, Tokenizer};

/// Whether `root` has this form.
pub(super) fn recognise(root: &Value) -> bool {
    has(root, "model_cfg") || (has(root, "vision_cfg") && has(root, "text_cfg"))
}

/// Reads the file at `path`.
pub(super) fn facts(path: &Path, root: &Value) -> Result<Facts, Error> {
    let mut facts = Facts::new(path.display().to_string());
    if !has(root, "model_cfg") {
        let (table, sigmoid) = table_of(root);
        model(&Fields::root(path, root, table)?, sigmoid, &mut facts)?;
        return Ok(facts);
    }
    let root = Fields::root(path, root, &tables::FILE)?;
    let (table, sigmoid) = root.get("model_cfg").map_or((&tables::MODEL, false), table_of);
    if let Some(cfg) = root.object("model_cfg", table)? {
        model(&cfg, sigmoid, &mut facts)?;
    }
    // Without `preprocess_cfg` the file describes only the architecture and leaves the preprocessing open.
    if let Some(cfg) = root.object("preprocess_cfg", &tables::PREPROCESS)? {
        preprocess(&cfg, &mut facts)?;
    }
    Ok(facts)
}

/// The fields of a `model_cfg`, and whether it is of a SigLIP: its image tower pools by attention (`map`) and is none of
/// Perception Encoder's.
fn table_of(model: &Value) -> (&'static Table, bool) {
    let vision = |field: &str| model.get("vision_cfg").and_then(|cfg| cfg.get(field)).and_then(Value::as_str);
    let is_rotary = || vision("timm_model_name").and_then(Trunk::of_timm).is_some_and(Trunk::is_rotary);
    let sigmoid = vision("timm_pool") == Some("map") && !is_rotary();
    (if sigmoid { &tables::MODEL_SIGLIP } else { &tables::MODEL }, sigmoid)
}

fn model(model: &Fields<'_>, sigmoid: bool, facts: &mut Facts) -> Result<(), Error> {
    facts.sigmoid = Some(sigmoid);
    let activation = match model.bool("quick_gelu")?.unwrap_or(false) {
        true => Activation::QuickGelu,
        false => Activation::Gelu,
    };
    facts.claim(model.name("embed_dim"), Quantity::EmbedDim, model.usize("embed_dim")?);

    let timm = model.get("vision_cfg").is_some_and(|cfg| cfg.get("timm_model_name").is_some_and(is_set));
    let table = match (timm, sigmoid) {
        (true, true) => &tables::VISION_SIGLIP,
        (true, false) => &tables::VISION_TIMM,
        (false, _) => &tables::VISION,
    };
    let Some(vision) = model.object("vision_cfg", table)? else {
        return model.error("vision_cfg", "is missing");
    };
    let kind = TextKind::of(model.get("text_cfg"), sigmoid);
    let Some(text) = model.object("text_cfg", kind.table())? else {
        return model.error("text_cfg", "is missing");
    };
    facts.claim(vision.name("image_size"), Quantity::ImageSize, vision.side("image_size")?);
    if timm {
        vision_timm(&vision, facts)?;
    } else {
        facts.image.activation = Some(activation);
        vision_native(&vision, facts)?;
    }
    if kind == TextKind::Transformers {
        return transformers::text(&text, facts);
    }
    facts.text.activation = Some(match tanh(&text, sigmoid)? {
        true if activation == Activation::QuickGelu => {
            return text.error("act_kwargs", "has no meaning with `quick_gelu`");
        }
        true => Activation::GeluTanh,
        false => activation,
    });
    self::text(&text, kind, facts)
}

/// What a `text_cfg` describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TextKind {
    /// A tower of open_clip's own with CLIP's tokenizer.
    Clip,
    /// The same with another tokenizer: MetaCLIP 2.
    Pieces,
    /// SigLIP's.
    Siglip,
    /// A tower of transformers, whatever the image tower.
    Transformers,
}

impl TextKind {
    fn of(text: Option<&Value>, sigmoid: bool) -> TextKind {
        let is_set = |field: &str| text.and_then(|text| text.get(field)).is_some_and(is_set);
        let rows = text.and_then(|text| text.get("vocab_size")).filter(|rows| !rows.is_null());
        let serves = |rows: &Value| {
            rows.as_u64().and_then(|rows| usize::try_from(rows).ok()).is_some_and(|rows| Tokenizer::clip().serves(rows))
        };
        if is_set("hf_model_name") {
            TextKind::Transformers
        } else if sigmoid {
            TextKind::Siglip
        } else if is_set("hf_tokenizer_name") && !rows.is_none_or(serves) {
            TextKind::Pieces
        } else {
            TextKind::Clip
        }
    }

    fn table(self) -> &'static Table {
        match self {
            TextKind::Clip => &tables::TEXT,
            TextKind::Pieces => &tables::TEXT_PIECES,
            TextKind::Siglip => &tables::TEXT_SIGLIP,
            TextKind::Transformers => &tables::TEXT_TRANSFORMERS,
        }
    }
}

/// Whether Python takes a value for true.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// timm's towers have the activation and the epsilon of their name.
fn vision_timm(vision: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    let name = vision.str("timm_model_name")?.unwrap_or_default();
    let Some(trunk) = Trunk::of_timm(name) else {
        return vision.error("timm_model_name", &format!("is `{}`, which is not supported", printable(name)));
    };
    match vision.str("timm_pool")?.unwrap_or("avg") {
        pool if pool == trunk.timm_pool => {}
        pool => {
            let reason = format!("is `{}`; {name} is supported with `{}`", printable(pool), trunk.timm_pool);
            return vision.error("timm_pool", &reason);
        }
    }
    facts.image.activation = Some(trunk.activation);
    facts.claim_trunk(vision.name("timm_model_name"), trunk);
    Ok(())
}

fn vision_native(vision: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    if vision.get("layers").is_some_and(Value::is_array) {
        return resnet(vision, facts);
    }
    let width = vision.usize("width")?;
    facts.image.norm_eps = norm_eps(vision)?;
    facts.image.heads = Some(Heads::Width(vision.usize("head_width")?.unwrap_or(64)));
    facts.claim(vision.name("patch_size"), Quantity::PatchSize, vision.side("patch_size")?);
    facts.claim(vision.name("width"), Quantity::ImageWidth, width);
    facts.claim(vision.name("layers"), Quantity::ImageLayers, vision.usize("layers")?);
    facts.claim(vision.name("mlp_ratio"), Quantity::ImageMlp, mlp_width(vision, width)?);
    Ok(())
}

/// A list of layers asks for a ResNet, whose other sizes have the defaults of the class.
fn resnet(vision: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    let image_size = vision.side("image_size")?.unwrap_or(224);
    let width = vision.usize("width")?.unwrap_or(768);
    let layers = vision.usizes("layers")?.unwrap_or_default();
    facts.image.heads = Some(Heads::Width(vision.usize("head_width")?.unwrap_or(64)));
    facts.claim(vision.name("width"), Quantity::ImageWidth, Some(width));
    let tower = ResnetConfig::new(image_size, width, layers, 1);
    facts.claim_image_tower(vision.name("layers"), ImageConfig::Resnet(tower));
    Ok(())
}

/// Whether `act_kwargs` asks for GELU by tanh; only a SigLIP's text tower may.
fn tanh(text: &Fields<'_>, sigmoid: bool) -> Result<bool, Error> {
    let kwargs = if sigmoid { text.object("act_kwargs", &tables::ACTIVATION)? } else { None };
    Ok(match &kwargs {
        None => false,
        Some(kwargs) => match kwargs.str("approximate")? {
            None | Some("none") => false,
            Some("tanh") => true,
            Some(_) => return kwargs.error("approximate", "is neither `tanh` nor `none`"),
        },
    })
}

fn text(text: &Fields<'_>, kind: TextKind, facts: &mut Facts) -> Result<(), Error> {
    let sigmoid = kind == TextKind::Siglip;
    let width = text.usize("width")?;
    // The layout's epsilon is not that of open_clip's class, which such a file states.
    facts.text.norm_eps = norm_eps(text)?.or(sigmoid.then_some(1e-5));
    facts.text.heads = Some(Heads::Count(text.usize("heads")?.unwrap_or(8)));
    facts.causal = Some(!text.bool("no_causal_mask")?.unwrap_or(false));
    facts.claim(text.name("context_length"), Quantity::ContextLength, text.usize("context_length")?);
    facts.claim(text.name("vocab_size"), Quantity::VocabSize, text.usize("vocab_size")?);
    facts.claim(text.name("width"), Quantity::TextWidth, width);
    facts.claim(text.name("layers"), Quantity::TextLayers, text.usize("layers")?);
    facts.claim(text.name("mlp_ratio"), Quantity::TextMlp, mlp_width(text, width)?);

    // CLIP's end of text has the largest id of a text, so both kinds take the same token.
    let end = text.usize("eos_id")?.unwrap_or(2);
    match text.str("pool_type")? {
        Some("last") if sigmoid => facts.pooling = Some(TextPooling::LastPosition),
        other if sigmoid => {
            let reason = format!("is `{}`; SigLIP pools the `last` position", printable(other.unwrap_or("argmax")));
            return text.error("pool_type", &reason);
        }
        Some("eos") if kind == TextKind::Pieces => match u32::try_from(end) {
            Ok(end) => facts.pooling = Some(TextPooling::Id(end)),
            Err(_) => return text.error("eos_id", "is no token"),
        },
        None | Some("argmax") => facts.pooling = (kind == TextKind::Pieces).then_some(TextPooling::LargestId),
        Some("eos") if end == END as usize => {}
        Some("eos") => {
            let reason = format!("is {end}, which no text of CLIP's tokenizer ends with; {END} does");
            return text.error("eos_id", &reason);
        }
        Some(other) => {
            let reason = format!("is `{}`; `argmax` and `eos` are supported", printable(other));
            return text.error("pool_type", &reason);
        }
    }
    if sigmoid {
        let linear = text.str("proj_type")?.unwrap_or("linear") == "linear";
        facts.claim_text_projection(text.name("proj_type"), linear);
    }
    // Those of open_clip's classes, of which SigLIP's is not known without a name.
    let default = match kind {
        TextKind::Pieces => Some(Clean::Whitespace),
        TextKind::Siglip => text.str("hf_tokenizer_name")?.filter(|name| !name.is_empty()).map(|_| Clean::Whitespace),
        TextKind::Clip | TextKind::Transformers => Some(Clean::Lower),
    };
    facts.clean = clean(text, default)?;
    Ok(())
}

/// How `tokenizer_kwargs` has texts cleaned.
pub(super) fn clean(text: &Fields<'_>, default: Option<Clean>) -> Result<Option<Clean>, Error> {
    let Some(kwargs) = text.object("tokenizer_kwargs", &tables::TOKENIZER)? else { return Ok(default) };
    let Some(name) = kwargs.str("clean")? else { return Ok(default) };
    match Clean::of_open_clip(name) {
        Some(clean) => Ok(Some(clean)),
        None => {
            let reason = format!("is `{}`; `lower`, `whitespace` and `canonicalize` are supported", printable(name));
            kwargs.error("clean", &reason)
        }
    }
}

/// The epsilon of `norm_kwargs`. Without them it is left to the layout: open_clip's own towers and timm's differ.
fn norm_eps(cfg: &Fields<'_>) -> Result<Option<f64>, Error> {
    match cfg.object("norm_kwargs", &tables::NORM)? {
        Some(kwargs) => Ok(Some(kwargs.f64("eps")?.unwrap_or(1e-5))),
        None => Ok(None),
    }
}

/// `int(width * mlp_ratio)`, as open_clip computes it, if both are given.
fn mlp_width(cfg: &Fields<'_>, width: Option<usize>) -> Result<Option<usize>, Error> {
    match (width, cfg.f64("mlp_ratio")?) {
        (Some(width), Some(ratio)) => Ok(Some((width as f64 * ratio) as usize)),
        _ => Ok(None),
    }
}

fn preprocess(cfg: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
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
