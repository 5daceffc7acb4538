//! Apple's `config.json` of a MobileCLIP: `{embed_dim, image_cfg, text_cfg}`, without preprocessing.
//!
//! Source: `mobileclip/configs/` and `mobileclip/text_encoder.py` of Apple's `ml-mobileclip`.

use std::path::Path;

use serde_json::Value;

use super::facts::{Facts, Heads, Quantity};
use super::json::{Fields, has};
use super::tables::apple as tables;
use crate::catalog::Trunk;
use crate::import::error::{Error, printable};

/// Taps of the hybrid text tower's convolutions. The file does not state them.
const HYBRID_KERNEL: usize = 11;

/// Whether `root` has this form.
pub(super) fn recognise(root: &Value) -> bool {
    has(root, "image_cfg") && has(root, "text_cfg")
}

/// Reads the file at `path`.
pub(super) fn facts(path: &Path, root: &Value) -> Result<Facts, Error> {
    let root = Fields::root(path, root, &tables::FILE)?;
    let mut facts = Facts::new(path.display().to_string());
    facts.claim(root.name("embed_dim"), Quantity::EmbedDim, root.usize("embed_dim")?);
    if let Some(image) = root.object("image_cfg", &tables::IMAGE)? {
        facts.claim(image.name("image_size"), Quantity::ImageSize, image.side("image_size")?);
        if let Some(name) = image.str("model_name")? {
            let Some(trunk) = Trunk::of_apple(name) else {
                return image.error("model_name", &format!("is `{}`, which is not supported", printable(name)));
            };
            facts.claim_trunk(image.name("model_name"), trunk);
        }
    }
    if let Some(text) = root.object("text_cfg", &tables::TEXT)? {
        let width = text.usize("dim")?;
        facts.causal = text.bool("causal_masking")?;
        let heads = same_in_each_layer(&text, "n_heads_per_layer")?;
        if heads.is_some_and(|heads| heads.fract() != 0.0) {
            return text.error("n_heads_per_layer", "is not a whole number");
        }
        facts.text.heads = heads.map(|heads| Heads::Count(heads as usize));
        facts.claim(text.name("context_length"), Quantity::ContextLength, text.usize("context_length")?);
        facts.claim(text.name("vocab_size"), Quantity::VocabSize, text.usize("vocab_size")?);
        facts.claim(text.name("dim"), Quantity::TextWidth, width);
        facts.claim(text.name("n_transformer_layers"), Quantity::TextLayers, text.usize("n_transformer_layers")?);
        let ratio = same_in_each_layer(&text, "ffn_multiplier_per_layer")?;
        // Apple's code rounds up to whole groups of 16 channels.
        let groups = width.zip(ratio).map(|(width, ratio)| (width as f64 * ratio / 16.0).ceil() as usize);
        let mlp_width = groups.map(|groups| groups.saturating_mul(16));
        facts.claim(text.name("ffn_multiplier_per_layer"), Quantity::TextMlp, mlp_width);
        let kernel = match text.str("model_name")? {
            None => None,
            Some("base") => Some(0),
            Some("mct") => Some(HYBRID_KERNEL),
            Some(other) => {
                return text.error("model_name", &format!("is `{}`, which is not supported", printable(other)));
            }
        };
        facts.claim(text.name("model_name"), Quantity::TextKernel, kernel);
    }
    Ok(facts)
}

/// A number for all layers, or a list with the same number for each.
fn same_in_each_layer(text: &Fields<'_>, field: &str) -> Result<Option<f64>, Error> {
    let Some(value) = text.get(field) else { return Ok(None) };
    let numbers: Option<Vec<f64>> = match value {
        Value::Array(list) => list.iter().map(Value::as_f64).collect(),
        value => value.as_f64().map(|number| vec![number]),
    };
    match numbers.as_deref() {
        Some([first, rest @ ..]) if rest.iter().all(|number| number == first) && *first >= 1.0 => Ok(Some(*first)),
        _ => text.error(field, "is neither a number nor the same number for each layer"),
    }
}
