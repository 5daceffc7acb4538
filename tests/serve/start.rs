//! What a server refuses to start with, and what it takes from Immich's variables.

use std::process::Output;

use crate::support::{Server, command, form};

/// Runs a server that does not start.
fn refused(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.arg("serve").args(args).envs(variables.iter().copied());
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    type Case<'a> = (&'a [&'a str], i32, &'a str);
    let cases: [Case<'_>; 10] = [
        (&["--host", "0.0.0.0", "--port", "0"], 2, "--token-file"),
        (&["--host", "no.such.host.invalid"], 2, "--host"),
        (&["--port", &port], 1, "cannot listen on 127.0.0.1"),
        (&["--token-file", empty], 1, "first line is empty"),
        (&["--token-file", "/no/such/file"], 1, "/no/such/file"),
        (&["--immich", "--upstream", "ftp://a"], 1, "--upstream"),
        (&["--upstream", "http://a"], 2, "--immich"),
        (&["--alias", "demo"], 2, "name and a model"),
        (
            &["-m", "demo", "--alias", "ViT-B-32__openai=demo"],
            1,
            "have 512 values in Immich's database, those of demo 64",
        ),
        (&["-m", "no-such-model"], 1, "no-such-model"),
    ];
    for (args, code, part) in cases {
        let (found, stderr) = refused(args, &[]);
        assert_eq!(found, Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    let (code, stderr) = refused(&["--immich"], &[("IMMICH_PORT", "x")]);
    assert!(code == Some(2) && stderr.contains("IMMICH_PORT=x is not a port"), "{stderr}");
}

#[test]
fn immichs_variables_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.args(["serve", "--immich", "--port", "0"]).envs([
        ("IMMICH_HOST", "localhost"),
        ("IMMICH_PORT", "1"),
        ("MACHINE_LEARNING_PRELOAD__CLIP__TEXTUAL", "demo"),
        ("MACHINE_LEARNING_PRELOAD__CLIP__VISUAL", "demo"),
        ("MACHINE_LEARNING_WORKERS", "2"),
        ("MACHINE_LEARNING_ANN", "true"),
    ]);
    let server = Server::spawn(command, folder);
    assert!(server.address.ip().is_loopback());
    let log = server.log();
    assert_eq!(log.matches("mean nothing here: MACHINE_LEARNING_ANN, MACHINE_LEARNING_WORKERS").count(), 1, "{log}");
    assert_eq!(server.metric("clippie_models_open"), 1.0);
    let entries = r#"{"clip":{"textual":{"modelName":"demo"}}}"#;
    let (content_type, body) = form(&[("entries", entries), ("text", "a")], None);
    assert_eq!(server.post("/predict", &content_type, &body).status, 200);
}
