//! `tokenize`: token ids without a model, or of a published tokenizer.

use std::io::Read;

use crate::support::{Sandbox, feed};

#[test]
fn ids_go_from_start_to_end() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["tokenize", "a dog on a beach", ""]).ok();
    // Ids of open_clip's tokenizer.
    let expected = "{\"text\":\"a dog on a beach\",\"ids\":[49406,320,1929,525,320,2117,49407]}\n\
                    {\"text\":\"\",\"ids\":[49406,49407]}\n";
    assert_eq!(ran.text(), expected);
    let ran = feed(sandbox.command(["tokenize", "--texts-from", "-"]), b"a dog on a beach\n\n").ok();
    assert_eq!(ran.text(), expected);
    let ran = sandbox.run(["tokenize", "--", "--help"]).ok();
    assert_eq!(ran.rows()[0]["text"], "--help");
}

#[test]
fn long_texts_are_truncated_or_rejected() {
    let sandbox = Sandbox::new();
    let ids = |args: &[&str]| {
        let row = sandbox.run(["tokenize"].iter().chain(args)).ok().rows().remove(0);
        row["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect::<Vec<_>>()
    };
    let long = "dog ".repeat(100);
    let cut = ids(&[&long]);
    assert_eq!((cut.len(), cut[0], cut[1], cut[76]), (77, 49406, 1929, 49407));
    assert_eq!(ids(&["a dog on a beach", "--context-length", "4"]), [49406, 320, 1929, 49407]);
    assert_eq!(ids(&[&long, "--context-length", "1000"]).len(), 102);

    let ran = sandbox.run(["tokenize", "dog", &long, "--refuse-long"]).code(3);
    let ran = ran.says(&["error: text 2: ", "102 tokens", "tokenized 1 of 2 texts; 1 failed"]);
    let rows = ran.rows();
    assert!(rows[0]["ids"].is_array() && rows[1]["error"].is_string() && rows[1].get("ids").is_none());
    sandbox.run(["tokenize", &long, "--refuse-long"]).code(1);
}

/// A file of `tests/goldens/sentencepiece`.
fn golden(sandbox: &Sandbox, name: &str) -> std::path::PathBuf {
    let path = format!("{}/tests/goldens/sentencepiece/{name}.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    sandbox.write(name, bytes)
}

#[test]
fn a_published_tokenizer_gives_its_ids() {
    let sandbox = Sandbox::new();
    let ids = |args: &[&str]| {
        let row = sandbox.run(["tokenize"].iter().chain(args)).ok().rows().remove(0);
        row["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect::<Vec<_>>()
    };
    for name in ["t5.json", "t5.model", "gemma.json"] {
        golden(&sandbox, name);
    }
    let text = "A dog, on a beach!";
    let [json, model, gemma] = ["t5.json", "t5.model", "gemma.json"].map(|name| ids(&["--tokenizer", name, text]));
    // A tokenizer.json has the end token; a SentencePiece model says nothing of it.
    assert_eq!(json, [model.as_slice(), &[1]].concat());
    assert_eq!(gemma[0], 2);
    let cleaned = ids(&["--tokenizer", "t5.model", "--clean", "canonicalize", text]);
    assert_eq!(cleaned, ids(&["--tokenizer", "t5.model", "a dog on a beach"]));
    // No limit but the one that is given.
    assert!(ids(&["--tokenizer", "t5.model", &"dog ".repeat(1000)]).len() >= 1000);
    assert_eq!(ids(&["--tokenizer", "t5.json", "--context-length", "4", text]), [&json[..3], &[1]].concat());
}

#[test]
fn a_file_that_is_no_tokenizer_is_named_with_the_reason() {
    let sandbox = Sandbox::new();
    let refused = |name: &str, says: &[&str]| {
        let says: Vec<&str> = [name].iter().chain(says).copied().collect();
        let _ = sandbox.run(["tokenize", "--tokenizer", name, "x"]).code(1).says(&says);
    };
    refused("missing.model", &["cannot be used as a tokenizer"]);
    sandbox.write("photo.png", b"\x89PNG\r\n\x1a\n");
    refused("photo.png", &["no SentencePiece model"]);
    sandbox.write("empty.model", b"");
    refused("empty.model", &["unknown"]);
    sandbox.write("other.json", br#"{"version": "1.0", "model": {"type": "WordPiece", "vocab": {"a": 0}}}"#);
    refused("other.json", &["WordPiece"]);
    sandbox.write("cut.json", br#"{"version": "1.0", "model": {"#);
    refused("cut.json", &["EOF"]);
    sandbox.write("folder/x", b"");
    refused("folder", &["cannot be used as a tokenizer"]);
    let _ = sandbox.run(["tokenize", "--tokenizer", "x", "-m", "demo", "x"]).code(2);
    let _ = sandbox.run(["tokenize", "--clean", "lower", "x"]).code(2);
}

/// Opening a pipe would wait for its writer.
#[cfg(unix)]
#[test]
fn only_regular_files_are_tokenizers() {
    let sandbox = Sandbox::new();
    let pipe = sandbox.path("pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    sandbox.run(["tokenize", "--tokenizer", "pipe.json", "a"]).fails(1, &["pipe.json", "it is a pipe"]);
    sandbox.run(["tokenize", "--tokenizer", "/dev/zero", "a"]).fails(1, &["/dev/zero", "it is a device"]);
    sandbox.run(["tokenize", "--tokenizer", ".", "a"]).fails(1, &["it is a folder"]);
    sandbox.run(["tokenize", "--tokenizer", "absent.json", "a"]).fails(1, &["absent.json", "No such file"]);
}
