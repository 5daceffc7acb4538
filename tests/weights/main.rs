//! Weights files through the public API: written, opened, damaged, replaced.

#[cfg(feature = "import")]
#[path = "../common/absurd.rs"]
mod absurd;
#[cfg(feature = "import")]
#[path = "../common/converted.rs"]
mod converted;
#[cfg(feature = "import")]
mod in_use;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clippie_rs::weights::internals::{TensorView, Writer, pack_bias, pack_in_out};
use clippie_rs::weights::{
    Aligned, Dtype, Error, Fault, Layout, Meta, Provenance, Reason, TensorSpec, Tower, WeightsFile,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Offsets of the image tower, of the text tower, and of the end of the file that [`small`] writes.
const IMAGE: usize = 65_536;
const TEXT: usize = 131_072;
const END: usize = TEXT + 128 + 24;

fn meta() -> Meta {
    let mut provenance = Provenance::new("model.safetensors", "ab".repeat(32), 1234, "openai", "clippie-rs 0.1.0");
    provenance.model_name = Some("vit-b-32-openai".into());
    let model = json!({"logit_scale": 4.605170249938965, "embed_dim": 8});
    Meta::new(model, json!({"image_size": 4}), json!("clip"), provenance)
}

fn spec(name: &str, tower: Tower, layout: Layout, shape: &[usize]) -> TensorSpec {
    TensorSpec::new(name, tower, Dtype::F32, layout, shape)
}

fn ramp(len: usize) -> Vec<f32> {
    (1..=len).map(|i| i as f32 / 2.0).collect()
}

/// Two tensors per tower, with padding between and inside them.
fn tensors() -> Vec<(TensorSpec, Vec<f32>)> {
    vec![
        (spec("image.scale", Tower::Image, Layout::Rows, &[5]), ramp(5)),
        (spec("image.weight", Tower::Image, Layout::Panels16, &[3, 17]), pack_in_out(&ramp(3 * 17), 3, 17)),
        (spec("text.bias", Tower::Text, Layout::Panels16, &[17]), pack_bias(&ramp(17))),
        (spec("text.position", Tower::Text, Layout::Rows, &[2, 3]), ramp(6)),
    ]
}

fn write(path: &Path, meta: Meta, tensors: &[(TensorSpec, Vec<f32>)]) -> Result<(), Error> {
    let mut writer = Writer::create(path, meta, tensors.iter().map(|(spec, _)| spec.clone()).collect())?;
    for (spec, data) in tensors {
        writer.write(&spec.name, data)?;
    }
    writer.finish()
}

/// Writes the small file to a new folder.
fn small() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.clippie");
    write(&path, meta(), &tensors()).unwrap();
    (folder, path)
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn put(path: &Path, at: usize, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at as u64)).unwrap();
    file.write_all(bytes).unwrap();
}

/// The reason why `path` cannot be opened. Asserts that the message names the file and is one line.
fn refused(path: &Path) -> Reason {
    let error = WeightsFile::open(path).expect_err("opened");
    let message = error.to_string();
    assert!(message.starts_with(&format!("{}: ", path.display())), "{message}");
    assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
    assert_eq!(error.path(), path);
    reason(error)
}

