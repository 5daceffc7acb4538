//! Apple's `config.json` of a MobileCLIP: `{embed_dim, image_cfg, text_cfg}`, without preprocessing.
//!
//! Source: `mobileclip/configs/` of Apple's `ml-mobileclip`.

use super::facts::{Facts, Heads, Quantity};
use super::json::Fields;
use crate::catalog::Trunk;
use crate::import::error::{Error, printable};

/// Taps of the hybrid text tower's convolutions. The file does not state them.
const HYBRID_KERNEL: usize = 11;

/// Whether `root` has this form.
pub(super) fn recognise(root: &Fields<'_>) -> bool {
    root.has("image_cfg") && root.has("text_cfg")
}

/// Reads the file.
pub(super) fn facts(root: &Fields<'_>) -> Result<Facts, Error> {
    let mut facts = Facts::new(root.path().display().to_string());
    facts.claim(root.name("embed_dim"), Quantity::EmbedDim, root.usize("embed_dim")?);
    if let Some(image) = root.object("image_cfg")? {
        facts.claim(image.name("image_size"), Quantity::ImageSize, image.side("image_size")?);
        if let Some(name) = image.str("model_name")? {
            let Some(trunk) = Trunk::of_apple(name) else {
                return image.error("model_name", &format!("is `{}`, which is not supported", printable(name)));
            };
            facts.claim_trunk(image.name("model_name"), trunk);
        }
    }
    if let Some(text) = root.object("text_cfg")? {
        let width = text.usize("dim")?;
        facts.causal = text.bool("causal_masking")?;
        facts.text.heads = text.get("n_heads_per_layer").and_then(number).map(Heads::Count);
        facts.claim(text.name("context_length"), Quantity::ContextLength, text.usize("context_length")?);
        facts.claim(text.name("vocab_size"), Quantity::VocabSize, text.usize("vocab_size")?);
        facts.claim(text.name("dim"), Quantity::TextWidth, width);
        facts.claim(text.name("n_transformer_layers"), Quantity::TextLayers, text.usize("n_transformer_layers")?);
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

/// A whole number. The format also allows a list with a number per layer, which is ignored: the tensors determine it.
fn number(value: &serde_json::Value) -> Option<usize> {
    value.as_u64().and_then(|value| usize::try_from(value).ok())
}
