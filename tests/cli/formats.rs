//! The four output formats hold the same numbers; a file is complete or absent.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::photos::{broken, jpeg};
use crate::support::{EMBED_DIM, Sandbox, embedding, read_npy, rows};

/// Three photos whose names need escaping, and two texts.
fn mixed_inputs() -> (Sandbox, Vec<&'static str>) {
    let sandbox = Sandbox::new();
    for (i, name) in ["a, \"quoted\".jpg", "b\u{e9}.jpg", "c d.jpg"].into_iter().enumerate() {
        sandbox.write(name, jpeg(i as u32));
    }
    (sandbox, vec!["a, \"quoted\".jpg", "b\u{e9}.jpg", "c d.jpg", "--text", "x, \"y\"", "--text", "line\nbreak"])
}

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    args.iter().chain(more).copied().collect()
}

#[test]
fn json_is_one_object_with_the_same_rows() {
    let (sandbox, args) = mixed_inputs();
    let lines = sandbox.encode(&args).ok().rows();
    let json = sandbox.encode(with(&args, &["--format", "json"])).ok();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["fingerprint"], lines[0]["fingerprint"]);
    assert_eq!(json["embed_dim"], EMBED_DIM);
    assert_eq!(json["model"], "tiny");
    let mut expected = lines;
    expected.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("fingerprint")));
    assert_eq!(json["rows"], Value::Array(expected));

    sandbox.write("none.txt", "");
    let empty = sandbox.encode(["--files-from", "none.txt", "--format", "json"]).ok();
    let empty: Value = serde_json::from_slice(&empty.stdout).unwrap();
    assert_eq!(empty["rows"], Value::Array(vec![]));
}

