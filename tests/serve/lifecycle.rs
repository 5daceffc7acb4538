//! The end of a server, and memory that idle models give back.

use std::net::TcpStream;
use std::process::Command;
use std::thread;

use serde_json::json;

use crate::support::{Server, wait_until};

#[test]
fn requests_that_have_begun_are_answered_before_the_end() {
    let mut server = Server::start(&[]);
    let texts: Vec<String> = (0..1500).map(|text| format!("text number {text}")).collect();
    let body = json!({ "input": texts });
    let idle = server.connect();
    thread::scope(|scope| {
        let answer = scope.spawn(|| server.post_json("/v1/embeddings", &body));
        wait_until("the request does not begin", || {
            answer.is_finished() || server.metric("clippie_text_cache_misses_total") == 1500.0
        });
        let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", server.child.id())]).status();
        assert!(status.unwrap().success());
        let answer = answer.join().unwrap();
        assert_eq!((answer.status, answer.json()["data"].as_array().unwrap().len()), (200, 1500));
    });
    drop(idle);
    let status = server.child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{status}: {}", server.log());
    assert!(TcpStream::connect(server.address).is_err());
    assert!(!server.log().contains("did not end"), "{}", server.log());
}

/// A pipe holds some hundred lines.
#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let mut server = Server::start(&[]);
    let log = server.shared_log();
    let unread = log.lock().unwrap();
    for _ in 0..1500 {
        assert_eq!(server.get("/v1/models").status, 200);
    }
    let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", server.child.id())]).status();
    assert!(status.unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    drop(unread);
}

#[test]
fn idle_models_give_their_memory_back_and_work_again() {
    let server = Server::start(&["--idle", "0.2"]);
    let encode = |text: &str| server.post_json("/v1/embeddings", &json!({ "input": text })).json()["data"].clone();
    // Nothing was used yet, so there is nothing to give back.
    assert_eq!(server.metric("clippie_releases_total"), 0.0);
    let before = encode("a red circle");
    wait_until("nothing is given back", || server.metric("clippie_releases_total") == 1.0);
    // Another text, which the cache does not know, and then the same one in a pass of two.
    encode("another one");
    let both = server.post_json("/v1/embeddings", &json!({ "input": ["a red circle", "a third one"] })).json();
    assert_eq!(both["data"][0], before[0]);
    wait_until("nothing is given back again", || server.metric("clippie_releases_total") == 2.0);
    server.says("gave its memory back");
}
