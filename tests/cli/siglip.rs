//! A SigLIP of both layouts: converted, described, and its photos encoded.

use std::fs;

use clippie_testkit::checkpoint::{self, Layout, Model, golden};
use serde_json::Value;

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
    // It says that its texts need another tokenizer.
    for part in ["SentencePiece", "takes photos, and ids that a program gives, but no text", "wrote siglip.clippie"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
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
    let failed = sandbox.run(["encode", "-m", "siglip.clippie", "--text", "a dog"]);
    assert_ne!(failed.code, 0);
    assert!(failed.stderr.contains("takes no text"), "{}", failed.stderr);
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
