//! Wrong contents and failing servers: nothing that looks complete is left behind, and each cause has its own message.

use std::time::{Duration, Instant};

use clippie_rs::hub::Error;

use crate::support::{CONFIG, FILE, Fixture, NAME, assert_error, pull, tiny};
use clippie_testkit::hub_server::{Fault, Kind};

/// The files after only the configuration was downloaded.
fn only_config() -> Vec<String> {
    vec![format!("downloads/test--tiny/{CONFIG}")]
}

#[test]
fn a_wrong_hash_is_refused_and_the_file_removed() {
    let len = tiny().checkpoint.len() as u64;
    for at in [0, 1, len / 2, len - 1] {
        let fixture = Fixture::new();
        fixture.server.fail(Kind::Store, Fault::Flip(at));
        let sum = tiny().repo().file(FILE).sha256().to_owned();
        let error = assert_error(fixture.pull(), &[FILE, "SHA-256", &sum, "pull again"]);
        assert!(matches!(error, Error::Mismatch { .. }));
        assert_eq!(fixture.files(), only_config());
        fixture.assert_pulled(fixture.pull());
    }
}

#[test]
fn the_hash_stated_by_the_hub_counts() {
    // The store sends its file; the hub states another hash.
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Head, Fault::Headers(vec![]));
    let wrong = "0".repeat(64);
    fixture.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-ETag", format!("\"{wrong}\""))]));
    assert_error(fixture.pull(), &[FILE, "SHA-256", &wrong]);
    assert_eq!(fixture.files(), only_config());
}

#[test]
fn small_files_are_checked_against_gits_hash() {
    let fixture = Fixture::new();
    // The target of the redirect has the right ETag, but the first response counts.
    let wrong = format!("\"{}\"", "1".repeat(40));
    fixture.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-ETag", wrong)]));
    assert_error(fixture.pull(), &[CONFIG, "git SHA-1", &"1".repeat(40)]);
    assert_eq!(fixture.files(), [""; 0]);
    fixture.assert_pulled(fixture.pull());
}

#[test]
fn a_wrong_size_is_refused() {
    let len = tiny().checkpoint.len() as u64;
    let size = format!("{len}");
    for (fault, parts) in [
        (Fault::Long, vec![FILE, "a size of", &size]),
        (Fault::Short(len - 1), vec![FILE, "a size of", &size]),
        (Fault::Short(0), vec![FILE, "a size of", &size]),
    ] {
        let fixture = Fixture::new();
        fixture.server.fail_often(9, Kind::Store, &fault);
        let error = assert_error(fixture.pull(), &parts);
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        assert_eq!(fixture.files(), only_config(), "{fault:?}");
        assert!(fixture.ranges().len() < 5, "{fault:?}");
        fixture.server.heal();
        fixture.assert_pulled(fixture.pull());
    }
    // The store's file became shorter during the download.
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Cut(5000)).fail(Kind::Store, Fault::Short(5000));
    assert_error(fixture.pull(), &[FILE, "a size of 5000", &size]);
    assert_eq!(fixture.files(), only_config());
    // The hub states another size than its store.
    for wrong in [len - 1, len + 1] {
        let fixture = Fixture::new();
        fixture.server.fail(Kind::Head, Fault::Headers(vec![]));
        fixture.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-Size", wrong.to_string())]));
        assert_error(fixture.pull(), &[FILE, "a size of", &wrong.to_string()]);
        assert_eq!(fixture.files(), only_config());
    }
}

#[test]
fn a_range_that_was_not_requested_is_refused() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Cut(5000)).fail(Kind::Store, Fault::OtherRange);
    assert_error(fixture.pull(), &["bytes 5001-", "byte 5000", "is due"]);
    fixture.assert_pulled(fixture.pull());
}

