//! Who gets an answer: tokens, other sites, and what a server does not start with.

use std::fs;

use serde_json::Value;

use super::support::Shelf;
use crate::halves;

#[test]
fn the_page_is_open_and_the_library_wants_the_token() {
    let shelf = Shelf::new();
    fs::write(shelf.path("token"), "s3cret\n").unwrap();
    let server = shelf.serve_with(&["--token-file", "token"]);
    for target in ["/", "/assets/page.js", "/assets/sheet.css", "/assets/icon.svg"] {
        let answer = server.get(target);
        assert_eq!(answer.status, 200, "{target}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        let tag = format!("If-None-Match: {}", answer.header("etag").unwrap());
        assert_eq!(server.request("GET", target, &[&tag]).status, 304);
    }
    for target in [
        "/api/library",
        "/api/search?q=a",
        "/api/photos/1",
        "/api/photos/1/thumbnail",
        "/api/photos/1/original",
        "/api/similar/1",
        "/api/openapi.json",
        "/metrics",
    ] {
        for header in
            [&[][..], &["Authorization: Bearer wrong"], &["Authorization: Bearer "], &["Cookie: token=s3cret"]]
        {
            server.request("GET", target, header).error(401);
        }
        assert_ne!(server.request("GET", target, &["Authorization: Bearer s3cret"]).status, 401, "{target}");
    }
    assert_eq!(server.get("/api/library?token=s3cret").status, 401);
    // With the token, any name will do.
    let named = ["Host: photos.example", "Authorization: Bearer s3cret"];
    assert_eq!(server.request("GET", "/api/library", &named).status, 200);
}

#[test]
fn other_sites_get_nothing() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let status = |headers: &[&str]| server.request("GET", "/api/library", headers).status;
    assert_eq!(
        (status(&[]), status(&["Host: 127.0.0.1:80"]), status(&["Sec-Fetch-Site: same-origin"])),
        (200, 200, 200)
    );
    for headers in [
        &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"][..],
        &["Sec-Fetch-Site: same-site"],
    ] {
        assert_eq!(status(headers), 403, "{headers:?}");
    }
    server.request("GET", "/api/library", &["Host: evil.example"]).error(421);
    let refused = server.request("GET", "/api/library", &["Sec-Fetch-Site: same-site"]);
    assert_eq!(refused.header("cross-origin-resource-policy"), Some("same-origin"));
    let server = shelf.serve_with(&["--cors", "https://photos.example"]);
    let status = |origin| server.request("GET", "/api/library", &["Sec-Fetch-Site: cross-site", origin]).status;
    assert_eq!((status("Origin: https://photos.example"), status("Origin: https://evil.example")), (200, 403));
}

#[test]
fn a_library_is_not_shown_to_others_without_a_token() {
    let shelf = Shelf::new();
    let library = ["--library", "library.sqlite"];
    for more in [&["--host", "0.0.0.0"][..], &["--host", "0.0.0.0", "--immich"]] {
        let said = shelf.refused(&[&library, more].concat());
        assert!(said.contains("--token-file"), "{said}");
    }
    let said = shelf.refused(&["--library", "nowhere.sqlite"]);
    assert!(said.contains("no photo library"), "{said}");
}

#[test]
fn a_model_without_embeddings_is_refused() {
    let shelf = Shelf::new();
    let photos = shelf.serve_with(&["-m", "demo"]).get("/api/library").json()["photos"].clone();
    assert!(shelf.serve_with(&["-q"]).log().contains(&format!("library.sqlite: {photos} photos, model demo\n")));
    let connection = rusqlite::Connection::open(shelf.path("library.sqlite")).unwrap();
    connection.execute("UPDATE model SET fingerprint = ?1", ["0".repeat(32)]).unwrap();
    drop(connection);
    let args = ["--library", "library.sqlite", "-m", "demo"];
    let said = shelf.refused(&args);
    let remedy = "add the missing embeddings with `clippie-rs index -m demo --library ";
    assert!(said.contains("has no embeddings of demo (") && said.contains(remedy), "{said}");
    let refused = shelf.command(["serve", "--port", "0"].iter().chain(&args)).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
}

/// Embeddings of one precision are searched with another when that is allowed, and answers say so.
#[test]
fn another_precision_is_allowed_by_name() {
    let shelf = Shelf::new();
    halves::write_demo(&shelf.path("half.clippie"));
    let args = ["--library", "library.sqlite", "-m", "half.clippie"];
    let said = shelf.refused(&args);
    assert!(said.contains("half.clippie is the same model in f16") && said.contains("--allow-precision f16"), "{said}");
    let server = shelf.serve_with(&["-m", "half.clippie", "--allow-precision", "f16", "-q"]);
    let answer = server.get("/api/search?q=a+star&all=true").json();
    assert_eq!((&answer["precisions"]["query"], &answer["precisions"]["stored"]), (&"f16".into(), &"f32".into()));
    assert_eq!(answer["model"], "half:f16");
    let log = server.log();
    assert!(log.contains("are in f32 and half:f16 is in f16") && log.contains("model half:f16\n"), "{log}");
    let server = shelf.serve_with(&["-m", "half.clippie", "-m", "demo", "--allow-precision", "f16"]);
    let library = server.get("/api/library").json();
    // Its own model comes first.
    assert_eq!((&library["model"], &library["models"][0]["precision"]), (&"demo".into(), &"f32".into()));
    assert!(server.get("/api/search?q=a+star&all=true").json()["precisions"].is_null());
}

#[test]
fn beside_immich_the_page_is_below() {
    let shelf = Shelf::new();
    let server = shelf.serve_with(&["--immich"]);
    assert_eq!(server.get("/").header("content-type"), Some("application/json"));
    let moved = server.get("/library");
    assert_eq!((moved.status / 100, moved.header("location")), (3, Some("library/")));
    assert!(server.get("/library/").header("content-type").unwrap().starts_with("text/html"));
    for target in ["/library/assets/page.js", "/library/api/library", "/library/api/openapi.json"] {
        assert_eq!(server.get(target).status, 200, "{target}");
    }
    assert!(!server.get("/library/api/search?q=a+star&all=true").hits().is_empty());
}

#[test]
fn the_description_names_every_route() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let description: Value = server.get("/api/openapi.json").json();
    assert!(description["security"].is_null());
    let mut paths: Vec<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    let known = [
        "/library",
        "/openapi.json",
        "/photos/{id}",
        "/photos/{id}/original",
        "/photos/{id}/thumbnail",
        "/search",
        "/similar/{id}",
    ];
    assert_eq!(paths, known);
    for path in paths {
        let target = format!("/api{}", path.replace("{id}", "1"));
        assert_ne!(server.get(&target).status, 405, "{target}");
        assert!(!server.get(&target).body.windows(8).any(|part| part == b"serve.md"), "{target}");
    }
}
