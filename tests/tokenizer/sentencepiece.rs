//! Compares token ids of pieces with those of `sentencepiece` and `tokenizers` (goldens by
//! `tools/sentencepiece_goldens.py`), and bounds the time of crafted texts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clippie_rs::tokenizer::{Overflow, Tokenizer, TokenizerFile};

/// Files of the repository, or of `CLIPPIE_SENTENCEPIECE`, a folder with more lines.
struct Goldens(Option<PathBuf>);

impl Goldens {
    fn read(&self, name: &str) -> Vec<u8> {
        let Some(folder) = &self.0 else {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/sentencepiece").join(format!("{name}.gz"));
            let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
            return bytes;
        };
        let path = folder.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn file(&self, name: &str) -> TokenizerFile {
        TokenizerFile::from_bytes(&self.read(name), Path::new(name)).unwrap()
    }

    fn tokenizer(&self, name: &str) -> Tokenizer {
        self.file(name).tokenizer().unwrap()
    }

    /// Texts with the ids of each kind: those of sentencepiece; those of tokenizers, if they are to be compared, or none if
    /// they are the same.
    fn lines(&self) -> Vec<(String, BTreeMap<String, Vec<Option<Vec<u32>>>>)> {
        let text = String::from_utf8(self.read("lines.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const KINDS: [&str; 4] = ["t5", "xlmr", "gemma", "nllb"];

/// Whether the ids of a kind are those of fairseq.
fn is_fairseq(kind: &str) -> bool {
    matches!(kind, "xlmr" | "nllb")
}

fn fairseq(ids: &[u32]) -> Vec<u32> {
    ids.iter().map(|&id| if id == 0 { 3 } else { id + 1 }).collect()
}

/// Returns what is wrong.
#[must_use]
fn compare<'a>(what: &str, tokenizer: &Tokenizer, lines: impl Iterator<Item = (&'a str, Vec<u32>)>) -> String {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (text, expected) in lines {
        count += 1;
        let ids = tokenizer.encode(text);
        if ids != expected {
            wrong.push(format!("{text:?}\n    ours   {ids:?}\n    theirs {expected:?}"));
        }
    }
    assert!(count >= 1400, "{what}: {count}");
    if wrong.is_empty() {
        println!("{what}: {count} lines agree");
        return String::new();
    }
    format!("{what}: {} of {count} differ:\n{}\n", wrong.len(), wrong[..wrong.len().min(5)].join("\n"))
}

fn compare_all(goldens: &Goldens) {
    let lines = goldens.lines();
    let mut wrong = String::new();
    for kind in KINDS {
        let own = goldens.tokenizer(&format!("{kind}.model"));
        let ids = |lists: &Vec<Option<Vec<u32>>>| lists[0].clone().unwrap();
        let lines = lines.iter().map(|(text, all)| (text.as_str(), ids(&all[kind])));
        wrong += &compare(&format!("{kind}, sentencepiece"), &own, lines);
    }
    for kind in lines[0].1.keys() {
        let theirs = goldens.tokenizer(&format!("{kind}.json"));
        let ids = |lists: &Vec<Option<Vec<u32>>>| match lists.as_slice() {
            [_, Some(ids)] => Some(ids.clone()),
            [Some(ids), None] if is_fairseq(kind) => Some(fairseq(ids)),
            [Some(ids), None] => Some(ids.clone()),
            _ => None,
        };
        let lines = lines.iter().filter_map(|(text, all)| Some((text.as_str(), ids(&all[kind])?)));
        wrong += &compare(&format!("{kind}, tokenizers"), &theirs, lines);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn ids_match_both_libraries() {
    compare_all(&Goldens(None));
    // A folder of the same form, for comparisons too large to keep.
    if let Some(folder) = std::env::var_os("CLIPPIE_SENTENCEPIECE") {
        compare_all(&Goldens(Some(folder.into())));
    }
}
