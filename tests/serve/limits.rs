//! What a server refuses: strangers, too much, too large, too slow.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{PATIENCE, Server, form, photo, read_answer};

#[test]
fn without_the_token_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let server = Server::start(&["--token-file", file.to_str().unwrap()]);
    let get = |path: &str, header: &str| {
        server.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n"), b"")
    };
    for path in ["/", "/metrics", "/v1/models", "/nothing"] {
        for header in ["", "Authorization: Bearer s3cre\r\n", "Authorization: Bearer \r\n", "Authorization: s3cret\r\n"]
        {
            let refused = get(path, header);
            assert_eq!(refused.status, 401, "{path} {header}");
            assert!(refused.header("www-authenticate").is_some() && refused.error().contains("token"));
        }
        let known = get(path, "Authorization: Bearer s3cret\r\n");
        assert_eq!(known.status, if path == "/nothing" { 404 } else { 200 }, "{path}");
    }
    assert_eq!((get("/ping", "").status, get("/health", "").status), (200, 200));
    // A password is a token, too: browsers ask for it.
    assert_eq!(get("/v1/models", "Authorization: Basic YTpzM2NyZXQ=\r\n").status, 200);
    assert!(!server.log().contains("s3cret"));
}

#[test]
fn web_pages_of_others_learn_nothing() {
    let server = Server::start(&["--cors", "https://photos.example/", "--allow-host", "photos.lan:8080"]);
    let send = |method: &str, headers: &str| {
        server.send(&format!("{method} /v1/models HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"), b"")
    };
    // A page whose name was made to stand for this computer.
    let rebound = send("GET", "Host: evil.example\r\n");
    assert_eq!(rebound.status, 421);
    assert!(rebound.error().contains("start it with --allow-host evil.example"));
    for host in ["localhost:1", "127.0.0.1", "photos.lan"] {
        assert_eq!(send("GET", &format!("Host: {host}\r\n")).status, 200, "{host}");
    }
    let asked = "Access-Control-Request-Method: POST\r\n";
    for (origin, allowed) in [("https://photos.example", true), ("https://photos.example.evil", false), ("null", false)]
    {
        let headers = format!("Host: localhost\r\nOrigin: {origin}\r\n");
        let answer = send("GET", &headers);
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin));
        assert_eq!(answer.header("vary"), Some("origin"));
        let preflight = send("OPTIONS", &format!("{headers}{asked}"));
        assert_eq!(
            (preflight.status == 204, preflight.header("access-control-allow-methods").is_some()),
            (allowed, allowed)
        );
    }
    let server = Server::start(&[]);
    let headers = "Host: localhost\r\nOrigin: https://photos.example\r\nConnection: close\r\n";
    let answer = server.send(&format!("GET /v1/models HTTP/1.1\r\n{headers}\r\n"), b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
    // What such a page sends is not worked on, whatever it is.
    let server = Server::start(&["--immich"]);
    let (kind, body) = form(&[("entries", r#"{"clip":{"textual":{"modelName":"demo"}}}"#), ("text", "a")], None);
    let length = body.len();
    for (headers, status) in [
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n", 403),
        ("Origin: https://photos.example\r\n", 403),
        ("Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", 200),
        // Immich's server, and other programs.
        ("", 200),
        ("Sec-Fetch-Mode: cors\r\nUser-Agent: node\r\n", 200),
    ] {
        let head = format!(
            "POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n{headers}\r\n"
        );
        assert_eq!(server.send(&head, &body).status, status, "{headers}");
    }
}

#[test]
fn too_large_requests_and_photos_are_refused() {
    let server = Server::start(&["--immich", "--max-body", "1", "--max-pixels", "1"]);
    let body = vec![b' '; (1 << 20) + 1];
    let stated = server.post("/v1/embeddings", "application/json", &body);
    assert_eq!(stated.status, 413, "{}", stated.text());
    assert!(stated.error().contains("--max-body"));
    // Without a stated length.
    let head =
        "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    assert_eq!(server.send(head, &chunk).status, 413);
    // A few bytes that state many pixels.
    let mut bomb = photo(1, 8, 8);
    bomb[18..22].copy_from_slice(&2000u32.to_le_bytes());
    bomb[22..26].copy_from_slice(&2000u32.to_le_bytes());
    let (content_type, body) = form(&[("entries", r#"{"clip":{"visual":{"modelName":"demo"}}}"#)], Some(&bomb));
    let refused = server.post("/predict", &content_type, &body);
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("the photo is 2000 x 2000 pixels; the limit is 1000000 pixels")
    );
    // A file of many bytes.
    let server = Server::start(&["--max-bytes", "1", "--max-seconds", "60"]);
    let large = STANDARD.encode(photo(1, 800, 600));
    let refused = server.post_json("/v1/embeddings", &json!({ "input": [{ "image": large }] }));
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert!(refused.error().contains("the limit for a photo is 1048576 bytes"), "{}", refused.error());
    // A head without end.
    let endless = server.send(&format!("GET /ping HTTP/1.1\r\nA: {}", "b".repeat(100_000)), b"");
    assert_eq!(endless.status, 431);
}

#[test]
fn slow_clients_are_cut_off_and_others_served_meanwhile() {
    let server = Server::start(&["--timeout", "1"]);
    let started = Instant::now();
    let mut silent = server.connect();
    let mut slow_head = server.connect();
    slow_head.write_all(b"GET /ping HTTP/1.1\r\nHost:").unwrap();
    let mut slow_body = server.connect();
    let head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"input\":";
    slow_body.write_all(head.as_bytes()).unwrap();
    assert_eq!(server.get("/ping").status, 200);
    let answer = read_answer(&mut slow_body);
    assert_eq!(answer.status, 408, "{}", answer.text());
    for stream in [&mut silent, &mut slow_head] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{:?}", String::from_utf8_lossy(&rest));
    }
    assert!((Duration::from_secs(1)..PATIENCE / 2).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert_eq!(server.get("/ping").status, 200);
}

#[test]
fn beyond_the_queue_requests_are_told_to_come_again() {
    let server = Server::start(&["--max-requests", "1", "--max-queue", "0"]);
    let started = Instant::now();
    let mut refused = 0;
    let mut round = 0;
    while refused == 0 {
        assert!(started.elapsed() < PATIENCE);
        round += 1;
        thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|client| {
                    let server = &server;
                    scope.spawn(move || {
                        let texts: Vec<String> = (0..200).map(|text| format!("{round} {client} {text}")).collect();
                        server.post_json("/v1/embeddings", &json!({ "input": texts }))
                    })
                })
                .collect();
            for answer in clients.into_iter().map(|client| client.join().unwrap()) {
                match answer.status {
                    200 => assert_eq!(answer.json()["data"].as_array().unwrap().len(), 200),
                    503 => {
                        assert_eq!(answer.header("retry-after"), Some("1"));
                        assert!(answer.error().contains("busy"));
                        refused += 1;
                    }
                    other => panic!("{other}: {}", answer.text()),
                }
            }
        });
    }
    assert_eq!(server.post_json("/v1/embeddings", &json!({ "input": "a" })).status, 200);
}
