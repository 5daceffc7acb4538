//! Contents that are not what they should be, and servers that say no: nothing that looks whole is left, and what is
//! said tells them apart.

use std::time::{Duration, Instant};

use clippie_rs::hub::Error;

use crate::support::{Bench, CONFIG, FILE, NAME, pull, says, tiny};
use clippie_testkit::hub_server::{Fault, Kind};

/// What is left when only the configuration was fetched.
fn only_config() -> Vec<String> {
    vec![format!("downloads/test--tiny/{CONFIG}")]
}

#[test]
fn a_wrong_hash_is_refused_and_thrown_away() {
    let len = tiny().checkpoint.len() as u64;
    for at in [0, 1, len / 2, len - 1] {
        let bench = Bench::new();
        bench.server.fail(Kind::Store, Fault::Flip(at));
        let sum = tiny().repo().file(FILE).sha256().to_owned();
        let error = says(bench.pull(), &[FILE, "SHA-256", &sum, "pull again"]);
        assert!(matches!(error, Error::Mismatch { .. }));
        assert_eq!(bench.files(), only_config());
        bench.assert_pulled(bench.pull());
    }
}

#[test]
fn the_hash_counts_that_the_hub_gives() {
    // The store sends what it has; the hub says that it should be something else.
    let bench = Bench::new();
    bench.server.fail(Kind::Head, Fault::Headers(vec![]));
    let wrong = "0".repeat(64);
    bench.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-ETag", format!("\"{wrong}\""))]));
    says(bench.pull(), &[FILE, "SHA-256", &wrong]);
    assert_eq!(bench.files(), only_config());
}

#[test]
fn a_small_file_is_held_against_gits_hash() {
    let bench = Bench::new();
    // What the redirect to the hub's own cache leads to has the ETag; the first answer is believed.
    let wrong = format!("\"{}\"", "1".repeat(40));
    bench.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-ETag", wrong)]));
    says(bench.pull(), &[CONFIG, "git SHA-1", &"1".repeat(40)]);
    assert_eq!(bench.files(), [""; 0]);
    bench.assert_pulled(bench.pull());
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
        let bench = Bench::new();
        bench.server.fail_often(9, Kind::Store, &fault);
        let error = says(bench.pull(), &parts);
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        assert_eq!(bench.files(), only_config(), "{fault:?}");
        assert!(bench.ranges().len() < 5, "{fault:?}");
        bench.server.heal();
        bench.assert_pulled(bench.pull());
    }
    // The store's file became shorter while it was fetched.
    let bench = Bench::new();
    bench.server.fail(Kind::Store, Fault::Cut(5000)).fail(Kind::Store, Fault::Short(5000));
    says(bench.pull(), &[FILE, "a size of 5000", &size]);
    assert_eq!(bench.files(), only_config());
    // The hub says another size than its store.
    for wrong in [len - 1, len + 1] {
        let bench = Bench::new();
        bench.server.fail(Kind::Head, Fault::Headers(vec![]));
        bench.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-Size", wrong.to_string())]));
        says(bench.pull(), &[FILE, "a size of", &wrong.to_string()]);
        assert_eq!(bench.files(), only_config());
    }
}

#[test]
fn a_range_that_was_not_asked_for_is_refused() {
    let bench = Bench::new();
    bench.server.fail(Kind::Store, Fault::Cut(5000)).fail(Kind::Store, Fault::OtherRange);
    says(bench.pull(), &["bytes 5001-", "byte 5000", "is due"]);
    bench.assert_pulled(bench.pull());
}

