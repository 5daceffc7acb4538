//! Hugging Face's `config.json` of a `CLIPModel` or of a `MetaClip2Model`, or of one of their towers.
//!
//! Defaults of absent fields are those of transformers 5.24 (`CLIPTextConfig`, `CLIPVisionConfig`), and the same for
//! MetaCLIP 2 (`MetaClip2TextConfig`, `MetaClip2VisionConfig`).

use std::path::Path;

use serde_json::Value;

use super::facts::{Facts, Heads, Quantity, TowerFacts};
use super::json::{Fields, has};
use super::siglip;
use super::tables::Table;
use super::tables::huggingface as tables;
use crate::import::error::{Error, printable};
use crate::models::config::{Activation, TextPooling};
use crate::tokenizer::{END, VOCAB_SIZE};

/// Whether `root` is a model's configuration.
pub(super) fn recognise(root: &Value) -> bool {
    has(root, "model_type") || (has(root, "vision_config") && has(root, "text_config"))
}

/// Reads the file at `path`.
pub(super) fn facts(path: &Path, root: &Value) -> Result<Facts, Error> {
    let model_type = root.get("model_type").and_then(Value::as_str).unwrap_or_default();
    match model_type {
        "siglip" | "siglip_text_model" | "siglip_vision_model" => return siglip::facts(path, root, model_type),
        "siglip2" | "siglip2_text_model" | "siglip2_vision_model" => {
            let reason = format!(
                "`model_type` is `{model_type}`, which is not supported: a NaFlex model of SigLIP 2 takes images of any \
                 shape; convert a model of a fixed size, such as google/siglip2-base-patch16-256"
            );
            return Err(Error::Config { path: path.to_owned(), reason });
        }
        _ => {}
    }
    let mut facts = Facts::new(path.display().to_string());
    facts.sigmoid = Some(false);
    facts.causal = Some(true);
    match root.get("model_type").and_then(Value::as_str) {
        Some("clip_text_model") => {
            let text = Fields::root(path, root, &tables::TEXT_ALONE)?;
            facts.claim(text.name("projection_dim"), Quantity::EmbedDim, text.usize("projection_dim")?);
            text_tower(Some(&text), pooling, &mut facts)?;
        }
        Some("metaclip_2_text_model") => {
            let text = Fields::root(path, root, &tables::META_TEXT_ALONE)?;
            facts.claim(text.name("projection_dim"), Quantity::EmbedDim, text.usize("projection_dim")?);
            text_tower(Some(&text), first_end, &mut facts)?;
        }
        Some("metaclip_2_vision_model") => {
            let vision = Fields::root(path, root, &tables::META_VISION_ALONE)?;
            facts.claim(vision.name("projection_dim"), Quantity::EmbedDim, vision.usize("projection_dim")?);
            image_tower(Some(&vision), &mut facts)?;
        }
        Some("metaclip_2") => {
            let root = Fields::root(path, root, &tables::META_MODEL)?;
            model(&root, (&tables::META_TEXT, &tables::META_VISION), first_end, &mut facts)?;
        }
        Some("clip_vision_model") => {
            let vision = Fields::root(path, root, &tables::VISION_ALONE)?;
            facts.claim(vision.name("projection_dim"), Quantity::EmbedDim, vision.usize("projection_dim")?);
            image_tower(Some(&vision), &mut facts)?;
        }
        _ => {
            let root = Fields::root(path, root, &tables::MODEL)?;
            model(&root, (&tables::TEXT, &tables::VISION), pooling, &mut facts)?;
        }
    }
    Ok(facts)
}

