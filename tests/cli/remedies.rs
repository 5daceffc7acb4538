//! Follows the advice of the command's messages; other files do so where the message is tested.

use std::fs;

use crate::photos::{jpeg, png};
use crate::support::{Sandbox, feed};

#[cfg(feature = "demo")]
#[test]
fn a_model_can_be_named() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.run(["encode", "a.jpg"]).fails(2, &["-m demo", "CLIPPIE_MODEL", "`clippie-rs models`"]);
    sandbox.run(["encode", "a.jpg", "-m", "demo"]).ok();
    let mut command = sandbox.command(["encode", "a.jpg"]);
    assert!(command.env("CLIPPIE_MODEL", "demo").output().unwrap().status.success());
    assert!(sandbox.run(["models"]).ok().text().contains("demo"));
    // Two models: give one.
    let advice = "--json measures one model, or several precisions of it; give one -m";
    sandbox.run(["bench", "--json", "-m", "demo", "-m", "demo"]).fails(2, &[advice]);
    sandbox.run(["bench", "--json", "-m", "demo", "--seconds", "0.01"]).ok();
}

#[test]
fn inputs_can_be_given_as_advised() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.encode([""; 0]).fails(2, &["name photos or folders, or give --text, --files-from or --texts-from"]);
    sandbox.write("photos.txt", "a.jpg\n");
    sandbox.write("texts.txt", "a dog\n");
    for args in
        [&["a.jpg"][..], &["."], &["--text", "a"], &["--files-from", "photos.txt"], &["--texts-from", "texts.txt"]]
    {
        sandbox.encode(args).ok();
    }
    sandbox.run(["tokenize"]).fails(2, &["give texts, or a file of them with --texts-from"]);
    sandbox.run(["tokenize", "--texts-from", "texts.txt"]).ok();

    let args = ["-", "--texts-from", "-"];
    sandbox.encode(args).fails(2, &["standard input can be only one of the inputs; put the others into files"]);
    feed(sandbox.encode_command(["-", "--texts-from", "texts.txt"]), &jpeg(1)).ok();

    sandbox.write("latin.txt", b"r\xe9sum\xe9\n");
    sandbox.encode(["--texts-from", "latin.txt"]).fails(1, &["save the file as UTF-8"]);
    sandbox.write("latin.txt", "r\u{e9}sum\u{e9}\n");
    sandbox.encode(["--texts-from", "latin.txt"]).ok();

    let long = "dog ".repeat(100);
    sandbox.run(["tokenize", &long, "--refuse-long"]).code(1).says(&["shorten it or let it be truncated"]);
    sandbox.run(["tokenize", "dog", "--refuse-long"]).ok();
    sandbox.run(["tokenize", &long]).ok();

    // A format that is known and not read.
    sandbox.write("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n");
    sandbox.encode(["a.jp2"]).code(1).says(&["a.jp2 is a", "convert it to JPEG first"]);
    sandbox.encode(["a.jpg"]).ok();
}

#[test]
fn outputs_can_be_written_as_advised() {
    let sandbox = Sandbox::new();
    sandbox.write("d/a.png", png(1));
    sandbox.write("d/empty.png", "");
    let model = sandbox.own_model();
    let model = model.to_str().unwrap();
    sandbox.encode(["d/a.png", "-o", "d/a.png"]).fails(2, &["the name d/a.png tells no format", "or give --format"]);
    let args = ["d/a.png", "--format", "csv", "-o", "d/a.png"];
    sandbox.encode(args).fails(2, &["d/a.png is one of the inputs; write to another file"]);
    let args = ["encode", "-m", model, "--text", "a", "--format", "csv", "-o", model];
    sandbox.run(args).fails(2, &["is the model; write to another file"]);
    sandbox.encode(["d/a.png", "-o", "d"]).fails(1, &["cannot write d: it is a folder; name a file"]);
    sandbox.encode(["d/a.png", "-o", "d/out"]).ok();
    sandbox.encode(["d", "--format", "npy", "-o", "o.npy"]).fails(1, &["give --skip-errors to leave them out"]);
    sandbox.encode(["d/a.png", "d/empty.png", "--format", "npy", "-o", "o.npy", "--skip-errors"]).code(3);
    assert!(sandbox.path("o.npy").exists());
    sandbox.run(["preprocess", "-m", model, "d/a.png", "-o", "d/a.png"]).fails(2, &["write to another file"]);
    sandbox.run(["preprocess", "-m", model, "d/a.png", "-o", "pixels.npy"]).ok();

    // A damaged model: copy it again.
    let mut bytes = fs::read(model).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(model, bytes).unwrap();
    sandbox.run(["info", "--verify", model]).code(1).says(&["copy or convert it again"]);
    fs::copy(sandbox.model(), model).unwrap();
    sandbox.run(["info", "--verify", model]).ok();

    // An instruction set that does not exist: one of those that the message lists.
    let run = |isa: &str| {
        let output = sandbox.encode_command(["--text", "a"]).env("CLIPPIE_ISA", isa).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert!(
        run("abacus")
            .1
            .contains("use amx, avx512, avx512-no-dot, avx2, avx2-no-dot, sse, neon, neon-no-dot or portable")
    );
    assert_eq!(run("portable"), (Some(0), String::new()));
}

#[test]
fn a_newcomer_is_led_to_the_right_word() {
    let sandbox = Sandbox::new();
    // A repository as its page shows it.
    let called = "its model is called hf-hub:openai/clip-vit-base-patch32 here";
    for text in ["openai/clip-vit-base-patch32", "https://huggingface.co/openai/clip-vit-base-patch32/tree/main"] {
        sandbox.run(["encode", "--text", "a", "-m", text]).fails(1, &["no such file", called]);
        sandbox.run(["info", text]).fails(1, &[called]);
        #[cfg(feature = "hub")]
        sandbox.run(["pull", text]).fails(1, &["no model is called", called]);
    }
    sandbox.run(["encode", "--text", "a", "-m", "models/x.clippie"]).fails(1, &["no such file; check the path\n"]);
    // A model in the place of a checkpoint.
    let advice =
        "there is no file mobileclip2-s2, but a model of this name; `clippie-rs pull mobileclip2-s2` downloads";
    sandbox.run(["convert", "mobileclip2-s2"]).fails(1, &[advice]);
    // A checkpoint's folder in the place of a model.
    let folder = sandbox.checkpoint().display().to_string();
    sandbox.run(["info", &folder]).fails(1, &["is a folder; name the .clippie file in it, or convert the checkpoint"]);
    sandbox.run(["convert", &folder, "new.clippie"]).code(0);
    // A folder that is not there yet.
    let (out, error) =
        ("new/rows.jsonl", "cannot write new/rows.jsonl: the folder new does not exist; create it first");
    sandbox.encode(["--text", "a", "-o", out]).fails(1, &[error]);
    fs::create_dir(sandbox.path("new")).unwrap();
    sandbox.encode(["--text", "a", "-o", out]).ok();
    // Options that the checkpoint refutes.
    let convert = |args: &[&str]| sandbox.run(["convert", &folder, "x.clippie"].iter().chain(args));
    convert(&["--prefix", "foo."]).fails(1, &["the names of its model have no prefix; leave --prefix out"]);
    convert(&["--text-heads", "7"]).fails(1, &["the command line says that", "; give another value"]);
    convert(&[]).code(0);
}
