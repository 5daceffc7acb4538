//! Thumbnails, originals and what is known of photos: only what was indexed is sent.

use std::fs;

use serde_json::json;

use super::support::Shelf;

/// A JPEG begins so.
const JPEG: &[u8] = b"\xff\xd8\xff";

#[test]
fn photos_are_sent_by_number() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let id = server.id("05.png");
    let bytes = fs::read(shelf.path("photos/05.png")).unwrap();
    let photo = server.get(&format!("/api/photos/{id}")).json();
    assert_eq!((&photo["id"], &photo["format"], &photo["dated"]), (&json!(id), &json!("png"), &json!(false)));
    assert_eq!(photo["files"], json!([{ "folder": "photos", "name": "05.png" }]));
    assert_eq!(photo["bytes"], json!(bytes.len()));

    let original = server.get(&format!("/api/photos/{id}/original"));
    assert_eq!((original.status, &original.body), (200, &bytes));
    assert_eq!(original.header("content-type"), Some("image/png"));
    assert_eq!(original.header("content-length"), Some(bytes.len().to_string().as_str()));
    assert_eq!(original.header("x-content-type-options"), Some("nosniff"));
    assert!(original.header("content-disposition").unwrap().starts_with("inline; filename=\"05.png\""));
    let head = server.head(&format!("/api/photos/{id}/original"));
    assert!(head.starts_with("http/1.1 200") && head.contains("\r\ncontent-type: image/png\r\n"), "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", bytes.len())) && head.ends_with("\r\n\r\n"), "{head}");

    for size in ["", "?size=160", "?size=1024"] {
        let target = format!("/api/photos/{id}/thumbnail{size}");
        let thumbnail = server.get(&target);
        assert_eq!((thumbnail.status, thumbnail.header("content-type")), (200, Some("image/jpeg")));
        assert!(thumbnail.body.starts_with(JPEG));
        let tag = format!("If-None-Match: {}", thumbnail.header("etag").unwrap());
        let again = server.request("GET", &target, &[&tag]);
        assert_eq!((again.status, again.body.len()), (304, 0));
        assert_eq!(server.get(&target).body, thumbnail.body);
    }
    for size in ["?size=161", "?size=0", "?size=x", "?size=", "?side=160"] {
        server.get(&format!("/api/photos/{id}/thumbnail{size}")).error(400);
    }
}

#[test]
fn addresses_are_not_paths() {
    let shelf = Shelf::new();
    fs::write(shelf.path("photos/secret.txt"), "secret").unwrap();
    let server = shelf.serve();
    for id in [
        "0",
        "-1",
        "99999",
        "99999999999999999999",
        "1.0",
        "1e0",
        "+1",
        "%31%00",
        "abc",
        "..",
        "%2e%2e",
        "%ff",
        "05.png",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "photos%2f05.png",
        "1%2foriginal",
        "..%5c..%5c",
        "1%20",
    ] {
        for target in [
            format!("/api/photos/{id}"),
            format!("/api/photos/{id}/original"),
            format!("/api/photos/{id}/thumbnail"),
            format!("/api/similar/{id}"),
        ] {
            server.get(&target).error(404);
        }
    }
    for target in [
        "/assets/../api/library",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets/",
        "/assets/index.html",
        "/../../etc/passwd",
        "/api/photos/1/original/../../../../etc/passwd",
        "//etc/passwd",
        "/photos/05.png",
        "/api/photos/1/secret.txt",
        "/library.sqlite",
    ] {
        server.get(target).error(404);
    }
}

#[cfg(unix)]
#[test]
fn only_indexed_content_in_indexed_folders_is_sent() {
    use std::os::unix::fs::symlink;
    let shelf = Shelf::new();
    let server = shelf.serve();
    let ids: Vec<i64> =
        ["01.png", "03.png", "05.png", "07.png", "09.png", "02.png"].iter().map(|name| server.id(name)).collect();
    let tag = |id: i64| server.get(&format!("/api/photos/{id}/original")).header("etag").unwrap().to_owned();
    let kept = format!("If-None-Match: {}", tag(ids[0]));
    let again = || server.request("GET", &format!("/api/photos/{}/original", ids[0]), &[&kept]);
    assert_eq!(again().status, 304);
    let both = |id: i64, reason: &str| {
        // Of another size each time, so that none is remembered.
        for what in ["original", "thumbnail?size=640"] {
            let error = server.get(&format!("/api/photos/{id}/{what}")).error(404);
            assert!(error.contains(reason), "{error}");
        }
    };
    // A link to the same bytes outside of the folder.
    let outside = shelf.path("outside.png");
    fs::rename(shelf.path("photos/01.png"), &outside).unwrap();
    symlink(&outside, shelf.path("photos/01.png")).unwrap();
    both(ids[0], "not there");
    // Whoever has a copy learns that it is gone.
    assert!(again().error(404).contains("brings the library up to date"));
    // Another content under the name of a photo.
    fs::write(shelf.path("photos/03.png"), "secret").unwrap();
    both(ids[1], "changed since it was indexed");
    let mut bytes = fs::read(shelf.path("photos/05.png")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(shelf.path("photos/05.png"), bytes).unwrap();
    both(ids[2], "changed since it was indexed");
    // Nothing, a folder, a pipe that nobody writes to.
    fs::remove_file(shelf.path("photos/07.png")).unwrap();
    both(ids[3], "not there");
    fs::create_dir(shelf.path("photos/07.png")).unwrap();
    both(ids[3], "not there");
    fs::remove_file(shelf.path("photos/09.png")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(shelf.path("photos/09.png")).status().unwrap();
    assert!(made.success());
    both(ids[4], "not there");
    // A link inside of the folder is as good as the file.
    fs::rename(shelf.path("photos/more/02.png"), shelf.path("photos/moved.png")).unwrap();
    symlink(shelf.path("photos/moved.png"), shelf.path("photos/more/02.png")).unwrap();
    assert_eq!(server.get(&format!("/api/photos/{}/original", ids[5])).status, 200);
    // A folder that was replaced by a link to elsewhere.
    let id = server.id("04.png");
    fs::rename(shelf.path("photos/more"), shelf.path("elsewhere")).unwrap();
    symlink(shelf.path("elsewhere"), shelf.path("photos/more")).unwrap();
    both(id, "not there");
}