#[test]
fn missing_repositories_revisions_and_files_have_their_own_messages() {
    let fixture = Fixture::new();
    let hub = fixture.hub();
    let error =
        assert_error(pull(&hub, "hf-hub:test/missing"), &["no public repository test/missing", "check the name"]);
    assert!(matches!(error, Error::Denied { .. }));
    let known = fixture.builder().token("known").build().unwrap();
    let error = assert_error(pull(&known, "hf-hub:test/missing"), &["no repository test/missing (404)"]);
    assert!(matches!(error, Error::NotFound { .. }));
    let error = assert_error(pull(&hub, &format!("{NAME}@v9")), &["test/tiny has no revision `v9` (404)"]);
    assert!(matches!(error, Error::NotFound { .. }));
    fixture.server.fail(Kind::Head, Fault::Status(404, vec![("X-Error-Code", "EntryNotFound".into())]));
    assert_error(fixture.pull(), &["test/tiny has no file open_clip_config.json", "(404)"]);
    assert_eq!(fixture.files(), [""; 0]);
    // A store that lost the file.
    fixture.server.fail(Kind::Store, Fault::Status(404, vec![]));
    assert_error(fixture.pull(), &["test/tiny has no file open_clip_model.safetensors", "(404)"]);
    fixture.assert_pulled(fixture.pull());
}

#[test]
fn too_many_requests_are_retried_later() {
    for kind in [Kind::List, Kind::Head, Kind::Get, Kind::Store] {
        let fixture = Fixture::new();
        let started = Instant::now();
        fixture.server.fail(kind, Fault::Status(429, vec![("Retry-After", "1".into())]));
        fixture.server.fail(kind, Fault::Status(429, vec![]));
        fixture.assert_pulled(fixture.pull());
        assert_eq!(fixture.server.heal(), 0, "{kind:?}");
        assert!(started.elapsed() >= Duration::from_secs(1), "{kind:?}");
    }
    // Retries are limited in number and in the wait that the server may request.
    let fixture = Fixture::new();
    fixture.server.fail_often(50, Kind::List, &Fault::Status(429, vec![("Retry-After", "0".into())]));
    let error = assert_error(fixture.pull(), &["too many requests", "(429)", "try again later"]);
    assert!(matches!(error, Error::TooManyRequests { seconds: Some(0), .. }));
    assert_eq!(fixture.server.seen().len(), 6);
    let fixture = Fixture::new();
    fixture.server.fail(Kind::List, Fault::Status(429, vec![("Retry-After", "86400".into())]));
    assert_error(fixture.pull(), &["(429), for another 86400 s"]);
    assert_eq!(fixture.server.seen().len(), 1);
}

#[test]
fn failing_servers_are_retried() {
    for kind in [Kind::List, Kind::Head, Kind::Get, Kind::Store] {
        for fault in [
            Fault::Status(500, vec![]),
            Fault::Status(502, vec![]),
            Fault::Status(503, vec![("Retry-After", "0".into())]),
            Fault::Status(504, vec![]),
            Fault::Status(408, vec![]),
            Fault::HangUp,
        ] {
            let fixture = Fixture::new();
            fixture.server.fail_often(3, kind, &fault);
            fixture.assert_pulled(fixture.pull());
            assert_eq!(fixture.server.heal(), 0, "{kind:?} {fault:?}");
        }
        let fixture = Fixture::new();
        fixture.server.fail_often(50, kind, &Fault::Status(503, vec![]));
        let error = assert_error(fixture.pull(), &["the server failed (503)", "try again later"]);
        assert!(matches!(error, Error::Server { status: 503, .. }));
        assert_eq!(fixture.server.heal(), 44, "{kind:?}");
    }
    // An expired signature of the store: the endpoint gives a new one.
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Status(403, vec![]));
    fixture.assert_pulled(fixture.pull());
    let gets = fixture.server.seen().iter().filter(|seen| seen.kind == Kind::Get && seen.path.ends_with(FILE)).count();
    assert_eq!(gets, 2);
}

#[test]
fn an_unreachable_hub_is_reported() {
    // A port without listener.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hub = clippie_rs::hub::Hub::builder(folder.path()).first_wait(Duration::from_millis(1));
    let url = format!("http://{free}");
    let error =
        assert_error(pull(&hub.clone().endpoint(&url).build().unwrap(), NAME), &["cannot reach", &url, "HF_ENDPOINT"]);
    assert!(matches!(error, Error::Network { .. }));
    // A host that does not exist: no retry.
    let started = Instant::now();
    let nowhere = hub.first_wait(Duration::from_secs(60)).endpoint("http://hub.invalid").build().unwrap();
    assert_error(pull(&nowhere, NAME), &["cannot reach http://hub.invalid/"]);
    assert!(started.elapsed() < Duration::from_secs(30));
}
