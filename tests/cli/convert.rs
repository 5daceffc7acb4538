//! `convert`: the output path, options and errors.

use std::fs;

use crate::support::{Sandbox, embedding, tiny};
use clippie_testkit::checkpoint::edit::Tensors;
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
    let old = &fs::read(sandbox.model()).unwrap()[..100];
    sandbox.write("out.clippie", old);
    sandbox.run(["convert", folder, "out.clippie"]).fails(1, &["error: out.clippie exists already", "--force"]);
    assert_eq!(fs::read(sandbox.path("out.clippie")).unwrap(), old);
    sandbox.run(["convert", folder, "out.clippie", "--force"]).code(0);
    assert_eq!(fs::read(sandbox.path("out.clippie")).unwrap(), fs::read(sandbox.model()).unwrap());
    assert_eq!(sandbox.files(), ["out.clippie"]);
    sandbox.write("out.clippie", "");
    sandbox.run(["convert", folder, "out.clippie", "--force"]).code(0);
}

#[test]
fn a_file_that_is_no_weights_file_is_never_replaced() {
    let sandbox = Sandbox::new();
    let folder = sandbox.checkpoint();
    let folder = folder.to_str().unwrap();
    for old in ["{\"model_cfg\": {}}", "x"] {
        sandbox.write("config.json", old);
        let remedy =
            "config.json exists and is no weights file, so it is not replaced; give another name, or delete it";
        sandbox.run(["convert", folder, "config.json", "--force"]).fails(1, &[remedy]);
        assert_eq!(fs::read_to_string(sandbox.path("config.json")).unwrap(), old);
    }
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
        (&[whole, "no/such/folder/out"], &["no/such/folder/out: ", "the folder no/such/folder does not exist; create"]),
        (&[whole, "new/"], &["new/: ", "the folder new/ does not exist; create it first"]),
        (&[whole, "--model", "no-such-model"], &["no-such-model"]),
        (&[whole, "--model", "vit-b-32-openai"], &["checkpoint"]),
        (&[whole, "--image-heads", "5"], &["heads"]),
    ] {
        sandbox.run(["convert"].iter().chain(args)).fails(1, parts).says(&["error: "]);
        assert_eq!(sandbox.files(), before, "{args:?}");
    }
    sandbox.run(["convert", whole, "--activation", "relu"]).fails(2, &["--activation", "quick_gelu"]);
    sandbox.run(["convert", whole, "-"]).fails(2, &["cannot go to standard output; name a file instead of `-`"]);
    assert_eq!(sandbox.files(), before);
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
    let remedy =
        "remove it from a copy of the file and give the copy, or for several files a folder of copies, with --config";
    run(&unknown).fails(1, &["unknown.json: `model_cfg.brand_new` is 1, a field that this version", remedy]);
    let refused = edited(&sandbox, "refused.json", |config| {
        config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "bert-base-uncased".into();
    });
    let remedy = "if the file is wrong, correct a copy of it and give the copy, or for several files a folder of copies, \
                  with --config";
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
    // So does `tokenize` with the model, and it cuts texts to the model's context.
    let ids = |args: &[&str]| {
        let long = "dog ".repeat(100);
        let run = sandbox.run(["tokenize", "A Dog, on the BEACH!", "a dog on the beach", &long].iter().chain(args));
        run.ok().rows().iter().map(|row| row["ids"].as_array().unwrap().clone()).collect::<Vec<_>>()
    };
    let context = info["model"]["text"]["context_length"].as_u64().unwrap() as usize;
    let (own, usual) = (ids(&["-m", "clean.clippie"]), ids(&[]));
    assert_eq!((&own[0], own[2].len()), (&own[1], context));
    assert_eq!((&usual[1], usual[2].len(), usual[0] == usual[1]), (&own[1], 77, false));
    assert_eq!(ids(&["-m", sandbox.model().to_str().unwrap(), "--context-length", "77"]), usual);
    let fingerprints = ["clean.clippie", sandbox.model().to_str().unwrap()].map(|model| {
        let info = sandbox.run(["info", "--json", model]).ok();
        serde_json::from_slice::<serde_json::Value>(&info.stdout).unwrap()["fingerprint"].clone()
    });
    assert!(fingerprints[0].is_string() && fingerprints[0] != fingerprints[1]);
}

