//! Which model a library is searched and indexed with: its own, from the file where that was last, by name or fingerprint.

use std::fs;

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
