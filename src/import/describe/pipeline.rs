//! transformers' `tokenizer.json`, which describes a whole tokenizer: whether it is CLIP's.
//!
//! Its cleaning is NFC, white space and lower case. That of [`crate::tokenizer`], which OpenAI trained CLIP with, does
//! this and more, so a file that states fewer of these steps is accepted if it states lower case.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::json::Fields;
use super::tables::Table;
use super::tables::pipeline as tables;
use super::words::{Merges, Names, Text, is_name, not_json, same};
use crate::bounded_json::{MAX_VALUES, Values};
use crate::import::error::{Error, printable};
use crate::tokenizer::{END, Published, START};

/// CLIP's pieces of a text, as transformers has written them over the years.
const PIECES: [&str; 2] = [
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
];

/// Refuses the tokenizer in the file at `path` if it is not CLIP's.
pub(super) fn check(path: &Path, text: &[u8]) -> Result<(), Error> {
    let published = Published::new();
    let mut found = File { published: &published, names: None, merges: None };
    let mut parser = serde_json::Deserializer::from_slice(text);
    let root = Root(&mut found).deserialize(&mut parser).and_then(|root| parser.end().map(|()| root));
    let root = Value::Object(root.or_else(|error| not_json(path, error))?);
    // Another kind of tokenizer shows in the fields; their messages say more than a difference of vocabularies.
    fields(path, &root, &published)?;
    let absent = |what: &str| Some(format!("the file has no `model.{what}`"));
    same(path, found.names.unwrap_or_else(|| absent("vocab")))?;
    same(path, found.merges.unwrap_or_else(|| absent("merges")))
}

/// Checks everything but the tokens and the merges.
pub(super) fn fields(path: &Path, root: &Value, published: &Published) -> Result<(), Error> {
    let root = Fields::root(path, root, &tables::FILE)?;
    let Some(model) = root.object("model", &tables::MODEL)? else {
        return root.error("model", "is missing");
    };
    match model.str("end_of_word_suffix")? {
        Some("</w>") => {}
        other => {
            let other = printable(other.unwrap_or_default());
            return model.error("end_of_word_suffix", &format!("is `{other}`; that of CLIP's tokenizer is `</w>`"));
        }
    }
    added(&root, published)?;
    if is_old(&root) {
        return Ok(());
    }
    normalizer(&root)?;
    pre_tokenizer(&root)?;
    post_processor(&root)
}

/// What was compared while the file was parsed: the first differences.
struct File<'p> {
    published: &'p Published,
    names: Option<Option<String>>,
    merges: Option<Option<String>>,
}

/// Parses the file or, with `model`, its model. Gives the fields but those that are compared.
struct Root<'a, 'p>(&'a mut File<'p>);
struct Model<'a, 'p>(&'a mut File<'p>, &'a mut usize);

impl<'de> DeserializeSeed<'de> for Root<'_, '_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_, '_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that describes a tokenizer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut fields, mut left) = (Map::new(), MAX_VALUES);
        while let Some(Text(key)) = map.next_key::<Text<'_>>()? {
            let value = match &*key {
                "model" => Value::Object(map.next_value_seed(Model(self.0, &mut left))?),
                _ => map.next_value_seed(Values(&mut left))?,
            };
            fields.insert(key.into_owned(), value);
        }
        Ok(fields)
    }
}

impl<'de> DeserializeSeed<'de> for Model<'_, '_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Model<'_, '_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that describes a tokenizer's model")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (Model(file, left), mut fields) = (self, Map::new());
        while let Some(Text(key)) = map.next_key::<Text<'_>>()? {
            match &*key {
                "vocab" => file.names = Some(map.next_value_seed(Names(file.published))?),
                "merges" => file.merges = Some(map.next_value_seed(Merges::new(file.published))?),
                _ => {
                    let value = map.next_value_seed(Values(left))?;
                    fields.insert(key.into_owned(), value);
                }
            }
        }
        Ok(fields)
    }
}

/// Refuses a token of CLIP's under another id.
fn added(root: &Fields<'_>, published: &Published) -> Result<(), Error> {
    let Some(list) = root.get("added_tokens") else { return Ok(()) };
    let Some(list) = list.as_array() else {
        return root.error("added_tokens", "is not a list of tokens");
    };
    for (i, token) in list.iter().enumerate() {
        let token = root.child(&format!("added_tokens.{i}"), token, &tables::ADDED)?;
        let (Some(id), Some(name)) = (token.usize("id")?, token.str("content")?) else {
            return root.error("added_tokens", "holds a token without id or text");
        };
        if !is_name(published, id as u64, name) {
            let reason = format!("gives the id {id} to `{}`; in CLIP's vocabulary it has another", printable(name));
            return root.error("added_tokens", &reason);
        }
    }
    Ok(())
}

/// Whether transformers before 4.17 wrote the file. It then stated the vocabulary alone, and later versions use nothing
/// else of it.
fn is_old(root: &Fields<'_>) -> bool {
    let splits = root.get("pre_tokenizer").and_then(|step| step.get("type")).and_then(Value::as_str);
    splits == Some("ByteLevel") && !root.has("normalizer")
}

