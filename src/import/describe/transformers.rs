//! The `text_cfg` of an open_clip model with a text tower of transformers: XLM-RoBERTa, or the encoder of NLLB.
//!
//! open_clip takes everything about the tower from the repository that `hf_model_name` names, so the name is the claim.

use super::facts::{Facts, Quantity};
use super::json::Fields;
use super::open_clip::clean;
use crate::import::error::{Error, printable};
use crate::tokenizer::Clean;

/// A tower of transformers by its repository.
struct Tower {
    names: &'static [&'static str],
    vocab_size: usize,
    width: usize,
    layers: usize,
    mlp_width: usize,
    projection: &'static str,
    pooler: &'static str,
}

const TOWERS: [Tower; 4] = [
    Tower {
        names: &["xlm-roberta-base", "FacebookAI/xlm-roberta-base"],
        vocab_size: 250_002,
        width: 768,
        layers: 12,
        mlp_width: 3072,
        projection: "mlp",
        pooler: "mean_pooler",
    },
    Tower {
        names: &["xlm-roberta-large", "FacebookAI/xlm-roberta-large"],
        vocab_size: 250_002,
        width: 1024,
        layers: 24,
        mlp_width: 4096,
        projection: "mlp",
        pooler: "mean_pooler",
    },
    Tower {
        names: &["facebook/nllb-200-distilled-600M"],
        vocab_size: 256_206,
        width: 1024,
        layers: 12,
        mlp_width: 4096,
        projection: "linear",
        pooler: "cls_pooler",
    },
    Tower {
        names: &["facebook/nllb-200-distilled-1.3B"],
        vocab_size: 256_206,
        width: 1024,
        layers: 24,
        mlp_width: 8192,
        projection: "linear",
        pooler: "cls_pooler",
    },
];

/// Reads the tower's settings and claims.
pub(super) fn text(text: &Fields<'_>, facts: &mut Facts) -> Result<(), Error> {
    let name = text.str("hf_model_name")?.unwrap_or_default();
    let Some(tower) = TOWERS.iter().find(|tower| tower.names.contains(&name)) else {
        let known: Vec<String> = TOWERS.iter().map(|tower| format!("`{}`", tower.names[0])).collect();
        let reason = format!("is `{}`, which is not supported; {} are", printable(name), known.join(", "));
        return text.error("hf_model_name", &reason);
    };
    let field = text.name("hf_model_name");
    facts.claim(&field, Quantity::VocabSize, Some(tower.vocab_size));
    facts.claim(&field, Quantity::TextWidth, Some(tower.width));
    facts.claim(&field, Quantity::TextLayers, Some(tower.layers));
    facts.claim(&field, Quantity::TextMlp, Some(tower.mlp_width));
    // Older versions of open_clip have the names without `hf_`, and the same defaults.
    only(text, ["hf_proj_type", "proj"], "mlp", tower.projection)?;
    only(text, ["hf_pooler_type", "pooler_type"], "mean_pooler", tower.pooler)?;
    facts.clean = clean(text, Some(Clean::Whitespace))?;
    Ok(())
}

/// Refuses another value than `wanted` of a field with two names.
fn only(text: &Fields<'_>, fields: [&str; 2], default: &str, wanted: &str) -> Result<(), Error> {
    let mut stated = false;
    for field in fields {
        if let Some(value) = text.str(field)? {
            stated = true;
            if value != wanted {
                let reason = format!("is `{}`; the tower is supported with `{wanted}`", printable(value));
                return text.error(field, &reason);
            }
        }
    }
    if !stated && default != wanted {
        let reason = format!("is absent, which means `{default}`; the tower is supported with `{wanted}`");
        return text.error(fields[0], &reason);
    }
    Ok(())
}
