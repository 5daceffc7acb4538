//! The tokenizer as a weights file names it: kind, revision and data.
//!
//! Only describes and compares; nothing here touches a text.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Error;
use super::{REVISION, vocab};

/// Names a tokenizer exactly: equal configurations give equal ids for every text.
///
/// Part of the header of every weights file with a text tower. Unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenizerConfig {
    /// The algorithm: [`TokenizerConfig::CLIP`] is the only one known.
    pub kind: String,
    /// [`REVISION`] of the program that wrote the file.
    pub revision: u32,
    /// Lower-case hex SHA-256 of the vocabulary data.
    pub data_sha256: String,
}

impl TokenizerConfig {
    /// The kind of CLIP's tokenizer: byte-level BPE over lower-case text that was cleaned as `ftfy` cleans it.
    pub const CLIP: &'static str = "clip";

    /// The configuration of [`Tokenizer::clip`](super::Tokenizer::clip).
    pub fn clip() -> TokenizerConfig {
        TokenizerConfig { kind: Self::CLIP.into(), revision: REVISION, data_sha256: vocab::TABLE_SHA256.into() }
    }

    /// Reads the configuration from a weights header.
    ///
    /// # Errors
    /// [`Error::UnknownKind`] before anything else, because fields of another kind mean nothing here;
    /// [`Error::Config`] for missing, unknown or mistyped fields.
    pub fn from_json(json: &Value) -> Result<TokenizerConfig, Error> {
        match json.get("kind").and_then(Value::as_str) {
            Some(kind) if kind != Self::CLIP => Err(Error::UnknownKind { kind: kind.to_owned() }),
            _ => TokenizerConfig::deserialize(json).map_err(|error| {
                // The message quotes names from the file.
                Error::Config(error.to_string().escape_debug().to_string())
            }),
        }
    }

    /// Refuses everything but the tokenizer of this program.
    pub(super) fn check(&self) -> Result<(), Error> {
        let TokenizerConfig { kind, revision, data_sha256 } = self;
        if kind != Self::CLIP {
            return Err(Error::UnknownKind { kind: kind.clone() });
        }
        if *revision != REVISION {
            return Err(Error::Revision { found: *revision, supported: REVISION });
        }
        if data_sha256 != vocab::TABLE_SHA256 {
            return Err(Error::Data { found: data_sha256.clone(), supported: vocab::TABLE_SHA256 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tokenizer;
    use super::*;
    use serde_json::json;

    const SHA256: &str = "edc733dfcd1e172ec0eac504852e22013a806d98359f0f4769ed9bbf1671f7e3";

    fn refused(edit: impl FnOnce(&mut Value)) -> String {
        let mut json = serde_json::to_value(TokenizerConfig::clip()).unwrap();
        edit(&mut json);
        let error = TokenizerConfig::from_json(&json).and_then(|config| Tokenizer::of(&config)).unwrap_err();
        error.to_string()
    }

    #[test]
    fn the_form_in_files_is_fixed() {
        let config = TokenizerConfig::clip();
        let json = json!({"kind": "clip", "revision": 1, "data_sha256": SHA256});
        assert_eq!(serde_json::to_value(&config).unwrap(), json);
        assert_eq!(TokenizerConfig::from_json(&json), Ok(config.clone()));
        let clip = Tokenizer::of(&config).unwrap();
        assert!(std::ptr::eq(clip, Tokenizer::clip()));
        assert_eq!(clip.config(), config);
    }

    #[test]
    fn another_tokenizer_is_refused_by_name_with_a_remedy() {
        assert_eq!(
            refused(|json| *json = json!({"kind": "sentencepiece", "model": "x"})),
            "the model needs the tokenizer \"sentencepiece\", which this version of clippie-rs does not have; update \
             clippie-rs"
        );
        assert_eq!(
            refused(|json| json["revision"] = json!(2)),
            "the model needs revision 2 of the tokenizer, this version of clippie-rs has revision 1; use the version \
             that converted the model or convert the checkpoint again"
        );
        let other = refused(|json| json["data_sha256"] = json!("00"));
        assert!(other.contains("\"00\"") && other.contains(SHA256) && other.contains("convert"), "{other}");
    }

    #[test]
    fn fields_that_are_unknown_missing_or_mistyped_are_refused() {
        assert!(refused(|json| json["context_length"] = json!(64)).contains("context_length"));
        assert!(refused(|json| drop(json.as_object_mut().unwrap().remove("revision"))).contains("revision"));
        assert!(refused(|json| json["revision"] = json!("1")).contains("convert the checkpoint again"));
        for other in [json!(null), json!("clip"), json!([]), json!({"kind": 1}), json!({"kind": "clip"})] {
            assert!(matches!(TokenizerConfig::from_json(&other), Err(Error::Config(_))), "{other}");
        }
        assert!(!refused(|json| json["\u{1b}[31m"] = json!(1)).contains(char::is_control));
        assert!(!refused(|json| json["kind"] = json!("\u{1b}[31m")).contains(char::is_control));
    }
}