/// A step of a tokenizer: its type and its other fields.
type Step<'a> = (&'static str, Fields<'a>);

/// The step `value` at `field`, of one of the types in `tables`.
fn step<'a>(
    parent: &Fields<'a>,
    field: &str,
    value: &'a Value,
    tables: &'static [(&str, Table)],
) -> Result<Step<'a>, Error> {
    let name = value.get("type").and_then(Value::as_str).unwrap_or_default();
    match tables.iter().find(|(kind, _)| *kind == name) {
        Some((kind, table)) => Ok((kind, parent.child(field, value, table)?)),
        None => parent.error(
            &format!("{field}.type"),
            &format!("is `{}`, which is no part of CLIP's tokenizer", printable(name)),
        ),
    }
}

/// The steps at `field`: the one there or, of a sequence, those in its field `list`.
fn steps<'a>(
    root: &Fields<'a>,
    field: &str,
    list: &str,
    tables: &'static [(&str, Table)],
) -> Result<Vec<Step<'a>>, Error> {
    let Some(value) = root.get(field) else { return Ok(Vec::new()) };
    match step(root, field, value, tables)? {
        ("Sequence", sequence) => match sequence.get(list).and_then(Value::as_array) {
            Some(steps) => {
                let one = |(i, value)| step(&sequence, &format!("{list}.{i}"), value, tables);
                steps.iter().enumerate().map(one).collect()
            }
            None => sequence.error(list, "is not a list of steps"),
        },
        one => Ok(vec![one]),
    }
}

fn normalizer(root: &Fields<'_>) -> Result<(), Error> {
    let mut lower = false;
    for (kind, step) in steps(root, "normalizer", "normalizers", tables::NORMALIZERS)? {
        match kind {
            "Sequence" => return step.error("type", NESTED),
            "Replace" => regex(&step, &[r"\s+"])?,
            kind => lower |= kind == "Lowercase",
        }
    }
    if lower { Ok(()) } else { root.error("normalizer", "keeps capitals; the texts of CLIP are lower case") }
}

const NESTED: &str = "is `Sequence` within another, which CLIP's tokenizer has not";

/// Refuses a step with another regular expression than one of these.
fn regex(step: &Fields<'_>, known: &[&str]) -> Result<(), Error> {
    let Some(pattern) = step.object("pattern", &tables::PATTERN)? else {
        return step.error("pattern", "is missing");
    };
    match pattern.str("Regex")? {
        Some(regex) if known.contains(&regex) => Ok(()),
        other => {
            let other = printable(other.unwrap_or_default());
            pattern.error("Regex", &format!("is `{other}`; that of CLIP's tokenizer is `{}`", known[0]))
        }
    }
}

fn pre_tokenizer(root: &Fields<'_>) -> Result<(), Error> {
    let mut kinds = Vec::new();
    for (kind, step) in steps(root, "pre_tokenizer", "pretokenizers", tables::PRE_TOKENIZERS)? {
        match kind {
            "Sequence" => return step.error("type", NESTED),
            "Split" => regex(&step, &PIECES)?,
            _ => {}
        }
        kinds.push(kind);
    }
    match kinds[..] {
        ["Split", "ByteLevel"] => Ok(()),
        _ => root.error("pre_tokenizer", "is not a split into words and another into bytes, as in CLIP's tokenizer"),
    }
}

fn post_processor(root: &Fields<'_>) -> Result<(), Error> {
    let Some(value) = root.get("post_processor") else {
        return root.error("post_processor", "is missing, so that texts have neither start nor end");
    };
    let (kind, step) = step(root, "post_processor", value, tables::POST_PROCESSORS)?;
    if kind == "TemplateProcessing" {
        return template(&step);
    }
    for (field, id) in [("cls", START), ("sep", END)] {
        let found = step.get(field).and_then(|pair| pair.get(1)).and_then(Value::as_u64);
        if found != Some(id.into()) {
            return step.error(field, &format!("does not have the id {id}, as in CLIP's tokenizer"));
        }
    }
    Ok(())
}

/// Checks a template of a text: start, text, end.
fn template(step: &Fields<'_>) -> Result<(), Error> {
    let name = |token: &'_ Value| token.get("SpecialToken")?.get("id")?.as_str().map(str::to_owned);
    let names = match step.get("single").and_then(Value::as_array).map(Vec::as_slice) {
        Some([start, text, end]) if text.get("Sequence").is_some() => (name(start), name(end)),
        _ => (None, None),
    };
    let (Some(start), Some(end)) = names else {
        return step.error("single", "is not start, text and end");
    };
    let tokens = step.get("special_tokens");
    for (name, id) in [(start, START), (end, END)] {
        let ids = tokens.and_then(|tokens| tokens.get(&name)?.get("ids")?.as_array());
        if ids.is_none_or(|ids| ids.len() != 1 || ids[0].as_u64() != Some(id.into())) {
            let reason = format!("does not have the id {id} for `{}`, as in CLIP's tokenizer", printable(&name));
            return step.error("special_tokens", &reason);
        }
    }
    Ok(())
}