/// Every form in which people have the checkpoint of [`tiny`]; the embeddings are those of the plain one.
#[test]
fn other_forms_of_a_checkpoint_give_the_same_embeddings() {
    let sandbox = Sandbox::new();
    let config = fs::read(sandbox.checkpoint().join("open_clip_config.json")).unwrap();
    let plain = Tensors::read(&sandbox.checkpoint().join("open_clip_model.safetensors"));
    let folder = |name: &str| {
        sandbox.write(format!("{name}/open_clip_config.json"), &config);
        sandbox.path(name)
    };
    let text = |model: &str| sandbox.run(["encode", "-m", model, "--text", "a cat"]).ok();
    let expected = text(sandbox.model().to_str().unwrap());
    let embedding = |ran: &crate::support::Ran| crate::support::embedding(&ran.rows()[0]);
    let expected_embedding = embedding(&expected);

    plain.write_parts(&folder("parts"), "open_clip_model", 2);
    plain.renamed(|name| format!("module._orig_mod.{name}")).write(&folder("compiled").join("epoch_1.safetensors"));
    let within = |from: &str, to: &str| plain.renamed(|name| name.replacen(from, to, 1));
    within("visual.", "visual._orig_mod.").write(&folder("tower").join("tower.safetensors"));
    within("visual.", "visual.module.").write(&folder("parallel").join("parallel.safetensors"));
    within("resblocks.0.", "resblocks.0._orig_mod.")
        .renamed(|name| format!("module.{name}"))
        .write(&folder("block").join("block.safetensors"));
    let head = Tensors::f32("head.weight", &[1], &[1.0]);
    plain.and(&head).write(&folder("tuned").join("tuned.safetensors"));
    let ema = plain.renamed(|name| format!("ema.{name}"));
    plain.renamed(|name| format!("net.{name}")).and(&ema).write(&folder("ema").join("ema.safetensors"));
    for (source, out, flags, said) in [
        ("parts", "parts.clippie", &[][..], "wrote parts.clippie: a model"),
        (
            "parts/open_clip_model.safetensors.index.json",
            "open_clip_model.clippie",
            &[],
            "wrote open_clip_model.clippie",
        ),
        ("parts/open_clip_model-00002-of-00002.safetensors", "open_clip_model.clippie", &["--force"], "wrote "),
        ("compiled", "compiled.clippie", &[], "wrote compiled.clippie"),
        ("tower", "tower.clippie", &[], "wrote tower.clippie"),
        ("parallel", "parallel.clippie", &[], "wrote parallel.clippie"),
        ("block", "block.clippie", &[], "wrote block.clippie"),
        ("tuned", "tuned.clippie", &["--ignore-extra"], "(1 tensor of the checkpoint left out)"),
        ("ema", "ema.clippie", &["--prefix", "net."], "of the checkpoint left out)"),
    ] {
        sandbox.run(["convert", source].iter().chain(flags)).code(0).says(&[said]);
        assert_eq!(embedding(&text(out)), expected_embedding, "{source}");
    }
    // Two names must not become one.
    let twice = plain.and(&Tensors::f32("visual._orig_mod.proj", &[1], &[1.0]));
    twice.write(&folder("twice").join("twice.safetensors"));
    sandbox.run(["convert", "twice", "x.clippie"]).fails(1, &["`visual._orig_mod.proj`"]);
    // Without the flags, the message names them.
    sandbox.run(["convert", "tuned", "x.clippie"]).fails(1, &["`head.weight`", "--ignore-extra"]);
    sandbox.run(["convert", "ema", "x.clippie"]).fails(1, &["`ema.`", "`net.`", "--prefix"]);
    sandbox
        .run(["convert", "ema", "x.clippie", "--prefix", "other"])
        .fails(1, &["--prefix other: no tensor", "are `ema.`, `net.`"]);
}

