//! Headers that break one rule each, and headers with random edits. Their checksums are valid, so the checks after the
//! checksum are reached.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::{Fault, Reason};
use super::format::{Dtype, Layout, Meta, Provenance, TensorSpec, Tower};
use super::header::{Header, MAX_HEADER, MAX_TENSORS, PRELUDE, TENSOR_ALIGN, TOWER_ALIGN};
use super::read::{WeightsFile, read_header};
use super::scaled_rows;
use super::write::Writer;

fn spec(name: &str, tower: Tower, layout: Layout, shape: &[usize]) -> TensorSpec {
    TensorSpec::new(name, tower, Dtype::F32, layout, shape)
}

pub(super) fn meta() -> Meta {
    Meta {
        model: json!({"embed_dim": 8, "logit_scale": 4.605170249938965}),
        preprocess: json!({"image_size": 4, "mean": [0.48145466, 0.4578275, 0.40821073]}),
        tokenizer: json!("clip"),
        provenance: Provenance {
            source: "model.safetensors".into(),
            source_sha256: "0".repeat(64),
            source_bytes: 1234,
            source_layout: "openai".into(),
            model_name: None,
            converter: "clippie-rs 0.1.0".into(),
        },
    }
}

fn header() -> Header {
    let specs = vec![
        spec("image.a", Tower::Image, Layout::Rows, &[5]),
        spec("image.b", Tower::Image, Layout::Panels16, &[3, 17]),
        spec("text.a", Tower::Text, Layout::Panels16, &[17]),
        spec("text.b", Tower::Text, Layout::Rows, &[2, 3]),
    ];
    Header::plan(meta(), specs).unwrap()
}

fn json_of(header: &Header) -> Value {
    serde_json::from_slice(&header.encode().unwrap()[PRELUDE..]).unwrap()
}

/// Builds a prelude for `json` that states `file_len`, followed by `json`.
fn sealed(json: &[u8], file_len: u64) -> Vec<u8> {
    let mut head = b"\x89CLIPPIE".to_vec();
    head.extend(1u32.to_le_bytes());
    head.extend((json.len() as u32).to_le_bytes());
    head.extend(file_len.to_le_bytes());
    head.extend([0; 8]);
    let checksum = Sha256::new().chain_update(&head).chain_update(json).finalize();
    head.extend(checksum);
    head.extend(json);
    head
}