fn reason(error: Error) -> Reason {
    error.into_reason()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The bytes of the small file, built by hand from `weights/README.md`.
fn reference_bytes() -> Vec<u8> {
    let floats = |data: &[f32]| data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let mut scale = floats(&[0.5, 1.0, 1.5, 2.0, 2.5]);
    let mut weight = vec![0.0f32; 2 * 3 * 16];
    for k in 0..3 {
        for n in 0..17 {
            weight[((n / 16) * 3 + k) * 16 + n % 16] = (k * 17 + n + 1) as f32 / 2.0;
        }
    }
    let weight = floats(&weight);
    let mut bias: Vec<f32> = (1..=17).map(|i| i as f32 / 2.0).collect();
    bias.resize(32, 0.0);
    let bias = floats(&bias);
    let position = floats(&[0.5, 1.0, 1.5, 2.0, 2.5, 3.0]);

    let json = [
        r#"{"model":{"embed_dim":8,"logit_scale":4.605170249938965},"preprocess":{"image_size":4},"tokenizer":"clip","#,
        r#""provenance":{"source":"model.safetensors","source_sha256":""#,
        &"ab".repeat(32),
        r#"","source_bytes":1234,"source_layout":"openai","model_name":"vit-b-32-openai","converter":"clippie-rs 0.1.0"},"#,
        r#""tensors":[{"name":"image.scale","tower":"image","dtype":"f32","layout":"rows","shape":[5],"offset":0,"#,
        &format!(r#""bytes":20,"sha256":"{}"}},"#, sha256(&scale)),
        r#"{"name":"image.weight","tower":"image","dtype":"f32","layout":"panels16","shape":[3,17],"offset":64,"#,
        &format!(r#""bytes":384,"sha256":"{}"}},"#, sha256(&weight)),
        r#"{"name":"text.bias","tower":"text","dtype":"f32","layout":"panels16","shape":[17],"offset":65536,"#,
        &format!(r#""bytes":128,"sha256":"{}"}},"#, sha256(&bias)),
        r#"{"name":"text.position","tower":"text","dtype":"f32","layout":"rows","shape":[2,3],"offset":65664,"#,
        &format!(r#""bytes":24,"sha256":"{}"}}]}}"#, sha256(&position)),
    ]
    .concat();

    let mut file = b"\x89CLIPPIE\x01\0\0\0".to_vec();
    file.extend((json.len() as u32).to_le_bytes());
    file.extend((END as u64).to_le_bytes());
    file.extend([0; 8]);
    let checksum = Sha256::digest([&file, json.as_bytes()].concat());
    file.extend(checksum);
    file.extend(json.bytes());
    file.resize(65_536, 0);
    scale.resize(64, 0);
    file.extend(scale);
    file.extend(weight);
    file.resize(131_072, 0);
    file.extend(bias);
    file.extend(position);
    file
}

#[test]
fn files_match_the_specification() {
    let (folder, path) = small();
    let reference = reference_bytes();
    assert_eq!(reference.len(), END);
    assert!(fs::read(&path).unwrap() == reference, "the writer departs from weights/README.md");

    let path = folder.path().join("reference.clippie");
    fs::write(&path, reference).unwrap();
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.header().meta, meta());
    assert_eq!(file.header().tensors.iter().map(|entry| entry.spec.clone()).collect::<Vec<_>>(), {
        tensors().into_iter().map(|(spec, _)| spec).collect::<Vec<_>>()
    });
    assert!(file.verify().unwrap().is_intact());
}

#[test]
fn tensors_read_back_as_written() {
    let (_folder, path) = small();
    let file = WeightsFile::open(&path).unwrap();
    let tensors = tensors();
    for (spec, data) in &tensors {
        let view = file.tensor(&spec.name, spec.layout, &spec.shape).unwrap();
        assert_eq!(*view, *data);
        assert_eq!(view.as_ptr().addr() % 64, 0);
    }
    assert!(file.tensor_names().eq(tensors.iter().map(|(spec, _)| spec.name.as_str())));
    assert_eq!(file.path(), path);
    assert_eq!(file.file_len(), END as u64);

    let towers = file.header().towers();
    assert_eq!(towers.iter().map(|tower| tower.tower).collect::<Vec<_>>(), [Tower::Image, Tower::Text]);
    assert_eq!(towers.iter().map(|tower| tower.parameters).collect::<Vec<_>>(), [5 + 51, 17 + 6]);
    assert_eq!((towers[0].bytes.start, towers[1].bytes.start), (IMAGE as u64, TEXT as u64));
}

#[test]
fn a_view_outlives_its_file_and_crosses_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<WeightsFile>();
    is_shared::<TensorView>();
    let view = {
        let (_folder, path) = small();
        let file = WeightsFile::open(&path).unwrap();
        file.clone().tensor("image.scale", Layout::Rows, &[5]).unwrap()
    };
    let sum = std::thread::spawn(move || view.iter().sum::<f32>()).join().unwrap();
    assert_eq!(sum, 7.5);
}

#[test]
fn a_wrong_name_layout_or_shape_is_named() {
    let (_folder, path) = small();
    let file = WeightsFile::open(&path).unwrap();
    let message = |name, layout, shape: &[usize]| {
        let message = file.tensor(name, layout, shape).unwrap_err().to_string();
        message.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
    };
    assert_eq!(
        message("image.proj", Layout::Rows, &[5]),
        r#"has no tensor "image.proj"; convert the checkpoint again with this version of clippie-rs"#
    );
    assert_eq!(
        message("image.weight", Layout::Panels16, &[17, 3]),
        "tensor \"image.weight\" is f32 panels16 [3, 17] but the model needs f32 panels16 [17, 3]; convert the checkpoint again \
         with this version of clippie-rs"
    );
    let wrong_layout = file.tensor("image.scale", Layout::Panels16, &[5]).unwrap_err();
    assert!(matches!(reason(wrong_layout), Reason::TensorMismatch { .. }));
}

#[test]
fn a_file_may_hold_one_tower() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.clippie");
    write(&path, meta(), &tensors()[2..]).unwrap();
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.header().towers().len(), 1);
    assert_eq!(file.header().tensors[0].bytes.start, 65_536);
    assert!(file.verify().unwrap().is_intact());
}

#[test]
fn the_content_hash_matches_the_specification() {
    let (folder, path) = small();
    let file = WeightsFile::open(&path).unwrap();
    let sums: Vec<&str> = file.header().tensors.iter().map(|entry| entry.sha256.as_str()).collect();
    let text = format!(
        "clippie content 1\nmodel {{\"embed_dim\":8,\"logit_scale\":{:016x}}}\ntensor image.scale f32 rows 5 {}\n\
         tensor image.weight f32 panels16 3x17 {}\ntensor text.bias f32 panels16 17 {}\n\
         tensor text.position f32 rows 2x3 {}\n",
        4.605170249938965f64.to_bits(),
        sums[0],
        sums[1],
        sums[2],
        sums[3]
    );
    assert_eq!(file.content_hash(), sha256(text.as_bytes()));
    // The golden value: stored fingerprints depend on it.
    assert_eq!(file.content_hash(), "44df35114a4f5ac5084b92e6de059ffa02837b4cf44e03b9b9f288a9bc808f1b");

    let hash_of = |meta: Meta, tensors: &[(TensorSpec, Vec<f32>)]| {
        let path = folder.path().join("other.clippie");
        write(&path, meta, tensors).unwrap();
        WeightsFile::open(&path).unwrap().content_hash().to_owned()
    };
    let mut elsewhere = meta();
    elsewhere.provenance.source_layout = "huggingface".into();
    elsewhere.provenance.model_name = None;
    elsewhere.preprocess = json!(null);
    let mut reordered = tensors();
    reordered.swap(0, 1);
    assert_eq!(hash_of(elsewhere, &reordered), file.content_hash());

    let mut model = meta();
    model.model["embed_dim"] = json!(9);
    assert_ne!(hash_of(model, &tensors()), file.content_hash());
    let mut data = tensors();
    data[3].1[5] = 0.0;
    assert_ne!(hash_of(meta(), &data), file.content_hash());
    let mut shape = tensors();
    shape[3].0.shape = vec![3, 2];
    assert_ne!(hash_of(meta(), &shape), file.content_hash());
}

#[test]
fn foreign_files_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.clippie");
    let sentence = |reason: Reason| reason.to_string();
    assert_eq!(sentence(refused(&path)), "no such file; check the path");
    assert!(matches!(refused(&path.join("below")), Reason::NotFound));
    assert_eq!(
        sentence(refused(folder.path())),
        "is a folder; name the .clippie file in it, or convert the checkpoint in it with `clippie-rs convert`"
    );
    fs::write(&path, "").unwrap();
    assert_eq!(sentence(refused(&path)), "is empty; copy or convert it again");
    let foreign = "is not a .clippie weights file; convert the checkpoint first with `clippie-rs convert`";
    for bytes in [&b"P"[..], b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P", &[0; 4096], b"\x89PNG\r\n\x1a\n"] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(sentence(refused(&path)), foreign);
    }
    fs::write(&path, b"\x89CLIPPIE\x01").unwrap();
    assert!(matches!(refused(&path), Reason::TooShort(9)));

    let reference = reference_bytes();
    fs::write(&path, &reference).unwrap();
    put(&path, 8, &[2]);
    assert_eq!(
        sentence(refused(&path)),
        "made by a newer clippie-rs (format version 2, this one reads up to 1); update clippie-rs or convert the \
         checkpoint again"
    );
    put(&path, 8, &[0]);
    assert!(matches!(refused(&path), Reason::UnknownVersion(0)));

    fs::write(&path, [&reference[..], b"x"].concat()).unwrap();
    assert_eq!(
        sentence(refused(&path)),
        "is 131225 bytes long but its header describes 131224, so something was appended; copy or convert it again"
    );
    fs::write(&path, &reference[..70_000]).unwrap();
    assert_eq!(
        sentence(refused(&path)),
        "is 70000 bytes long but its header describes 131224; copy or convert it again"
    );
}

