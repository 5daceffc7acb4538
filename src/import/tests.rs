//! Tests with whole checkpoints: files of the reference libraries are read exactly, and damaged copies never cause a
//! panic, a hang or excessive memory use.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::checkpoint::Checkpoint;
use super::convert::prepare;
use super::error::Error;
use super::listing::Container;
use super::make::{Scratch, jobs};
use super::options::ConvertOptions;
use crate::models::config::Activation;
use crate::preprocess::{Interpolation, ResizeMode};
use crate::weights::{Data, Precision};

pub(super) fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/import").join(name)
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(golden("expected.json")).unwrap()).unwrap()
}

/// Options for everything that the goldens' tensors leave undetermined.
pub(super) fn all_options() -> ConvertOptions {
    ConvertOptions {
        activation: Some(Activation::QuickGelu),
        image_heads: Some(4),
        text_heads: Some(3),
        mean: Some([0.5; 3]),
        std: Some([0.25; 3]),
        interpolation: Some(Interpolation::Bilinear),
        resize: Some(ResizeMode::Squash),
        ..ConvertOptions::default()
    }
}

#[test]
fn reads_every_tensor_as_python_does() {
    for (file, listing) in expected().as_object().unwrap() {
        let checkpoint = Checkpoint::open(&golden(file)).unwrap_or_else(|e| panic!("{e}"));
        let listing = listing.as_object().unwrap();
        let mut names: Vec<&str> = checkpoint.tensors().map(|t| t.name).collect();
        names.sort_unstable();
        // Python's listing is without the prefix of DataParallel.
        let prefix = if file == "training.pt" { "module." } else { "" };
        let listing: Vec<(String, &Value)> =
            listing.iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect();
        let mut wanted: Vec<&str> = listing.iter().map(|(name, _)| name.as_str()).collect();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{file}");
        for (name, wanted) in &listing {
            let tensor = checkpoint.tensor(name).unwrap();
            let shape: Vec<u64> = tensor.shape().iter().map(|&d| d as u64).collect();
            let mut values = vec![0.0; tensor.len()];
            tensor.read(0, &mut values).unwrap();
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
            let found = serde_json::json!([tensor.element_type().to_string(), shape, hash]);
            assert_eq!(&found, *wanted, "{file} {name}");

            // Reading in pieces gives the same values.
            let mut pieces = vec![0.0; tensor.len()];
            for (i, piece) in pieces.chunks_mut(7).enumerate() {
                tensor.read(i * 7, piece).unwrap();
            }
            assert_eq!(pieces, values, "{file} {name}");
        }
    }
}

#[test]
fn containers_are_distinguished() {
    for (file, container) in [
        ("openai.pt", Container::TorchScript),
        ("plain.pt", Container::TorchZip),
        ("training.pt", Container::TorchZip),
        ("legacy.pt", Container::TorchLegacy),
        ("bf16.safetensors", Container::Safetensors),
    ] {
        assert_eq!(Checkpoint::open(&golden(file)).unwrap().container(), container, "{file}");
    }
}

#[test]
fn names_what_it_cannot_read() {
    for protocol in [2, 4, 5] {
        let checkpoint = Checkpoint::open(&golden(&format!("types_{protocol}.pt"))).unwrap();
        let why = |name: &str| checkpoint.tensor(name).unwrap_err().to_string();
        assert!(why("complex").contains("tensor `complex` has elements of type complexfloat"), "{}", why("complex"));
        assert!(
            why("wide").contains("tensor `wide` is a tensor of `torch.uint16`, which is not read"),
            "{}",
            why("wide")
        );
        assert!(
            why("sparse").contains("`torch._utils._rebuild_sparse_tensor`, which is never run"),
            "{}",
            why("sparse")
        );
        assert!(why("nowhere").ends_with("tensor `nowhere` is missing"), "{}", why("nowhere"));
    }
}

