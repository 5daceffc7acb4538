//! Properties of the readers of untrusted files: any mutation of a file ends in a result or an error, within the
//! memory and time that `docs/reliability.md` states.
//!
//! The fuzz targets (`fuzz/`) assert the same with far more inputs; these run with every test run.
#![cfg(feature = "import")]

#[path = "common/counting.rs"]
mod counting;

use std::fs;
use std::io::Write;
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

/// Lossless WebP files of all that the format allows (`tools/webp_goldens.py`).
fn lossless_webp() -> Vec<Vec<u8>> {
    let goldens = fs::read("tests/goldens/preprocess/webp.json").unwrap();
    let goldens: serde_json::Value = serde_json::from_slice(&goldens).unwrap();
    let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    let bytes = |file: &serde_json::Value| file["data"].as_str().unwrap().as_bytes().chunks(2).map(byte).collect();
    goldens["files"].as_array().unwrap().iter().map(bytes).collect()
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
    fn photos(bytes in prop_oneof![
        4 => changed(files("tests/goldens", &["jpg", "png", "gif", "bmp", "webp", "tif", "tiff"], 1 << 16)),
        1 => changed(lossless_webp()),
    ]) {
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
        let ids = bounded(64 << 20, 200, text.len(), || tokenizer.encode(&text)).unwrap();
        prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
    }
}

/// An archive of PyTorch with this pickle, compressed.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("m/data.pkl", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(pickle).unwrap();
    zip.finish().unwrap().into_inner()
}

/// Makes an input that takes much memory, while no other test measures.
fn made<T>(make: impl FnOnce() -> T) -> T {
    counting::peak(make).1
}

/// Small files whose pickles build as much as they can.
#[test]
fn archives_of_some_kilobytes_stay_within_the_memory_of_a_checkpoint() {
    let repeated = |parts: &[(&[u8], usize)]| {
        made(|| {
            let body: Vec<u8> = parts.iter().flat_map(|(unit, count)| unit.repeat(*count)).collect();
            archive(&[b"\x80\x02", &body[..], b"."].concat())
        })
    };
    let pairs: &[(&[u8], usize)] =
        &[(b"](", 1), (b"NN\x86", 200_000), (b"eq\0\x85q\x01ccollections\nOrderedDict\nq\x02", 1)];
    let calls = [pairs, &[(b"h\x02h\x01R", 100_000)]].concat();
    // An archive inflates to more than half of the bound, beside what was inflated before.
    for (what, file) in [
        ("dicts", repeated(&[(b"}", 2_000_000)])),
        ("a stack", repeated(&[(b"}", 1_900_000), (b"N", 2_200_000)])),
        ("a memo", repeated(&[(b"}\x94", 1_900_000)])),
        ("a tuple", repeated(&[(b"}\x94", 1_200_000), (b"(", 1), (b"N", 2_900_000), (b"t", 1)])),
        ("a list", repeated(&[(b"]", 1), (b"Na", 4_000_000)])),
        ("a dict", repeated(&[(b"}", 1), (b"NNs", 2_000_000)])),
        ("lists", repeated(&[(b"]Na", 1_300_000)])),
        ("copies", repeated(&calls)),
        ("a long pickle", repeated(&[(b"N0", 70 << 20), (b"}", 1)])),
    ] {
        let len = file.len();
        assert!(len < 1 << 20, "{what} takes {len} bytes");
        let opened = bounded(256 << 20, 8, len, || Checkpoint::from_bytes(file, "x"));
        assert!(opened.is_err(), "{what}");
    }
}

/// An index may have 16 MiB, but names so many tensors only.
#[test]
fn an_index_takes_little_more_memory_than_its_names() {
    for (names, width) in [(1 << 18, 48), (900_000, 4)] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.bin"), "not a checkpoint").unwrap();
        let index = folder.path().join("model.safetensors.index.json");
        made(|| {
            let items: Vec<String> = (0..names).map(|i| format!(r#""{i:0width$}":"m.bin""#)).collect();
            fs::write(&index, format!(r#"{{"weight_map":{{{}}}}}"#, items.join(","))).unwrap();
        });
        let len = fs::metadata(&index).unwrap().len() as usize;
        assert!((14 << 20..16 << 20).contains(&len), "{len} bytes");
        assert!(bounded(32 << 20, 2, len, || Checkpoint::open(&index)).is_err());
    }
}
