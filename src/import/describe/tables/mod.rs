//! What this version makes of each field of a configuration file.
//!
//! One table for each kind of object: a field is read by the code, or known to change no embedding, or accepted with
//! certain values only. [`Fields`](super::json::Fields) checks an object against its table before anything reads it,
//! and reads nothing that its table does not list as [`Rule::Obeyed`]; so a field that is in no table is refused by
//! name, and none is passed over.
//!
//! Sources: open_clip 3.3.0 (`model.py`, `timm_model.py`, `transform.py`, `tokenizer.py`), transformers 4.16 to 5.24
//! (`configuration_utils.py`, `models/clip`, `models/siglip`, `image_processing_utils.py`, `tokenization_utils_base.py`), Apple's
//! `ml-mobileclip` (`text_encoder.py`).

pub(super) mod apple;
pub(super) mod huggingface;
pub(super) mod open_clip;
pub(super) mod pieces;
pub(super) mod pipeline;
pub(super) mod processor;
pub(super) mod siglip;
pub(super) mod tokenizer;

use serde_json::Value;

/// The fields of an object.
#[derive(Debug)]
pub(super) struct Table {
    pub fields: &'static [(&'static str, Rule)],
    /// Further fields, for those that `fields` does not list.
    pub base: Option<&'static Table>,
}

/// What becomes of a field. `null` counts as absent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// Read by the code of its file, which refuses what it cannot follow.
    Obeyed,
    /// Changes no embedding, whatever its value, for this reason.
    NoEffect(&'static str),
    /// Must be absent or one of these. The text says what other values ask for.
    Only(&'static [Is], &'static str),
}

/// A value that a field may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Is {
    No,
    Yes,
    Text(&'static str),
    Number(f64),
    /// An empty object, list or text.
    Empty,
}

impl Table {
    pub(super) const fn new(fields: &'static [(&'static str, Rule)]) -> Table {
        Table { fields, base: None }
    }

    /// The rule for a field; `None` for an unknown one.
    pub(super) fn rule(&self, field: &str) -> Option<Rule> {
        let own = self.fields.iter().find(|(name, _)| *name == field).map(|(_, rule)| *rule);
        own.or_else(|| self.base.and_then(|base| base.rule(field)))
    }

    /// Whether the code may read a field.
    pub(super) fn obeys(&self, field: &str) -> bool {
        matches!(self.rule(field), Some(Rule::Obeyed))
    }
}

impl Is {
    pub(super) fn matches(self, value: &Value) -> bool {
        match (self, value) {
            (Is::No, Value::Bool(value)) => !value,
            (Is::Yes, Value::Bool(value)) => *value,
            (Is::Text(text), Value::String(value)) => value == text,
            (Is::Number(number), value) => value.as_f64() == Some(number),
            (Is::Empty, Value::Object(map)) => map.is_empty(),
            (Is::Empty, Value::Array(list)) => list.is_empty(),
            (Is::Empty, Value::String(text)) => text.is_empty(),
            _ => false,
        }
    }
}
