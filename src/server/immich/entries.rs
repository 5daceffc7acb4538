//! What a request of Immich asks for: the form field `entries`, `{task: {type: {"modelName": …, "options": {…}}}}`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// Longest accepted field, in bytes; Immich's have some hundred.
const MAX_LEN: usize = 64 << 10;

/// The tasks that other models than CLIP do.
const OTHER_TASKS: [(&str, [&str; 2]); 2] =
    [("facial-recognition", ["detection", "recognition"]), ("ocr", ["detection", "recognition"])];

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entries {
    /// The embeddings of one or more models, and nothing else; also nothing at all.
    Clip(Vec<Entry>),
    /// Also or only something that CLIP does not do: the names of the tasks.
    Others(Vec<String>),
    /// A task or type that Immich does not know.
    Unknown(String),
}

/// An embedding that a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub model: String,
    pub tower: Tower,
    pub language: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tower {
    Visual,
    Textual,
}

/// The fields of an object, in their order.
type Fields<T> = Vec<(String, T)>;

/// An object without two fields of one name. The container takes the last of them, others the first: what one of them
/// hides must not go unanswered.
struct Object<T>(Fields<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(Fields<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Object<T>, A::Error> {
                while let Some((name, value)) = fields.next_entry::<String, T>()? {
                    // Of a request for one embedding there is one, and the field is short.
                    if self.0.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom("a name is there twice"));
                    }
                    self.0.push((name, value));
                }
                Ok(Object(self.0))
            }
        }

        deserializer.deserialize_map(Reader(Vec::new()))
    }
}

impl<T> Object<T> {
    fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find_map(|(known, value)| (known == name).then_some(value))
    }
}

/// Reads the field; `None` if it has another form.
pub(super) fn parse(field: &[u8]) -> Option<Entries> {
    let field = field.get(..field.len().min(MAX_LEN + 1)).filter(|field| field.len() <= MAX_LEN)?;
    let tasks: Object<Object<Object<Value>>> = serde_json::from_slice(field).ok()?;
    let (mut entries, mut others, mut unknown) = (Vec::new(), Vec::new(), None);
    for (task, types) in &tasks.0 {
        let known = OTHER_TASKS.iter().find(|(name, _)| name == task);
        if known.is_some() {
            // Whatever stands below it: an answer without this task would be taken for an empty one.
            others.push(task.clone());
        } else if types.0.is_empty() {
            return None;
        }
        for (kind, entry) in &types.0 {
            let model = entry.get("modelName")?.as_str()?.to_owned();
            let options = match entry.get("options") {
                None => None,
                Some(options) => Some(options.as_object()?),
            };
            let tower = match (task.as_str(), kind.as_str()) {
                ("clip", "visual") => Tower::Visual,
                ("clip", "textual") => Tower::Textual,
                (_, kind) if known.is_some_and(|(_, kinds)| kinds.contains(&kind)) => continue,
                _ => {
                    unknown = Some(format!("{task} {kind}"));
                    continue;
                }
            };
            let language = options.and_then(|options| options.get("language")?.as_str()).map(str::to_owned);
            entries.push(Entry { model, tower, language });
        }
    }
    Some(match unknown {
        Some(unknown) => Entries::Unknown(unknown),
        None if others.is_empty() => Entries::Clip(entries),
        None => Entries::Others(others),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_immichs_server_sends() {
        let parsed = |text: &str| parse(text.as_bytes());
        let entry = |tower, language: Option<&str>| {
            let (model, language) = ("M".to_owned(), language.map(str::to_owned));
            Some(Entries::Clip(vec![Entry { model, tower, language }]))
        };
        assert_eq!(parsed(r#"{"clip":{"visual":{"modelName":"M"}}}"#), entry(Tower::Visual, None));
        assert_eq!(
            parsed(r#"{"clip":{"textual":{"modelName":"M","options":{"language":"de"}}}}"#),
            entry(Tower::Textual, Some("de"))
        );
        assert_eq!(parsed(r#"{"clip":{"textual":{"modelName":"M","options":{}}}}"#), entry(Tower::Textual, None));
        let faces = r#"{"facial-recognition":{"detection":{"modelName":"F","options":{"minScore":0.7}},"recognition":{"modelName":"F"}}}"#;
        assert_eq!(parsed(faces), Some(Entries::Others(vec!["facial-recognition".into()])));
        let ocr = r#"{"clip":{"visual":{"modelName":"M"}},"ocr":{"recognition":{"modelName":"O"}}}"#;
        assert_eq!(parsed(ocr), Some(Entries::Others(vec!["ocr".into()])));
        assert_eq!(parsed("{}"), Some(Entries::Clip(vec![])));
    }

    #[test]
    fn everything_else_is_refused_or_unknown() {
        for text in [
            "",
            "[]",
            "null",
            "1",
            "{",
            "{\"clip\":1}",
            "{\"clip\":{}}",
            "{\"clip\":{\"visual\":{}}}",
            "{\"other\":{}}",
            "{\"clip\":{\"visual\":{\"modelName\":1}}}",
            "{\"clip\":{\"visual\":{\"modelName\":\"M\",\"options\":1}}}",
            "{\"facial-recognition\":[]}",
            "{\"ocr\":{\"detection\":{}}}",
            r#"{"clip":{"detection":{"modelName":"F"}},"clip":{"visual":{"modelName":"M"}}}"#,
            r#"{"clip":{"visual":{"modelName":"M"},"visual":{"modelName":"N"}}}"#,
            r#"{"clip":{"visual":{"modelName":"M","modelName":"N"}}}"#,
            r#"{"ocr":{},"\u006fcr":{}}"#,
            "\u{feff}{}",
            "{}{}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(&[b"{".as_slice(), &b" ".repeat(70_000), b"}"].concat()), None);
        for text in [
            r#"{"clip":{"audio":{"modelName":"M"}}}"#,
            r#"{"Facial-Recognition":{"detection":{"modelName":"F"}}}"#,
            r#"{"ocr":{"other":{"modelName":"O"}},"clip":{"visual":{"modelName":"M"}}}"#,
        ] {
            assert!(matches!(parse(text.as_bytes()), Some(Entries::Unknown(_))), "{text}");
        }
        // A task without types is one, too.
        assert_eq!(parse(br#"{"ocr":{}}"#), Some(Entries::Others(vec!["ocr".into()])));
    }
}
