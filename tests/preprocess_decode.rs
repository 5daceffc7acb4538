//! Photo files of every kind against what Pillow makes of them, byte for byte.
//!
//! The files and what is expected of them come from tools/preprocess_files.py.

#![cfg(feature = "decode")]

use std::path::{Path, PathBuf};

use clippie_rs::preprocess::{RgbBuffer, decode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Goldens {
    files: Vec<Golden>,
}

#[derive(Deserialize)]
struct Golden {
    file: String,
    plain: Expected,
    oriented: Expected,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    Photo(usize, usize, String),
    Refused(String),
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/preprocess")
}

fn files() -> Vec<Golden> {
    let goldens: Goldens = serde_json::from_slice(&std::fs::read(goldens().join("files.json")).unwrap()).unwrap();
    assert!(goldens.files.len() > 250);
    goldens.files
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(goldens().join("files").join(file)).unwrap()
}

fn digest(photo: &RgbBuffer) -> String {
    Sha256::digest(photo.data()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_kind_of_file_equals_pillow() {
    let mut failures = Vec::new();
    for golden in files() {
        let bytes = read(&golden.file);
        for (orient, expected) in [(false, &golden.plain), (true, &golden.oriented)] {
            let photo = decode(&bytes, orient, &golden.file);
            let failure = match (&photo, expected) {
                (Ok(photo), Expected::Photo(width, height, hash)) => {
                    if (photo.width(), photo.height()) != (*width, *height) {
                        format!("{photo:?} instead of {width} x {height}")
                    } else if digest(photo) != *hash {
                        "other pixels".to_owned()
                    } else {
                        continue;
                    }
                }
                (Err(error), Expected::Photo(..)) => error.to_string(),
                (Ok(_), Expected::Refused(message)) => format!("read, where Pillow says {message}"),
                (Err(_), Expected::Refused(_)) => continue,
            };
            failures.push(format!("{} ({}): {failure}", golden.file, if orient { "oriented" } else { "plain" }));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}
