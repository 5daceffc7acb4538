//! Originals in parts, originals and libraries that change while they are served.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use super::support::Shelf;
use crate::support::photo;

#[test]
fn an_original_is_sent_in_parts() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let id = server.id("05.png");
    let target = format!("/api/photos/{id}/original");
    let bytes = fs::read(shelf.path("photos/05.png")).unwrap();
    let whole = server.get(&target);
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, Some("bytes")));
    let tag = whole.header("etag").unwrap();
    let len = bytes.len();
    for (range, sent) in
        [("bytes=0-9", 0..10), ("bytes=100-", 100..len), ("bytes=-7", len - 7..len), ("bytes=5-999999999", 5..len)]
    {
        let part = server.request("GET", &target, &[&format!("Range: {range}"), &format!("If-Range: {tag}")]);
        assert_eq!((part.status, &part.body[..]), (206, &bytes[sent.clone()]), "{range}");
        let stated = format!("bytes {}-{}/{len}", sent.start, sent.end - 1);
        assert_eq!(part.header("content-range"), Some(stated.as_str()));
        assert_eq!((part.header("etag"), part.header("content-type")), (Some(tag), Some("image/png")));
    }
    // Another content, several ranges, and what is no range: the whole.
    for headers in [
        &["Range: bytes=0-9", "If-Range: \"other\""][..],
        &["Range: bytes=0-1,5-9"],
        &["Range: bytes=9-5"],
        &["Range: lines=0-9"],
    ] {
        let answer = server.request("GET", &target, headers);
        assert_eq!((answer.status, &answer.body, answer.header("content-range")), (200, &bytes, None), "{headers:?}");
    }
    let beyond = server.request("GET", &target, &[&format!("Range: bytes={len}-")]);
    assert!(beyond.error(416).contains("behind the end"));
    assert_eq!(beyond.header("content-range"), Some(format!("bytes */{len}").as_str()));
    // Whoever has the content gets nothing of it again.
    let known = server.request("GET", &target, &["Range: bytes=0-9", &format!("If-None-Match: {tag}")]);
    assert_eq!(known.status, 304);
    assert!(server.head(&target).contains("\r\naccept-ranges: bytes\r\n"));
}

#[test]
fn what_changes_while_it_is_sent_ends_early() {
    let shelf = Shelf::new();
    // More than the system holds of a connection.
    let (mut large, path) = (photo(1, 4000, 2500), shelf.path("photos/large.bmp"));
    fs::write(&path, &large).unwrap();
    shelf.index();
    let server = shelf.serve();
    let id = server.id("large.bmp");
    let target = format!("/api/photos/{id}/original");
    assert!(server.get(&target).body == large);
    let begin = || {
        let mut stream = server.connect();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut first = vec![0; 1000];
        stream.read_exact(&mut first).unwrap();
        assert!(first.starts_with(b"HTTP/1.1 200 "));
        (stream, first)
    };
    let rest = |(mut stream, mut answer): (std::net::TcpStream, Vec<u8>)| {
        let _ = stream.read_to_end(&mut answer);
        let body = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        answer[body..].to_vec()
    };
    // Another content in the same file, of the same length. The clock of a file system may be coarse.
    std::thread::sleep(Duration::from_millis(30));
    let answer = begin();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let middle = large.len() / 2;
    file.seek(SeekFrom::Start(middle as u64)).unwrap();
    file.write_all(&vec![7; large.len() - middle]).unwrap();
    drop(file);
    let sent = rest(answer);
    assert!(sent.len() < large.len() && large.starts_with(&sent), "{} of {} bytes", sent.len(), large.len());
    // A file that is cut.
    fs::write(&path, &large).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let answer = begin();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(middle as u64).unwrap();
    let sent = rest(answer);
    assert!(sent.len() < large.len() && large.starts_with(&sent), "{} of {} bytes", sent.len(), large.len());
    // One that another file takes the place of is sent to its end.
    fs::write(&path, &large).unwrap();
    let answer = begin();
    large[100] ^= 1;
    fs::write(shelf.path("other.bmp"), &large).unwrap();
    fs::rename(shelf.path("other.bmp"), &path).unwrap();
    large[100] ^= 1;
    assert!(rest(answer) == large);
    server.get(&target).error(404);
}

#[cfg(unix)]
#[test]
fn a_library_that_is_removed_or_replaced_is_noticed() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let search = "/api/search?q=a+star&all=true&n=1000";
    let before = server.get(search).hits().len();
    assert!(before > 10);
    let away = |name: &str| {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::rename(shelf.path(format!("library.sqlite{end}")), shelf.path(format!("{name}{end}")));
        }
    };
    away("first.sqlite");
    for target in [search, "/api/library", "/api/photos/1"] {
        let error = server.get(target).error(503);
        assert!(error.contains("the library was removed, or replaced"), "{error}");
        assert!(!error.contains(shelf.path("").to_str().unwrap()), "{error}");
    }
    server.says("there is no photo library");
    // Another library of the same model.
    fs::remove_dir_all(shelf.path("photos/more")).unwrap();
    shelf.index();
    let after = server.get(search).hits().len();
    assert!((1..before).contains(&after), "{after} of {before}");
    // What is no library.
    away("second.sqlite");
    fs::write(shelf.path("library.sqlite"), "no library").unwrap();
    server.get(search).error(503);
    // The first one, again.
    away("none");
    for end in ["", "-wal", "-shm"] {
        let _ = fs::rename(shelf.path(format!("first.sqlite{end}")), shelf.path(format!("library.sqlite{end}")));
    }
    assert_eq!(server.get(search).hits().len(), before);
}