/// Reads the pooled token from a text tower's configuration with a vocabulary of this size.
type Pooling = fn(&Fields<'_>, usize) -> Result<Option<TextPooling>, Error>;

fn model(
    root: &Fields<'_>,
    (texts, images): (&'static Table, &'static Table),
    pooling: Pooling,
    facts: &mut Facts,
) -> Result<(), Error> {
    // Older files lack the field; its default of 512 would be no evidence.
    facts.claim(root.name("projection_dim"), Quantity::EmbedDim, root.usize("projection_dim")?);

    // The old form `*_config_dict` takes precedence as a whole, including defaults of absent fields.
    let text = match root.object("text_config_dict", texts)? {
        Some(text) => Some(text),
        None => root.object("text_config", texts)?,
    };
    let vision = match root.object("vision_config_dict", images)? {
        Some(vision) => Some(vision),
        None => root.object("vision_config", images)?,
    };
    image_tower(vision.as_ref(), facts)?;
    text_tower(text.as_ref(), pooling, facts)
}

/// Reads the image tower's settings and claims. An absent configuration means transformers' defaults.
fn image_tower(vision: Option<&Fields<'_>>, facts: &mut Facts) -> Result<(), Error> {
    tower(vision, 12, &mut facts.image)?;
    if let Some(vision) = vision {
        image_sizes(vision, facts)?;
    }
    Ok(())
}

/// Reads the text tower's settings and claims. An absent configuration means transformers' defaults.
fn text_tower(text: Option<&Fields<'_>>, pooling: Pooling, facts: &mut Facts) -> Result<(), Error> {
    tower(text, 8, &mut facts.text)?;
    if let Some(text) = text {
        text_sizes(text, facts)?;
        facts.pooling = pooling(text, text.usize("vocab_size")?.unwrap_or(VOCAB_SIZE))?;
    }
    Ok(())
}

/// Claims the sizes that every image tower of transformers states.
pub(super) fn image_sizes(vision: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    facts.claim(vision.name("patch_size"), Quantity::PatchSize, vision.side("patch_size")?);
    facts.claim(vision.name("image_size"), Quantity::ImageSize, vision.side("image_size")?);
    facts.claim(vision.name("hidden_size"), Quantity::ImageWidth, vision.usize("hidden_size")?);
    facts.claim(vision.name("num_hidden_layers"), Quantity::ImageLayers, vision.usize("num_hidden_layers")?);
    facts.claim(vision.name("intermediate_size"), Quantity::ImageMlp, vision.usize("intermediate_size")?);
    Ok(())
}

/// Claims the sizes that every text tower of transformers states.
pub(super) fn text_sizes(text: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    let positions = "max_position_embeddings";
    facts.claim(text.name(positions), Quantity::ContextLength, text.usize(positions)?);
    facts.claim(text.name("vocab_size"), Quantity::VocabSize, text.usize("vocab_size")?);
    facts.claim(text.name("hidden_size"), Quantity::TextWidth, text.usize("hidden_size")?);
    facts.claim(text.name("num_hidden_layers"), Quantity::TextLayers, text.usize("num_hidden_layers")?);
    facts.claim(text.name("intermediate_size"), Quantity::TextMlp, text.usize("intermediate_size")?);
    Ok(())
}

/// Reads the settings of a tower.
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

/// The token that `eos_token_id` pools: the first with this id or, for 2, the first with the largest id of the text, as
/// transformers has it for configurations from before it read the field. `None` for the largest id.
fn pooling(text: &Fields<'_>, vocab_size: usize) -> Result<Option<TextPooling>, Error> {
    let largest = vocab_size.saturating_sub(1);
    match text.usize("eos_token_id")? {
        None | Some(2) => Ok(None),
        // No text has an id above: both rules pool the same token.
        Some(end) if end == largest && vocab_size <= VOCAB_SIZE => Ok(None),
        Some(end) if end == END as usize && vocab_size > VOCAB_SIZE => Ok(Some(TextPooling::Id(END))),
        Some(end) => {
            let reason = match vocab_size >= VOCAB_SIZE {
                true => format!("is {end}, which no text of CLIP's tokenizer ends with; {END} does"),
                false => format!("is {end}, and not the largest id, {largest}; pooling by it is not supported"),
            };
            text.error("eos_token_id", &reason)
        }
    }
}

/// The token that MetaCLIP 2 pools: the first with the id `eos_token_id`, which is transformers' own end of CLIP's
/// vocabulary unless the file states another.
fn first_end(text: &Fields<'_>, _vocab_size: usize) -> Result<Option<TextPooling>, Error> {
    match text.usize("eos_token_id")?.map_or(Ok(END), u32::try_from) {
        Ok(end) => Ok(Some(TextPooling::Id(end))),
        Err(_) => text.error("eos_token_id", "is no token"),
    }
}