#[test]
fn every_truncation_is_refused() {
    let (_folder, path) = small();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for len in (0..END).rev() {
        file.set_len(len as u64).unwrap();
        let reason = WeightsFile::open(&path).map(drop).map_err(reason);
        match reason {
            Err(Reason::Empty) if len == 0 => {}
            Err(Reason::TooShort(found)) if len < 64 && found == len as u64 => {}
            Err(Reason::Truncated { found, described }) if len >= 64 => {
                assert_eq!((found, described), (len as u64, END as u64));
            }
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[test]
fn opening_finds_every_flipped_bit_of_the_header() {
    let (_folder, path) = small();
    let bytes = reference_bytes();
    let json_len = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    for (at, &byte) in bytes.iter().enumerate().take(64 + json_len) {
        for bit in 0..8 {
            put(&path, at, &[byte ^ 1 << bit]);
            let found = WeightsFile::open(&path).map(drop).map_err(reason);
            match (at, &found) {
                (0..8, Err(Reason::NotWeights)) => {}
                (8..12, Err(Reason::NewerVersion(_) | Reason::UnknownVersion(_))) => {}
                (12..16, Err(Reason::HeaderLength(_) | Reason::HeaderDamaged)) => {}
                (16.., Err(Reason::HeaderDamaged)) => {}
                _ => panic!("byte {at} bit {bit}: {found:?}"),
            }
        }
        put(&path, at, &[byte]);
    }
    assert!(WeightsFile::open(&path).is_ok());
}

#[test]
fn verification_finds_every_flipped_bit_of_the_data() {
    let (_folder, path) = small();
    let bytes = reference_bytes();
    let json_end = 64 + u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let tensors = [
        (IMAGE, 20, "image.scale"),
        (IMAGE + 64, 384, "image.weight"),
        (TEXT, 128, "text.bias"),
        (END - 24, 24, "text.position"),
    ];
    let owner = |at: usize| tensors.iter().find(|(start, len, _)| (*start..start + len).contains(&at)).map(|t| t.2);
    // Every byte of the tensors and of the padding next to them, and a sample of the long padding.
    let near = (json_end..json_end + 70).chain(IMAGE - 70..IMAGE + 600).chain(TEXT - 70..END);
    let far = (json_end..IMAGE).chain(IMAGE + 448..TEXT).step_by(509);
    for (i, at) in near.chain(far).enumerate() {
        put(&path, at, &[bytes[at] ^ 1 << (i % 8)]);
        let report = WeightsFile::open(&path).unwrap().verify().unwrap();
        assert!(!report.is_intact(), "byte {at}");
        match owner(at) {
            Some(name) => {
                assert_eq!((report.damaged, report.padding_intact), (vec![name.to_owned()], true), "byte {at}")
            }
            None => assert_eq!((report.damaged, report.padding_intact), (vec![], false), "byte {at}"),
        }
        put(&path, at, &[bytes[at]]);
    }
    put(&path, IMAGE, &[9]);
    put(&path, TEXT, &[9]);
    put(&path, TEXT - 1, &[9]);
    let report = WeightsFile::open(&path).unwrap().verify().unwrap();
    assert_eq!(report.damaged, ["image.scale", "text.bias"]);
    assert!(!report.padding_intact);
    assert_eq!((report.tensors, report.bytes), (4, END as u64));
}

#[test]
fn verification_finds_nonzero_panel_padding() {
    // The checksums are valid, but the padding rule is broken.
    let (_folder, path) = small();
    let mut bytes = reference_bytes();
    let valid = sha256(&bytes[TEXT..TEXT + 128]);
    bytes[TEXT + 127] = 1;
    let json_end = 64 + u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let json = String::from_utf8(bytes[64..json_end].to_vec()).unwrap();
    let json = json.replace(&valid, &sha256(&bytes[TEXT..TEXT + 128]));
    bytes[64..json_end].copy_from_slice(json.as_bytes());
    let checksum = Sha256::digest([&bytes[..32], json.as_bytes()].concat());
    bytes[32..64].copy_from_slice(&checksum);
    fs::write(&path, bytes).unwrap();
    assert_eq!(WeightsFile::open(&path).unwrap().verify().unwrap().damaged, ["text.bias"]);
}

#[test]
fn random_damage_is_always_found() {
    let (_folder, path) = small();
    let bytes = reference_bytes();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    for _ in 0..3000 {
        let mut edits = Vec::new();
        for _ in 0..=random(4) {
            // Half of the edits in the first 2 kB, the header.
            let at = if random(2) == 0 { random(2048) } else { random(END) };
            edits.push((at, random(256) as u8));
            put(&path, at, &[edits[edits.len() - 1].1]);
        }
        let mut damaged = bytes.clone();
        for &(at, byte) in &edits {
            damaged[at] = byte;
        }
        let intact = match WeightsFile::open(&path) {
            Ok(file) => {
                for entry in &file.header().tensors {
                    let view = file.tensor(&entry.spec.name, entry.spec.layout, &entry.spec.shape).unwrap();
                    assert_eq!(Some(view.len()), entry.spec.stored_len());
                    std::hint::black_box(view.iter().sum::<f32>());
                }
                file.verify().unwrap().is_intact()
            }
            Err(_) => false,
        };
        assert_eq!(intact, damaged == bytes, "{edits:?}");
        for &(at, _) in &edits {
            put(&path, at, &[bytes[at]]);
        }
    }
}

#[test]
fn a_file_that_changed_its_length_is_not_verified() {
    let (_folder, path) = small();
    let file = WeightsFile::open(&path).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0; 10]).unwrap();
    let error = file.verify().unwrap_err();
    assert!(
        matches!(reason(error), Reason::Changed { found, described } if (found, described) == (END as u64 + 10, END as u64))
    );
}

#[test]
fn compiled_in_weights_read_like_a_file() {
    let mut bytes: Box<Aligned<[u8; END + 1]>> = Box::new(Aligned([0; END + 1]));
    bytes.0[..END].copy_from_slice(&reference_bytes());
    let bytes: &'static Aligned<[u8; END + 1]> = Box::leak(bytes);
    let file = WeightsFile::from_static(&bytes.0[..END], "demo").unwrap();
    assert_eq!(*file.tensor("image.scale", Layout::Rows, &[5]).unwrap(), ramp(5)[..]);
    assert!(file.verify().unwrap().is_intact());
    file.release_pages();
    assert_eq!(file.path(), Path::new("demo"));

    let error = WeightsFile::from_static(&bytes.0, "demo").unwrap_err();
    assert!(error.to_string().starts_with("demo: is 131225 bytes long"));

    let mut shifted: Box<Aligned<[u8; END + 4]>> = Box::new(Aligned([0; END + 4]));
    shifted.0[4..].copy_from_slice(&reference_bytes());
    let shifted: &'static Aligned<[u8; END + 4]> = Box::leak(shifted);
    let error = WeightsFile::from_static(&shifted.0[4..], "demo").unwrap_err();
    assert!(matches!(reason(error), Reason::StaticAlignment));
}

#[test]
fn owned_bytes_read_like_a_file() {
    let bytes = reference_bytes();
    // The tensors are aligned wherever the bytes are.
    for offset in [0, 1, 4] {
        let mut shifted = vec![0; offset];
        shifted.extend(&bytes);
        let file = WeightsFile::from_bytes(shifted.split_off(offset), "download").unwrap();
        assert_eq!(file.file_len(), END as u64);
        for (spec, data) in tensors() {
            let view = file.tensor(&spec.name, spec.layout, &spec.shape).unwrap();
            assert_eq!(*view, *data);
            assert_eq!(view.as_ptr().addr() % 64, 0);
        }
        assert!(file.verify().unwrap().is_intact());
        file.release_pages();
        assert_eq!(file.path(), Path::new("download"));
    }
    let error = WeightsFile::from_bytes(bytes[..70_000].to_vec(), "download").unwrap_err();
    assert!(error.to_string().starts_with("download: is 70000 bytes long"), "{error}");
    assert!(matches!(reason(WeightsFile::from_bytes(Vec::new(), "x").unwrap_err()), Reason::Empty));
}

#[test]
fn unloaded_views_are_empty() {
    let view: TensorView = TensorView::unloaded();
    assert!(view.is_empty());
    assert!(TensorView::<f32>::unloaded().clone().iter().next().is_none());
}

#[test]
fn tensors_beyond_those_of_the_model_are_refused_by_name() {
    let (_folder, path) = small();
    let file = WeightsFile::open(&path).unwrap();
    let all: Vec<&str> = file.tensor_names().collect();
    file.refuse_others(all.iter().copied()).unwrap();
    file.refuse_others(all.iter().copied().chain(["more"])).unwrap();
    let error = file.refuse_others(all[..2].iter().copied()).unwrap_err();
    assert!(error.to_string().contains("has the tensor \"text.bias\", which its model does not use"), "{error}");
    assert!(matches!(reason(error), Reason::UnknownTensor(name) if name == "text.bias"));
}

#[test]
fn a_writer_replaces_the_file_and_leaves_no_other() {
    let (folder, path) = small();
    assert_eq!(names_in(folder.path()), ["small.clippie"]);
    let old = WeightsFile::open(&path).unwrap();

    let mut other = tensors();
    other[0].1[0] = 100.0;
    let mut writer = Writer::create(&path, meta(), other.iter().map(|(spec, _)| spec.clone()).collect()).unwrap();
    let names = names_in(folder.path());
    assert_eq!(names.len(), 2);
    assert!(names[0].starts_with(".small.clippie.") && names[0].ends_with(".part"), "{names:?}");
    // An unfinished file is not a valid weights file.
    for (spec, data) in &other {
        writer.write(&spec.name, data).unwrap();
    }
    assert!(matches!(refused(&folder.path().join(&names[0])), Reason::NotWeights));
    if cfg!(windows) {
        return; // Windows cannot replace a mapped file
    }
    writer.finish().unwrap();
    assert_eq!(names_in(folder.path()), ["small.clippie"]);

    let scale = |file: &WeightsFile| file.tensor("image.scale", Layout::Rows, &[5]).unwrap()[0];
    assert_eq!(scale(&WeightsFile::open(&path).unwrap()), 100.0);
    assert_eq!(scale(&old), 0.5, "the old map stays valid");
}

#[test]
fn an_unfinished_writer_keeps_the_old_file() {
    let (folder, path) = small();
    let before = fs::read(&path).unwrap();
    let specs: Vec<_> = tensors().into_iter().map(|(spec, _)| spec).collect();

    let mut dropped = Writer::create(&path, meta(), specs.clone()).unwrap();
    dropped.write("image.scale", &ramp(5)).unwrap();
    drop(dropped);
    let mut early = Writer::create(&path, meta(), specs).unwrap();
    early.write("image.scale", &ramp(5)).unwrap();
    let error = early.finish().unwrap_err();
    assert_eq!(error.path(), path);
    assert!(matches!(reason(error), Reason::Unwritable(Fault::Missing(name)) if name == "image.weight"));

    assert_eq!(names_in(folder.path()), ["small.clippie"]);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_writer_accepts_exactly_the_declared_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.clippie");
    let tensors = tensors();
    let mut writer = Writer::create(&path, meta(), tensors.iter().map(|(spec, _)| spec.clone()).collect()).unwrap();
    let fault = |result: Result<(), Error>| match reason(result.unwrap_err()) {
        Reason::Unwritable(fault) => fault,
        other => panic!("{other:?}"),
    };
    let order = Fault::OutOfOrder { found: "text.bias".into(), wanted: Some("image.scale".into()) };
    assert_eq!(fault(writer.write("text.bias", &tensors[2].1)), order);
    let elements = Fault::Elements { name: "image.scale".into(), wanted: 5, found: 6 };
    assert_eq!(fault(writer.write("image.scale", &ramp(6))), elements);
    writer.write("image.scale", &tensors[0].1).unwrap();
    assert_eq!(fault(writer.write("image.weight", &ramp(96))), Fault::PanelPadding("image.weight".into()));
    for (spec, data) in &tensors[1..] {
        writer.write(&spec.name, data).unwrap();
    }
    assert_eq!(fault(writer.write("more", &[])), Fault::OutOfOrder { found: "more".into(), wanted: None });
    // The refused calls changed nothing.
    writer.finish().unwrap();
    assert!(fs::read(&path).unwrap() == reference_bytes());
}

#[test]
fn unreadable_headers_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.clippie");
    let specs: Vec<_> = tensors().into_iter().map(|(spec, _)| spec).collect();
    let nested = |depth| (0..depth).fold(json!(0), |inner, _| json!([inner]));
    let create = |model| {
        let mut meta = meta();
        meta.model = model;
        Writer::create(&path, meta, specs.clone()).map(drop)
    };
    create(nested(126)).unwrap();
    assert!(matches!(reason(create(nested(127)).unwrap_err()), Reason::Unwritable(Fault::Unstable)));
    let twice = vec![specs[0].clone(), specs[0].clone()];
    let error = Writer::create(&path, meta(), twice).map(drop).unwrap_err();
    assert!(matches!(reason(error), Reason::Unwritable(Fault::Duplicate(name)) if name == "image.scale"));
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn unwritable_paths_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let create = |path: &Path| {
        let specs = tensors().into_iter().map(|(spec, _)| spec).collect();
        let error = Writer::create(path, meta(), specs).map(drop).unwrap_err();
        assert_eq!(error.path(), path);
        reason(error)
    };
    assert!(matches!(create(folder.path()), Reason::Folder));
    let missing = create(&folder.path().join("no/such/folder.clippie"));
    let absent = folder.path().join("no/such");
    assert!(matches!(&missing, Reason::NoFolder(named) if *named == absent), "{missing:?}");
    assert!(missing.to_string().ends_with("does not exist; create it first"), "{missing}");
    assert!(matches!(create(&folder.path().join("..")), Reason::Folder));
    #[cfg(unix)]
    assert!(matches!(create(Path::new("/dev/null")), Reason::NotAFile));
    assert!(names_in(folder.path()).is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn paths_may_be_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff \n.clippie"));
    write(&path, meta(), &tensors()).unwrap();
    assert!(WeightsFile::open(&path).unwrap().verify().unwrap().is_intact());
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(matches!(refused(&path), Reason::NotAFile));
}

#[test]
fn a_bare_file_name_is_written_to_the_current_folder() {
    // Runs in its own process, because all threads share the current folder.
    let folder = tempfile::tempdir().unwrap();
    if std::env::var_os("WEIGHTS_BARE_NAME").is_some() {
        return write(Path::new("bare.clippie"), meta(), &tensors()).unwrap();
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_bare_file_name_is_written_to_the_current_folder"])
        .env("WEIGHTS_BARE_NAME", "1")
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(names_in(folder.path()), ["bare.clippie"]);
}

/// Resident memory of mapped files.
#[cfg(target_os = "linux")]
mod resident {
    use super::*;

    const IMAGE_FLOATS: usize = 1 << 20;
    const TEXT_FLOATS: usize = 1 << 18;

    fn large() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("large.clippie");
        let tensors = [
            (spec("image", Tower::Image, Layout::Rows, &[IMAGE_FLOATS]), vec![1.0; IMAGE_FLOATS]),
            (spec("text", Tower::Text, Layout::Rows, &[TEXT_FLOATS]), vec![2.0; TEXT_FLOATS]),
        ];
        write(&path, meta(), &tensors).unwrap();
        (folder, path)
    }

    /// Bytes of `path` that are resident in this process.
    fn resident(path: &Path) -> usize {
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = maps.lines().skip_while(|line| !line.ends_with(path.to_str().unwrap()));
        let rss = lines.find_map(|line| line.strip_prefix("Rss:")).expect("the file is mapped");
        rss.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }

    #[test]
    fn opening_touches_no_page_and_a_tower_only_its_own_pages() {
        let (_folder, path) = large();
        let file = WeightsFile::open(&path).unwrap();
        assert_eq!(file.content_hash().len(), 64);
        let (image, text) = (
            file.tensor("image", Layout::Rows, &[IMAGE_FLOATS]).unwrap(),
            file.tensor("text", Layout::Rows, &[TEXT_FLOATS]).unwrap(),
        );
        assert_eq!(resident(&path), 0);

        assert_eq!(text.iter().sum::<f32>(), 2.0 * TEXT_FLOATS as f32);
        // All of the text tower, and of the 4 MB next to it at most what a kernel with larger windows maps along.
        let touched = resident(&path);
        assert!((TEXT_FLOATS * 4..TEXT_FLOATS * 4 + (256 << 10)).contains(&touched), "{touched}");

        assert_eq!(image.iter().sum::<f32>(), IMAGE_FLOATS as f32);
        assert!(resident(&path) >= (IMAGE_FLOATS + TEXT_FLOATS) * 4);
        file.release_pages();
        assert_eq!(resident(&path), 0);
        assert_eq!(text.iter().sum::<f32>(), 2.0 * TEXT_FLOATS as f32, "views stay valid");
    }

    #[test]
    fn verification_leaves_nothing_resident() {
        let (_folder, path) = large();
        let file = WeightsFile::open(&path).unwrap();
        assert!(file.verify().unwrap().is_intact());
        assert_eq!(resident(&path), 0);
    }
}
