//! Which model a library is searched and indexed with: its own, from the file where that was last, by name or fingerprint.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Ran, Sandbox};

/// Runs a command with the library of the test, in another folder than the model's.
fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let mut command = sandbox.command([args, &["--library", sandbox.library.to_str().unwrap()]].concat());
    Ran::new(command.current_dir(sandbox.path("photos")).output().unwrap())
}

#[test]
fn the_file_of_a_model_is_remembered() {
    let sandbox = Sandbox::with_photos(0..3);
    fs::create_dir(sandbox.path("models")).unwrap();
    sandbox.tiny_model(1, "models/vitb.clippie");
    sandbox
        .run(["index", "photos", "-m", "models/vitb.clippie", "--library", sandbox.library.to_str().unwrap()])
        .code(0);
    let status: Value = serde_json::from_str(&run(&sandbox, &["status", "--json"]).code(0).stdout).unwrap();
    let model = &status["models"][0];
    let (name, fingerprint) = (model["name"].as_str().unwrap(), model["fingerprint"].as_str().unwrap());
    assert!(model["file"].as_str().unwrap().ends_with("/models/vitb.clippie"), "{model}");
    let search = ["search", "--all", "--format", "paths", "a star"];
    let expected = run(&sandbox, &search).code(0).stdout;
    assert_eq!(expected.lines().count(), 3);
    run(&sandbox, &["index"]).code(0).says(&["3 unchanged"]);
    let commands: [&[&str]; 4] = [
        &search,
        &["similar", "0.bmp"],
        &["classify", "--label", "star", "--label", "moon"],
        &["export", "../out.npy"],
    ];
    for args in commands {
        for called in [name, fingerprint, &fingerprint[..8]] {
            run(&sandbox, &[args, &["-m", called]].concat()).code(0);
        }
    }
    run(&sandbox, &["import-vectors", "../out.npy", "../out.npy.jsonl", "-m", name]).code(0).says(&["3 known"]);
    // Beside another model.
    sandbox.index(["photos"]).code(0).says(&["beside those of"]);
    run(&sandbox, &search).code(2).says(&["choose with -m"]);
    assert_eq!(run(&sandbox, &[&search[..], &["-m", name]].concat()).code(0).stdout, expected);
    run(&sandbox, &["search", "--all", "a star", "-m", "demo"]).code(0);

    // It is moved, and another one takes its place.
    fs::rename(sandbox.path("models/vitb.clippie"), sandbox.path("moved.clippie")).unwrap();
    let gone = format!("{name} (fingerprint {fingerprint}), is not at /");
    let search_it = [&search[..], &["-m", name]].concat();
    run(&sandbox, &search_it).code(1).says(&[&gone, "/models/vitb.clippie any more; give its file with -m"]);
    sandbox.tiny_model(2, "models/vitb.clippie");
    run(&sandbox, &search_it).code(1).says(&[&gone]);
    assert_eq!(run(&sandbox, &[&search[..], &["-m", "../moved.clippie"]].concat()).code(0).stdout, expected);
    // The name is that of the file, the fingerprint stays.
    run(&sandbox, &["index", "-m", "../moved.clippie"]).code(0);
    for called in ["moved", fingerprint] {
        assert_eq!(run(&sandbox, &[&search[..], &["-m", called]].concat()).code(0).stdout, expected);
    }
}

/// A library may come from anywhere: what it calls its model is looked for among the installed models alone.
#[test]
fn the_name_of_a_library_reaches_neither_the_network_nor_a_path() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.tiny_model(1, "photos/vitb.clippie");
    sandbox.index(["photos"]).code(0);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}", server.local_addr().unwrap());
    let repository = "is not on this computer; give its file with -m";
    for (name, said) in [
        ("hf-hub:evil/repo", repository),
        ("hf-hub:evil/repo@main", repository),
        ("vit-b-32-openai", "vit-b-32-openai is not on this computer; `clippie-rs pull vit-b-32-openai` fetches it"),
        ("vitb.clippie", repository),
        ("./vitb.clippie", repository),
        ("", repository),
    ] {
        Connection::open(&sandbox.library).unwrap().execute("UPDATE model SET name = ?1, file = NULL", [name]).unwrap();
        let fingerprint: String =
            sandbox.connection().query_row("SELECT fingerprint FROM model", [], |row| row.get(0)).unwrap();
        for args in [
            &["search", "--all", "a star"][..],
            &["search", "--all", "a star", "-m", &fingerprint],
            &["similar", "0.bmp"],
            &["index"],
            &["classify", "--label", "star", "--label", "moon"],
        ] {
            let mut command = sandbox.command([args, &["--library", sandbox.library.to_str().unwrap()]].concat());
            command.current_dir(sandbox.path("photos")).env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", &endpoint);
            Ran::new(command.output().unwrap()).code(1).says(&["the model of /", said]);
        }
    }
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "a request was sent");
}

