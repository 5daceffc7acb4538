//! `convert`: the output path, options and errors.

use std::fs;

use crate::support::{Sandbox, embedding, tiny};
use clippie_testkit::checkpoint::{self, Layout};

#[test]
fn the_file_is_named_after_the_checkpoint() {
    let sandbox = Sandbox::new();
    let expected = fs::read(sandbox.model()).unwrap();
    let written = |ran: crate::support::Ran, name: &str| {
        let ran = ran.code(0);
        assert_eq!(ran.stdout, b"");
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("wrote {name}: ")) && ran.stderr.ends_with(" s\n"), "{}", ran.stderr);
        let file = fs::read(sandbox.path(name)).unwrap();
        fs::remove_file(sandbox.path(name)).unwrap();
        file
    };
    let folder = sandbox.checkpoint();
    let file = folder.join("open_clip_model.safetensors");
    let run = |args: &[&std::ffi::OsStr]| sandbox.run([&["convert".as_ref()], args].concat());
    assert_eq!(written(run(&[folder.as_ref()]), "checkpoint.clippie"), expected);
    assert_eq!(written(run(&[file.as_ref()]), "open_clip_model.clippie"), expected);
    assert_eq!(written(run(&[file.as_ref(), "x.bin".as_ref()]), "x.bin"), expected);
    fs::create_dir(sandbox.path("models")).unwrap();
    assert_eq!(written(run(&[file.as_ref(), "models".as_ref()]), "models/open_clip_model.clippie"), expected);
    sandbox.run(["convert".as_ref(), folder.as_os_str(), "-q".as_ref()]).ok();
}

#[test]
fn an_existing_file_is_replaced_only_with_force() {
    let sandbox = Sandbox::new();
    let folder = sandbox.checkpoint();
    let folder = folder.to_str().unwrap();
    sandbox.write("out.clippie", "old");
    sandbox.run(["convert", folder, "out.clippie"]).fails(1, &["error: out.clippie exists already", "--force"]);
    assert_eq!(fs::read(sandbox.path("out.clippie")).unwrap(), b"old");
    sandbox.run(["convert", folder, "out.clippie", "--force"]).code(0);
    assert_eq!(fs::read(sandbox.path("out.clippie")).unwrap(), fs::read(sandbox.model()).unwrap());
    assert_eq!(sandbox.files(), ["out.clippie"]);
}

#[test]
fn a_failed_conversion_leaves_no_file() {
    let sandbox = Sandbox::new();
    sandbox.write("words.safetensors", "no checkpoint");
    sandbox.write("empty.pt", "");
    sandbox.own_model();
    let folder = sandbox.checkpoint();
    let file = fs::read(folder.join("open_clip_model.safetensors")).unwrap();
    sandbox.write("cut/open_clip_model.safetensors", &file[..file.len() / 2]);
    let before = sandbox.files();
    let whole = folder.to_str().unwrap();
    for (args, parts) in [
        (&["missing.pt"][..], &["missing.pt"][..]),
        (&["words.safetensors"], &["words.safetensors"]),
        (&["empty.pt"], &["empty.pt", "is empty"]),
        (&["own.clippie"], &["own.clippie is a weights file already", "-m own.clippie"]),
        (&["own.clippie", "--force"], &["own.clippie is a weights file already"]),
        (&["cut"], &["open_clip_model.safetensors"]),
        (&[whole, "no/such/folder/out"], &["no/such/folder/out"]),
        (&[whole, "--model", "no-such-model"], &["no-such-model"]),
        (&[whole, "--model", "vit-b-32-openai"], &["checkpoint"]),
        (&[whole, "--image-heads", "5"], &["heads"]),
    ] {
        sandbox.run(["convert"].iter().chain(args)).fails(1, parts).says(&["error: "]);
        assert_eq!(sandbox.files(), before, "{args:?}");
    }
    sandbox.run(["convert", whole, "--activation", "relu"]).fails(2, &["--activation", "quick_gelu"]);
    sandbox.run(["convert", whole, "--std", "0,0,0"]).fails(2, &["--std"]);
}

