//! The tokenizer as a weights file names it: kind, revision, data and cleaning.
//!
//! Only describes and compares; nothing here touches a text.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::REVISION;
use super::clip::vocab;
use super::error::Error;

/// Names a tokenizer exactly: equal configurations give equal ids for every text.
///
/// Part of the header of every weights file with a text tower. Unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenizerConfig {
    /// The algorithm: [`TokenizerConfig::CLIP`] or [`TokenizerConfig::SENTENCEPIECE`].
    pub kind: String,
    /// [`REVISION`] of the program that wrote the file; [`TokenizerConfig::PIECES_REVISION`] for pieces.
    pub revision: u32,
    /// Lower-case hex SHA-256 of the vocabulary data.
    pub data_sha256: String,
    /// How a text is cleaned before it is split; absent for [`Clean::Lower`].
    #[serde(default, skip_serializing_if = "Clean::is_lower")]
    pub clean: Clean,
}

/// How a text is cleaned before it is split. The first three begin with the repair of `ftfy` and two levels of HTML
/// entities, and have the names of open_clip's `tokenizer_kwargs`; CLIP's tokenizer takes only them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Clean {
    /// Runs of white space become one space, letters lower case: CLIP's.
    #[default]
    #[serde(skip_deserializing)]
    Lower,
    /// Runs of white space become one space.
    Whitespace,
    /// `_` becomes a space, ASCII punctuation is removed; then as [`Clean::Lower`].
    Canonicalize,
    /// Letters lower case, ASCII punctuation is removed (so that `a_b` is one word), runs of white space become one space,
    /// none at the ends: SigLIP's in transformers.
    Punctuation,
    /// Letters lower case, each by itself: SigLIP 2's in transformers.
    LowerOnly,
    /// Nothing is changed.
    None,
    /// [`Clean::Lower`] without the repair, in Unicode's composed form (NFC), as the library `tokenizers` has it for CLIP.
    /// No file states it; see [`Tokenizer::without_repair`](super::Tokenizer::without_repair).
    #[serde(skip_deserializing)]
    PlainLower,
    /// [`Clean::Whitespace`] without the repair. No file states it.
    #[serde(skip_deserializing)]
    PlainWhitespace,
}

impl Clean {
    /// The cleaning with this name in open_clip.
    #[cfg(feature = "import")]
    pub(crate) fn of_open_clip(name: &str) -> Option<Clean> {
        [Clean::Lower, Clean::Whitespace, Clean::Canonicalize].into_iter().find(|clean| clean.as_str() == name)
    }

    /// The name in weights files and fingerprints.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Clean::Lower => "lower",
            Clean::Whitespace => "whitespace",
            Clean::Canonicalize => "canonicalize",
            Clean::Punctuation => "punctuation",
            Clean::LowerOnly => "lower_only",
            Clean::None => "none",
            Clean::PlainLower => "plain_lower",
            Clean::PlainWhitespace => "plain_whitespace",
        }
    }

    /// The same cleaning without the repair of `ftfy` and HTML entities.
    pub(super) fn without_repair(self) -> Clean {
        match self {
            Clean::Lower => Clean::PlainLower,
            Clean::Whitespace => Clean::PlainWhitespace,
            Clean::Canonicalize => Clean::Punctuation,
            plain => plain,
        }
    }

    /// Whether this is the cleaning that files do not name.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    fn is_lower(&self) -> bool {
        *self == Clean::Lower
    }
}

impl TokenizerConfig {
    /// The kind of CLIP's tokenizer: byte-level BPE over lower-case text that was cleaned as `ftfy` cleans it.
    pub const CLIP: &'static str = "clip";

    /// The kind of tokenizers whose pieces come with a model: SentencePiece, unigram or BPE.
    pub const SENTENCEPIECE: &'static str = "sentencepiece";

    /// Revision of the ids of pieces. Rises whenever the ids of any text change.
    pub const PIECES_REVISION: u32 = 1;

    /// The configuration of a tokenizer with pieces, whose stored form has this SHA-256.
    #[cfg(feature = "import")]
    pub(super) fn sentencepiece(data_sha256: String, clean: Clean) -> TokenizerConfig {
        TokenizerConfig { kind: Self::SENTENCEPIECE.into(), revision: Self::PIECES_REVISION, data_sha256, clean }
    }

    /// The configuration of [`Tokenizer::clip`](super::Tokenizer::clip).
    pub fn clip() -> TokenizerConfig {
        let (kind, data_sha256) = (Self::CLIP.into(), vocab::TABLE_SHA256.into());
        TokenizerConfig { kind, revision: REVISION, data_sha256, clean: Clean::Lower }
    }

    /// Sets the cleaning.
    #[must_use]
    pub fn with_clean(self, clean: Clean) -> TokenizerConfig {
        TokenizerConfig { clean, ..self }
    }

    /// Reads the configuration from a weights header.
    ///
    /// # Errors
    /// [`Error::UnknownKind`] before anything else, because fields of another kind mean nothing here;
    /// [`Error::Config`] for missing, unknown or mistyped fields.
    pub fn from_json(json: &Value) -> Result<TokenizerConfig, Error> {
        match json.get("kind").and_then(Value::as_str) {
            Some(kind) if kind != Self::CLIP && kind != Self::SENTENCEPIECE => {
                Err(Error::UnknownKind { kind: kind.to_owned() })
            }
            _ => TokenizerConfig::deserialize(json).map_err(|error| {
                // The message quotes names from the file.
                Error::Config(error.to_string().escape_debug().to_string())
            }),
        }
    }

    /// Refuses everything but pieces of this revision.
    pub(super) fn check_sentencepiece(&self) -> Result<(), Error> {
        if self.kind != Self::SENTENCEPIECE {
            return Err(Error::UnknownKind { kind: self.kind.clone() });
        }
        if self.revision != Self::PIECES_REVISION {
            return Err(Error::Revision { found: self.revision, supported: Self::PIECES_REVISION });
        }
        Ok(())
    }

    /// Refuses everything but CLIP's tokenizer.
    pub(super) fn check_clip(&self) -> Result<(), Error> {
        let TokenizerConfig { kind, revision, data_sha256, clean: _ } = self;
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
    fn only_an_unusual_cleaning_is_named() {
        for (clean, name) in [(Clean::Whitespace, "whitespace"), (Clean::Canonicalize, "canonicalize")] {
            let config = TokenizerConfig::clip().with_clean(clean);
            let json = json!({"kind": "clip", "revision": 1, "data_sha256": SHA256, "clean": name});
            assert_eq!(serde_json::to_value(&config).unwrap(), json);
            assert_eq!(TokenizerConfig::from_json(&json), Ok(config.clone()));
            assert_eq!(Tokenizer::of(&config).unwrap().config(), config);
        }
        // There is one way to write the usual one.
        for other in [json!("lower"), json!("fancy"), json!(null), json!(3)] {
            assert!(refused(|json| json["clean"] = other.clone()).contains("convert the checkpoint again"), "{other}");
        }
    }

    #[test]
    fn another_tokenizer_is_refused_by_name_with_a_remedy() {
        assert_eq!(
            refused(|json| *json = json!({"kind": "wordpiece", "model": "x"})),
            "the model needs the tokenizer \"wordpiece\", which this version of clippie-rs does not have; update \
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
