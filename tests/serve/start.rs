//! What a server refuses to start with, and what it takes from Immich's variables.

use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clippie_testkit::checkpoint::{Layout, golden};
use serde_json::json;

use crate::converted;
use crate::support::{Server, command, form, photo};

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
    let all = golden::models();
    let tiny = all.iter().find(|model| model.name.starts_with("tiny-")).unwrap();
    let other = folder.path().join("tiny.clippie");
    std::fs::rename(converted::weights(tiny, Layout::OpenClip, 1, folder.path()), &other).unwrap();
    let other = other.to_str().unwrap();
    let demo_is_other = format!("demo={other}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    type Case<'a> = (&'a [&'a str], i32, &'a str);
    let cases: [Case<'_>; 17] = [
        (&["--host", "0.0.0.0", "--port", "0"], 2, "--token-file"),
        (&["--host", "no.such.host.invalid"], 2, "--host"),
        (&["--port", &port], 1, "; --port gives another one"),
        (&["--host", "127.0.0.1:9000"], 2, "--host 127.0.0.1 --port 9000"),
        (&["--token-file", empty], 1, "first line is empty"),
        (&["--token-file", "/no/such/file"], 1, "/no/such/file"),
        (&["--immich", "--upstream", "ftp://a"], 2, "--upstream"),
        (&["--upstream", "http://a"], 2, "--immich"),
        (&["--alias", "demo"], 2, "name and a model"),
        (
            &["-m", "demo", "--alias", "ViT-B-32__openai=demo"],
            1,
            "have 512 values in Immich's database, those of demo 64",
        ),
        (&["-m", "demo", "-m", other, "--alias", &demo_is_other], 1, "demo is the name of another model"),
        (&["-m", "no-such-model"], 1, "no-such-model"),
        (&["--cors", "foo"], 2, "not an origin such as https://photos.example"),
        (&["--cors", "*"], 2, "not an origin such as https://photos.example"),
        (&["--allow-host", "https://nas.local/x"], 2, "not a name such as nas.local"),
        (&["--allow-fetch", "https://photos.example/x"], 2, "not a host such as photos.example"),
        (&["--allow-fetch", "*.example"], 2, "not a host such as photos.example"),
    ];
    for (args, code, part) in cases {
        let (found, stderr) = refused(args, &[]);
        assert_eq!(found, Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
    let (code, stderr) = refused(&["--immich"], &[("IMMICH_PORT", "x")]);
    assert!(code == Some(2) && stderr.contains("IMMICH_PORT=x is not a port"), "{stderr}");
    let (code, stderr) = refused(&["--immich"], &[("IMMICH_LOG_LEVEL", "bogus")]);
    assert!(code == Some(2) && stderr.contains("IMMICH_LOG_LEVEL=bogus is not one of verbose, "), "{stderr}");
}

#[test]
fn models_are_told_apart_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let all = golden::models();
    let tiny = all.iter().find(|model| model.name.starts_with("tiny-")).unwrap();
    let at = |place: &str, made: std::path::PathBuf| {
        std::fs::create_dir(folder.path().join(place)).unwrap();
        let path = folder.path().join(place).join("tiny.clippie");
        std::fs::rename(made, &path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let whole = at("whole", converted::weights(tiny, Layout::OpenClip, 1, folder.path()));
    let half = at("half", converted::halves(tiny, Layout::OpenClip, 1, folder.path()));
    let other = at("other", converted::weights(tiny, Layout::OpenClip, 2, folder.path()));
    let server = Server::start(&["-m", &half, "-m", &whole, "-m", &whole]);
    let code = STANDARD.encode(photo(1, 20, 20));
    let row = |model: &str| {
        let body = json!({ "input": [{ "image": code }], "model": model });
        let answer = server.post_json("/v1/embeddings", &body);
        assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some(model)), "{}", answer.text());
        answer.json()["data"][0]["embedding"].clone()
    };
    assert_ne!(row("tiny"), row("tiny:f16"));
    let (code, stderr) = refused(&["-m", &whole, "-m", &other], &[]);
    assert!(code == Some(2) && stderr.contains("are different models, and both are called tiny; "), "{stderr}");
}

#[test]
fn quiet_servers_hide_requests_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.args(["serve", "-q", "--immich", "--port", "0"]).env("MACHINE_LEARNING_ANN", "true");
    let server = Server::spawn(command, folder);
    assert_eq!(server.get("/v1/models").status, 200);
    let missing = server.post_json("/v1/embeddings", &json!({ "input": "a", "model": "vit-b-32-openai" }));
    assert_eq!(missing.status, 404);
    for part in ["listening on http://", "warning: these variables mean nothing here", "WARN", "is not installed; "] {
        server.says(part);
    }
    let log = server.log();
    assert!(!log.contains("answered") && !log.contains("refused"), "{log}");
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
    server.says("mean nothing here");
    let log = server.log();
    assert_eq!(log.matches("mean nothing here: MACHINE_LEARNING_ANN, MACHINE_LEARNING_WORKERS").count(), 1, "{log}");
    assert_eq!(server.metric("clippie_models_open"), 1.0);
    let entries = r#"{"clip":{"textual":{"modelName":"demo"}}}"#;
    let (content_type, body) = form(&[("entries", entries), ("text", "a")], None);
    assert_eq!(server.post("/predict", &content_type, &body).status, 200);
}