#[test]
fn refuses_files_that_are_not_checkpoints() {
    for (bytes, hint) in [
        (&b""[..], "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"hello, world, this is text", "neither safetensors nor"),
        (b"PK\x03\x04 but no zip at all, only text", "zip directory cannot be read"),
    ] {
        let error = Checkpoint::from_bytes(bytes.to_vec(), "it.pt").err().unwrap().to_string();
        assert!(error.starts_with("it.pt") && error.contains(hint), "{error}");
    }
}

// --- hostile bytes

/// A deterministic stream of numbers (SplitMix64).
pub(super) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

const FUZZED: [&str; 11] = [
    "openai.pt",
    "plain.pt",
    "deflated.pt",
    "training.pt",
    "legacy.pt",
    "strided.pt",
    "types_2.pt",
    "types_4.pt",
    "f64.pt",
    "huggingface/model.safetensors",
    "open_clip/open_clip_model.safetensors",
];

/// Opens, maps, folds and packs a checkpoint. Returns the number of elements.
fn convert_in_memory(bytes: Vec<u8>) -> Result<usize, Error> {
    convert_with(bytes, &all_options())
}

fn convert_with(bytes: Vec<u8>, options: &ConvertOptions) -> Result<usize, Error> {
    let mut checkpoint = Checkpoint::from_bytes(bytes, "fuzzed.pt")?;
    let prepared = prepare(&mut checkpoint, None, options)?;
    let (mut elements, mut scratch) = (0, Scratch::default());
    for job in jobs(&checkpoint, &prepared.mapped.layers, &prepared.described.config, options)? {
        job.run(&checkpoint, &mut scratch, &mut |spec, data| {
            assert_eq!(spec.stored_len(), Some(data.len()));
            assert!(!matches!(data, Data::Numbers(data) if data.iter().any(|x| !x.is_finite())));
            elements += data.len();
            Ok(())
        })?;
    }
    Ok(elements)
}

fn assert_message(error: &Error) {
    let text = error.to_string();
    assert!(text.starts_with("fuzzed.pt") && text.len() < 2000, "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[test]
fn every_golden_converts_in_memory() {
    let mut all = Vec::new();
    for file in FUZZED.iter().filter(|file| !file.starts_with("types")) {
        all.push(convert_in_memory(std::fs::read(golden(file)).unwrap()).unwrap_or_else(|e| panic!("{file}: {e}")));
    }
    all.dedup();
    assert_eq!(all.len(), 1);
    // In 8 bits too, with scales and sums.
    let int8 = all_options().precision(Precision::Int8);
    let elements = convert_with(std::fs::read(golden("plain.pt")).unwrap(), &int8).unwrap();
    assert!(elements > all[0], "{elements} {all:?}");
}

#[test]
fn a_checkpoint_cut_short_is_an_error() {
    let start = Instant::now();
    for file in FUZZED {
        let bytes = std::fs::read(golden(file)).unwrap();
        let mut lengths: Vec<usize> = (0..bytes.len()).step_by(bytes.len() / 150 + 1).collect();
        lengths.extend(0..40.min(bytes.len()));
        lengths.extend(bytes.len() - 40..bytes.len());
        for len in lengths {
            let error = convert_in_memory(bytes[..len].to_vec()).expect_err(&format!("{file} cut to {len}"));
            assert_message(&error);
        }
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn flipped_bytes_are_errors_or_other_numbers() {
    let start = Instant::now();
    let mut random = Random(1);
    let (mut good, mut bad) = (0, 0);
    for file in FUZZED {
        let bytes = std::fs::read(golden(file)).unwrap();
        // Structure is at the ends: the pickle or header first, the zip directory last.
        let (head, tail) = (bytes.len().min(24 << 10), bytes.len().min(12 << 10));
        for case in 0..600 {
            let mut bytes = bytes.clone();
            for _ in 0..1 + random.below(4) {
                let at = match case % 4 {
                    0 | 1 => random.below(head),
                    2 => bytes.len() - 1 - random.below(tail),
                    _ => random.below(bytes.len()),
                };
                bytes[at] = match random.below(3) {
                    0 => random.next() as u8,
                    1 => bytes[at] ^ (1 << random.below(8)),
                    _ => [0x00, 0xff, 0x7f, 0x80][random.below(4)],
                };
            }
            match convert_in_memory(bytes) {
                Ok(_) => good += 1,
                Err(error) => {
                    bad += 1;
                    assert_message(&error);
                }
            }
        }
    }
    assert!(good > 500 && bad > 2000, "{good} {bad}");
    assert!(start.elapsed() < Duration::from_secs(120));
}

/// Every length of truncation and every byte of a tiny file of each container.
#[test]
fn every_byte_of_tiny_files_is_an_error_or_means_something() {
    use clippie_testkit::checkpoint::edit::Tensors;
    use clippie_testkit::pickles;
    let opens = |file: Vec<u8>| Checkpoint::from_bytes(file, "x.pt").is_ok_and(|c| c.tensors().count() > 0);
    let is_good = |pickle: &Vec<u8>| opens(pickles::archive(pickle)) && opens(pickles::legacy(pickle));
    let pickle = (0..1000).map(|seed| pickles::pickle(seed, 60)).find(is_good).unwrap();
    let tensors = Tensors::f32("a", &[2, 2], &[1.0, 2.0, 3.0, 4.0]).and(&Tensors::f32("b", &[], &[5.0]));
    let start = Instant::now();
    for file in [pickles::archive(&pickle), pickles::legacy(&pickle), tensors.bytes()] {
        let whole = Checkpoint::from_bytes(file.clone(), "fuzzed.pt").unwrap();
        assert!(whole.tensors().count() > 0);
        for len in 0..file.len() {
            let cut = Checkpoint::from_bytes(file[..len].to_vec(), "fuzzed.pt");
            assert_message(&cut.expect_err("a file cut short"));
            for change in [0xff, 0x01, 0x80] {
                let mut file = file.clone();
                file[len] ^= change;
                match Checkpoint::from_bytes(file, "fuzzed.pt") {
                    Ok(checkpoint) => {
                        for info in checkpoint.tensors() {
                            if let Ok(tensor) = checkpoint.tensor(info.name) {
                                tensor.read(0, &mut vec![0.0; tensor.len()]).unwrap_or_else(|e| assert_message(&e));
                            }
                        }
                    }
                    Err(error) => assert_message(&error),
                }
            }
        }
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}

/// Pickles of random instructions, in both containers, and with flipped bytes.
#[test]
fn random_pickles_end() {
    use clippie_testkit::pickles;
    let start = Instant::now();
    let mut random = Random(3);
    let (mut good, mut bad) = (0, 0);
    for seed in 0..3000 {
        let pickle = pickles::pickle(seed, 20 + random.below(200));
        let mut file = if seed % 3 == 0 { pickles::legacy(&pickle) } else { pickles::archive(&pickle) };
        if seed % 4 == 0 {
            let at = random.below(file.len());
            file[at] ^= 1 << random.below(8);
        }
        match Checkpoint::from_bytes(file, "fuzzed.pt") {
            Ok(mut checkpoint) => {
                good += 1;
                for info in checkpoint.tensors() {
                    let tensor = checkpoint.tensor(info.name).unwrap();
                    tensor.read(0, &mut vec![0.0; tensor.len()]).unwrap();
                }
                if let Err(error) = prepare(&mut checkpoint, None, &all_options()) {
                    assert_message(&error);
                }
            }
            Err(error) => {
                bad += 1;
                assert_message(&error);
            }
        }
    }
    assert!(good > 300 && bad > 300, "{good} {bad}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// Truncated MobileCLIP checkpoints, and ones with damaged directories.
#[test]
fn damaged_mobileclips_are_errors_or_other_numbers() {
    use crate::models::tests::checkpoint::{self, Layout, golden};
    let start = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(2);
    let (mut good, mut bad) = (0, 0);
    for (name, layout) in [("tiny-hybrid", Layout::Apple), ("tiny-hybrid", Layout::AppleFolded)] {
        let model = golden::mobileclip_models().into_iter().find(|model| model.name == name).unwrap();
        let files = checkpoint::write(&model, 1, layout, &dir.path().join(layout.name())).unwrap();
        let bytes = std::fs::read(&files[0]).unwrap();
        let options = ConvertOptions { image_heads: None, text_heads: None, ..all_options() };
        let convert = |bytes: Vec<u8>| convert_with(bytes, &options);
        assert!(convert(bytes.clone()).is_ok());
        for case in 0..400 {
            let mut bytes = bytes.clone();
            if case % 8 == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            for _ in 0..1 + random.below(3) {
                let head = bytes.len().min(60 << 10);
                let at = random.below(head);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            match convert(bytes) {
                Ok(_) => good += 1,
                Err(error) => {
                    bad += 1;
                    assert_message(&error);
                }
            }
        }
    }
    assert!(good > 10 && bad > 200, "{good} {bad}");
    assert!(start.elapsed() < Duration::from_secs(120));
}
