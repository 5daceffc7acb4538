//! Help, version, usage errors and the environment.

use crate::photos::jpeg;
use crate::support::Sandbox;

#[test]
fn help_and_version_are_printed() {
    let sandbox = Sandbox::new();
    let version = sandbox.run(["--version"]).ok();
    assert_eq!(version.text(), concat!("clippie-rs ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = sandbox.run(["--help"]).ok();
    let pull = if cfg!(feature = "hub") { &["pull"][..] } else { &[] };
    let library = ["index", "search", "similar", "status", "evaluate"];
    let library = if cfg!(feature = "library") { &library[..] } else { &[] };
    let others = pull.iter().chain(library);
    for command in
        ["encode", "classify", "convert", "info", "models", "tokenize", "preprocess", "bench", "completions", "man"]
            .iter()
            .chain(others)
    {
        assert!(help.text().contains(command), "{command}");
        for flag in ["-h", "--help"] {
            let help = sandbox.run([*command, flag]).ok();
            assert!(help.text().contains("Example"), "{command} {flag}: {}", help.text());
            assert!(help.text().contains("Usage: clippie-rs"));
        }
    }
    let encode = sandbox.run(["encode", "--help"]).ok();
    for part in [
        "jpg, jpeg, jpe, jfif, png, webp, gif, bmp, dib, tif, tiff, mpo,",
        "OUT.jsonl",
        "CLIPPIE_MODEL",
        "path_bytes",
        "The exit code is 3 if some inputs failed, and 1 if all did.",
    ] {
        assert!(encode.text().split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "{part}");
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let sandbox = Sandbox::new();
    for (shell, start) in [("bash", "_clippie__rs()"), ("zsh", "#compdef clippie-rs"), ("fish", "# Print an optspec")] {
        let script = sandbox.run(["completions", shell]).ok();
        assert!(script.text().starts_with(start), "{shell}: {}", script.text());
        for part in ["preprocess", "texts-from", "squash"] {
            assert!(script.text().contains(part), "{shell}: {part}");
        }
    }
    for shell in ["elvish", "powershell"] {
        assert!(sandbox.run(["completions", shell]).ok().text().contains("texts-from"));
    }
    sandbox.run(["completions", "csh"]).fails(2, &["csh", "bash", "zsh"]);

    let page = sandbox.run(["man"]).ok();
    assert!(
        page.text().contains(".TH clippie-rs 1") && page.text().contains("clippie\\-rs\\-encode(1)"),
        "{}",
        page.text()
    );
    let page = sandbox.run(["man", "encode"]).ok();
    assert!(page.text().contains(".TH clippie-rs-encode 1") && page.text().contains("\\-\\-texts\\-from"));
    for part in [
        // Values have their names, examples are lines of their own, and so are the exit codes.
        "clippie\\-rs encode [OPTIONS]",
        ".SH EXAMPLES\n.nf\nclippie\\-rs encode \\-m ViT\\-B\\-32.clippie beach.jpg photos/ > embeddings.jsonl\n",
    ] {
        assert!(page.text().contains(part), "{part}");
    }
    assert!(sandbox.run(["man"]).ok().text().contains("\n.fi\n.SH EXIT CODES\n0 success, 1 failure"));
    sandbox.run(["man", "nonsense"]).fails(2, &["no command `nonsense`", "Usage: clippie-rs man"]);
    sandbox.run(["man", "encode", "-o", "pages"]).fails(2, &["cannot be used with"]);
    for _ in 0..2 {
        sandbox.run(["man", "-o", "share/man1"]).ok();
    }
    for name in ["clippie-rs", "clippie-rs-encode", "clippie-rs-man"] {
        let path = sandbox.path(format!("share/man1/{name}.1"));
        assert!(std::fs::read_to_string(&path).unwrap().contains(&format!(".TH {name} 1")), "{name}");
    }
    sandbox.write("file", "");
    sandbox.run(["man", "-o", "file/man1"]).fails(1, &["cannot write file/man1"]);
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.write("list", "");
    let model = sandbox.model();
    let model = model.to_str().unwrap();
    for (args, parts) in [
        (&["--nonsense"][..], &["--nonsense"][..]),
        (&["nonsense"], &["nonsense"]),
        (&["encode", "-m", model], &["nothing to encode", "Usage: clippie-rs encode"]),
        (&["encode", "a.jpg"], &["no model given", "CLIPPIE_MODEL", "Usage: clippie-rs encode"]),
        (&["encode", "-m", "", "a.jpg"], &["no model given"]),
        (&["encode", "-m", model, "a.jpg", "--batch-size", "0"], &["--batch-size"]),
        (&["encode", "-m", model, "a.jpg", "--batch-size", "many"], &["--batch-size"]),
        (&["encode", "-m", model, "a.jpg", "--threads", "0"], &["--threads", "1 to 1024"]),
        (&["encode", "-m", model, "a.jpg", "--threads", "9999"], &["--threads", "1 to 1024"]),
        (&["encode", "-m", model, "a.jpg", "--format", "xml"], &["--format", "jsonl", "npy"]),
        (&["encode", "-m", model, "a.jpg", "--mean", "1,2"], &["--mean", "three numbers"]),
        (&["encode", "-m", model, "a.jpg", "--std", "1,0,1"], &["--std", "above zero"]),
        (&["encode", "-m", model, "a.jpg", "--resize", "crop"], &["--resize", "squash"]),
        (&["encode", "-m", model, "-q", "-v", "a.jpg"], &["cannot be used with"]),
        (&["encode", "-m", model, "-", "--texts-from", "-"], &["standard input can be only one"]),
        (&["encode", "-m", model, "--files-from", "-", "--texts-from", "-"], &["standard input can be only one"]),
        (&["encode", "-m", model, "a.jpg", "--format", "csv", "-o", model], &["is the model"]),
        (&["encode", "-m", model, "a.jpg", "--format", "csv", "-o", "./a.jpg"], &["is one of the inputs"]),
        (&["encode", "-m", model, "a.jpg", "-o", "a.xyz"], &["the name a.xyz tells no format"]),
        (&["encode", "-m", model, "--files-from", "list", "-o", "list"], &["is one of the inputs"]),
        (&["preprocess", "-m", model, "a.jpg", "-o", "a.jpg"], &["write to another file"]),
        (&["preprocess", "-m", model], &["IMAGE"]),
        (&["tokenize"], &["nothing to tokenize", "Usage: clippie-rs tokenize"]),
        (&["tokenize", "--context-length", "1", "a"], &["--context-length"]),
        (&["convert"], &["SRC"]),
        (&["info"], &["MODEL"]),
    ] {
        sandbox.run(args).fails(2, parts).says(&["error: ", "--help"]);
    }
    assert_eq!(sandbox.run::<&str>([]).code, 2);
    assert_eq!(std::fs::read(sandbox.path("a.jpg")).unwrap(), jpeg(1));
    assert_eq!(sandbox.files(), ["a.jpg", "list"]);
}

#[test]
fn environment_variables_set_defaults() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    let plain = sandbox.encode(["a.jpg"]).ok();
    let run = |threads: &str| {
        let mut command = sandbox.command(["encode", "a.jpg"]);
        command.env("CLIPPIE_MODEL", sandbox.model()).env("CLIPPIE_THREADS", threads);
        command.output().unwrap()
    };
    for threads in ["1", "2", ""] {
        assert_eq!(run(threads).stdout, plain.stdout, "{threads}");
    }
    let wrong = run("lots");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("--threads"));

    let mut command = sandbox.encode_command(["a.jpg"]);
    let wrong = command.env("CLIPPIE_ISA", "abacus").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("CLIPPIE_ISA"));
}

#[test]
fn quiet_and_verbose_change_only_messages() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.write("none/readme.txt", "no photo");
    let plain = sandbox.encode(["a.jpg", "none"]).code(0).says(&["warning: none: no photos in this folder"]);
    assert_eq!(sandbox.encode(["-q", "a.jpg", "none"]).ok().stdout, plain.stdout);
    let verbose = sandbox.encode(["-v", "a.jpg", "none"]).code(0).says(&["encoded 1 input in"]);
    assert_eq!(verbose.stdout, plain.stdout);
    assert!(!verbose.stderr.contains('\u{1b}'));
    assert_eq!(sandbox.encode(["-vv", "a.jpg"]).code(0).stdout, plain.stdout);
    // Errors are printed even with -q.
    sandbox.encode(["-q", "missing.jpg"]).code(1).says(&["error: cannot read missing.jpg"]);
}
