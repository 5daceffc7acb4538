//! What the commands of the library write, and where: never over the library, in formats that names tell.

use std::fs;

use super::support::{Ran, Sandbox};

/// A command with the library of the test.
fn run(sandbox: &Sandbox, command: &str, args: &[&str]) -> Ran {
    let mut command = sandbox.command([command, "--library"]);
    Ran::new(command.arg(&sandbox.library).args(args).output().unwrap())
}

#[test]
fn no_output_replaces_the_library() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.index(["photos"]).code(0);
    let names = |folder: &str| {
        let names = fs::read_dir(sandbox.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = (fs::read(&sandbox.library).unwrap(), names("data"));
    let mut targets = vec!["data/library.sqlite".to_owned(), "photos/../data/library.sqlite".into()];
    for end in ["-wal", "-shm", "-journal", ".0123abcd.vectors"] {
        targets.push(format!("data/library.sqlite{end}"));
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("data/library.sqlite", sandbox.path("link")).unwrap();
        std::os::unix::fs::symlink("data/library.sqlite-wal", sandbox.path("link to no file")).unwrap();
        fs::hard_link(&sandbox.library, sandbox.path("hard")).unwrap();
        targets.extend(["link", "link to no file", "hard"].map(str::to_owned));
    }
    for target in &targets {
        let target = target.as_str();
        for (command, args) in [
            ("export", &[target][..]),
            ("export", &["--format", "clip-retrieval", target]),
            ("index", &["--report", target]),
            ("search", &["a star", "-o", target]),
            ("search", &["a star", "--html", target]),
            ("similar", &["photos/0.bmp", "-o", target]),
            ("duplicates", &["-o", target]),
            ("duplicates", &["--html", target]),
            ("classify", &["-o", target, "--label", "a", "--label", "b"]),
        ] {
            let ran = run(&sandbox, command, args).code(2);
            let library = sandbox.library.to_str().unwrap();
            ran.says(&[target, &format!("the photo library {library}; write to another file")]);
        }
        let encode = ["encode", "-m", "demo", "--text", "a", "-o", target];
        let ran = Ran::new(sandbox.command(encode).env("CLIPPIE_LIBRARY", &sandbox.library).output().unwrap());
        ran.code(2).says(&["the photo library"]);
    }
    assert_eq!((fs::read(&sandbox.library).unwrap(), names("data")), before);
    // The sidecar of an array, and a library that is not there yet.
    fs::copy(&sandbox.library, sandbox.path("a.jsonl")).unwrap();
    sandbox.run(["export", "--library", "a.jsonl", "a"]).code(2).says(&["a.jsonl is the photo library a.jsonl"]);
    sandbox.run(["index", "-m", "demo", "--library", "new", "--report", "./new", "photos"]).code(2);
    assert!(!sandbox.path("new").exists());
    // Names that only begin the same.
    run(&sandbox, "duplicates", &["-o", "data/library.sqlite.txt"]).code(0);
}

#[test]
fn the_name_of_an_export_tells_its_format() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.index(["photos"]).code(0);
    let written = |name: &str| fs::read(sandbox.path(name)).unwrap();
    for (name, start) in [
        ("out.csv", &b"path,fingerprint,e0,"[..]),
        ("OUT.CSV", b"path,fingerprint,e0,"),
        ("out.npy", b"\x93NUMPY"),
        ("out", b"\x93NUMPY"),
        #[cfg(feature = "parquet")]
        ("out.parquet", b"PAR1"),
    ] {
        run(&sandbox, "export", &[name]).code(0).says(&[&format!("wrote 2 rows to {name}\n")]);
        assert!(written(name).starts_with(start), "{name}");
        let encode = ["encode", "-m", "demo", "photos/0.bmp", "photos/1.bmp", "-o", name];
        sandbox.run(encode).code(0);
        assert!(written(name).starts_with(start) || name == "out", "{name}");
    }
    // What encode wrote before, it still writes.
    assert!(written("out").starts_with(b"{\"path\":"));
    sandbox.run(["encode", "-m", "demo", "--text", "a", "-o", "out.json"]).code(0);
    assert!(written("out.json").starts_with(b"{\"model\":"));
    run(&sandbox, "export", &["--format", "csv", "out.npy"]).code(0);
    assert!(written("out.npy").starts_with(b"path,"));
    for name in ["out.xlsx", "out.json", "photos.tar.gz"] {
        run(&sandbox, "export", &[name]).code(2).says(&[name, "end it with .npy, .csv or .parquet, or give --format"]);
        assert_eq!(sandbox.path(name).exists(), name == "out.json");
    }
    #[cfg(feature = "parquet")]
    for name in ["-", "/dev/stdout"] {
        run(&sandbox, "export", &["--format", "clip-retrieval", name]).code(2).says(&["name the folder"]);
    }
    assert!(!sandbox.path("-").exists());
}

#[test]
fn a_folder_is_no_library() {
    let sandbox = Sandbox::with_photos(0..1);
    for args in [
        &["index", "-m", "demo", "photos"][..],
        &["search", "a star"],
        &["similar", "photos/0.bmp"],
        &["duplicates"],
        &["status"],
        &["export", "out.npy"],
        &["classify", "--label", "a", "--label", "b"],
    ] {
        let ran = sandbox.run([args, &["--library", "photos"]].concat()).code(2);
        let ran = ran.says(&["photos is a folder; --library takes the library's file"]);
        assert_eq!(ran.stderr.contains("`--library --in photos` takes a folder"), args[0] == "classify");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_do_not_change_a_terminal() {
    let sandbox = Sandbox::new();
    let name = "a\u{1b}]0;title\u{7}\u{202e}b.bmp";
    sandbox.photo(format!("photos/{name}"), 1);
    sandbox.index(["photos"]).code(0);
    let library = sandbox.library.to_str().unwrap();
    for args in [
        &["search", "--all", "--format", "paths", "a"][..],
        &["search", "--all", "-0", "a"],
        &["search", "--all", "a"],
        &["export", "--format", "csv", "/dev/stdout"],
        &["encode", "-m", "demo", "--format", "csv", "photos"],
        &["classify", "-m", "demo", "photos", "--format", "csv", "--label", "a", "--label", "b"],
    ] {
        let own: &[&str] = if args.contains(&"-m") { &[] } else { &["--library", library] };
        // To a pipe they are as they are, for other programs.
        let piped = sandbox.run([args, own].concat()).code(0).stdout;
        assert_eq!(piped.contains(name), args != ["search", "--all", "a"], "{args:?}: {piped:?}");
        let mut terminal = sandbox.command(["-qec", r#"exec "$BINARY" $ARGS"#, "/dev/null"]);
        terminal.env("ARGS", [args, own].concat().join(" ")).env("BINARY", super::support::BINARY);
        let mut script = std::process::Command::new("script");
        script.args(terminal.get_args()).current_dir(sandbox.folder.path()).stdin(std::process::Stdio::null());
        for (name, value) in terminal.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let shown = Ran::new(script.output().unwrap()).code(0).stdout;
        assert!(shown.contains("b.bmp") && !shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{args:?}: {shown:?}");
    }
}