#[test]
fn one_tower_encodes_photos_or_texts_alone() {
    let sandbox = Sandbox::new();
    let config = fs::read(sandbox.checkpoint().join("open_clip_config.json")).unwrap();
    let plain = Tensors::read(&sandbox.checkpoint().join("open_clip_model.safetensors"));
    sandbox.write("image/open_clip_config.json", &config);
    sandbox.write("text/open_clip_config.json", &config);
    plain.only(|name| name.starts_with("visual.")).write(&sandbox.path("image/visual.safetensors"));
    plain.only(|name| !name.starts_with("visual.")).write(&sandbox.path("text/text.safetensors"));
    sandbox.run(["convert", "image"]).code(0).says(&["image tower alone"]);
    sandbox.run(["convert", "text"]).code(0).says(&["text tower alone"]);
    sandbox
        .run(["convert", "image", "small.clippie", "--token-table", "int8"])
        .fails(1, &["--token-table does not apply: the checkpoint has no text tower"]);
    let small = ["convert", "text", "small.clippie", "--token-table", "int8"];
    sandbox.run(small).code(0).says(&["text tower alone", "its token table in 8 bits (a row is off by up to 0.", "%"]);
    sandbox.run(["convert", "text", "x.clippie", "--token-table", "int4"]).fails(2, &["exact", "int8"]);
    let info = |file: &str| {
        sandbox.run(["info", file, "--verify"]).ok();
        let json: serde_json::Value =
            serde_json::from_slice(&sandbox.run(["info", file, "--json"]).ok().stdout).unwrap();
        (json["towers"][0]["token_table"].clone(), json["bytes"].as_u64().unwrap(), json["fingerprint"].clone())
    };
    let (exact, small) = (info("text.clippie"), info("small.clippie"));
    assert_eq!((exact.0.as_str(), small.0.as_str()), (Some("f32"), Some("i8")));
    assert!(small.1 < exact.1 && small.2 != exact.2, "{exact:?} {small:?}");
    let words = sandbox.run(["info", "small.clippie"]).ok().text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("token table i8, a scale for each row"), "{words}");
    let row = |file: &str| embedding(&sandbox.run(["encode", "-m", file, "--text", "a dog"]).ok().rows()[0]);
    let off = row("text.clippie").iter().zip(row("small.clippie")).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    assert!(off > 0.0 && off < 0.03, "{off}");

    let photo = format!("{}/examples/drawings/05.png", env!("CARGO_MANIFEST_DIR"));
    let whole = sandbox.model();
    let whole = whole.to_str().unwrap();
    let encode = |model: &str, inputs: &[&str]| sandbox.run(["encode", "-m", model].iter().chain(inputs));
    let embedding = |ran: crate::support::Ran| crate::support::embedding(&ran.ok().rows()[0]);
    let text = &["--text", "a cat"][..];
    assert_eq!(embedding(encode("image.clippie", &[&photo])), embedding(encode(whole, &[&photo])));
    assert_eq!(embedding(encode("text.clippie", text)), embedding(encode(whole, text)));
    encode("image.clippie", text).fails(1, &["image.clippie", "text tower"]);
    encode("text.clippie", &[&photo]).fails(1, &["text.clippie", "image tower"]);
    sandbox.run(["info", "image.clippie"]).ok();
    sandbox.run(["info", "--verify", "text.clippie"]).ok();
}

/// Half of the size, embeddings of its own fingerprint close to those of single precision; numbers that do not fit are refused.
#[test]
fn half_precision() {
    let sandbox = Sandbox::new();
    let folder = sandbox.checkpoint();
    let run = |precision: &str, out: &str| {
        sandbox.run(["convert", folder.to_str().unwrap(), out, "--precision", precision, "--force"])
    };
    run("f16", "half.clippie").code(0).says(&["wrote half.clippie: "]);
    run("f8", "x.clippie").fails(2, &["f32", "f16", "int8"]);
    sandbox.run(["info", "half.clippie", "--verify"]).ok();
    let info = |file: &str| -> serde_json::Value {
        serde_json::from_slice(&sandbox.run(["info", file, "--json"]).ok().stdout).unwrap()
    };
    let whole = sandbox.model();
    let (half, whole_info) = (info("half.clippie"), info(whole.to_str().unwrap()));
    assert_eq!((&half["precision"], &whole_info["precision"]), (&"f16".into(), &"f32".into()));
    assert_ne!(half["fingerprint"], whole_info["fingerprint"]);
    assert!(half["bytes"].as_u64().unwrap() < whole_info["bytes"].as_u64().unwrap());
    let photo = format!("{}/examples/drawings/05.png", env!("CARGO_MANIFEST_DIR"));
    for input in [&["--text", "a dog"][..], &[&photo]] {
        let row = |file: &str| embedding(&sandbox.run(["encode", "-m", file].iter().chain(input)).ok().rows()[0]);
        let dot: f32 = row("half.clippie").iter().zip(row(whole.to_str().unwrap())).map(|(a, b)| a * b).sum();
        assert!(dot > 0.99999, "{dot}");
    }

    fs::create_dir(sandbox.path("large")).unwrap();
    let mut tensors = Tensors::read(&folder.join("open_clip_model.safetensors"));
    let weight = tensors.0.get_mut("transformer.resblocks.0.mlp.c_proj.weight").unwrap();
    weight.bytes[..4].copy_from_slice(&70_000f32.to_le_bytes());
    tensors.write(&sandbox.path("large/open_clip_model.safetensors"));
    sandbox.write("large/open_clip_config.json", fs::read(folder.join("open_clip_config.json")).unwrap());
    sandbox.run(["convert", "large", "x.clippie"]).code(0);
    sandbox.run(["convert", "large", "y.clippie", "--precision", "f16"]).fails(
        1,
        &[
            "open_clip_model.safetensors",
            "`text.blocks.0.fc2` has the number 70000",
            "convert it without --precision f16",
        ],
    );
    assert!(!sandbox.path("y.clippie").exists());
}