#[test]
fn csv_round_trips() {
    let (sandbox, args) = mixed_inputs();
    let lines = sandbox.encode(&args).ok().rows();
    let read = |args: &[&str]| {
        let ran = sandbox.encode(with(args, &["--format", "csv"])).ok();
        let mut csv = csv::Reader::from_reader(&ran.stdout[..]);
        let header: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
        let records: Vec<Vec<String>> =
            csv.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
        (header, records)
    };
    let (header, records) = read(&args);
    assert_eq!(header[..4], ["path", "text", "fingerprint", "e0"]);
    assert_eq!(header.last().unwrap(), &format!("e{}", EMBED_DIM - 1));
    assert_eq!(records.len(), 5);
    for (record, line) in records.iter().zip(&lines) {
        assert_eq!(record[0], line["path"].as_str().unwrap_or(""));
        assert_eq!(record[1], line["text"].as_str().unwrap_or(""));
        assert_eq!(record[2], line["fingerprint"].as_str().unwrap());
        let values: Vec<f32> = record[3..].iter().map(|value| value.parse().unwrap()).collect();
        assert_eq!(values, embedding(line));
    }
    let (header, records) = read(&args[..3]);
    assert_eq!((header[..3].to_vec(), records.len()), (vec!["path".into(), "fingerprint".into(), "e0".into()], 3));
    let (header, records) = read(&args[3..]);
    assert_eq!((header[..3].to_vec(), records.len()), (vec!["text".into(), "fingerprint".into(), "e0".into()], 2));
    assert_eq!(records[1][0], "line\nbreak");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_holds_the_numbers_and_the_reasons() {
    use clippie_rs::tables::{Cell, Error, Reader};
    /// Rows of a table as JSON lines have them.
    fn table(path: &std::path::Path, columns: &[&str]) -> Vec<Value> {
        let mut rows = Vec::new();
        let reader = Reader::open(path).unwrap();
        assert_eq!(reader.columns().collect::<Vec<_>>(), columns);
        assert_eq!(reader.metadata("clippie.model"), Some("tiny"));
        let fingerprint = Value::from(reader.metadata("clippie.fingerprint").unwrap());
        let read = reader.read(columns, |cells| {
            let mut row = serde_json::Map::new();
            for (&name, cell) in columns.iter().zip(cells) {
                let value = match *cell {
                    Cell::Text(text) => text.into(),
                    Cell::Vector(vector) => serde_json::to_value(vector).unwrap(),
                    _ => continue,
                };
                row.insert(name.to_owned(), value);
            }
            if !row.contains_key("error") {
                row.insert("fingerprint".into(), fingerprint.clone());
            }
            rows.push(Value::Object(row));
            Ok::<(), Error>(())
        });
        read.unwrap();
        rows
    }
    let (sandbox, mut args) = mixed_inputs();
    sandbox.write("d\n.jpg", "no photo");
    args.insert(1, "d\n.jpg");
    let lines = sandbox.encode(&args).code(3).rows();
    sandbox.encode(with(&args, &["--format", "parquet", "-o", "out.parquet"])).code(3);
    let close = |found: &[Value], expected: &[Value]| {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            for name in ["path", "text", "error", "fingerprint"] {
                assert_eq!(found.get(name), expected.get(name), "{name}");
            }
            assert_eq!(found.get("embedding").is_some(), expected.get("embedding").is_some());
            if found.get("embedding").is_some() {
                assert_eq!(embedding(found), embedding(expected));
            }
        }
    };
    close(&table(&sandbox.path("out.parquet"), &["path", "text", "embedding", "error"]), &lines);
    let piped = sandbox.encode(with(&args, &["--format", "parquet"])).code(3);
    assert_eq!(piped.stdout, fs::read(sandbox.path("out.parquet")).unwrap());

    sandbox.encode(with(&args[..3], &["--format", "parquet", "-o", "out.parquet", "--skip-errors"])).code(3);
    let good: Vec<Value> = lines[..3].iter().filter(|line| line.get("error").is_none()).cloned().collect();
    close(&table(&sandbox.path("out.parquet"), &["path", "embedding"]), &good);
    sandbox.encode(["--text", "a", "--format", "parquet", "-o", "out.parquet"]).ok();
    assert_eq!(table(&sandbox.path("out.parquet"), &["text", "embedding", "error"]).len(), 1);
    sandbox.encode(["--text", "a", "-o", "out.parquet", "--column-name", "text_clip_emb"]).ok();
    assert_eq!(table(&sandbox.path("out.parquet"), &["text", "text_clip_emb", "error"]).len(), 1);
    for name in ["path", "path_bytes", "text", "error"] {
        let ran = sandbox.encode(["--text", "a", "-o", "out.parquet", "--column-name", name]);
        ran.fails(2, &["another column of this name"]);
    }
    sandbox.encode(["--text", "a", "--column-name", "x"]).fails(2, &["--format parquet"]);
    sandbox.encode(with(&args, &["-o", "fixed.parquet", "--fixed-size"])).code(3);
    close(&table(&sandbox.path("fixed.parquet"), &["path", "text", "embedding", "error"]), &lines);
    let arrow = |name: &str| Reader::open(&sandbox.path(name)).unwrap().metadata("ARROW:schema").is_some();
    assert!(arrow("fixed.parquet") && !arrow("out.parquet"));
    sandbox.encode(["--text", "a", "--fixed-size"]).fails(2, &["--format parquet"]);
    // As with other files, none is left if everything failed.
    sandbox.encode(["d\n.jpg", "--format", "parquet", "-o", "none.parquet"]).code(1);
    assert!(!sandbox.path("none.parquet").exists());
}

#[cfg(all(feature = "library", feature = "parquet"))]
#[test]
fn clip_retrieval_is_a_folder_of_photos() {
    use clippie_rs::library::clip_retrieval::Folder;
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.write("b.jpg", "no photo");
    sandbox.write("c.jpg", jpeg(3));
    let photos = ["a.jpg", "b.jpg", "c.jpg"];
    let expected = sandbox.encode(photos).code(3).rows();
    let format = ["--format", "clip-retrieval", "-o", "out"];
    sandbox.encode(with(&photos, &format)).code(3).says(&["b.jpg is not an image"]);
    let files = sandbox.files();
    assert_eq!(files[3..], ["out/img_emb/img_emb_0.npy", "out/metadata/metadata_0.parquet"]);
    let (_, values) = read_npy(&fs::read(sandbox.path("out/img_emb/img_emb_0.npy")).unwrap());
    assert_eq!(values, [embedding(&expected[0]), embedding(&expected[2])].concat());
    let folder = Folder::open(&sandbox.path("out")).unwrap();
    let part = &folder.partitions()[0];
    let (paths, _) = part.read().unwrap();
    assert_eq!((paths, folder.dim()), (vec!["a.jpg".into(), "c.jpg".into()], EMBED_DIM));
    assert_eq!(part.fingerprint(), expected[0]["fingerprint"].as_str());
    // A folder is never replaced, and none is left where nothing was encoded.
    sandbox.encode(with(&photos, &format)).fails(1, &["cannot write out: the folder is not empty"]);
    sandbox.encode(["b.jpg", "--format", "clip-retrieval", "-o", "none"]).code(1);
    assert_eq!(sandbox.files(), files);
    sandbox.encode(["a.jpg", "--format", "clip-retrieval"]).fails(2, &["name a new one with -o"]);
    sandbox.encode(with(&["--text", "a"], &format)).fails(2, &["is of photos"]);
}

