//! The steps around the model of a `tokenizer.json`, as [`Rules`]. Sequences are those of published files: what they do not
//! have is refused by name.

use base64::Engine;
use serde::Deserialize;
use serde_json::Value;

use super::super::super::model::{FileError, shown};
use super::super::super::rules::Rules;
use super::super::super::store::Bounds;
use super::{Ids, refused};

const SPACE: &str = "\u{2581}";

/// What is looked for.
#[derive(Deserialize, Debug, PartialEq)]
enum Pattern {
    String(String),
    Regex(String),
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Normalizer {
    Sequence { normalizers: Vec<Normalizer> },
    Lowercase {},
    Precompiled { precompiled_charsmap: String },
    Strip { strip_left: bool, strip_right: bool },
    Replace { pattern: Pattern, content: String },
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum PreTokenizer {
    Sequence {
        pretokenizers: Vec<PreTokenizer>,
    },
    WhitespaceSplit {},
    Metaspace {
        replacement: String,
        add_prefix_space: Option<bool>,
        prepend_scheme: Option<String>,
        split: Option<bool>,
        #[serde(rename = "str_rep")]
        _str_rep: Option<String>,
    },
    Split {
        pattern: Pattern,
        behavior: String,
        invert: bool,
    },
}

/// Steps as they are done, one after the other.
fn parse<T: for<'de> Deserialize<'de>>(value: &Value, field: &str) -> Result<Option<T>, FileError> {
    Option::deserialize(value).map_err(|error| refused(field, &error.to_string().escape_debug().to_string()))
}

/// What a text becomes before it is split.
pub(super) struct Normalized {
    pub rules: Rules,
    pub charsmap: Vec<u8>,
}

pub(super) fn normalizer(value: &Value, rules: Rules) -> Result<Normalized, FileError> {
    const FIELD: &str = "normalizer";
    // What is still to be done, the next step last.
    let mut left: Vec<Normalizer> = parse(value, FIELD)?.into_iter().collect();
    let mut out = Normalized { rules, charsmap: Vec::new() };
    let mut last = 0;
    while let Some(step) = left.pop() {
        let (place, rule) = match step {
            Normalizer::Sequence { normalizers } => {
                left.extend(normalizers.into_iter().rev());
                continue;
            }
            Normalizer::Lowercase {} => (1, Rules::LOWERCASE),
            Normalizer::Precompiled { precompiled_charsmap } => {
                out.charsmap = base64::engine::general_purpose::STANDARD
                    .decode(precompiled_charsmap)
                    .map_err(|_| refused(FIELD, "precompiled_charsmap is not base64"))?;
                (2, Rules::default())
            }
            Normalizer::Strip { strip_left, strip_right } => {
                (3, Rules::default().with(Rules::STRIP_LEFT, strip_left).with(Rules::STRIP_RIGHT, strip_right))
            }
            Normalizer::Replace { pattern, content } => match (&pattern, content.as_str()) {
                (Pattern::Regex(regex), " ") if regex == " {2,}" => (4, Rules::COLLAPSE),
                // One space, or what stands for one and is put in its place in the next step.
                (Pattern::Regex(regex), SPACE) if regex == " {2,}" => (4, Rules::COLLAPSE.with(Rules::METASPACE, true)),
                (Pattern::String(text), SPACE) if text == " " => (5, Rules::ESCAPE),
                _ => {
                    return Err(refused(
                        FIELD,
                        &format!("Replace of {} is not supported", shown(&format!("{pattern:?}"))),
                    ));
                }
            },
        };
        if place <= last {
            return Err(refused(FIELD, "its steps are in an order that is not supported"));
        }
        last = place;
        out.rules = out.rules.with(rule, true);
    }
    Ok(out)
}

pub(super) fn pre_tokenizer(value: &Value, rules: Rules) -> Result<Rules, FileError> {
    const FIELD: &str = "pre_tokenizer";
    let needs_metaspace = rules.has(Rules::METASPACE) && !rules.has(Rules::ESCAPE);
    let mut out = rules.with(Rules::METASPACE, false);
    let mut left: Vec<PreTokenizer> = parse(value, FIELD)?.into_iter().collect();
    while let Some(step) = left.pop() {
        match step {
            PreTokenizer::Sequence { pretokenizers } => left.extend(pretokenizers.into_iter().rev()),
            PreTokenizer::WhitespaceSplit {} if !out.has(Rules::METASPACE) => {
                out = out.with(Rules::SPLIT_WHITESPACE, true)
            }
            PreTokenizer::Metaspace { replacement, add_prefix_space, prepend_scheme, split, .. }
                if !out.has(Rules::METASPACE) =>
            {
                if replacement != SPACE {
                    return Err(refused(
                        FIELD,
                        &format!("Metaspace with {} for a space is not supported", shown(&replacement)),
                    ));
                }
                let (prefix, first) = match (add_prefix_space, prepend_scheme.as_deref()) {
                    (Some(true) | None, Some("always") | None) => (true, false),
                    (Some(true) | None, Some("first")) if !out.has(Rules::SPLIT_WHITESPACE) => (true, true),
                    (_, Some("never")) => (false, false),
                    _ => return Err(refused(FIELD, "Metaspace with this prepend_scheme is not supported")),
                };
                out = out
                    .with(Rules::METASPACE, true)
                    .with(Rules::DUMMY_PREFIX, prefix)
                    .with(Rules::PREFIX_FIRST, first)
                    .with(Rules::SPLIT_METASPACE, split.unwrap_or(true));
            }
            // No space is left to split at.
            PreTokenizer::Split { pattern, behavior, invert: false }
                if pattern == Pattern::String(" ".into())
                    && matches!(behavior.as_str(), "MergedWithPrevious" | "MergedWithNext" | "Isolated")
                    && out.has(Rules::ESCAPE) => {}
            PreTokenizer::WhitespaceSplit {} | PreTokenizer::Metaspace { .. } | PreTokenizer::Split { .. } => {
                return Err(refused(FIELD, "its steps are in an order that is not supported"));
            }
        }
    }
    if needs_metaspace && (!out.has(Rules::METASPACE) || out.has(Rules::SPLIT_WHITESPACE)) {
        return Err(refused(FIELD, "normalizer replaces spaces, which needs Metaspace alone"));
    }
    Ok(out)
}

#[derive(Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum PostProcessor {
    TemplateProcessing {
        single: Vec<Part>,
        /// For two texts.
        #[serde(rename = "pair")]
        _pair: Option<Value>,
        special_tokens: std::collections::BTreeMap<String, Special>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum Part {
    Sequence {
        id: String,
        #[serde(rename = "type_id")]
        _type_id: u32,
    },
    SpecialToken {
        id: String,
        #[serde(rename = "type_id")]
        _type_id: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Special {
    #[serde(rename = "id")]
    _id: String,
    ids: Vec<u32>,
    #[serde(rename = "tokens")]
    _tokens: Vec<String>,
}

/// The ids before and after a text.
pub(super) fn post_processor(value: &Value) -> Result<Bounds, FileError> {
    const FIELD: &str = "post_processor";
    let mut bounds = Bounds { start: None, end: None, pad: None };
    let Some(PostProcessor::TemplateProcessing { single, special_tokens, .. }) = parse(value, FIELD)? else {
        return Ok(bounds);
    };
    let token = |id: &str| match special_tokens.get(id).map(|special| special.ids.as_slice()) {
        Some(&[id]) => Ok(Some(id)),
        _ => Err(refused(FIELD, &format!("{} is not one id", shown(id)))),
    };
    match single.as_slice() {
        [Part::Sequence { id, .. }] if id == "A" => {}
        [Part::SpecialToken { id: start, .. }, Part::Sequence { id, .. }] if id == "A" => bounds.start = token(start)?,
        [Part::Sequence { id, .. }, Part::SpecialToken { id: end, .. }] if id == "A" => bounds.end = token(end)?,
        [Part::SpecialToken { id: start, .. }, Part::Sequence { id, .. }, Part::SpecialToken { id: end, .. }]
            if id == "A" =>
        {
            (bounds.start, bounds.end) = (token(start)?, token(end)?);
        }
        _ => return Err(refused(FIELD, "at most one token before the text and one after it are supported")),
    }
    Ok(bounds)
}

#[derive(Deserialize)]
struct Padding {
    pad_id: u32,
}

/// The id that fills up: that of `padding`, or else of the piece that is usually called so.
pub(super) fn padding(value: &Value, ids: &Ids<'_>) -> Result<Option<u32>, FileError> {
    let padding: Option<Padding> = parse(value, "padding")?;
    Ok(padding.map(|padding| padding.pad_id).or_else(|| ids.get("<pad>").copied()))
}
