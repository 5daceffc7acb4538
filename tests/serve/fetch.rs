//! Photos that requests name by their addresses: from the hosts of `--allow-fetch`, and from nowhere else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Answer, Server, demo, photo};

/// A host of photos, and the heads of the requests that it got.
struct Host {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Host {
    fn start() -> Host {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, asked) = (stream.unwrap(), Arc::clone(&kept));
                thread::spawn(move || answer(stream, address, &asked));
            }
        });
        Host { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, address: SocketAddr, asked: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            // What begins a connection by TLS, for one.
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
    asked.lock().unwrap().push(head);
    let bytes = photo(1, 40, 30);
    let to = |location: &str| format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let length = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let (head, body) = match path.as_str() {
        "/photo" => (length(bytes.len()), bytes),
        "/moved" => (to("/photo"), Vec::new()),
        "/elsewhere" => (to(&format!("http://localhost:{}/photo", address.port())), Vec::new()),
        "/port" => (to("http://127.0.0.1:1/photo"), Vec::new()),
        "/round" => (to("/round"), Vec::new()),
        "/page" => (length(5), b"hello".to_vec()),
        "/large" => (length(2 << 20), Vec::new()),
        "/more" => ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".into(), vec![0; 2 << 20]),
        "/short" => (length(100), b"abc".to_vec()),
        "/silent" => {
            thread::park();
            return;
        }
        _ => ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(), Vec::new()),
    };
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// The row of an input.
fn row(answer: &Answer, index: usize) -> Vec<f32> {
    let row = answer.json()["data"][index]["embedding"].clone();
    serde_json::from_value(row).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

fn embed(server: &Server, image: &str) -> Answer {
    server.post_json("/v1/embeddings", &json!({ "input": [{ "image": image }] }))
}

#[test]
fn photos_are_fetched_from_named_hosts() {
    let host = Host::start();
    let server = Server::start(&["--allow-fetch", &host.address.to_string()]);
    let expected = demo().encode_image(&photo(1, 40, 30)).unwrap();
    let url = host.url("/photo?key=secret");
    for body in [
        json!({ "input": [url], "modality": "image" }),
        json!({ "input": [{ "image": url }] }),
        json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": url } }] }] }),
        json!({ "input": [{ "prompt_string": "<__media__>", "multimodal_data": [host.url("/moved")] }] }),
    ] {
        let answer = server.post_json("/v1/embeddings", &body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        assert_eq!(row(&answer, 0), expected);
    }
    let asked = host.asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.starts_with("get /photo?key=secret http/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("\r\nhost: {}\r\n", host.address)), "{asked}");
    // In the order of the request, whatever comes first.
    let other = photo(3, 20, 20);
    let inputs = json!([{ "image": host.url("/moved") }, { "text": "a" }, { "image": STANDARD.encode(&other) }, { "image": url }]);
    let answer = server.post_json("/v1/embeddings", &json!({ "input": inputs }));
    assert_eq!([row(&answer, 0), row(&answer, 3)], [expected.clone(), expected]);
    assert_eq!(row(&answer, 1), demo().encode_text("a").unwrap());
    assert_eq!(row(&answer, 2), demo().encode_image(&other).unwrap());
    // As a text, an address is a text.
    let answer = server.post_json("/v1/embeddings", &json!({ "input": url }));
    assert_eq!(row(&answer, 0), demo().encode_text(&url).unwrap());
}

#[test]
fn other_hosts_are_not_asked() {
    let (host, other) = (Host::start(), Host::start());
    let server = Server::start(&["--allow-fetch", &host.address.to_string(), "--allow-fetch", "photos.example"]);
    let port = host.address.port();
    for (address, reason) in [
        (other.url("/photo"), "--allow-fetch does not name its host"),
        (format!("http://localhost:{port}/photo"), "does not name its host"),
        (format!("http://2130706433:{port}/photo"), "does not name its host"),
        ("http://photos.example/photo".into(), "does not name its host"),
        (format!("http://photos.example@{}/photo", host.address), "has a name or password"),
        ("http:///photo".into(), "has no host"),
        ("file:///etc/passwd".into(), "is not fetched"),
    ] {
        let refused = embed(&server, &address);
        assert_eq!(refused.status, 400, "{address}: {}", refused.text());
        assert!(refused.error().contains(reason), "{address}: {}", refused.error());
        assert_eq!(refused.json()["error"]["param"], Value::from("input[0]"));
    }
    assert_eq!((host.asked(), other.asked()), (0, 0));
    // Redirects to another host or port, and without end.
    for (path, reason, times) in
        [("/elsewhere", "another host", 1), ("/port", "another host", 1), ("/round", "more than", 4)]
    {
        let before = host.asked();
        let refused = embed(&server, &host.url(path));
        assert!(refused.status == 400 && refused.error().contains(reason), "{}", refused.text());
        assert_eq!(host.asked() - before, times, "{path}");
    }
    let closed = Server::start(&[]);
    let refused = embed(&closed, &host.url("/photo"));
    assert!(refused.status == 400 && refused.error().contains("this is not fetched: send the photo itself"));
}

#[test]
fn what_cannot_be_fetched_is_refused() {
    let host = Host::start();
    let server = Server::start(&["--allow-fetch", &host.address.to_string(), "--max-body", "1", "--timeout", "1"]);
    for (path, reason) in [
        ("/none?key=secret", "answers with status 404"),
        ("/page", "input[0]: "),
        ("/large", "has more than 1048576 bytes (--max-body)"),
        ("/more", "has more than 1048576 bytes (--max-body)"),
        ("/short", "cannot be fetched: "),
        ("/silent", "did not arrive in time"),
    ] {
        let refused = embed(&server, &host.url(path));
        assert_eq!(refused.status, 400, "{path}: {}", refused.text());
        let error = refused.error();
        assert!(error.contains(reason) && !error.contains("secret"), "{path}: {error}");
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
    }
    // A host that speaks no TLS, and one that is not there.
    let encrypted = embed(&server, &host.url("/photo").replace("http:", "https:"));
    assert!(encrypted.status == 400 && encrypted.error().contains("cannot be fetched"), "{}", encrypted.text());
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(&["--allow-fetch", &gone.to_string()]);
    let refused = embed(&server, &format!("http://{gone}/photo"));
    assert!(refused.status == 400 && refused.error().contains("cannot be fetched"), "{}", refused.text());
}