#[test]
fn npy_holds_the_numbers_and_its_sidecar_the_names() {
    let (sandbox, args) = mixed_inputs();
    let lines = sandbox.encode(&args).ok().rows();
    let expected: Vec<f32> = lines.iter().flat_map(embedding).collect();
    sandbox.encode(with(&args, &["--format", "npy", "-o", "out.npy"])).ok();
    let file = fs::read(sandbox.path("out.npy")).unwrap();
    assert_eq!(read_npy(&file), (vec![5, EMBED_DIM as u64], expected));
    let mut names = lines;
    names.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("embedding")));
    assert_eq!(rows(&fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap()), names);

    let piped = sandbox.encode(with(&args, &["--format", "npy"])).ok();
    assert_eq!(piped.stdout, file);
    sandbox.write("none.txt", "");
    let none = sandbox.encode(["--files-from", "none.txt", "--format", "npy"]).ok();
    assert_eq!(read_npy(&none.stdout), (vec![0, EMBED_DIM as u64], vec![]));
}

#[test]
fn npy_fails_if_an_input_fails() {
    let sandbox = Sandbox::new();
    for (name, bytes) in broken().into_iter().take(2) {
        sandbox.write(name, bytes);
    }
    sandbox.write("good.jpg", jpeg(1));
    sandbox.write("out.npy", "old");
    let before = sandbox.files();
    let args = ["empty.jpg", "good.jpg", "text.jpg", "--format", "npy"];
    sandbox.encode(with(&args, &["-o", "out.npy"])).fails(1, &["nothing was written", "--skip-errors", "empty.jpg"]);
    sandbox.encode(args).fails(1, &["nothing was written"]);
    // The first one is enough.
    let ran = sandbox.encode(args).code(1);
    assert_eq!(ran.error_lines().len(), 2, "{}", ran.stderr);
    assert!(!ran.stderr.contains("text.jpg"), "{}", ran.stderr);
    assert_eq!(sandbox.files(), before);
    assert_eq!(fs::read(sandbox.path("out.npy")).unwrap(), b"old");

    let ran = sandbox.encode(with(&args, &["-o", "out.npy", "--skip-errors"])).code(3);
    assert_eq!(ran.error_lines().len(), 2);
    assert!(ran.stderr.ends_with("encoded 1 of 3 inputs; 2 failed\n"), "{}", ran.stderr);
    let (shape, values) = read_npy(&fs::read(sandbox.path("out.npy")).unwrap());
    assert_eq!(shape, [1, EMBED_DIM as u64]);
    assert_eq!(values, embedding(&sandbox.encode(["good.jpg"]).ok().rows()[0]));
    let names = rows(&fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap());
    assert_eq!(names.len(), 1);
    assert_eq!(names[0]["path"], "good.jpg");

    sandbox.encode(["empty.jpg", "--format", "npy", "--skip-errors"]).fails(1, &["encoded 0 of 1 input; 1 failed"]);
}

#[test]
fn failed_inputs_can_be_omitted() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.write("empty.jpg", "");
    for (format, with_errors, without) in [("jsonl", 2, 1), ("json", 4, 3), ("csv", 2, 2)] {
        let args = ["a.jpg", "empty.jpg", "--format", format];
        assert_eq!(sandbox.encode(args).code(3).text().lines().count(), with_errors, "{format}");
        assert_eq!(sandbox.encode(with(&args, &["--skip-errors"])).code(3).text().lines().count(), without, "{format}");
    }
}

