//! What a request for embeddings asks for. Beside OpenAI's own form, four are in use for photos, which are told apart by
//! their shape:
//!
//! | client | form |
//! |---|---|
//! | OpenAI | `input`: a text or a list of texts |
//! | infinity | `modality: "image"`, `input`: data URIs |
//! | Jina | `input`: objects `{"text": …}` and `{"image": …}` |
//! | llama.cpp | `input`: objects `{"prompt_string": …, "multimodal_data": [base64]}` |
//! | vLLM | `messages` with parts `text` or `image_url` |

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use serde_json::{Map, Value};

use crate::server::refusal::Refusal;

/// Base64 with or without padding at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What stands for a photo in a prompt of llama.cpp.
const MARKER: &str = "<__media__>";

/// A request for embeddings.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub model: Option<String>,
    pub inputs: Vec<Input>,
    pub base64: bool,
    /// The length that embeddings must have.
    pub dimensions: Option<u64>,
}

/// What is encoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    Text(String),
    /// The bytes of a file.
    Photo(Vec<u8>),
    /// The address of a file, `http://…` or `https://…`.
    Address(String),
}

/// Reads a body.
pub(super) fn parse(body: &[u8]) -> Result<Request, Refusal> {
    let value = crate::bounded_json::parse(body);
    let value = value.map_err(|error| Refusal::bad(format!("the body is not JSON that can be read: {error}")))?;
    let Value::Object(mut fields) = value else { return Err(Refusal::bad("the body is not a JSON object")) };
    let photos = match text_field(&fields, "modality")? {
        None => None,
        Some("text") => Some(false),
        Some("image") => Some(true),
        Some(other) => return Err(Refusal::bad(format!("modality is {other:?}, not \"text\" or \"image\""))),
    };
    let format = [text_field(&fields, "encoding_format")?, text_field(&fields, "embedding_type")?];
    let base64 = match format.into_iter().flatten().next() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => return Err(Refusal::bad(format!("encoding_format is {other:?}, not \"float\" or \"base64\""))),
    };
    let dimensions = match fields.get("dimensions") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or_else(|| Refusal::bad("dimensions is not a number"))?),
    };
    if fields.get("normalized").is_some_and(|normalized| normalized == &Value::Bool(false)) {
        return Err(Refusal::bad("normalized is false; embeddings here have length one"));
    }
    let model = text_field(&fields, "model")?.filter(|model| !model.is_empty()).map(str::to_owned);
    let inputs = match (fields.remove("input"), fields.remove("messages")) {
        (Some(input), None) => list(input, photos)?,
        (None, Some(messages)) => vec![conversation(messages)?],
        (None, None) => return Err(Refusal::bad("the request has no input")),
        (Some(_), Some(_)) => return Err(Refusal::bad("the request has input and messages; give one of them")),
    };
    if inputs.is_empty() {
        return Err(Refusal::bad("input is an empty list"));
    }
    Ok(Request { model, inputs, base64, dimensions: dimensions.filter(|&dimensions| dimensions > 0) })
}

fn text_field<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::bad(format!("{name} is not a text"))),
    }
}

/// The field `input`. `photos` is what `modality` says of texts.
fn list(input: Value, photos: Option<bool>) -> Result<Vec<Input>, Refusal> {
    let Value::Array(list) = input else {
        return item(input, photos).map(|input| vec![input]).map_err(|refusal| refusal.at("input".into()));
    };
    if !list.is_empty() && (list.iter().all(Value::is_number) || list.iter().all(Value::is_array)) {
        let refused = Refusal::bad("these are token ids, which only the model that made them can read; send the text");
        return Err(refused.at("input".into()));
    }
    let item = |(index, value)| item(value, photos).map_err(|refusal| refusal.at(format!("input[{index}]")));
    list.into_iter().enumerate().map(item).collect()
}

