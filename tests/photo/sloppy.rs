//! Compares files that are sloppy but readable with Pillow's pixels, byte for byte.
//!
//! tools/sloppy_photos.py makes the files and the expected digests.

use clippie_rs::photo::decode;
use serde::Deserialize;

use super::{digest, goldens};

#[derive(Deserialize)]
struct Files {
    files: Vec<File>,
}

/// A file, and what Pillow reads of it.
#[derive(Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    /// Hex digits.
    pub(super) data: String,
    pub(super) result: Expected,
    /// Offsets of the ends of a progressive file that holds its first scans only.
    #[serde(default)]
    cuts: Vec<(usize, usize, usize, String)>,
}

pub(super) type Expected = (usize, usize, String);

/// The files that a script of tools/ has written to `tests/goldens`.
pub(super) fn files(name: &str) -> Vec<File> {
    let files: Files = serde_json::from_slice(&std::fs::read(goldens().join(name)).unwrap()).unwrap();
    files.files
}

/// Asserts that all files have Pillow's pixels.
pub(super) fn assert_equal(files: &[File]) {
    let differences: Vec<_> =
        files.iter().filter_map(|file| difference(&bytes(&file.data), &file.name, &file.result)).collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().as_chunks::<2>().0;
    digits.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Says how a file differs from what is expected.
fn difference(data: &[u8], name: &str, expected: &Expected) -> Option<String> {
    let got = match decode(data, true, name) {
        Ok(photo) => (photo.width(), photo.height(), digest(&photo)),
        Err(error) => return Some(error.to_string()),
    };
    (got != *expected).then(|| format!("{name}: {got:?} instead of {expected:?}"))
}

#[test]
fn sloppy_files_equal_pillow() {
    let files = files("sloppy.json");
    assert!(files.len() > 200);
    let mut compared = 0;
    let mut differences = Vec::new();
    for file in &files {
        let data = bytes(&file.data);
        differences.extend(difference(&data, &file.name, &file.result));
        for (end, width, height, hash) in &file.cuts {
            let cut = [&data[..*end], b"\xff\xd9"].concat();
            let name = format!("{} cut at {end}", file.name);
            differences.extend(difference(&cut, &name, &(*width, *height, hash.clone())));
        }
        compared += 1 + file.cuts.len();
    }
    assert!(differences.is_empty(), "{} of {compared} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(compared > 300, "{compared}");
}
