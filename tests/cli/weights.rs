//! Invalid weights files, and how commands report them.

use std::fs;
#[cfg(unix)]
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
#[cfg(unix)]
use std::process::Stdio;

#[cfg(target_os = "linux")]
use crate::absurd;
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
    sandbox.write("a.jpg", jpeg(1));
    refused(&sandbox, &sandbox.path("missing.clippie"), &["no such file"]);
    refused(&sandbox, &sandbox.write("empty.clippie", ""), &["is empty"]);
    let words = sandbox.write("words.clippie", "words");
    refused(&sandbox, &words, &["not a .clippie weights file", "clippie-rs convert"]);
    // A photo is no model, but `info` says what it is.
    sandbox.run(["encode", "a.jpg", "-m", "a.jpg"]).fails(1, &["a.jpg", "not a .clippie weights file"]);
    sandbox.run(["info", "a.jpg"]).ok();
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
    for name in ["my-model", "rn50"] {
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
    encode(&["a.jpg"]).fails(1, &["own.clippie", "\"image.", "is damaged or was never written", "pull --force"]);
    encode(&["a.jpg", "-o", "out"]).fails(1, &["is damaged"]);
    assert_eq!(sandbox.files(), ["a.jpg", "own.clippie"]);

    let mut no_text = whole;
    no_text[text_start..].fill(0xff);
    sandbox.write("own.clippie", no_text);
    assert_eq!(encode(&["a.jpg"]).ok().stdout, photo.stdout);
    encode(&["--text", "a"]).fails(1, &["own.clippie", "\"text.", "is damaged"]);
    // Rows that were written stay; the failure is reported.
    let ran = encode(&["a.jpg", "--text", "a"]).code(1).says(&["is damaged"]);
    assert_eq!(ran.stdout, photo.stdout);
}

#[test]
fn files_that_were_never_written_are_rejected_at_first_use() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let whole = fs::read(sandbox.model()).unwrap();
    let header = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    let data = (64 + header).next_multiple_of(65_536);
    for start in [data, data + (whole.len() - data) / 2] {
        let mut cut = whole.clone();
        cut[start..].fill(0);
        sandbox.write("cut.clippie", cut);
        sandbox.run(["encode", "-m", "cut.clippie", "--text", "a red star"]).fails(1, &["\"text.", "never written"]);
        if start == data {
            sandbox.run(["encode", "-m", "cut.clippie", "a.jpg"]).fails(1, &["\"image.", "never written"]);
        }
    }
}

/// What another program does to a file.
#[cfg(unix)]
type Change = fn(&Path);

/// Starts to encode 3000 equal texts with a copy of the model, changes it after the first row, and returns the exit code,
/// the rows, and the messages. The pipe is read only afterwards, so the command cannot run ahead.
#[cfg(unix)]
fn changed_in_use(change: impl FnOnce(&Path)) -> (Option<i32>, Vec<String>, String) {
    let sandbox = Sandbox::new();
    let own = sandbox.own_model();
    sandbox.write("texts", "a\n".repeat(3000));
    let mut command = sandbox.command(["encode", "-m", "own.clippie", "--threads", "2", "--texts-from", "texts"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    change(&own);
    let rest: Vec<String> = out.lines().map(Result::unwrap).collect();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    let rows = std::iter::once(first.trim_end().to_owned()).chain(rest).collect();
    (child.wait().unwrap().code(), rows, errors)
}

#[cfg(unix)]
#[test]
fn a_file_that_changes_in_use_gives_an_error_and_no_other_numbers() {
    let changes: [(&str, Change); 4] = [
        ("cut", |own| fs::OpenOptions::new().write(true).open(own).unwrap().set_len(100_000).unwrap()),
        ("extended", |own| fs::OpenOptions::new().append(true).open(own).unwrap().write_all(b"x").unwrap()),
        ("noise", |own| overwrite(own, &1f32.to_le_bytes())),
        ("zeros", |own| overwrite(own, &[0; 4])),
    ];
    for (what, change) in changes {
        let (code, rows, errors) = changed_in_use(change);
        assert_eq!(code, Some(1), "{what}: {errors}");
        let remedy = "; put the right file in its place and open it again\n";
        assert!(errors.contains("own.clippie") && errors.ends_with(remedy), "{what}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{what}: {errors}");
        assert!(rows.len() < 3000 && rows.iter().all(|row| *row == rows[0]), "{what}: {} rows", rows.len());
    }
    let changes: [(&str, Change); 2] = [
        ("removed", |own| fs::remove_file(own).unwrap()),
        ("replaced", |own| {
            fs::write(own.with_extension("new"), "another").unwrap();
            fs::rename(own.with_extension("new"), own).unwrap();
        }),
    ];
    for (what, change) in changes {
        let (code, rows, errors) = changed_in_use(change);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{what}");
        assert!(rows.len() == 3000 && rows.iter().all(|row| *row == rows[0]), "{what}: {} rows", rows.len());
    }
}

/// Writes over the second half of a file in place.
#[cfg(unix)]
fn overwrite(path: &Path, pattern: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let half = file.metadata().unwrap().len() / 2;
    file.seek(SeekFrom::Start(half)).unwrap();
    file.write_all(&pattern.repeat(half as usize / 4)).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_memory_gives_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let encode = |limit: u64, model: &Path| {
        let script = format!("ulimit -v {limit}; exec \"$0\" encode --threads 1 a.jpg -m \"$1\"");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script, crate::support::BINARY]).arg(model).current_dir(sandbox.path("."));
        let output = shell.env_remove("CLIPPIE_THREADS").output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(!String::from_utf8(output.stdout).unwrap().contains("\"embedding\""));
        message
    };
    // 490 MB for a photo, which the file justifies and the limit does not.
    let message = encode(500_000, &absurd::image(&sandbox.path("."), 360, 8, 60_000));
    assert!(message.contains("memory, which the system does not give; close other programs"), "{message}");
    // 34 GB, which nothing justifies: refused before the system is asked.
    let message = encode(500_000, &absurd::image(&sandbox.path("."), 2040, 8, 131_072));
    assert!(
        message.contains("one image would take 3") && message.contains("convert the checkpoint again"),
        "{message}"
    );
}