fn item(item: Value, photos: Option<bool>) -> Result<Input, Refusal> {
    match item {
        Value::String(text) => match photos {
            Some(true) => photo(&text),
            // As a text, the code of a photo says nothing.
            None if is_data(&text) => photo(&text),
            _ => Ok(Input::Text(text)),
        },
        Value::Object(fields) => object(fields),
        Value::Number(_) => Err(Refusal::bad("a number is no text and no photo")),
        Value::Array(_) => Err(Refusal::bad("a list is no text and no photo")),
        Value::Null | Value::Bool(_) => Err(Refusal::bad("this is no text and no photo")),
    }
}

/// Whether a text is a data URI, and not a sentence that begins like one.
fn is_data(text: &str) -> bool {
    let Some((scheme, rest)) = text.trim_start().split_once(':') else { return false };
    let kind = rest.split(',').next().unwrap_or_default();
    // Longer types are not in use, and a sentence may be long.
    let kind = kind.get(..kind.len().min(200)).unwrap_or_default().to_ascii_lowercase();
    scheme.eq_ignore_ascii_case("data") && (kind.starts_with("image/") || kind.ends_with(";base64"))
}

/// Objects of Jina and llama.cpp.
fn object(mut fields: Map<String, Value>) -> Result<Input, Refusal> {
    // Clients write all fields of their types, those without a value too.
    fields.retain(|_, value| !value.is_null());
    let both = || Refusal::bad("an input has a text and a photo; an embedding is of one of them");
    match (fields.remove("text"), fields.remove("image")) {
        (Some(Value::String(text)), None) => return Ok(Input::Text(text)),
        (None, Some(Value::String(image))) => return photo(&image),
        (Some(_), Some(_)) => return Err(both()),
        _ => {}
    }
    if let Some(Value::String(prompt)) = fields.get("prompt_string") {
        let data = match fields.get("multimodal_data") {
            None => None,
            Some(Value::Array(data)) => Some(&data[..]),
            Some(_) => return Err(Refusal::bad("multimodal_data is not a list")),
        };
        let prompt = prompt.trim();
        let is_marker =
            prompt.is_empty() || (prompt.starts_with('<') && prompt.ends_with('>') && !prompt.contains(' '));
        return match data {
            // What stands for a photo says nothing as a text.
            None if prompt == MARKER => {
                Err(Refusal::bad("the prompt stands for a photo, and there is no multimodal_data"))
            }
            Some([]) if is_marker => Err(Refusal::bad("multimodal_data is empty, and the prompt is no text")),
            None | Some([]) => Ok(Input::Text(prompt.to_owned())),
            Some([Value::String(image)]) if is_marker => photo(image),
            Some([Value::String(_)]) => Err(both()),
            Some(_) => Err(Refusal::bad("multimodal_data has not one photo, as base64")),
        };
    }
    Err(Refusal::bad("an input is an object without a text, an image or a prompt_string"))
}

