//! What is not CLIP's goes to another server as it came, and its answer back as it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::json;

use crate::support::{PATIENCE, Server, demo, form, literal, photo, read_answer, wait_until};

/// Answers each connection with the next of `answers`; reports what it received.
fn other_server(answers: Vec<Vec<u8>>) -> (SocketAddr, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = sender.send(request(&mut stream));
            let _ = stream.write_all(&answer);
        }
    });
    (address, received)
}

/// Reads a request with a stated length.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        bytes.extend(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if bytes.len() >= end + 4 + length.parse::<usize>().unwrap() || read == 0 {
            return bytes;
        }
    }
}

#[test]
fn faces_and_texts_in_photos_go_to_the_other_server() {
    let faces = r#"{"facial-recognition":[{"score":0.9}],"imageHeight":30,"imageWidth":40}"#;
    let answer = |status: &str, kind: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nX-Other: 1\r\n\r\n{body}")
            .into_bytes()
    };
    let chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ocr\r\n7\r\n\":\"yes\"\r\n1\r\n}\r\n0\r\n\r\n";
    let truncated = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"ocr\":";
    let (address, received) = other_server(vec![
        answer("200 OK", "application/json", faces),
        chunked.to_vec(),
        answer("500 Internal Server Error", "text/plain; charset=utf-8", "Internal Server Error"),
        answer("302 Found", "text/html", "moved"),
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n".to_vec(),
        answer("503 Busy\r\nRetry-After: 7\r\nContent-Encoding: gzip", "text/plain", "\x1f"),
        answer("200 OK", "application/json", "{\"both\":1}"),
        truncated.to_vec(),
        b"no HTTP".to_vec(),
    ]);
    let server = Server::start(&["--immich", "--upstream", &format!("http://{address}/")]);
    let image = photo(1, 40, 30);
    let send = |entries: &str| {
        let (content_type, body) = form(&[("entries", entries)], Some(&image));
        (server.post("/predict", &content_type, &body), body)
    };
    let (faces_entries, ocr) = (
        r#"{"facial-recognition":{"detection":{"modelName":"m"},"recognition":{"modelName":"m"}}}"#,
        r#"{"ocr":{"detection":{"modelName":"m"},"recognition":{"modelName":"m"}}}"#,
    );
    let (passed_on, body) = send(faces_entries);
    assert_eq!((passed_on.status, passed_on.text().as_str()), (200, faces));
    assert_eq!((passed_on.header("content-type"), passed_on.header("x-other")), (Some("application/json"), None));
    let request = received.recv().unwrap();
    assert!(request.starts_with(b"POST /predict HTTP/1.1\r\n") && request.ends_with(&body));
    assert!(String::from_utf8_lossy(&request).contains("multipart/form-data; boundary=----formdata-undici-"));

    assert_eq!(send(ocr).0.text(), r#"{"ocr":"yes"}"#);
    let failed = send(ocr).0;
    assert_eq!((failed.status, failed.text().as_str()), (500, "Internal Server Error"));
    // Neither a redirection nor another protocol is an answer.
    for _ in 0..2 {
        let refused = send(ocr).0;
        assert_eq!(refused.status, 502);
        assert!(refused.json()["detail"].as_str().unwrap().contains("--upstream"), "{}", refused.text());
    }
    let busy = send(ocr).0;
    assert_eq!(
        (busy.status, busy.header("retry-after"), busy.header("content-encoding")),
        (503, Some("7"), Some("gzip"))
    );
    // A request for both is the other server's, too: an answer has all tasks or none.
    let both = r#"{"clip":{"visual":{"modelName":"demo"}},"ocr":{"detection":{"modelName":"m"}}}"#;
    assert_eq!(send(both).0.text(), "{\"both\":1}");
    // An answer that ends early ends early here, too, so that nobody takes a part for the whole.
    let (content_type, body) = form(&[("entries", ocr)], Some(&image));
    let mut stream = server.connect();
    let length = body.len();
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&bytes));
    // Neither a server that speaks something else nor one that is not there is a success.
    assert_eq!(send(ocr).0.status, 502);
    let gone = send(ocr).0;
    assert_eq!(gone.status, 502);
    assert!(gone.json()["detail"].as_str().unwrap().contains("--upstream"), "{}", gone.text());

    // CLIP stays here.
    let (clip, _) = send(r#"{"clip":{"visual":{"modelName":"demo"}}}"#);
    assert_eq!(clip.json()["clip"], json!(literal(&demo().encode_image(&image).unwrap())));
}

/// More requests than are passed on at a time wait; those whose clients went away make room.
#[test]
fn a_place_of_a_client_that_went_away_is_free() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, connections) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = request(&mut stream);
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    let server = Server::start(&["--immich", "--upstream", &format!("http://{address}")]);
    let ocr = r#"{"ocr":{"detection":{"modelName":"m"},"recognition":{"modelName":"m"}}}"#;
    let (content_type, body) = form(&[("entries", ocr)], Some(&photo(1, 8, 8)));
    let length = body.len();
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let send = || {
        let mut stream = server.connect();
        stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        stream
    };
    let mut clients: Vec<TcpStream> = (0..16).map(|_| send()).collect();
    let others: Vec<TcpStream> = (0..16).map(|_| connections.recv_timeout(PATIENCE).unwrap()).collect();
    let mut last = send();
    wait_until("the request waits", || server.metric("clippie_requests_waiting") == 1.0);
    // None of the others is answered, ever.
    clients.pop();
    let mut other = connections.recv_timeout(PATIENCE).unwrap();
    other.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    assert_eq!(read_answer(&mut last).text(), "{}");
    drop(others);
}
