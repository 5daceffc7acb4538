//! A SigLIP of both layouts: converted, described, and its photos encoded.

use std::fs;

use clippie_testkit::checkpoint::{self, Layout, Model, golden, pieces};
use serde_json::{Value, json};

use crate::support::{Sandbox, embedding};

/// Writes a small SigLIP in transformers' layout to the folder `name`.
fn write(sandbox: &Sandbox, name: &str) -> String {
    let folder = sandbox.path(name);
    let model = Model::named("tiny-siglip").unwrap();
    checkpoint::write(&model, golden::SEED, Layout::HuggingFace, &folder).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn a_siglip_is_converted_described_and_encodes_photos() {
    let sandbox = Sandbox::new();
    let folder = write(&sandbox, "checkpoint");
    let ran = sandbox.run(["convert", &folder, "siglip.clippie"]).code(0);
    assert!(ran.stderr.contains("wrote siglip.clippie") && !ran.stderr.contains("warning"), "{}", ran.stderr);
    let text = sandbox.run(["info", "siglip.clippie"]).ok();
    let words = text.text().split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "logit bias -",
        "pooling attention",
        "class token no",
        "gelu_tanh",
        "squash",
        "pooling last_position",
        "pad id 1",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let json = sandbox.run(["info", "siglip.clippie", "--json"]).ok();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(json["model"]["logit_bias"].as_f64().unwrap() < 0.0);
    assert_eq!((&json["model"]["embed_dim"], &json["preprocess"]["resize"]), (&144.into(), &"squash".into()));

    sandbox.write("photo.bmp", bmp(9, 5));
    let row = sandbox.run(["encode", "-m", "siglip.clippie", "photo.bmp"]).ok().rows().remove(0);
    assert_eq!(embedding(&row).len(), 144);
}

#[test]
fn a_siglip_encodes_texts_with_the_tokenizer_beside_its_checkpoint() {
    let sandbox = Sandbox::new();
    let folder = write(&sandbox, "checkpoint");
    sandbox.run(["convert", &folder, "siglip.clippie"]).code(0);
    let row = |args: &[&str]| sandbox.run(args).ok().rows().remove(0);
    let ids = |text: &str| row(&["tokenize", "-m", "siglip.clippie", text])["ids"].clone();
    // A word, two letters of it, and the end; capitals and punctuation count for nothing.
    assert_eq!(ids("a dog"), json!([3, 5, 1]));
    assert_eq!(ids("A d-o_g!"), ids("a dog"));
    assert_eq!(ids(""), json!([1]));
    // 16 positions, the last of which is the end.
    assert_eq!(ids(&"dog ".repeat(99)), json!([[5; 15].as_slice(), &[1]].concat()));
    let one = row(&["encode", "-m", "siglip.clippie", "--text", "a dog"]);
    let same = row(&["encode", "-m", "siglip.clippie", "--text", "A dog."]);
    let other = row(&["encode", "-m", "siglip.clippie", "--text", "a cat"]);
    assert_eq!(embedding(&one), embedding(&same));
    assert_ne!(embedding(&one), embedding(&other));
    let info = sandbox.run(["info", "siglip.clippie", "--verify"]).ok();
    let text = info.text();
    assert!(text.contains("sentencepiece") && text.contains("punctuation"), "{text}");
}

#[test]
fn a_tokenizer_that_is_missing_or_another_one_is_an_error() {
    let sandbox = Sandbox::new();
    let folder = write(&sandbox, "checkpoint");
    let pieces = sandbox.path("checkpoint").join("spiece.model");
    let own = fs::read(&pieces).unwrap();
    let convert = |more: &[&str]| sandbox.run([&["convert", &folder, "out.clippie", "--force"], more].concat());

    fs::remove_file(&pieces).unwrap();
    convert(&[]).fails(1, &["checkpoint", "need a tokenizer", "tokenizer.json", "spiece.model", "--without-tokenizer"]);
    assert!(!sandbox.path("out.clippie").exists());
    // Named, it may be anywhere; left out, the model takes photos.
    fs::create_dir(sandbox.path("other")).unwrap();
    sandbox.write("other/spiece.model", own.clone());
    convert(&["--config", "other/spiece.model"]).code(0);
    convert(&["--config", "nowhere/spiece.model"]).fails(1, &["nowhere/spiece.model", "No such file"]);
    sandbox.run(["tokenize", "-m", "out.clippie", "a dog"]).ok();
    convert(&["--without-tokenizer"]).code(0);
    let failed = sandbox.run(["encode", "-m", "out.clippie", "--text", "a dog"]);
    failed.fails(1, &["takes no text", "convert its checkpoint again"]);

    // That of another model, and bytes that are none.
    fs::write(&pieces, pieces::model(300, true)).unwrap();
    convert(&[]).fails(1, &["spiece.model", "is not the tokenizer of this model", "`</s>`"]);
    fs::write(&pieces, pieces::model(9000, false)).unwrap();
    convert(&[]).fails(1, &["spiece.model", "9000 pieces", "90 rows"]);
    fs::write(&pieces, &own[..own.len() / 2]).unwrap();
    convert(&[]).fails(1, &["spiece.model"]);
    fs::write(&pieces, &own).unwrap();
    // A configuration that asks for other ids than the model has.
    let config = sandbox.path("checkpoint").join("tokenizer_config.json");
    for (field, value) in [
        ("eos_token", "\"<eos>\""),
        ("pad_token", "\"<pad>\""),
        ("padding_side", "\"left\""),
        ("add_bos_token", "true"),
        ("do_lower_case", "false"),
        ("tokenizer_class", "\"CLIPTokenizer\""),
        ("sp_model_kwargs", "{\"enable_sampling\": true}"),
        ("unheard_of", "1"),
        ("model_max_length", "15"),
    ] {
        fs::write(&config, format!("{{\"{field}\": {value}, \"processor_class\": \"x\"}}")).unwrap();
        convert(&[]).fails(1, &["tokenizer_config.json", field]);
    }
    let fine = r#"{"tokenizer_class": "SiglipTokenizer", "eos_token": {"content": "</s>"}, "pad_token": "</s>",
        "model_max_length": 64, "do_lower_case": true, "sp_model_kwargs": {}, "extra_special_tokens": {}}"#;
    fs::write(&config, fine).unwrap();
    convert(&[]).code(0);
}