/// The fault found in a valid table after `edit`.
fn fault_of(edit: impl FnOnce(&mut Value)) -> Fault {
    let valid = header();
    let mut json = json_of(&valid);
    edit(&mut json["tensors"]);
    let head = sealed(json.to_string().as_bytes(), valid.file_len());
    match read_header(&mut head.as_slice(), valid.file_len()) {
        Err(Reason::Table(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_planned_header_reads_back() {
    let valid = header();
    let head = valid.encode().unwrap();
    let (read, end) = read_header(&mut head.as_slice(), valid.file_len()).unwrap();
    assert_eq!(read, valid);
    assert_eq!(end, head.len());
    let ranges: Vec<_> = valid.tensors.iter().map(|entry| entry.bytes.clone()).collect();
    assert_eq!(ranges, [65536..65556, 65600..65984, 131072..131200, 131200..131224]);
    let towers = valid.towers();
    assert_eq!(towers.len(), 2);
    assert_eq!((towers[0].tensors, towers[0].parameters, towers[0].bytes.clone()), (2, 5 + 51, 65536..65984));
    assert_eq!((towers[1].tensors, towers[1].parameters, towers[1].bytes.clone()), (2, 17 + 6, 131072..131224));
}

#[test]
fn each_broken_rule_of_the_table_has_its_own_fault() {
    let name = || "image.b".to_string();
    assert_eq!(fault_of(|t| *t = json!([])), Fault::Count(0));
    assert_eq!(fault_of(|t| t[1]["name"] = json!("")), Fault::Name("".into()));
    assert_eq!(fault_of(|t| t[1]["name"] = json!("a b")), Fault::Name("a b".into()));
    assert_eq!(fault_of(|t| t[1]["name"] = json!("é")), Fault::Name("é".into()));
    assert_eq!(fault_of(|t| t[1]["name"] = json!("x".repeat(257))), Fault::Name("x".repeat(257)));
    assert_eq!(fault_of(|t| t[2]["name"] = json!("image.b")), Fault::Duplicate(name()));
    assert_eq!(fault_of(|t| t[1]["dtype"] = json!("f8")), Fault::Dtype { name: name(), dtype: "f8".into() });
    assert_eq!(fault_of(|t| t[1]["layout"] = json!("cols")), Fault::Layout { name: name(), layout: "cols".into() });
    assert_eq!(fault_of(|t| t[1]["tower"] = json!("Image")), Fault::Tower { name: name(), tower: "Image".into() });
    assert_eq!(fault_of(|t| t[3]["tower"] = json!("image")), Fault::TowerOrder("text.b".into()));
    let fault = fault_of(|t| t.as_array_mut().unwrap().swap(0, 1));
    assert_eq!(fault, Fault::TowerMisaligned { name: name(), offset: 64 });
    for shape in [json!([]), json!([0, 4]), json!([1, 1, 1]), json!([1u64 << 62, 16])] {
        let fault = fault_of(|t| t[1]["shape"] = shape.clone());
        assert!(matches!(&fault, Fault::Shape { name, .. } if name == "image.b"), "{shape}: {fault:?}");
    }
    let fault = fault_of(|t| t[0]["shape"] = json!(vec![1; 9]));
    assert_eq!(fault, Fault::Shape { name: "image.a".into(), shape: format!("{:?}", [1; 9]), layout: Layout::Rows });
    assert_eq!(fault_of(|t| t[1]["bytes"] = json!(380)), Fault::Length { name: name(), wanted: 384, found: 380 });
    assert_eq!(fault_of(|t| t[1]["offset"] = json!(68)), Fault::Misaligned { name: name(), offset: 68 });
    assert_eq!(fault_of(|t| t[1]["offset"] = json!(0)), Fault::Overlap { name: name(), offset: 0 });
    assert_eq!(fault_of(|t| t[1]["offset"] = json!(128)), Fault::Gap { name: name(), wanted: 64, found: 128 });
    let fault = fault_of(|t| t[2]["offset"] = json!(512));
    assert_eq!(fault, Fault::TowerMisaligned { name: "text.a".into(), offset: 512 });
    let fault = fault_of(|t| t[2]["offset"] = json!(1u64 << 63));
    assert_eq!(fault, Fault::Gap { name: "text.a".into(), wanted: 65536, found: 1 << 63 });
    let fault = fault_of(|t| (t[3]["shape"], t[3]["bytes"]) = (json!([1000, 3]), json!(12000)));
    assert_eq!(fault, Fault::OutOfFile("text.b".into()));
    let fault = fault_of(|t| (t[3]["shape"], t[3]["bytes"]) = (json!([1, 3]), json!(12)));
    assert_eq!(fault, Fault::FileLength { end: 131212, described: 131224 });
    for checksum in ["", "0", &"A".repeat(64), &"g".repeat(64), &"0".repeat(65)] {
        assert_eq!(fault_of(|t| t[1]["sha256"] = json!(checksum)), Fault::Checksum(name()));
    }
}

#[test]
fn unknown_and_missing_fields_are_refused() {
    let valid = header();
    let edits: [fn(&mut Value); 9] = [
        |h| h["later"] = json!(1),
        |h| h["tensors"][0]["scale"] = json!(1.0),
        |h| h["provenance"]["later"] = json!(1),
        |h| drop(h.as_object_mut().unwrap().remove("model")),
        |h| drop(h["tensors"][0].as_object_mut().unwrap().remove("sha256")),
        |h| h["tensors"][0]["offset"] = json!(-1),
        |h| h["tensors"][0]["offset"] = json!(0.5),
        |h| h["tensors"][0]["shape"] = json!("5"),
        |h| *h = json!([]),
    ];
    for edit in edits {
        let mut json = json_of(&valid);
        edit(&mut json);
        let head = sealed(json.to_string().as_bytes(), valid.file_len());
        let result = read_header(&mut head.as_slice(), valid.file_len());
        assert!(matches!(result, Err(Reason::Header(_))), "{json}: {result:?}");
    }
    let text = json_of(&valid).to_string();
    let twice = text.replacen('{', "{\"tokenizer\":0,", 1);
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let deep = text.replacen("\"tokenizer\":\"clip\"", &format!("\"tokenizer\":{deep}"), 1);
    for json in ["", "{", "null", "\u{1b}", &format!("{text} x"), &twice, &deep] {
        let result = read_header(&mut sealed(json.as_bytes(), valid.file_len()).as_slice(), valid.file_len());
        assert!(matches!(result, Err(Reason::Header(_))), "{}: {result:?}", &json[..json.len().min(99)]);
    }
    assert!(matches!(
        read_header(&mut sealed(b"\xff\xfe", valid.file_len()).as_slice(), valid.file_len()),
        Err(Reason::Header(_))
    ));
}

#[test]
fn messages_have_no_control_characters() {
    let valid = header();
    for edit in [
        |h: &mut Value| h["\u{1b}[31m"] = json!(1),
        |h: &mut Value| h["tensors"][0]["name"] = json!("\u{1b}[31m\n"),
        |h: &mut Value| h["tensors"][0]["layout"] = json!("\u{1b}[31m\n"),
    ] {
        let mut json = json_of(&valid);
        edit(&mut json);
        let head = sealed(json.to_string().as_bytes(), valid.file_len());
        let message = read_header(&mut head.as_slice(), valid.file_len()).unwrap_err().to_string();
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn the_prelude_has_limits() {
    let mut head = sealed(b"{}", 66);
    head[12..16].copy_from_slice(&(MAX_HEADER + 1).to_le_bytes());
    assert!(matches!(read_header(&mut head.as_slice(), 66), Err(Reason::HeaderLength(len)) if len == MAX_HEADER + 1));
    head[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(read_header(&mut head.as_slice(), 66), Err(Reason::HeaderLength(u32::MAX))));

    let mut head = sealed(b"{}", 66);
    head[24] = 1;
    let checksum = Sha256::new().chain_update(&head[..32]).chain_update(b"{}").finalize();
    head[32..64].copy_from_slice(&checksum);
    assert!(matches!(read_header(&mut head.as_slice(), 66), Err(Reason::Reserved)));
}

#[test]
fn invalid_plans_are_refused() {
    let plan = |specs: Vec<TensorSpec>| Header::plan(meta(), specs).unwrap_err();
    let image = |name: &str| spec(name, Tower::Image, Layout::Rows, &[1]);
    assert_eq!(plan(vec![]), Fault::Count(0));
    assert_eq!(plan(vec![image("a"); MAX_TENSORS + 1]), Fault::Count(MAX_TENSORS + 1));
    assert_eq!(plan(vec![image("a"), image("a")]), Fault::Duplicate("a".into()));
    assert_eq!(plan(vec![spec("t", Tower::Text, Layout::Rows, &[1]), image("a")]), Fault::TowerOrder("a".into()));
    assert!(matches!(plan(vec![spec("t", Tower::Text, Layout::Rows, &[usize::MAX / 2])]), Fault::Shape { .. }));
    let quarter = spec("t", Tower::Text, Layout::Rows, &[usize::MAX / 8]);
    let specs = (0..9).map(|i| TensorSpec { name: i.to_string(), ..quarter.clone() }).collect();
    assert!(matches!(plan(specs), Fault::Shape { .. }));
    let long = Meta { tokenizer: json!("x".repeat(MAX_HEADER as usize)), ..meta() };
    assert!(matches!(Header::plan(long, vec![image("a")]), Err(Fault::HeaderTooLong(_))));
}

/// A reproducible random number generator (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }
}

/// Asserts what users of an accepted header rely on.
fn assert_in_bounds(header: &Header, file_len: u64) {
    let mut end = 0;
    let mut tower = None;
    for entry in &header.tensors {
        let bytes = &entry.bytes;
        assert!(end <= bytes.start && bytes.start < bytes.end && bytes.end <= file_len, "{header:?}");
        assert_eq!(bytes.start % TENSOR_ALIGN, 0);
        assert_eq!(Some(bytes.end - bytes.start), entry.spec.stored_len().map(|len| len as u64 * 4));
        if tower != Some(entry.spec.tower) {
            assert_eq!(bytes.start % TOWER_ALIGN, 0);
            assert!(tower < Some(entry.spec.tower));
        }
        (end, tower) = (bytes.end, Some(entry.spec.tower));
    }
    assert_eq!(end, file_len);
}

#[test]
fn random_headers_never_panic_and_stay_inside_the_file() {
    let valid = header();
    let json = json_of(&valid).to_string().into_bytes();
    let bytes = [0, b'"', b'0', b'1', b'9', b'-', b'.', b'e', b',', b':', b'[', b']', b'{', b'}', b'\\', 0x80, 0xff];
    let words = ["18446744073709551615", "9223372036854775808", "65536", "64", "0", "1e999", "null", "\"rows\"", "[]"];
    let mut random = Random(0x5eed);
    let mut accepted = 0;
    for _ in 0..40_000 {
        let mut json = json.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(json.len());
            match random.below(6) {
                0 => json[at] ^= 1 << random.below(8),
                1 => json[at] = bytes[random.below(bytes.len())],
                2 => json.insert(at, bytes[random.below(bytes.len())]),
                3 => drop(json.remove(at)),
                4 => {
                    // Another digit keeps the JSON valid and reaches the checks of the table.
                    let digits: Vec<usize> = (0..json.len()).filter(|&i| json[i].is_ascii_digit()).collect();
                    if !digits.is_empty() {
                        json[digits[random.below(digits.len())]] = b'0' + random.below(10) as u8;
                    }
                }
                _ => {
                    // Replace a value by another.
                    let colons: Vec<usize> = (0..json.len()).filter(|&i| json[i] == b':').collect();
                    if !colons.is_empty() {
                        let start = colons[random.below(colons.len())] + 1;
                        let len = json[start..].iter().position(|byte| b",}]".contains(byte)).unwrap_or(0);
                        json.splice(start..start + len, words[random.below(words.len())].bytes());
                    }
                }
            }
        }
        let file_len = match random.below(8) {
            0 => random.next(),
            1 => u64::MAX,
            2 => valid.file_len() + 1,
            _ => valid.file_len(),
        };
        if let Ok((header, _)) = read_header(&mut sealed(&json, file_len).as_slice(), file_len) {
            assert_in_bounds(&header, file_len);
            accepted += 1;
        }
    }
    // Many edits change only the sections that are not interpreted here; without accepted headers the loop proves
    // little.
    assert!(accepted > 1000, "{accepted}");
}

#[test]
fn random_bytes_never_panic() {
    let head = header().encode().unwrap();
    let mut random = Random(0xc11);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        let kept = random.below(80).min(bytes.len());
        bytes[..kept].copy_from_slice(&head[..kept]);
        let stated = if random.below(2) == 0 { bytes.len() as u64 } else { random.next() };
        assert!(read_header(&mut bytes.as_slice(), stated).is_err());
    }
}

#[test]
fn tables_of_halves_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.clippie");
    let table = TensorSpec::new("text.table", Tower::Text, Dtype::F16, Layout::Rows, &[3, 5]);
    let values: Vec<f32> = (0..15).map(|i| (i as f32 - 7.0) * 0.125).collect();

    let mut writer = Writer::create(&path, meta(), vec![table.clone()]).unwrap();
    let mut inexact = values.clone();
    inexact[4] = 0.1;
    let refused = writer.write("text.table", &inexact).unwrap_err();
    assert!(matches!(refused.reason(), Reason::Unwritable(Fault::NotHalves(_))), "{refused}");
    writer.write("text.table", &values).unwrap();
    writer.finish().unwrap();

    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.header().tensors[0].bytes.end - file.header().tensors[0].bytes.start, 30);
    assert!(file.verify().unwrap().is_intact());
    let view = file.table("text.table", 3, 5).unwrap();
    let mut row = [0.0; 5];
    for (i, expected) in values.chunks(5).enumerate() {
        view.read(i, &mut row);
        assert_eq!(row, expected);
    }
    assert!(file.tensor("text.table", Layout::Rows, &[3, 5]).unwrap_err().to_string().contains("f16 rows"));
    assert!(file.table("text.table", 5, 3).is_err());
    let scaled = TensorSpec { layout: Layout::ScaledRows, ..table };
    assert!(Writer::create(&path, meta(), vec![scaled]).is_err());
}

/// Rows of five numbers in 8 bits, as stored.
fn scaled_rows(values: &[f64]) -> Vec<i8> {
    let width = scaled_rows::stored_width(5).unwrap();
    let mut stored = vec![0; values.len() / 5 * width];
    for (row, stored) in values.chunks(5).zip(stored.chunks_mut(width)) {
        scaled_rows::store(row, stored).unwrap();
    }
    stored
}

#[test]
fn tables_of_scaled_rows_are_widened_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.clippie");
    let table = TensorSpec::new("text.table", Tower::Text, Dtype::I8, Layout::ScaledRows, &[4, 5]);
    let mut values: Vec<f64> = (0..20).map(|i| f64::from(i - 7) * 0.125).collect();
    values[5..10].fill(0.0);
    let stored = scaled_rows(&values);

    let mut writer = Writer::create(&path, meta(), vec![table.clone()]).unwrap();
    assert!(writer.write("text.table", &[0.0; 36]).is_err(), "numbers");
    assert!(writer.write_integers("text.table", &stored[..35]).is_err(), "too short");
    let mut impossible = stored.clone();
    impossible[3] = -1;
    let refused = writer.write_integers("text.table", &impossible).unwrap_err();
    assert!(matches!(refused.reason(), Reason::Unwritable(Fault::NotScaledRows(_))), "{refused}");
    writer.write_integers("text.table", &stored).unwrap();
    writer.finish().unwrap();

    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.header().tensors[0].bytes.end - file.header().tensors[0].bytes.start, 4 * 9);
    assert_eq!(file.header().towers()[0].parameters, 20);
    assert!(file.verify().unwrap().is_intact());
    let view = file.table("text.table", 4, 5).unwrap();
    let mut row = [0.0; 5];
    for (i, values) in values.chunks(5).enumerate() {
        view.read(i, &mut row);
        let largest = values.iter().fold(0f64, |largest, value| largest.max(value.abs()));
        for (found, value) in row.iter().zip(values) {
            assert!((f64::from(*found) - value).abs() <= largest / 253.9, "{row:?} {values:?}");
        }
    }
    let refused = file.table("text.table", 4, 9).unwrap_err().to_string();
    assert!(refused.contains("i8 scaled_rows [4, 5]") && refused.contains("f32 rows or f16 rows or i8 scaled_rows"));
    assert!(file.tensor("text.table", Layout::Rows, &[4, 5]).is_err());
    // Only numbers of 8 bits, only matrices.
    for (dtype, layout, shape) in [
        (Dtype::I8, Layout::Rows, &[4, 5][..]),
        (Dtype::I8, Layout::Panels16, &[4, 5]),
        (Dtype::F32, Layout::ScaledRows, &[4, 5]),
        (Dtype::I8, Layout::ScaledRows, &[20]),
        (Dtype::I8, Layout::ScaledRows, &[4, usize::MAX]),
        (Dtype::F32, Layout::Quads16, &[4, 5]),
        (Dtype::F16, Layout::Quads16, &[4, 5]),
        (Dtype::U32, Layout::Quads16, &[4, 5]),
        (Dtype::I8, Layout::Quads16, &[20]),
        (Dtype::I8, Layout::Quads16, &[65_537, 5]),
    ] {
        let spec = TensorSpec::new("text.table", Tower::Text, dtype, layout, shape);
        assert!(Writer::create(&path, meta(), vec![spec]).is_err(), "{dtype:?} {layout:?} {shape:?}");
    }
}