/// What it costs is printed, and the file has a name of its own.
#[test]
fn eight_bits() {
    let sandbox = Sandbox::new();
    let folder = sandbox.checkpoint();
    let said = sandbox.run(["convert", folder.to_str().unwrap(), "--precision", "int8"]).code(0);
    let exact = ["convert", folder.to_str().unwrap(), "x.clippie", "--precision", "int8", "--token-table", "exact"];
    sandbox.run(exact).fails(2, &["--token-table exact cannot be obeyed", "--precision f16"]);
    said.says(&["blocks in 8 bits (the weights of an output are off by up to ", "its token table in 8 bits"]);
    let name = format!("{}-int8.clippie", folder.file_name().unwrap().to_str().unwrap());
    let info = |file: &str| -> serde_json::Value {
        serde_json::from_slice(&sandbox.run(["info", file, "--json"]).ok().stdout).unwrap()
    };
    let whole = sandbox.model();
    let (small, whole) = (info(&name), info(whole.to_str().unwrap()));
    assert_eq!((&small["precision"], &whole["precision"]), (&"int8".into(), &"f32".into()));
    assert_ne!(small["fingerprint"], whole["fingerprint"]);
    let parameters = |info: &serde_json::Value| info["towers"][0]["parameters"].as_u64().unwrap();
    assert_eq!(parameters(&small), parameters(&whole));
    assert!(small["bytes"].as_u64().unwrap() * 2 < whole["bytes"].as_u64().unwrap(), "{small}");
    sandbox.run(["info", &name, "--verify"]).ok();
    // A weights file is no checkpoint.
    sandbox
        .run(["convert", &name, "again.clippie", "--precision", "int8"])
        .fails(1, &["is a weights file already", "pull NAME --precision int8"]);
}

/// Opening a pipe would wait for its writer, and reading a device never ends.
#[cfg(unix)]
#[test]
fn only_files_and_folders_are_read() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path("pipe.pt");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    sandbox.run(["convert", "pipe.pt", "x.clippie"]).fails(1, &["pipe.pt", "a pipe, a socket or a device"]);
    sandbox.run(["convert", "/dev/zero", "x.clippie"]).fails(1, &["/dev/zero", "a pipe, a socket or a device"]);
    // Nor is a pipe that an index names.
    sandbox.write("parts/model.safetensors.index.json", r#"{"weight_map": {"logit_scale": "pipe.safetensors"}}"#);
    let pipe = sandbox.path("parts/pipe.safetensors");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    sandbox.run(["convert", "parts", "x.clippie"]).fails(1, &["pipe.safetensors", "a pipe, a socket or a device"]);
}

