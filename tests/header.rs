//! Every unknown or duplicate field of a weights header is refused by name, at every depth.
//!
//! The tests walk the JSON of converted files, so they cover sections and structs that are added later.

#![cfg(feature = "import")]

#[path = "common/converted.rs"]
mod converted;

use std::path::{Path, PathBuf};

use clippie_rs::{Clip, ErrorKind};
use clippie_testkit::checkpoint::{Layout, Model};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Length of the prelude.
const PRELUDE: usize = 64;
/// Alignment of the first tensor.
const DATA_ALIGN: usize = 65_536;
const UNKNOWN: &str = "unknown_field";

/// A converted file, taken apart.
struct Weights {
    /// Name of the model in messages of failed assertions.
    name: String,
    folder: TempDir,
    header: Value,
    /// Everything from the first tensor on.
    data: Vec<u8>,
}

impl Weights {
    fn new(name: &str, layout: Layout) -> Weights {
        let folder = tempfile::tempdir().unwrap();
        let path = converted::weights(&Model::named(name).unwrap(), layout, 1, folder.path());
        let bytes = std::fs::read(&path).unwrap();
        let header_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
        let json_end = PRELUDE + header_len;
        let header = serde_json::from_slice(&bytes[PRELUDE..json_end]).unwrap();
        let data = bytes[json_end.next_multiple_of(DATA_ALIGN)..].to_vec();
        Weights { name: name.to_owned(), folder, header, data }
    }

    /// Writes the file with `json` as its header and a valid checksum.
    fn write(&self, json: &str) -> PathBuf {
        let data = (PRELUDE + json.len()).next_multiple_of(DATA_ALIGN);
        let mut bytes = b"\x89CLIPPIE\x01\0\0\0".to_vec();
        bytes.extend((json.len() as u32).to_le_bytes());
        bytes.extend(((data + self.data.len()) as u64).to_le_bytes());
        bytes.extend([0; 8]);
        let checksum = Sha256::new().chain_update(&bytes).chain_update(json).finalize();
        bytes.extend(checksum);
        bytes.extend(json.as_bytes());
        bytes.resize(data, 0);
        bytes.extend(&self.data);
        let path = self.folder.path().join("edited.clippie");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// One file for each form of tower, so that every optional struct occurs.
fn files() -> Vec<Weights> {
    [
        ("tiny-openai", Layout::OpenClip),
        ("tiny-bidirectional", Layout::OpenClip),
        ("tiny-mci", Layout::OpenClip),
        ("tiny-stem", Layout::OpenClip),
        ("tiny-hybrid", Layout::Apple),
    ]
    .map(|(name, layout)| Weights::new(name, layout))
    .into()
}

fn refusal(path: &Path) -> Option<String> {
    match Clip::open(path) {
        Ok(_) => None,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Weights, "{error}");
            Some(error.to_string())
        }
    }
}

/// Writes JSON and inserts text at the start of one object.
struct Editor<'a> {
    /// Number of the object to edit, in the order of the text; objects before it are counted down.
    countdown: usize,
    insert: &'a dyn Fn(&Map<String, Value>) -> String,
    /// Path of the edited object.
    edited: Option<String>,
}

impl Editor<'_> {
    fn write(&mut self, value: &Value, path: &str, out: &mut String) {
        match value {
            Value::Object(fields) => {
                let mut parts = Vec::new();
                if self.countdown == 0 && self.edited.is_none() {
                    self.edited = Some(path.to_owned());
                    parts.push((self.insert)(fields));
                }
                self.countdown = self.countdown.saturating_sub(1);
                for (key, value) in fields {
                    let mut part = format!("{}:", json!(key));
                    self.write(value, &format!("{path}/{key}"), &mut part);
                    parts.push(part);
                }
                *out += &format!("{{{}}}", parts.join(","));
            }
            Value::Array(items) => {
                let parts: Vec<String> = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| {
                        let mut part = String::new();
                        self.write(item, &format!("{path}/{i}"), &mut part);
                        part
                    })
                    .collect();
                *out += &format!("[{}]", parts.join(","));
            }
            scalar => *out += &scalar.to_string(),
        }
    }
}