#[test]
fn impossible_scales_are_damage_and_give_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.clippie");
    let table = TensorSpec::new("text.table", Tower::Text, Dtype::I8, Layout::ScaledRows, &[2, 5]);
    let mut writer = Writer::create(&path, meta(), vec![table]).unwrap();
    writer.write_integers("text.table", &scaled_rows(&[1.0; 10])).unwrap();
    writer.finish().unwrap();
    let sound = std::fs::read(&path).unwrap();
    let header = WeightsFile::open(&path).unwrap().header().clone();
    let start = header.tensors[0].bytes.start as usize;
    for scale in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, -0.0, f32::MAX] {
        // The checksum is that of the hostile bytes.
        let mut bytes = sound.clone();
        bytes[start + 9..][..4].copy_from_slice(&scale.to_le_bytes());
        let mut header = header.clone();
        header.tensors[0].sha256 = super::hash::sha256(&bytes[start..]);
        let head = header.encode().unwrap();
        bytes[..head.len()].copy_from_slice(&head);
        std::fs::write(&path, &bytes).unwrap();
        let file = WeightsFile::open(&path).unwrap();
        assert_eq!(file.verify().unwrap().damaged, ["text.table"], "{scale}");
        let mut rows = [[0.0; 5]; 2];
        let view = file.table("text.table", 2, 5).unwrap();
        rows.iter_mut().enumerate().for_each(|(row, out)| view.read(row, out));
        assert!(rows[0] == [1.0; 5] && rows[1].iter().all(|value| value.is_nan()), "{scale} {rows:?}");
    }
}