/// As an interrupted copy or a full disk leaves it.
#[test]
fn weights_of_zeros_are_refused() {
    let sandbox = Sandbox::new();
    let folder = sandbox.checkpoint();
    let plain = Tensors::read(&folder.join("open_clip_model.safetensors"));
    fs::create_dir(sandbox.path("zeros")).unwrap();
    fs::copy(folder.join("open_clip_config.json"), sandbox.path("zeros/open_clip_config.json")).unwrap();
    let run = |names: &[&str]| {
        let mut tensors = plain.clone();
        for name in names {
            tensors.0.get_mut(*name).unwrap().bytes.fill(0);
        }
        tensors.write(&sandbox.path("zeros/open_clip_model.safetensors"));
        sandbox.run(["convert", "zeros", "out.clippie", "--force"])
    };
    let reason = "holds zeros alone, so the file was not written to its end; download or copy it again";
    for name in ["token_embedding.weight", "transformer.resblocks.0.mlp.c_proj.weight", "visual.conv1.weight"] {
        run(&[name]).fails(1, &[&format!("open_clip_model.safetensors: tensor `{name}` {reason}")]);
        assert!(!sandbox.path("out.clippie").exists());
    }
    run(&["visual.ln_pre.bias", "transformer.resblocks.0.mlp.c_fc.bias", "positional_embedding"]).code(0);
}

#[cfg(unix)]
#[test]
fn the_target_of_a_link_is_written() {
    let sandbox = Sandbox::new();
    let folder = sandbox.checkpoint();
    let folder = folder.to_str().unwrap();
    let expected = fs::read(sandbox.model()).unwrap();
    fs::create_dir(sandbox.path("store")).unwrap();
    std::os::unix::fs::symlink("store/real.clippie", sandbox.path("link.clippie")).unwrap();
    // Also one that does not exist yet.
    for _ in 0..2 {
        sandbox.run(["convert", folder, "link.clippie"]).fails(1, &["link.clippie exists already"]);
        sandbox.run(["convert", folder, "link.clippie", "--force"]).code(0).says(&["wrote link.clippie: "]);
        assert!(sandbox.path("link.clippie").is_symlink());
        assert_eq!(fs::read(sandbox.path("store/real.clippie")).unwrap(), expected);
    }
    std::os::unix::fs::symlink("circle.clippie", sandbox.path("circle.clippie")).unwrap();
    sandbox.run(["convert", folder, "circle.clippie", "--force"]).fails(1, &["circle.clippie: ", "leads to no file"]);
}

/// PyTorch compares no checksums and can write archives without them, so a damaged entry is a warning.
#[test]
fn a_damaged_entry_of_an_archive_is_a_warning() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("tiny.pt");
    checkpoint::write(&tiny(), 1, Layout::OpenAi, &path).unwrap();
    let mut file = fs::read(&path).unwrap();
    let convert = |file: &[u8]| {
        fs::write(&path, file).unwrap();
        let answers = ["--activation", "gelu", "--image-heads", "2", "--text-heads", "2"];
        sandbox.run(["convert", "tiny.pt", "out.clippie", "--force"].iter().chain(&answers)).code(0).stderr
    };
    let warnings = |stderr: &str| stderr.lines().filter(|line| line.starts_with("warning: ")).count();
    assert_eq!(warnings(&convert(&file)), 0);

    let middle = file.len() / 2;
    for at in [middle, middle + 5000] {
        file[at] ^= 1;
    }
    let said = convert(&file);
    assert_eq!(warnings(&said), 1, "{said}");
    let parts = ["warning: tiny.pt has another checksum in its entry `", "/data/", "; download or copy it again"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");

    // Without checksums in the directory there is nothing to compare.
    for at in 0..file.len() - 20 {
        if file[at..].starts_with(b"PK\x01\x02") {
            file[at + 16..at + 20].fill(0);
        }
    }
    assert_eq!(warnings(&convert(&file)), 0);
}

/// A checkpoint is mapped, which takes address space of its size.
#[cfg(target_os = "linux")]
#[test]
fn a_lack_of_memory_is_not_a_lack_of_permissions() {
    let sandbox = Sandbox::new();
    let big = std::fs::File::create(sandbox.path("big.safetensors")).unwrap();
    big.set_len(8 << 30).unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -v 4000000; exec \"$0\" convert big.safetensors", crate::support::BINARY]);
    let out = command.current_dir(sandbox.path("")).output().unwrap();
    let errors = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("error: big.safetensors cannot be read (Cannot allocate memory"), "{errors}");
    assert!(errors.ends_with("; free memory, or raise the limit of this process's memory (`ulimit -v`)\n"), "{errors}");
}
