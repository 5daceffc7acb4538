//! JSON without duplicate keys.
//!
//! `serde_json::Value` keeps the last of several fields with one name. Another reader may keep the first, so a header
//! with duplicates has no single meaning and is refused. Derived structs refuse duplicates themselves; this check is
//! for the sections that are carried as `Value`.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Any JSON value whose objects have unique keys at every depth. Holds nothing.
pub(super) struct UniqueKeys;

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueKeysVisitor)
    }
}

struct UniqueKeysVisitor;

impl<'de> Visitor<'de> for UniqueKeysVisitor {
    type Value = UniqueKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_bool<E>(self, _: bool) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_i64<E>(self, _: i64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_u64<E>(self, _: u64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_f64<E>(self, _: f64) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_str<E>(self, _: &str) -> Result<UniqueKeys, E> {
        Ok(UniqueKeys)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<UniqueKeys, A::Error> {
        while items.next_element::<UniqueKeys>()?.is_some() {}
        Ok(UniqueKeys)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<UniqueKeys, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, UniqueKeys)) = fields.next_entry::<String, UniqueKeys>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            keys.insert(key);
        }
        Ok(UniqueKeys)
    }
}

/// The sections of a header that are carried as `Value`; other fields are skipped.
#[derive(Deserialize)]
struct Sections {
    #[serde(rename = "model")]
    _model: UniqueKeys,
    #[serde(rename = "preprocess")]
    _preprocess: UniqueKeys,
    #[serde(rename = "tokenizer")]
    _tokenizer: UniqueKeys,
}

/// Refuses a header with duplicate keys in one of its free-form sections.
pub(super) fn check_unique_keys(header: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<Sections>(header).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_found_at_every_depth() {
        let check = |json: &str| serde_json::from_str::<UniqueKeys>(json).map(drop).map_err(|e| e.to_string());
        for unique in ["null", "[1, -2, 3.5, \"x\", true]", r#"{"a": {"a": [{"a": 1}, {"a": 2}]}, "b": null}"#] {
            assert_eq!(check(unique), Ok(()));
        }
        for twice in [r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"a":2}}"#, r#"[0,[{"c":{"a":[],"\u0061":{}}}]]"#] {
            assert!(check(twice).unwrap_err().starts_with("duplicate field `a`"), "{twice}");
        }
    }
}