/// Inserts into each object in turn and asserts that every edited file is refused with a message that contains
/// `expected`. Returns the paths of the objects.
fn each_object_refuses(
    weights: &Weights,
    insert: &dyn Fn(&Map<String, Value>) -> String,
    expected: &str,
) -> Vec<String> {
    let mut paths = Vec::new();
    let mut accepted = Vec::new();
    for countdown in 0.. {
        let mut editor = Editor { countdown, insert, edited: None };
        let mut json = String::new();
        editor.write(&weights.header, "", &mut json);
        let Some(path) = editor.edited else { break };
        // The rows of the tensor table have one type; the first few stand for all.
        let row = path.strip_prefix("/tensors/").and_then(|row| row.parse::<usize>().ok());
        if row.is_some_and(|row| row > 2) {
            continue;
        }
        match refusal(&weights.write(&json)) {
            Some(message) => {
                assert!(message.contains(expected), "{}{path}: {expected:?} is not in: {message}", weights.name);
            }
            None => accepted.push(format!("{}{path}", weights.name)),
        }
        paths.push(path);
    }
    assert!(accepted.is_empty(), "accepted in {accepted:?}");
    paths
}

#[test]
fn unknown_fields_are_refused_by_name_at_every_depth() {
    for weights in files() {
        assert_eq!(refusal(&weights.write(&weights.header.to_string())), None, "{}", weights.name);
        for value in ["1", "null", "\"map\"", "{}"] {
            let paths = each_object_refuses(&weights, &|_| format!("\"{UNKNOWN}\":{value}"), UNKNOWN);
            for section in ["", "/model", "/model/image", "/model/text", "/preprocess", "/tokenizer", "/provenance"] {
                assert!(paths.iter().any(|path| path == section), "{section} of {}: {paths:?}", weights.name);
            }
            assert!(paths.iter().any(|path| path.starts_with("/tensors/")));
        }
    }
}

#[test]
fn duplicate_fields_are_refused_at_every_depth() {
    for weights in files() {
        // The same value twice: even that has no single meaning for other readers.
        let insert = |fields: &Map<String, Value>| {
            let (key, value) = fields.iter().next().unwrap();
            format!("{}:{value}", json!(key))
        };
        each_object_refuses(&weights, &insert, "duplicate field");
    }
}

#[test]
fn another_tokenizer_is_refused_by_name() {
    let weights = Weights::new("tiny-openai", Layout::OpenClip);
    let refused = |edit: &dyn Fn(&mut Value)| {
        let mut header = weights.header.clone();
        edit(&mut header["tokenizer"]);
        refusal(&weights.write(&header.to_string())).expect("opened")
    };
    let message = refused(&|tokenizer| tokenizer["kind"] = json!("wordpiece"));
    assert!(message.contains("\"wordpiece\"") && message.contains("update clippie-rs"), "{message}");
    assert!(message.contains("edited.clippie: "), "{message}");
    // Its pieces would be a tensor of the file.
    assert!(refused(&|tokenizer| tokenizer["kind"] = json!("sentencepiece")).contains("text.tokenizer"));
    assert!(refused(&|tokenizer| tokenizer["revision"] = json!(2)).contains("revision 2"));
    let other = "0".repeat(64);
    assert!(refused(&|tokenizer| tokenizer["data_sha256"] = json!(other)).contains(&other));
    // A form without revision and data.
    assert!(refused(&|tokenizer| *tokenizer = json!({"kind": "clip"})).contains("convert the checkpoint again"));
    assert!(refused(&|tokenizer| *tokenizer = json!(7)).contains("convert the checkpoint again"));
    // A file without one takes ids.
    let mut header = weights.header.clone();
    header["tokenizer"] = json!(null);
    assert_eq!(refusal(&weights.write(&header.to_string())), None);
}