/// The messages of vLLM, which are one prompt.
fn conversation(messages: Value) -> Result<Input, Refusal> {
    let wrong = || Refusal::bad("messages are not one text or one image_url of a user");
    let Value::Array(messages) = messages else { return Err(wrong()) };
    let mut found = Vec::new();
    for message in messages {
        match message {
            Value::Object(mut message) => match message.remove("content") {
                Some(Value::String(text)) => found.push(Input::Text(text)),
                Some(Value::Array(parts)) => {
                    for part in parts {
                        found.push(self::part(part)?);
                    }
                }
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        }
    }
    // A photo often comes with an empty text.
    if found.len() > 1 {
        found.retain(|input| !matches!(input, Input::Text(text) if text.trim().is_empty()));
    }
    match found.pop() {
        Some(one) if found.is_empty() => Ok(one),
        Some(_) => Err(Refusal::bad("messages have several parts; an embedding is of one text or one photo")),
        None => Err(wrong()),
    }
}

fn part(part: Value) -> Result<Input, Refusal> {
    let url = match &part["image_url"] {
        Value::Object(image) => image.get("url").and_then(Value::as_str),
        other => other.as_str(),
    };
    match (url, part["text"].as_str()) {
        (Some(url), None) => photo(url),
        (None, Some(text)) => Ok(Input::Text(text.to_owned())),
        _ => Err(Refusal::bad("a part of the messages is neither a text nor an image_url")),
    }
}

/// The refusal of a photo that is only named.
pub(super) fn not_fetched() -> Refusal {
    Refusal::bad(
        "this is not fetched: send the photo itself, as data:image/jpeg;base64,… or as base64, or let the server fetch \
         from the host by --allow-fetch HOST",
    )
}

/// A photo as a data URI, as bare base64 or as an address.
fn photo(text: &str) -> Result<Input, Refusal> {
    let text = text.trim();
    let code = match text.split_once(':') {
        None => text,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("data") => match rest.split_once(',') {
            Some((kind, code)) if kind.to_ascii_lowercase().ends_with(";base64") => code,
            _ => return Err(Refusal::bad("a data URI of a photo is not data:image/…;base64,…")),
        },
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") => {
            return Ok(Input::Address(text.to_owned()));
        }
        Some(_) => return Err(not_fetched()),
    };
    // Some encoders break lines.
    let code: Vec<u8> = code.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = BASE64.decode(code);
    bytes.map(Input::Photo).map_err(|error| Refusal::bad(format!("a photo is not base64: {error}")))
}

#[cfg(test)]
mod tests {
    use super::Input::{Address, Photo, Text};
    use super::*;

    fn inputs(body: &str) -> Result<Vec<Input>, String> {
        parse(body.as_bytes()).map(|request| request.inputs).map_err(|refusal| {
            assert_eq!(refusal.status.as_u16(), 400);
            refusal.message
        })
    }

    fn text(text: &str) -> Input {
        Text(text.to_owned())
    }

