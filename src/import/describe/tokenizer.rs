//! transformers' `tokenizer_config.json` and `special_tokens_map.json`: whether the tokenizer is CLIP's.

use std::path::Path;

use serde_json::Value;

use super::facts::{Facts, Quantity};
use super::json::{Fields, has};
use super::tables::tokenizer as tables;
use crate::import::error::{Error, printable};
use crate::tokenizer::{END, START};

/// The texts of the tokens before and after every text: those of transformers and of open_clip.
pub(super) const START_NAMES: [&str; 2] = ["<|startoftext|>", "<start_of_text>"];
pub(super) const END_NAMES: [&str; 2] = ["<|endoftext|>", "<end_of_text>"];

/// Most names of added tokens that a warning lists.
const LISTED: usize = 8;

/// Whether `root` is a tokenizer's configuration.
pub(super) fn recognise(root: &Value) -> bool {
    ["tokenizer_class", "added_tokens_decoder", "bos_token", "eos_token"].iter().any(|field| has(root, field))
}

/// Reads the file at `path`. It states nothing but claims: CLIP's tokenizer is the only one.
pub(super) fn facts(path: &Path, root: &Value) -> Result<Facts, Error> {
    let cfg = Fields::root(path, root, &tables::FIELDS)?;
    let mut facts = Facts::new(path.display().to_string());
    is_one_of(&cfg, "bos_token", &START_NAMES)?;
    is_one_of(&cfg, "eos_token", &END_NAMES)?;
    for (name, longest) in longest_texts(&cfg)? {
        facts.claim_at_most(name, Quantity::ContextLength, Some(longest));
    }
    let mut added = Vec::new();
    for field in ["additional_special_tokens", "extra_special_tokens"] {
        match cfg.get(field) {
            None => {}
            Some(Value::Array(list)) => {
                for token in list {
                    added.push(content(&cfg, field, token)?);
                }
            }
            Some(Value::Object(map)) => {
                for token in map.values() {
                    added.push(content(&cfg, field, token)?);
                }
            }
            Some(_) => return cfg.error(field, "is not a list of tokens"),
        }
    }
    if let Some(Value::Object(map)) = cfg.get("added_tokens_decoder") {
        for (id, token) in map {
            let name = content(&cfg, "added_tokens_decoder", token)?;
            let is = |end: u32| id.parse() == Ok(end);
            let wrong = (is(START) && !START_NAMES.contains(&name)) || (is(END) && !END_NAMES.contains(&name));
            if wrong {
                let reason = format!("gives the id {id} to `{}`; in CLIP's vocabulary it has another", printable(name));
                return cfg.error("added_tokens_decoder", &reason);
            }
            added.push(name);
        }
    } else if cfg.has("added_tokens_decoder") {
        return cfg.error("added_tokens_decoder", "is not an object");
    }
    added.retain(|name| !START_NAMES.contains(name) && !END_NAMES.contains(name));
    added.sort_unstable();
    added.dedup();
    if !added.is_empty() {
        let mut names: Vec<String> = added.iter().take(LISTED).map(|name| format!("`{}`", printable(name))).collect();
        if let Some(more @ 1..) = added.len().checked_sub(LISTED) {
            names.push(format!("{more} more"));
        }
        tracing::warn!(
            "{} adds tokens to CLIP's vocabulary ({}); a text that has one is read as ordinary characters",
            path.display(),
            names.join(", ")
        );
    }
    Ok(facts)
}

/// The lengths to which a tokenizer cuts texts, with the names of their fields.
pub(super) fn longest_texts(cfg: &Fields<'_>) -> Result<Vec<(String, usize)>, Error> {
    let mut all = Vec::new();
    for field in ["model_max_length", "max_len", "max_length"] {
        // Python writes "no limit" as a number with 31 digits.
        all.extend(cfg.f64(field)?.map(|longest| (cfg.name(field), longest as usize)));
    }
    Ok(all)
}

/// Refuses a token with another text.
fn is_one_of(cfg: &Fields<'_>, field: &str, names: &[&str]) -> Result<(), Error> {
    let Some(token) = cfg.get(field) else { return Ok(()) };
    match content(cfg, field, token)? {
        name if names.contains(&name) => Ok(()),
        name => {
            let reason = format!("is `{}`; that of CLIP's tokenizer is `{}`", printable(name), names[0]);
            cfg.error(field, &reason)
        }
    }
}

/// The text of a token: a string, or an object with it.
pub(super) fn content<'a>(cfg: &Fields<'a>, field: &str, token: &'a Value) -> Result<&'a str, Error> {
    match token {
        Value::String(text) => Ok(text),
        _ => match cfg.child(field, token, &tables::TOKEN)?.str("content")? {
            Some(text) => Ok(text),
            None => cfg.error(field, "holds a token without text"),
        },
    }
}