#[test]
fn a_file_is_complete_or_absent() {
    let (sandbox, args) = mixed_inputs();
    for format in ["jsonl", "json", "csv", "npy"] {
        let args = with(&args, &["--format", format]);
        let expected = sandbox.encode(&args).ok().stdout;
        let before = sandbox.files();
        sandbox.encode(with(&args, &["-o", "out"])).ok();
        assert_eq!(fs::read(sandbox.path("out")).unwrap(), expected, "{format}");

        // If all inputs fail, the existing file stays.
        sandbox.encode(["missing.jpg", "--format", format, "-o", "out"]).fails(1, &["missing.jpg"]);
        assert_eq!(fs::read(sandbox.path("out")).unwrap(), expected, "{format}");
        fs::remove_file(sandbox.path("out")).unwrap();
        let _ = fs::remove_file(sandbox.path("out.jsonl"));
        assert_eq!(sandbox.files(), before, "{format}");
    }
}

#[test]
fn an_unwritable_output_is_reported_before_any_work() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    fs::create_dir(sandbox.path("folder")).unwrap();
    let locked = sandbox.write("locked", "old");
    let mut permissions = fs::metadata(&locked).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&locked, permissions).unwrap();
    for out in ["no/such/folder/out", "folder", "locked", "a.jpg/out", ".", ".."] {
        // The list is missing too, but would be read later.
        let ran = sandbox.encode(["--files-from", "no-list", "-o", out]);
        ran.fails(1, &[&format!("error: cannot write {out}: ")]);
        sandbox.run(["preprocess", "a.jpg", "-m", sandbox.model().to_str().unwrap(), "-o", out]).fails(1, &[out]);
    }
    assert_eq!(sandbox.files(), ["a.jpg", "locked"]);
}

#[cfg(target_os = "linux")]
#[test]
fn devices_are_written_directly() {
    let sandbox = Sandbox::new();
    let expected = sandbox.encode(["--text", "a", "--format", "npy"]).ok().stdout;
    let ran = sandbox.encode(["--text", "a", "--format", "npy", "-o", "/dev/stdout"]).ok();
    assert_eq!(ran.stdout, expected);
    sandbox.encode(["--text", "a", "-o", "/dev/null"]).ok();
    for format in ["jsonl", "json", "csv", "npy"] {
        let args = ["--text", "a", "--format", format];
        sandbox.encode(with(&args, &["-o", "/dev/full"])).fails(1, &["error: cannot write /dev/full: "]);
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = sandbox.encode_command(args).stdout(full).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{format}");
        assert!(String::from_utf8(out.stderr).unwrap().contains("cannot write to standard output"));
    }
    for args in [&["info", sandbox.model().to_str().unwrap()][..], &["tokenize", "a"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = sandbox.command(args).stdout(full).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("texts.txt", "some words\n".repeat(20_000));
    for args in [
        &["--texts-from", "texts.txt"][..],
        &["--texts-from", "texts.txt", "--format", "json"],
        &["--texts-from", "texts.txt", "--format", "csv"],
    ] {
        let mut child = sandbox.encode_command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with(['{', 't']), "{line}");
        let out = child.wait_with_output().unwrap();
        assert_eq!((out.status.code(), String::from_utf8(out.stderr).unwrap()), (Some(0), String::new()));
    }
    let mut child = sandbox
        .command(["tokenize", "--texts-from", "texts.txt"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), String::from_utf8(out.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn rows_are_streamed() {
    let sandbox = Sandbox::new();
    sandbox.write("texts.txt", "some words\n".repeat(2000));
    let mut child = sandbox.encode_command(["--texts-from", "texts.txt"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    // The pipe's buffer is smaller than all rows, so the process blocks until they are read.
    assert!(child.try_wait().unwrap().is_none());
    let rest: Vec<_> = reader.lines().collect();
    assert_eq!(rest.len(), 1999);
    assert!(child.wait().unwrap().success());
}