#[test]
fn a_damaged_tokenizer_is_found() {
    let sandbox = Sandbox::new();
    let folder = write(&sandbox, "checkpoint");
    sandbox.run(["convert", &folder, "siglip.clippie"]).code(0);
    let path = sandbox.path("siglip.clippie");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(8).position(|part| part == b"PIECES\r\n").unwrap();
    // The tensor is the last of the file.
    assert!(at > bytes.len() / 2);
    bytes[at + 200] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let info = sandbox.run(["info", "siglip.clippie", "--verify"]).code(1);
    assert!(info.stderr.contains("text.tokenizer"), "{}", info.stderr);
    sandbox.run(["encode", "-m", "siglip.clippie", "--text", "a dog"]).fails(1, &["text.tokenizer"]);
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    sandbox.run(["encode", "-m", "siglip.clippie", "--text", "a dog"]).fails(1, &["siglip.clippie", "tokenizer"]);
}

/// A photo of a gradient.
fn bmp(width: u32, height: u32) -> Vec<u8> {
    let stride = (3 * width).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    bytes.extend((54 + stride * height).to_le_bytes());
    bytes.extend([0; 4]);
    for number in [54, 40, width, height] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    for y in 0..height {
        bytes.extend((0..stride).map(|x| (x * 7 + y * 40) as u8));
    }
    bytes
}

#[test]
fn files_of_another_kind_of_model_are_refused() {
    let sandbox = Sandbox::new();
    let folder = write(&sandbox, "checkpoint");
    let config = sandbox.path("checkpoint").join("config.json");
    let own = fs::read_to_string(&config).unwrap();
    let edited = |from: &str, to: &str| {
        assert!(own.contains(from));
        fs::write(&config, own.replacen(from, to, 1)).unwrap();
        sandbox.run(["convert", &folder, "out.clippie"])
    };
    edited("\"siglip\"", "\"siglip2\"").fails(1, &["`model_type` is `siglip2`", "NaFlex", "fixed size"]);
    edited("\"siglip\"", "\"clip\"").fails(1, &["config.json"]);
    edited("\"vision_config\": {", "\"vision_config\": { \"vision_use_head\": false,")
        .fails(1, &["`vision_config.vision_use_head` is false"]);
    edited("\"image_size\": 30", "\"image_size\": 40").fails(1, &["vision_config.image_size is 40", "4 patches of 7"]);
    assert!(!sandbox.path("out.clippie").exists());
    // A name of another size.
    fs::write(&config, &own).unwrap();
    sandbox
        .run(["convert", &folder, "out.clippie", "--model", "siglip2-b-16-224"])
        .fails(1, &["siglip2-b-16-224", "vit_base_patch16_siglip_224"]);
}
