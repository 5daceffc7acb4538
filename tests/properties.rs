//! Properties of the readers of untrusted files: any mutation of a file ends in a result or an error, within the
//! memory and time that `docs/reliability.md` states.
//!
//! The fuzz targets (`fuzz/`) assert the same with far more inputs; these run with every test run.
#![cfg(feature = "import")]

#[path = "common/counting.rs"]
mod counting;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clippie_rs::import::Checkpoint;
use clippie_rs::tokenizer::Tokenizer;
use clippie_rs::weights::WeightsFile;
use clippie_rs::{Options, photo};
use proptest::prelude::*;

/// Bound of the time for one small input, generous enough for a busy machine without optimisation.
const SECONDS: Duration = Duration::from_secs(20);

/// A change to a file.
#[derive(Clone, Debug)]
enum Mutation {
    /// Inverts bits of a byte.
    Flip(prop::sample::Index, u8),
    /// Overwrites bytes with a number that sizes and offsets break at.
    Number(prop::sample::Index, u64, usize),
    /// Cuts the file.
    Truncate(prop::sample::Index),
    /// Copies a part of the file to another place.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
    /// Removes bytes.
    Remove(prop::sample::Index, usize),
    /// Inserts bytes.
    Insert(prop::sample::Index, Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let number = prop::sample::select(vec![
        0,
        1,
        0x7f,
        0xff,
        0x7fff,
        0xffff,
        0x7fff_ffff,
        0xffff_ffff,
        0x7fff_ffff_ffff_ffff,
        u64::MAX,
    ]);
    prop_oneof![
        4 => (index(), 1u8..).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        4 => (index(), number, prop::sample::select(vec![1usize, 2, 4, 8]))
            .prop_map(|(at, value, len)| Mutation::Number(at, value, len)),
        1 => index().prop_map(Mutation::Truncate),
        1 => (index(), index(), 1usize..2000).prop_map(|(from, to, len)| Mutation::Repeat(from, to, len)),
        1 => (index(), 1usize..200).prop_map(|(at, len)| Mutation::Remove(at, len)),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
    ]
}

impl Mutation {
    fn apply(&self, file: &mut Vec<u8>) {
        if file.is_empty() {
            return;
        }
        match self {
            Mutation::Flip(at, bits) => {
                let at = at.index(file.len());
                file[at] ^= bits;
            }
            Mutation::Number(at, value, len) => {
                let at = at.index(file.len());
                for (byte, new) in file[at..].iter_mut().zip(value.to_be_bytes().iter().rev().take(*len)) {
                    *byte = *new;
                }
            }
            Mutation::Truncate(at) => file.truncate(at.index(file.len())),
            Mutation::Repeat(from, to, len) => {
                let (from, to) = (from.index(file.len()), to.index(file.len()));
                let part = file[from..(from + len).min(file.len())].to_vec();
                file.splice(to..to, part);
            }
            Mutation::Remove(at, len) => {
                let at = at.index(file.len());
                file.drain(at..(at + len).min(file.len()));
            }
            Mutation::Insert(at, bytes) => {
                let at = at.index(file.len());
                file.splice(at..at, bytes.iter().copied());
            }
        }
    }
}

/// The files below `folder` with one of these extensions, at most `max_len` bytes each.
fn files(folder: &str, extensions: &[&str], max_len: usize) -> Vec<Vec<u8>> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(folder), &mut found);
    found.sort();
    let is_one = |path: &PathBuf| path.extension().is_some_and(|ending| extensions.iter().any(|one| ending == *one));
    let files: Vec<_> = found.iter().filter(|path| is_one(path)).map(|path| fs::read(path).unwrap()).collect();
    let files: Vec<_> = files.into_iter().filter(|bytes| bytes.len() <= max_len).collect();
    assert!(!files.is_empty(), "no files of {extensions:?} in {folder}");
    files
}

/// A file, changed once to four times.
fn changed(files: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (prop::sample::select(files), prop::collection::vec(mutation(), 1..5)).prop_map(|(mut file, mutations)| {
        mutations.iter().for_each(|mutation| mutation.apply(&mut file));
        file
    })
}

/// Runs `work` and asserts the bounds of an input of `len` bytes: `fixed + each · len` bytes of memory, and the time.
fn bounded<T>(fixed: usize, each: usize, len: usize, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let (peak, result) = counting::peak(work);
    assert!(peak <= fixed + each * len, "held {peak} bytes for a file of {len}");
    assert!(start.elapsed() <= SECONDS, "took {:?} for a file of {len} bytes", start.elapsed());
    result
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    // A file that cannot be decoded may declare as many pixels as the largest permitted photo.
    #[test]
    fn photos(bytes in changed(files("tests/goldens", &["jpg", "png", "gif", "bmp", "webp", "tif", "tiff"], 1 << 16))) {
        const LARGEST: usize = 178_956_970;
        let start = Instant::now();
        let (peak, result) = counting::peak(|| photo::decode(&bytes, true, "x"));
        let pixels = match &result {
            Ok(photo) => photo.width() * photo.height(),
            Err(_) => LARGEST,
        };
        prop_assert!(peak <= (64 << 20) + 8 * bytes.len() + 16 * pixels, "held {peak} bytes for {pixels} pixels");
        prop_assert!(start.elapsed() <= SECONDS, "took {:?}", start.elapsed());
        if let Ok(photo) = result {
            prop_assert_eq!(photo.data().len(), photo.width() * photo.height() * 3);
        }
    }

    #[test]
    fn checkpoints(bytes in changed(files("tests/goldens/import", &["pt", "safetensors", "bin"], 1 << 18))) {
        let len = bytes.len();
        bounded(256 << 20, 16, len, || {
            let Ok(checkpoint) = Checkpoint::from_bytes(bytes, "x") else { return };
            let names: Vec<String> = checkpoint.tensors().map(|info| info.name.to_owned()).collect();
            for name in names {
                let _ = checkpoint.tensor(&name);
            }
        });
    }

    #[test]
    fn weights(bytes in changed(files("weights", &["clippie"], 16 << 20))) {
        let len = bytes.len();
        bounded(256 << 20, 4, len, || {
            let Ok(file) = WeightsFile::from_bytes(bytes, "x") else { return };
            let _ = Options::new().threads(1).open_weights(file);
        });
    }

    #[test]
    fn texts(text in any::<String>(), repeat in 1usize..50) {
        let text = text.repeat(repeat);
        let tokenizer = Tokenizer::clip();
        let ids = bounded(64 << 20, 200, text.len(), || tokenizer.encode(&text));
        prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    }
}