/// A version that does not know an element type refuses it by name, before it looks at layouts: `i8` was added like this.
#[test]
fn element_types_of_later_versions_are_refused_by_name() {
    for (dtype, layout) in [("i4", "scaled_rows"), ("i4", "blocks"), ("i7", "rows")] {
        let fault = fault_of(|t| (t[1]["dtype"], t[1]["layout"]) = (json!(dtype), json!(layout)));
        assert_eq!(fault, Fault::Dtype { name: "image.b".into(), dtype: dtype.into() });
        assert!(fault.to_string().contains(&format!("unknown element type \"{dtype}\"")));
    }
    let fault = fault_of(|t| t[1]["layout"] = json!("scaled_rows"));
    assert_eq!(fault, Fault::Unsupported { name: "image.b".into(), dtype: Dtype::F32, layout: Layout::ScaledRows });
}

#[test]
fn element_types_without_an_engine_are_refused() {
    let panels = TensorSpec::new("text.table", Tower::Text, Dtype::I8, Layout::Panels16, &[3, 5]);
    let fault = Header::plan(meta(), vec![panels]).unwrap_err();
    assert_eq!(fault, Fault::Unsupported { name: "text.table".into(), dtype: Dtype::I8, layout: Layout::Panels16 });
    let fault = fault_of(|t| t[1]["dtype"] = json!("i8"));
    assert_eq!(fault, Fault::Unsupported { name: "image.b".into(), dtype: Dtype::I8, layout: Layout::Panels16 });
    let fault = fault_of(|t| t[1]["layout"] = json!("quads16"));
    assert_eq!(fault, Fault::Unsupported { name: "image.b".into(), dtype: Dtype::F32, layout: Layout::Quads16 });
    let fault = fault_of(|t| (t[1]["dtype"], t[1]["layout"]) = (json!("i8"), json!("quads16")));
    assert_eq!(fault, Fault::Length { name: "image.b".into(), wanted: 128, found: 384 });
    let fault = fault_of(|t| {
        (t[1]["dtype"], t[1]["layout"], t[1]["shape"]) = (json!("i8"), json!("quads16"), json!([65_537, 1]))
    });
    assert!(fault.to_string().contains("cannot be stored as quads16"), "{fault}");
}

#[test]
fn duplicate_keys_are_refused_at_every_depth() {
    let valid = header();
    let text = json_of(&valid).to_string();
    for (field, value) in [
        ("embed_dim", "8"),
        ("image_size", "4"),
        ("source_layout", "\"openai\""),
        ("layout", "\"rows\""),
        ("model", "{}"),
    ] {
        let pair = format!("\"{field}\":");
        let twice = text.replacen(&pair, &format!("{pair}{value},{pair}"), 1);
        let result = read_header(&mut sealed(twice.as_bytes(), valid.file_len()).as_slice(), valid.file_len());
        let message = result.unwrap_err().to_string();
        assert!(message.contains(&format!("duplicate field `{field}`")), "{message}");
    }
}