#[test]
fn what_does_not_exist_is_told_apart() {
    let bench = Bench::new();
    let hub = bench.hub();
    let error = says(pull(&hub, "hf-hub:test/missing"), &["no public repository test/missing", "check the name"]);
    assert!(matches!(error, Error::Denied { .. }));
    let known = bench.builder().token("known").build().unwrap();
    let error = says(pull(&known, "hf-hub:test/missing"), &["no repository test/missing (404)"]);
    assert!(matches!(error, Error::NotFound { .. }));
    let error = says(pull(&hub, &format!("{NAME}@v9")), &["test/tiny has no revision `v9` (404)"]);
    assert!(matches!(error, Error::NotFound { .. }));
    bench.server.fail(Kind::Head, Fault::Status(404, vec![("X-Error-Code", "EntryNotFound".into())]));
    says(bench.pull(), &["test/tiny has no file open_clip_config.json", "(404)"]);
    assert_eq!(bench.files(), [""; 0]);
    // A store that lost it.
    bench.server.fail(Kind::Store, Fault::Status(404, vec![]));
    says(bench.pull(), &["test/tiny has no file open_clip_model.safetensors", "(404)"]);
    bench.assert_pulled(bench.pull());
}

#[test]
fn too_many_requests_are_waited_out() {
    for kind in [Kind::List, Kind::Head, Kind::Get, Kind::Store] {
        let bench = Bench::new();
        let started = Instant::now();
        bench.server.fail(kind, Fault::Status(429, vec![("Retry-After", "1".into())]));
        bench.server.fail(kind, Fault::Status(429, vec![]));
        bench.assert_pulled(bench.pull());
        assert_eq!(bench.server.heal(), 0, "{kind:?}");
        assert!(started.elapsed() >= Duration::from_secs(1), "{kind:?}");
    }
    // Not for ever, and not for as long as the server likes.
    let bench = Bench::new();
    bench.server.fail_often(50, Kind::List, &Fault::Status(429, vec![("Retry-After", "0".into())]));
    let error = says(bench.pull(), &["too many requests", "(429)", "try again later"]);
    assert!(matches!(error, Error::TooManyRequests { seconds: Some(0), .. }));
    assert_eq!(bench.server.seen().len(), 6);
    let bench = Bench::new();
    bench.server.fail(Kind::List, Fault::Status(429, vec![("Retry-After", "86400".into())]));
    says(bench.pull(), &["(429), for another 86400 s"]);
    assert_eq!(bench.server.seen().len(), 1);
}

#[test]
fn servers_that_fail_are_asked_again() {
    for kind in [Kind::List, Kind::Head, Kind::Get, Kind::Store] {
        for fault in [
            Fault::Status(500, vec![]),
            Fault::Status(502, vec![]),
            Fault::Status(503, vec![("Retry-After", "0".into())]),
            Fault::Status(504, vec![]),
            Fault::Status(408, vec![]),
            Fault::HangUp,
        ] {
            let bench = Bench::new();
            bench.server.fail_often(3, kind, &fault);
            bench.assert_pulled(bench.pull());
            assert_eq!(bench.server.heal(), 0, "{kind:?} {fault:?}");
        }
        let bench = Bench::new();
        bench.server.fail_often(50, kind, &Fault::Status(503, vec![]));
        let error = says(bench.pull(), &["the server failed (503)", "try again later"]);
        assert!(matches!(error, Error::Server { status: 503, .. }));
        assert_eq!(bench.server.heal(), 44, "{kind:?}");
    }
    // A signature of the store that expired: the endpoint gives another one.
    let bench = Bench::new();
    bench.server.fail(Kind::Store, Fault::Status(403, vec![]));
    bench.assert_pulled(bench.pull());
    let gets = bench.server.seen().iter().filter(|seen| seen.kind == Kind::Get && seen.path.ends_with(FILE)).count();
    assert_eq!(gets, 2);
}

#[test]
fn a_hub_that_is_not_there_is_said_so() {
    // A port where nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hub = clippie_rs::hub::Hub::builder(folder.path()).first_wait(Duration::from_millis(1));
    let url = format!("http://{free}");
    let error = says(pull(&hub.clone().endpoint(&url).build().unwrap(), NAME), &["cannot reach", &url, "HF_ENDPOINT"]);
    assert!(matches!(error, Error::Network { .. }));
    // A host that nobody has: no second try, which would only take time.
    let started = Instant::now();
    let nowhere = hub.first_wait(Duration::from_secs(60)).endpoint("http://hub.invalid").build().unwrap();
    says(pull(&nowhere, NAME), &["cannot reach http://hub.invalid/"]);
    assert!(started.elapsed() < Duration::from_secs(30));
}