#[test]
fn a_file_that_is_there_but_cannot_be_used_says_why() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.tiny_model(1, "vitb.clippie");
    let model = sandbox.path("vitb.clippie");
    run(&sandbox, &["index", ".", "-m", model.to_str().unwrap()]).code(0);
    let search = ["search", "--all", "a star"];
    let says = |parts: &[&str]| {
        let said = run(&sandbox, &search).code(1).says(parts).stderr;
        assert!(said.len() < 1000 && !said.contains("any more"), "{said}");
    };
    // Not a path that the command noted.
    let set = |file: &[u8]| {
        Connection::open(&sandbox.library).unwrap().execute("UPDATE model SET file = ?1", [file]).unwrap();
    };
    fs::copy(&model, sandbox.path("photos/relative.clippie")).unwrap();
    for file in [b"relative.clippie".to_vec(), b"./relative.clippie".to_vec(), [b"/", &[b'x'; 600_000][..]].concat()] {
        set(&file);
        says(&["is not on this computer; give its file with -m"]);
    }
    set(model.to_str().unwrap().as_bytes());
    run(&sandbox, &search).code(0);
    let bytes = fs::read(&model).unwrap();
    fs::write(&model, &bytes[..bytes.len() / 2]).unwrap();
    says(&["cannot be opened: ", "/vitb.clippie: ", "; give its file with -m"]);
    fs::remove_file(&model).unwrap();
    fs::create_dir(&model).unwrap();
    says(&["cannot be opened: ", "/vitb.clippie", "folder"]);
}

/// With `--fast-decode`, embeddings are others; whoever uses the library does not have to know.
#[test]
fn a_library_reads_photos_as_it_did_at_first() {
    let sandbox = Sandbox::new();
    let photos = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos");
    for name in ["astronaut", "cat", "coffee"] {
        let bytes = fs::read(photos.join(name).with_extension("jpg")).unwrap();
        sandbox.write(format!("photos/{name}.jpg"), &bytes, 1);
        // Another file of the same picture, which is not in the library.
        sandbox.write(format!("{name}.jpg"), [&bytes[..], b"more"].concat(), 1);
    }
    let fingerprints = || -> Vec<String> {
        let status: Value = serde_json::from_str(&run(&sandbox, &["status", "--json"]).code(0).stdout).unwrap();
        let models = status["models"].as_array().unwrap().iter();
        models.map(|model| model["fingerprint"].as_str().unwrap().to_owned()).collect()
    };
    // How far the embedding of the same picture is from the library's.
    let score = |more: &[&str]| {
        let similar = ["similar", "--all", "-n", "1", "--format", "jsonl", "../cat.jpg"];
        let hit: Value = serde_json::from_str(&run(&sandbox, &[&similar[..], more].concat()).code(0).stdout).unwrap();
        assert!(hit["path"].as_str().unwrap().ends_with("/photos/cat.jpg"), "{hit}");
        1.0 - hit["score"].as_f64().unwrap()
    };
    sandbox.tiny_model(1, "tiny.clippie");
    let said = run(&sandbox, &["index", ".", "-m", "../tiny.clippie", "--fast-decode"]).code(0).stderr;
    assert!(!said.contains("warning"), "{said}");
    let fast = fingerprints();
    for model in [&[][..], &["-m", "tiny"], &["-m", "../tiny.clippie"]] {
        run(&sandbox, &[&["index"], model].concat()).code(0).says(&["3 unchanged"]);
        run(&sandbox, &[&["index", "--fast-decode"], model].concat()).code(0).says(&["3 unchanged"]);
        assert!(score(model) < 1e-6, "{model:?}");
        run(&sandbox, &[&["search", "--all", "../cat.jpg + a star"], model].concat()).code(0);
    }
    assert_eq!(fingerprints(), fast);

    // The other way gives other embeddings, beside them, and -m tells which are meant.
    let other = run(&sandbox, &["index", "--fast-decode=no"]).code(0);
    other.says(&["photos are read in another way than for the embeddings that the library has of tiny", "beside them"]);
    let both = fingerprints();
    assert_eq!((both.len(), &both[0]), (2, &fast[0]));
    run(&sandbox, &["index"]).code(2).says(&[&format!(
        "tiny ({}, f32, photos decoded fast) and tiny ({}, f32, photos read as usual); choose with -m",
        both[0], both[1]
    )]);
    for fingerprint in &both {
        assert!(score(&["-m", fingerprint]) < 1e-6);
    }
    run(&sandbox, &["index", "--fast-decode", "-m", "../tiny.clippie"]).code(0).says(&["3 unchanged"]);
    // The other way of reading is as well remembered.
    run(&sandbox, &["index", ".", "-m", "../tiny.clippie", "--icc", "--fast-decode=no"]).code(0).says(&["3 new to"]);
    assert_eq!(fingerprints().len(), 3);
    let whole = Sandbox::new();
    whole.tiny_model(1, "tiny.clippie");
    let library = whole.library.to_str().unwrap();
    whole.run(["index", photos.to_str().unwrap(), "-m", "tiny.clippie", "--library", library]).code(0);
    let status: Value =
        serde_json::from_str(&whole.run(["status", "--json", "--library", library]).code(0).stdout).unwrap();
    assert_eq!(status["models"][0]["fingerprint"], both[1]);
}
