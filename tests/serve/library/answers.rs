//! What searches answer: the same as the command.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::support::{Shelf, encoded};

/// Names and scores, which do not depend on who asked.
fn of_server(hits: &[Value]) -> Vec<(String, String)> {
    hits.iter().map(|hit| (hit["name"].as_str().unwrap().into(), hit["score"].to_string())).collect()
}

fn of_command(hits: &[Value]) -> Vec<(String, String)> {
    let name = |hit: &Value| hit["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    hits.iter().map(|hit| (name(hit), hit["score"].to_string())).collect()
}

#[test]
fn words_find_what_the_command_finds() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let library = server.get("/api/library").json();
    assert_eq!((&library["model"], &library["folders"][0]["name"]), (&json!("demo"), &json!("photos")));
    assert!(library["photos"].as_u64().unwrap() >= 20 && library["models"][0]["dimensions"].as_u64().unwrap() > 0);
    for (query, args) in [
        ("a white square below a red star", &["a white square below a red star"][..]),
        ("a star - 0.5:a red star + a ring", &["a star - 0.5:a red star + a ring"]),
    ] {
        let answer = server.get(&format!("/api/search?q={}", encoded(query))).json();
        let hits = answer["hits"].as_array().unwrap();
        assert_eq!(of_server(hits), of_command(&shelf.hits("search", &[&["-n", "50"], args].concat())), "{query}");
        assert_eq!((&answer["query"], &answer["model"]), (&json!(query), &json!("demo")));
        assert!(hits.iter().all(|hit| hit["fits"] == true && hit["score"].as_f64() >= answer["cut"].as_f64()));
        // All of them, those that fit first.
        let all = server.get(&format!("/api/search?all=true&n=1000&q={}", encoded(query))).hits();
        assert_eq!(all.len() as u64, answer["compared"].as_u64().unwrap());
        assert_eq!(all.iter().filter(|hit| hit["fits"] == true).count(), hits.len());
        assert_eq!(of_server(&all[..hits.len()]), of_server(hits));
    }
    let first = &server.get("/api/search?q=a+white+square+below+a+red+star").hits()[0];
    assert_eq!((&first["name"], &first["folder"]), (&json!("05.png"), &json!("photos")));
    assert_eq!(server.get("/api/search?q=a+red+circle").hits(), Vec::<Value>::new());
}

#[test]
fn photos_and_sums_find_what_the_command_finds() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let id = server.id("05.png");
    let path = shelf.path("photos/05.png");
    let similar = of_command(&shelf.hits("similar", &["--all", "-n", "50", path.to_str().unwrap()]));
    assert_eq!(of_server(&server.get(&format!("/api/similar/{id}?all=true")).hits()), similar);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(of_server(&server.post("/api/search?all=true", &[("photo", &bytes)]).hits()), similar);
    // A photo that the library does not have.
    let drawing = shelf.path("outside.bmp");
    fs::write(&drawing, small_bitmap()).unwrap();
    let sum = format!("a ring + 0.5:{} - 2:{}", path.display(), drawing.display());
    let terms = format!(r#"[{{"id": {id}, "weight": 0.5}}, {{"photo": 0, "weight": -2}}]"#);
    let parts: [(&str, &[u8]); 2] = [("photo", &small_bitmap()), ("terms", terms.as_bytes())];
    let found = server.post("/api/search?q=a+ring&all=true", &parts).hits();
    assert_eq!(of_server(&found), of_command(&shelf.hits("search", &["--all", "-n", "50", &sum])));
    let terms = br#"[{"text": "a ring"}, {"text": "a star", "weight": -1}]"#;
    let sum = of_command(&shelf.hits("search", &["--all", "-n", "50", "a ring - a star"]));
    assert_eq!(of_server(&server.post("/api/search?all=true", &[("terms", terms)]).hits()), sum);
}

/// Photos of requests are read as those of the library were, also beside a model that reads them in the usual way.
#[test]
fn a_library_of_reduced_photos_is_searched_with_such() {
    let shelf = Shelf::new();
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/photos/cat.jpg");
    let bytes = fs::read(photo).unwrap();
    fs::write(shelf.path("photos/cat.jpg"), &bytes).unwrap();
    let index = ["index", "-q", "-m", "demo", "--fast-decode", "--library", "reduced.sqlite", "photos"];
    assert!(shelf.command(index).status().unwrap().success());
    // The same picture in another file.
    let other = [&bytes[..], b"more"].concat();
    let score = |args: &[&str], file: &str| {
        let args = [&["--library", file], args].concat();
        let server = shelf.serve_with(&args);
        let model = server.get("/api/library").json()["model"].as_str().unwrap().to_owned();
        let hits = server.post("/api/search?all=true", &[("photo", &other)]).hits();
        let hit = hits.iter().find(|hit| hit["name"] == "cat.jpg").unwrap();
        (model, (hit["score"].as_f64().unwrap() * 1e6).round() / 1e6)
    };
    assert_eq!(score(&[], "reduced.sqlite"), ("demo".into(), 1.0));
    assert_eq!(score(&["-m", "demo"], "reduced.sqlite"), ("demo of the library".into(), 1.0));
    shelf.index();
    assert_eq!(score(&["-m", "demo"], "library.sqlite"), ("demo".into(), 1.0));
}

