//! Models with multilingual text towers: converted, described, and their photos encoded.

use clippie_testkit::checkpoint::{self, Layout, Model, golden};
use serde_json::{Value, json};

use crate::support::{Sandbox, embedding};

/// Writes a small model to the folder `name`.
fn write(sandbox: &Sandbox, model: &str, layout: Layout, name: &str) -> String {
    let folder = sandbox.path(name);
    checkpoint::write(&Model::named(model).unwrap(), golden::SEED, layout, &folder).unwrap();
    folder.to_str().unwrap().to_owned()
}

fn words(sandbox: &Sandbox, file: &str) -> String {
    sandbox.run(["info", file]).ok().text().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_xlm_roberta_is_converted_described_and_encodes_photos() {
    let sandbox = Sandbox::new();
    let folder = write(&sandbox, "tiny-xlm-roberta", Layout::OpenClip, "checkpoint");
    // The configuration names the published tower, which has other sizes.
    sandbox.run(["convert", &folder, "xlm.clippie"]).fails(1, &["model_cfg.text_cfg.hf_model_name is 250002", "90"]);
    std::fs::remove_file(sandbox.path("checkpoint").join("open_clip_config.json")).unwrap();
    sandbox.run(["convert", &folder, "xlm.clippie"]).fails(1, &["activation", "xlm-r-base-vit-b-32"]);
    let flags = ["--activation", "gelu", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"];
    let more = ["--interpolation", "bicubic", "--resize", "shortest", "--image-heads", "5", "--text-heads", "5"];
    let args: Vec<&str> = ["convert", &folder, "xlm.clippie"].into_iter().chain(flags).chain(more).collect();
    let ran = sandbox.run(args).code(0);
    assert!(ran.stderr.contains("wrote xlm.clippie") && !ran.stderr.contains("warning"), "{}", ran.stderr);

    let words = words(&sandbox, "xlm.clippie");
    for part in ["architecture xlm_roberta", "pad id 1", "projection width 27", "context length 20", "vocab size 90"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    sandbox.run(["info", "--verify", "xlm.clippie"]).ok();
    sandbox.write("photo.bmp", bmp());
    let row = sandbox.run(["encode", "-m", "xlm.clippie", "photo.bmp"]).ok().rows().remove(0);
    assert_eq!(embedding(&row).len(), 20);
    // fairseq's ids: one more than the file's.
    assert_eq!(ids(&sandbox, "xlm.clippie", "a dog"), json!([0, 4, 6, 2]));
    let row = sandbox.run(["encode", "-m", "xlm.clippie", "--text", "a dog"]).ok().rows().remove(0);
    assert_eq!(embedding(&row).len(), 20);
}

fn ids(sandbox: &Sandbox, file: &str, text: &str) -> Value {
    sandbox.run(["tokenize", "-m", file, text]).ok().rows().remove(0)["ids"].clone()
}

#[test]
fn an_nllb_has_the_token_of_english_before_its_texts() {
    let sandbox = Sandbox::new();
    let folder = write(&sandbox, "tiny-nllb", Layout::OpenClip, "checkpoint");
    std::fs::remove_file(sandbox.path("checkpoint").join("open_clip_config.json")).unwrap();
    let flags = ["--activation", "gelu", "--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"];
    let more = ["--interpolation", "bicubic", "--resize", "shortest", "--image-heads", "5", "--text-heads", "4"];
    let args: Vec<&str> = ["convert", &folder, "nllb.clippie"].into_iter().chain(flags).chain(more).collect();
    sandbox.run(args.clone()).code(0);
    // English is the last token but four of a hundred.
    assert_eq!(ids(&sandbox, "nllb.clippie", "a dog"), json!([95, 4, 6, 2]));
    let row = |more: &[&str]| {
        let args = [&["encode", "-m", "nllb.clippie", "--text", "a dog"], more].concat();
        embedding(&sandbox.run(args).ok().rows().remove(0))
    };
    assert_eq!(row(&[]), row(&["--language", "en"]));
    assert_eq!(row(&[]), row(&["--language", "eng_Latn"]));
    assert_ne!(row(&[]), row(&["--language", "de"]));
    let german = ["tokenize", "-m", "nllb.clippie", "--language", "deu_Latn", "a dog"];
    assert_eq!(sandbox.run(german).ok().rows()[0]["ids"], json!([96, 4, 6, 2]));
    for wrong in ["fr", "german", "</s>", "<pad>"] {
        let args = ["encode", "-m", "nllb.clippie", "--text", "a dog", "--language", wrong];
        sandbox.run(args).fails(1, &["has no language", wrong]);
    }
    sandbox.run(["encode", "-m", "demo", "--text", "a dog", "--language", "de"]).fails(1, &["only NLLB has languages"]);
    sandbox.run(["encode", "-m", "nllb.clippie", "x.jpg", "--language", "de"]).fails(2, &["--language"]);
    std::fs::remove_file(sandbox.path("checkpoint").join("tokenizer.json")).unwrap();
    sandbox.run([&args[..], &["--force"]].concat()).fails(1, &["tokenizer.json", "facebook/nllb-200"]);
}

#[test]
fn metaclip_2_is_pooled_as_its_configuration_says() {
    let sandbox = Sandbox::new();
    for (model, layout, end) in [
        ("tiny-worldwide", Layout::OpenClip, 2),
        ("tiny-worldwide", Layout::HuggingFace, 2),
        ("tiny-worldwide-mt5", Layout::OpenClip, 1),
        ("tiny-worldwide-mt5", Layout::HuggingFace, 1),
    ] {
        let name = format!("{model}-{}", layout.name());
        let (folder, file) = (write(&sandbox, model, layout, &name), format!("{name}.clippie"));
        sandbox.run(["convert", &folder, &file]).code(0);
        let json = sandbox.run(["info", &file, "--json"]).ok();
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["model"]["text"]["pooling"]["id"], end, "{name}");
        let squash = if model == "tiny-worldwide" { "squash" } else { "shortest" };
        assert_eq!((&json["preprocess"]["resize"], &json["model"]["text"]["causal"]), (&squash.into(), &true.into()));
    }
}

#[test]
fn the_list_of_models_has_them() {
    let sandbox = Sandbox::new();
    let text = sandbox.run(["models"]).ok();
    for name in ["xlm-r-base-vit-b-32", "nllb-siglip-mrl-base", "metaclip2-bigg-14-378", "metaclip2-mt5-b-32"] {
        assert!(text.text().contains(name), "{name}");
    }
}

/// A photo of one colour.
fn bmp() -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    bytes.extend((54u32 + 24 * 8).to_le_bytes());
    bytes.extend([0; 4]);
    for number in [54u32, 40, 8, 8] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend((0..24 * 8).map(|i| (i * 5 % 251) as u8));
    bytes
}
