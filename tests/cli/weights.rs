//! Invalid weights files, and how commands report them.

use std::fs;
use std::path::Path;

use crate::photos::jpeg;
use crate::support::Sandbox;

/// Asserts that every command rejects the file with these messages.
#[track_caller]
fn refused(sandbox: &Sandbox, model: &Path, parts: &[&str]) {
    let name = model.file_name().unwrap().to_str().unwrap();
    for args in [
        &["encode", "a.jpg", "-o", "out", "-m"][..],
        &["encode", "--text", "a", "-m"],
        &["preprocess", "a.jpg", "-o", "out", "-m"],
        &["info"],
    ] {
        sandbox.run(args.iter().map(|arg| arg.as_ref()).chain([model.as_os_str()])).fails(1, parts).says(&[name]);
    }
    assert!(!sandbox.path("out").exists());
}

#[test]
fn other_files_are_rejected() {
    let sandbox = Sandbox::new();
    let photo = sandbox.write("a.jpg", jpeg(1));
    refused(&sandbox, &sandbox.path("missing.clippie"), &["no such file"]);
    refused(&sandbox, &sandbox.write("empty.clippie", ""), &["is empty"]);
    refused(&sandbox, &photo, &["not a .clippie weights file", "clippie-rs convert"]);
    refused(&sandbox, &sandbox.checkpoint(), &["is a folder"]);
    refused(&sandbox, &sandbox.checkpoint().join("open_clip_model.safetensors"), &["clippie-rs convert"]);
}

#[test]
fn damaged_files_are_rejected() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let whole = fs::read(sandbox.model()).unwrap();
    for len in [1, 8, 12, 63, 64, 1000, whole.len() / 2, whole.len() - 1] {
        let cut = sandbox.write("cut.clippie", &whole[..len]);
        refused(&sandbox, &cut, &["copy or convert it again"]);
    }
    let longer = [&whole[..], b"x"].concat();
    refused(&sandbox, &sandbox.write("longer.clippie", longer), &["something was appended"]);
    for (at, part) in [(0, "not a .clippie"), (14, ""), (20, "damaged"), (40, "damaged"), (500, "damaged")] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        refused(&sandbox, &sandbox.write("flipped.clippie", flipped), &[part]);
    }
    let mut newer = whole;
    newer[8] = 2;
    refused(&sandbox, &sandbox.write("newer.clippie", newer), &["newer clippie-rs", "version 2", "update"]);
}

#[test]
fn names_and_files_are_distinguished() {
    let sandbox = Sandbox::new();
    let hub = cfg!(feature = "hub");
    for name in ["vit-b-32-openai", "hf-hub:apple/MobileCLIP2-S2"] {
        let parts = if hub { [name, "clippie-rs pull"] } else { ["download ", "clippie-rs convert"] };
        sandbox.run(["encode", "--text", "a", "-m", name]).fails(1, &parts);
        sandbox.run(["info", name]).fails(1, &parts);
        // A file with the name of a model must be given by its path.
        if !name.contains('/') {
            fs::copy(sandbox.model(), sandbox.path(name)).unwrap();
            sandbox.run(["encode", "--text", "a", "-m", name]).fails(1, &parts);
            sandbox.run(["encode", "--text", "a", "-m", &format!("./{name}")]).ok();
        }
    }
    for name in ["my-model", "rn50-openai"] {
        sandbox.run(["encode", "--text", "a", "-m", name]).fails(1, &["there is no file", name]);
        // A name that is not a model name may be a file name.
        fs::copy(sandbox.model(), sandbox.path(name)).unwrap();
        sandbox.run(["encode", "--text", "a", "-m", name]).ok();
    }
    fs::copy(sandbox.model(), sandbox.path("demo")).unwrap();
    sandbox.run(["encode", "--text", "a", "-m", "demo"]).ok();
}

#[test]
fn an_unused_tower_is_never_read() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let own = sandbox.own_model();
    let info = sandbox.run(["info", "--json", own.to_str().unwrap()]).ok();
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    let size = |tower: usize| info["towers"][tower]["bytes"].as_u64().unwrap() as usize;
    let whole = fs::read(&own).unwrap();
    let encode = |args: &[&str]| sandbox.run(["encode", "-m", "own.clippie"].iter().chain(args));
    let (photo, text) = (encode(&["a.jpg"]).ok(), encode(&["--text", "a"]).ok());

    // A tower filled with NaN would show in any result.
    let text_start = whole.len() - size(1);
    let image_end = text_start - (text_start - size(0)) % 65_536;
    let mut no_image = whole.clone();
    no_image[image_end - size(0)..image_end].fill(0xff);
    sandbox.write("own.clippie", no_image);
    assert_eq!(encode(&["--text", "a"]).ok().stdout, text.stdout);
    encode(&["a.jpg"]).fails(1, &["own.clippie", "not finite", "info --verify"]);
    encode(&["a.jpg", "-o", "out"]).fails(1, &["not finite"]);
    assert_eq!(sandbox.files(), ["a.jpg", "own.clippie"]);

    let mut no_text = whole;
    no_text[text_start..].fill(0xff);
    sandbox.write("own.clippie", no_text);
    assert_eq!(encode(&["a.jpg"]).ok().stdout, photo.stdout);
    encode(&["--text", "a"]).fails(1, &["own.clippie", "not finite"]);
    // Rows that were written stay; the failure is reported.
    let ran = encode(&["a.jpg", "--text", "a"]).code(1).says(&["not finite"]);
    assert_eq!(ran.stdout, photo.stdout);
}