/// Two by two pixels.
fn small_bitmap() -> Vec<u8> {
    let mut bytes =
        b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0\0\0\0\0\x10\0\0\0".to_vec();
    bytes.resize(54, 0);
    bytes.extend_from_slice(&[0, 0, 255, 0, 255, 0, 0, 0, 255, 0, 0, 9, 9, 9, 0, 0]);
    bytes
}

#[test]
fn filters_pass_what_they_say() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let count = |filter: &str| server.get(&format!("/api/search?q=a+star&all=true&n=1000&{filter}")).hits().len();
    let all = count("");
    let more = count("in=photos%2Fmore");
    assert!(more > 0 && more < all && count("in=photos") == all && count("in=photos/more&in=photos") == all);
    assert_eq!(
        (count("in=photos/nowhere"), count("after=2999"), count("before=1971-02-03"), count("near=48.85,2.35")),
        (0, 0, 0, 0)
    );
    assert_eq!((count("after=1971"), count("min=-1"), count("min=1")), (all, all, 0));
    let error = |filter: &str, status| server.get(&format!("/api/search?q=a+star&{filter}")).error(status);
    for folder in ["elsewhere", "photos/..", "..", "/etc", "photos/../../x", ""] {
        error(&format!("in={}", encoded(folder)), 404);
    }
    assert!(error("in=elsewhere", 404).contains("they are: photos"));
    for filter in [
        "after=yesterday",
        "after=2024-02-30",
        "before=%202024",
        "n=0",
        "n=1001",
        "n=x",
        "all=yes",
        "min=2",
        "min=NaN",
        "near=1",
        "near=91,0",
        "near=1e1,0",
        "near=1,2&radius=-1",
        "radius=inf",
        "after=2024&after=2025",
        "inn=photos",
        "q=b",
    ] {
        error(filter, 400);
    }
}

#[test]
fn what_cannot_be_searched_is_refused_in_words() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let get = |target: &str, status| server.get(target).error(status);
    assert!(get("/api/search", 400).contains("`q` is missing"));
    assert!(get("/api/search?q=", 422).contains("empty") && get("/api/search?q=a+-", 422).contains("nothing follows"));
    assert!(get("/api/search?q=a+-+a", 422).contains("cancel each other out"));
    assert!(get(&format!("/api/search?q={}", "a".repeat(2001)), 400).contains("2000 characters"));
    get("/api/search?q=%ff", 400);
    let post = |parts: &[(&str, &[u8])], status| server.post("/api/search", parts).error(status);
    assert!(post(&[], 422).contains("empty"));
    assert!(post(&[("photo", b"no photo")], 422).contains("photo 0 of the request"));
    assert!(post(&[("photo", &small_bitmap()[..60])], 422).contains("photo 0 of the request"));
    assert!(post(&[("path", b"/etc/passwd")], 400).contains("no part `path`"));
    // Long fields, which are looked at on another thread.
    let long = format!("[{{\"text\": \"{}\"}}]", "a".repeat(1 << 20));
    assert!(post(&[("terms", long.as_bytes())], 400).contains("65536 bytes"));
    assert!(post(&[("photo", &[7; 1 << 20])], 422).contains("photo 0"));
    assert!(post(&[("terms", b"[{\"id\": 999999}]")], 404).contains("no photo 999999"));
    let other = server.request("POST", "/api/search", &["Content-Length: 0"]);
    assert!(other.error(415).contains("multipart/form-data"));
    assert_eq!(server.request("DELETE", "/api/search", &[]).status, 405);
    assert_eq!(server.request("DELETE", "/api/search", &[]).header("allow"), Some("GET,HEAD,POST"));
}

#[test]
fn sentences_read_no_files() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    for query in [shelf.path("photos/05.png").to_str().unwrap(), "./photos/05.png", "/no/such/file.png"] {
        let answer = server.get(&format!("/api/search?all=true&n=1000&q={}", encoded(query))).json();
        // The photo itself is among the results: it is not part of the query.
        assert!(answer["hits"].as_array().unwrap().iter().any(|hit| hit["name"] == "05.png"), "{query}");
        assert_eq!(answer["query"], query);
    }
}

#[test]
fn what_is_indexed_meanwhile_is_found() {
    let shelf = Shelf::new();
    let server = shelf.serve();
    let before = server.get("/api/search?q=a+star&all=true&n=1000").json()["compared"].as_u64().unwrap();
    fs::write(shelf.path("photos/new.bmp"), small_bitmap()).unwrap();
    shelf.index();
    let after = server.get("/api/search?q=a+star&all=true&n=1000").json();
    assert_eq!(after["compared"].as_u64().unwrap(), before + 1);
    assert!(after["hits"].as_array().unwrap().iter().any(|hit| hit["name"] == "new.bmp"));
}