#[test]
fn options_are_stored_in_the_file() {
    let sandbox = Sandbox::new();
    checkpoint::write(&tiny(), 1, Layout::OpenAi, &sandbox.path("tiny.pt")).unwrap();
    let answers = ["--activation", "gelu", "--image-heads", "4", "--text-heads", "1", "--resize", "squash"];
    let more = ["--interpolation", "bilinear", "--mean", "0,0.25,0.5", "--std", "1,1,0.5"];
    sandbox.run(["convert", "tiny.pt"].iter().chain(&answers).chain(&more)).code(0);
    let info = sandbox.run(["info", "--json", "tiny.clippie"]).ok();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    for tower in ["image", "text"] {
        assert_eq!(info["model"][tower]["blocks"]["activation"], "gelu");
    }
    let heads = |tower: &str| &info["model"][tower]["blocks"]["heads"];
    assert_eq!((heads("image"), heads("text")), (&4.into(), &1.into()));
    let expected = serde_json::json!({
        "image_size": 32, "resize": "squash", "interpolation": "bilinear",
        "mean": [0.0, 0.25, 0.5], "std": [1.0, 1.0, 0.5],
    });
    assert_eq!(info["preprocess"], expected);
    assert_eq!(info["provenance"]["source"], "tiny.pt");
}

/// The configuration of the checkpoint, changed.
fn edited(sandbox: &Sandbox, name: &str, edit: impl Fn(&mut serde_json::Value)) -> String {
    let path = sandbox.checkpoint().join("open_clip_config.json");
    let mut config = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut config);
    sandbox.write(name, serde_json::to_vec(&config).unwrap());
    name.to_owned()
}

#[test]
fn a_refused_field_can_be_removed_from_a_copy() {
    let sandbox = Sandbox::new();
    let checkpoint = sandbox.checkpoint().join("open_clip_model.safetensors");
    let file = checkpoint.to_str().unwrap();
    let run = |config: &str| sandbox.run(["convert", file, "out.clippie", "--force", "--config", config]);

    let unknown = edited(&sandbox, "unknown.json", |config| config["model_cfg"]["brand_new"] = 1.into());
    let remedy = "remove it from a copy of the file and give the copy with --config";
    run(&unknown).fails(1, &["unknown.json: `model_cfg.brand_new` is 1, a field that this version", remedy]);
    let refused = edited(&sandbox, "refused.json", |config| {
        config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "bert-base-uncased".into();
    });
    let remedy = "if the file is wrong, correct a copy of it and give the copy with --config";
    run(&refused).fails(1, &["`model_cfg.text_cfg.hf_tokenizer_name` is \"bert-base-uncased\"", remedy]);
    run(&edited(&sandbox, "copy.json", |_| {})).code(0);
    assert_eq!(fs::read(sandbox.path("out.clippie")).unwrap(), fs::read(sandbox.model()).unwrap());
}

#[test]
fn texts_are_cleaned_as_the_configuration_says() {
    let sandbox = Sandbox::new();
    let folder = sandbox.checkpoint();
    let config = edited(&sandbox, "clean.json", |config| {
        config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = serde_json::json!({ "clean": "canonicalize" });
    });
    let convert = ["convert", folder.to_str().unwrap(), "clean.clippie", "--config", &config];
    sandbox.run(convert).code(0);
    let rows = |model: &str| {
        let run =
            sandbox.run(["encode", "-m", model, "--text", "A Dog, on the BEACH!", "--text", "a dog on the beach"]);
        let rows = run.code(0).rows();
        (embedding(&rows[0]), embedding(&rows[1]))
    };
    let (difficult, plain) = rows("clean.clippie");
    assert_eq!(difficult, plain);
    let (difficult, same) = rows(sandbox.model().to_str().unwrap());
    assert_eq!(same, plain);
    assert_ne!(difficult, plain);
    let info = sandbox.run(["info", "--json", "clean.clippie"]).ok();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["tokenizer"]["clean"], "canonicalize");
    let fingerprints = ["clean.clippie", sandbox.model().to_str().unwrap()].map(|model| {
        let info = sandbox.run(["info", "--json", model]).ok();
        serde_json::from_slice::<serde_json::Value>(&info.stdout).unwrap()["fingerprint"].clone()
    });
    assert!(fingerprints[0].is_string() && fingerprints[0] != fingerprints[1]);
}