    #[test]
    fn each_form_is_understood() {
        let photo = || Photo(b"abcd".to_vec());
        for (body, expected) in [
            (r#"{"input":"a"}"#, vec![text("a")]),
            (r#"{"input":["a","b"],"user":"x"}"#, vec![text("a"), text("b")]),
            (r#"{"input":"data:image/png;base64,YWJjZA=="}"#, vec![photo()]),
            (
                r#"{"input":"data:image/png;base64,YWJjZA==","modality":"text"}"#,
                vec![text("data:image/png;base64,YWJjZA==")],
            ),
            (r#"{"input":["data:image/png;base64,YWJjZA==","YWJjZA"],"modality":"image"}"#, vec![photo(), photo()]),
            (r#"{"input":[{"text":"a"},{"image":"YWJjZA=="}]}"#, vec![text("a"), photo()]),
            (r#"{"input":[{"prompt_string":"<__media__>","multimodal_data":["YWJjZA=="]}]}"#, vec![photo()]),
            (r#"{"input":{"prompt_string":"a b"}}"#, vec![text("a b")]),
            (r#"{"input":{"prompt_string":"<b>","multimodal_data":null}}"#, vec![text("<b>")]),
            (r#"{"input":{"prompt_string":"a","multimodal_data":[]}}"#, vec![text("a")]),
            (r#"{"input":[{"text":"a","image":null},{"text":null,"image":"YWJj\r\nZA=="}]}"#, vec![text("a"), photo()]),
            (
                r#"{"input":["DATA:Image/png;Base64,YWJjZA=="," data:image/png;base64,\nYWJjZA=="]}"#,
                vec![photo(), photo()],
            ),
            (r#"{"input":"data:application/octet-stream;base64,YWJjZA=="}"#, vec![photo()]),
            (
                r#"{"input":["data: a, b","data:text, base64","Data"]}"#,
                ["data: a, b", "data:text, base64", "Data"].map(text).into(),
            ),
            (
                r#"{"input":["https://a/b.jpg"," HTTP://a/b "],"modality":"image"}"#,
                vec![Address("https://a/b.jpg".into()), Address("HTTP://a/b".into())],
            ),
            (r#"{"input":[{"image":"https://a/b"}]}"#, vec![Address("https://a/b".into())]),
            (r#"{"input":["https://a/b.jpg"]}"#, vec![text("https://a/b.jpg")]),
            (r#"{"messages":[{"role":"user","content":"a"}]}"#, vec![text("a")]),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,YWJjZA=="}},{"type":"text","text":""}]}]}"#,
                vec![photo()],
            ),
        ] {
            assert_eq!(inputs(body), Ok(expected), "{body}");
        }
        let request = parse(br#"{"input":"a","model":"m","encoding_format":"base64","dimensions":512}"#).unwrap();
        assert_eq!((request.model.as_deref(), request.base64, request.dimensions), (Some("m"), true, Some(512)));
        let request = parse(br#"{"input":"a","model":"","encoding_format":null,"dimensions":0}"#).unwrap();
        assert_eq!((request.model, request.base64, request.dimensions), (None, false, None));
    }

    #[test]
    fn everything_else_is_refused_with_a_sentence() {
        for (body, part) in [
            ("", "not JSON"),
            ("[]", "not a JSON object"),
            ("{}", "no input"),
            (r#"{"input":[]}"#, "empty list"),
            (r#"{"input":null}"#, "no text and no photo"),
            (r#"{"input":[1,2]}"#, "token ids"),
            (r#"{"input":[[1,2]]}"#, "input: these are token ids"),
            (r#"{"input":["a",5]}"#, "input[1]: a number is no text"),
            (r#"{"input":["a",[1]]}"#, "input[1]: a list is no text"),
            (r#"{"input":5}"#, "input: a number"),
            (r#"{"input":"a","messages":[]}"#, "give one"),
            (r#"{"input":"a","modality":"audio"}"#, "modality"),
            (r#"{"input":"a","encoding_format":"int8"}"#, "encoding_format"),
            (r#"{"input":"a","dimensions":"x"}"#, "dimensions"),
            (r#"{"input":"a","model":1}"#, "model is not a text"),
            (r#"{"input":"a","normalized":false}"#, "length one"),
            (r#"{"input":[{"image":"file:///etc/passwd"}]}"#, "is not fetched"),
            (r#"{"input":"gopher://a/b","modality":"image"}"#, "is not fetched"),
            (r#"{"input":"data:image/png,abc","modality":"image"}"#, "data URI"),
            (r#"{"input":"?","modality":"image"}"#, "not base64"),
            (r#"{"input":[{"text":"a","image":"YQ=="}]}"#, "a text and a photo"),
            (r#"{"input":[{"prompt_string":"a b","multimodal_data":["YQ=="]}]}"#, "a text and a photo"),
            (r#"{"input":[{"prompt_string":"","multimodal_data":["YQ==","YQ=="]}]}"#, "not one photo"),
            (r#"{"input":[{"prompt_string":"<__media__>","multimodal_data":[]}]}"#, "multimodal_data is empty"),
            (r#"{"input":[{"prompt_string":" <__media__> "}]}"#, "there is no multimodal_data"),
            (r#"{"input":" DATA:image/png,abc"}"#, "data URI"),
            (r#"{"input":["a",{}]}"#, "input[1]: an input is an object"),
            (r#"{"messages":[]}"#, "messages"),
            (r#"{"messages":[{"content":[{"text":"a"},{"text":"b"}]}]}"#, "several parts"),
            (r#"{"messages":[{"content":[{"type":"video"}]}]}"#, "neither"),
        ] {
            let refused = inputs(body).unwrap_err();
            assert!(refused.contains(part), "{body}: {refused}");
        }
        let many = format!("{{\"input\":[{}0]}}", "0,".repeat(70_000));
        assert!(inputs(&many).unwrap_err().contains("more than"));
    }
}
