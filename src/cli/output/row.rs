//! A row of output, and its JSON representation.

use std::path::Path;

use serde::{Serialize, Serializer};

/// A row: its input and its outcome.
pub(in crate::cli) struct Row<'a> {
    pub source: Source<'a>,
    /// The embedding, or the error message.
    pub outcome: Result<&'a [f32], &'a str>,
}

/// The input of a row.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Source<'a> {
    Path(&'a Path),
    Text(&'a str),
    /// The text that belongs to a photo.
    Caption(&'a Path, &'a str),
}

impl<'a> Source<'a> {
    /// The path of the photo.
    pub fn path(self) -> Option<&'a Path> {
        match self {
            Source::Path(path) | Source::Caption(path, _) => Some(path),
            Source::Text(_) => None,
        }
    }

    /// The text that was encoded.
    pub fn text(self) -> Option<&'a str> {
        match self {
            Source::Path(_) => None,
            Source::Text(text) | Source::Caption(_, text) => Some(text),
        }
    }
}

/// A row as JSON, with fields in this order.
#[derive(Serialize)]
pub(super) struct JsonRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Bytes in hexadecimal of a path that is not UTF-8, which JSON cannot represent.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<Hex<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    // Floats have the fewest digits that parse back to the same f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> JsonRow<'a> {
    /// Creates a row without fingerprint.
    pub fn new(row: &Row<'a>) -> Self {
        let mut json = JsonRow::of(row.source);
        match row.outcome {
            Ok(embedding) => json.embedding = Some(embedding),
            Err(error) => json.error = Some(error),
        }
        json
    }

    /// Creates a row without outcome.
    pub fn of(source: Source<'a>) -> Self {
        let mut json =
            JsonRow { path: None, path_bytes: None, text: None, embedding: None, fingerprint: None, error: None };
        json.text = source.text();
        if let Some(path) = source.path() {
            let path = JsonPath::new(path);
            (json.path, json.path_bytes) = (Some(path.path), path.path_bytes);
        }
        json
    }

    /// Adds the fingerprint, unless the row is an error.
    pub fn with_fingerprint(mut self, fingerprint: &'a str) -> Self {
        self.fingerprint = self.error.is_none().then_some(fingerprint);
        self
    }
}

/// A path as JSON, for rows of other results.
#[derive(Serialize)]
pub(in crate::cli) struct JsonPath<'a> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<Hex<'a>>,
}

impl<'a> JsonPath<'a> {
    pub fn new(path: &'a Path) -> Self {
        let bytes = path.to_str().is_none().then_some(Hex(path.as_os_str().as_encoded_bytes()));
        JsonPath { path: path.to_string_lossy().into_owned(), path_bytes: bytes }
    }
}

struct Hex<'a>(&'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}", self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(row: &Row<'_>) -> String {
        serde_json::to_string(&JsonRow::new(row).with_fingerprint("f")).unwrap()
    }

    #[test]
    fn fields_depend_on_source_and_outcome() {
        let row = Row { source: Source::Path(Path::new("a\"b.jpg")), outcome: Ok(&[0.1, -1.0, 1e-20]) };
        assert_eq!(json(&row), r#"{"path":"a\"b.jpg","embedding":[0.1,-1.0,1e-20],"fingerprint":"f"}"#);
        let row = Row { source: Source::Text("é\n"), outcome: Ok(&[]) };
        assert_eq!(json(&row), r#"{"text":"é\n","embedding":[],"fingerprint":"f"}"#);
        let row = Row { source: Source::Path(Path::new("a")), outcome: Err("no") };
        assert_eq!(json(&row), r#"{"path":"a","error":"no"}"#);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_has_its_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff.jpg"));
        let row = Row { source: Source::Path(path), outcome: Ok(&[]) };
        assert_eq!(
            json(&row),
            "{\"path\":\"a\u{fffd}.jpg\",\"path_bytes\":\"61ff2e6a7067\",\"embedding\":[],\"fingerprint\":\"f\"}"
        );
    }

    #[test]
    fn every_f32_round_trips() {
        let mut bits = 1u32;
        for _ in 0..200_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(bits);
            if !value.is_finite() {
                continue;
            }
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(text.parse::<f32>().unwrap().to_bits(), bits, "{text}");
            // A reader without f32 parses f64.
            assert_eq!((text.parse::<f64>().unwrap() as f32).to_bits(), bits, "{text}");
        }
    }
}
