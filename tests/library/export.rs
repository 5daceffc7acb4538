//! `export` and `import-vectors`: what is written is what `encode` writes, and comes back into another library.

use std::fs;
use std::path::Path;

use clippie_rs::tables::{Cell, Error, Reader, Schema, Writer};
use serde_json::Value;

use crate::support::{Ran, Sandbox, set_time};

/// A command with the library of the test.
fn run(sandbox: &Sandbox, command: &str, args: &[&str]) -> Ran {
    let mut command = sandbox.command([command, "--library"]);
    Ran::new(command.arg(&sandbox.library).args(args).output().unwrap())
}

/// Six photos in two folders, one of them twice.
fn indexed() -> Sandbox {
    let sandbox = Sandbox::new();
    for seed in 0..4 {
        sandbox.photo(format!("photos/b/{seed}.bmp"), seed);
    }
    sandbox.photo("photos/a/4.bmp", 4);
    sandbox.photo("photos/copy of 2.bmp", 2);
    sandbox.index(["photos"]).code(0);
    sandbox
}

const NAMES: [&str; 6] = ["a/4.bmp", "b/0.bmp", "b/1.bmp", "b/2.bmp", "b/3.bmp", "copy of 2.bmp"];

/// Values of a `.npy` file of the command, with the shape.
fn array(path: &Path) -> (Vec<u64>, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    let npy = npyz::NpyFile::new(&bytes[..]).unwrap();
    (npy.shape().to_vec(), npy.into_vec().unwrap())
}

/// Writes values of an array `[rows, dim]` as float32.
fn write_array(path: &Path, dim: usize, values: &[f32]) {
    let rows = values.len() / dim;
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

#[test]
fn exported_rows_are_those_of_encode() {
    let sandbox = indexed();
    let ran = run(&sandbox, "export", &["out.npy"]).code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "wrote 6 rows to out.npy\n"));
    let encoded: Vec<String> = NAMES.iter().map(|name| format!("photos/{name}")).collect();
    let encode = ["encode", "-m", "demo", "--format", "npy", "-o", "encoded.npy"].map(str::to_owned);
    sandbox.run(encode.into_iter().chain(encoded)).code(0);
    let exported = array(&sandbox.path("out.npy"));
    assert_eq!(exported, array(&sandbox.path("encoded.npy")));
    assert_eq!(exported.0, [6, 64]);
    let lines = fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let photos = fs::canonicalize(sandbox.path("photos")).unwrap();
    for (line, name) in lines.iter().zip(NAMES) {
        assert_eq!(line["path"], photos.join(name).to_str().unwrap());
        assert_eq!(line["fingerprint"], lines[0]["fingerprint"]);
    }
    assert_eq!(lines.len(), 6);

    run(&sandbox, "export", &["--format", "csv", "--in", "photos/a", "out.csv"]).code(0);
    let csv = fs::read_to_string(sandbox.path("out.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), &rows[0][..3], rows[0].len()), (2, &["path", "fingerprint", "e0"][..], 66));
    let values: Vec<f32> = rows[1][2..].iter().map(|value| value.parse().unwrap()).collect();
    assert_eq!(values, exported.1[..64]);

    run(&sandbox, "export", &["--format", "xlsx", "x"]).code(2).says(&["use npy, csv, parquet or clip-retrieval"]);
    run(&sandbox, "export", &["-m", "other", "x"]).code(1).says(&["no embeddings of other, only of demo"]);
    fs::write(sandbox.path("none.npy"), "of yesterday").unwrap();
    run(&sandbox, "export", &["--in", "nowhere", "none.npy"]).code(2).says(&["--in nowhere is in no folder of the"]);
    assert_eq!(fs::read(sandbox.path("none.npy")).unwrap(), b"of yesterday");
    run(&sandbox, "export", &["--in", "photos/none", "none.npy"]).code(0).says(&["no rows"]);
    assert_eq!(array(&sandbox.path("none.npy")).0, [0, 64]);
    let missing = sandbox.run(["export", "x", "--library", "none.sqlite"]).code(1);
    assert!(missing.stderr.contains("there is no photo library") && !sandbox.path("x").exists(), "{}", missing.stderr);
}

/// Texts of a column of a table, and vectors of another one.
fn table(path: &Path, columns: &[&str]) -> (Vec<String>, Vec<f32>) {
    let (mut texts, mut values) = (Vec::new(), Vec::new());
    let read = Reader::open(path).unwrap().read(columns, |row| {
        for cell in row {
            match cell {
                Cell::Text(text) => texts.push((*text).to_owned()),
                Cell::Vector(vector) => values.extend_from_slice(vector),
                other => panic!("{other:?}"),
            }
        }
        Ok::<(), Error>(())
    });
    read.unwrap();
    (texts, values)
}

/// Writes a table of paths as another program has it.
fn write_paths(path: &Path, column: &str, paths: &[&str], fingerprint: Option<&str>) {
    let mut schema = Schema::new().text(column).text("caption");
    if let Some(fingerprint) = fingerprint {
        schema = schema.metadata("clippie.fingerprint", fingerprint);
    }
    let mut table = Writer::new(&schema, fs::File::create(path).unwrap()).unwrap();
    for path in paths {
        let path = if path.is_empty() { Cell::Null } else { Cell::Text(path) };
        table.write(&[path, Cell::Text("a caption")]).unwrap();
    }
    table.finish().unwrap();
}

#[test]
fn parquet_and_clip_retrieval_hold_the_same_rows() {
    let sandbox = indexed();
    run(&sandbox, "export", &["out.npy"]).code(0);
    let (shape, values) = array(&sandbox.path("out.npy"));
    let photos = fs::canonicalize(sandbox.path("photos")).unwrap();
    let paths: Vec<String> = NAMES.iter().map(|name| photos.join(name).to_str().unwrap().to_owned()).collect();

    let ran = run(&sandbox, "export", &["--format", "parquet", "out.parquet"]).code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "wrote 6 rows to out.parquet\n"));
    assert_eq!(table(&sandbox.path("out.parquet"), &["path", "embedding"]), (paths.clone(), values.clone()));
    let reader = Reader::open(&sandbox.path("out.parquet")).unwrap();
    assert_eq!(reader.columns().collect::<Vec<_>>(), ["path", "embedding"]);
    let line = fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap();
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(reader.metadata("clippie.fingerprint"), line["fingerprint"].as_str());
    assert_eq!(reader.metadata("clippie.model"), Some("demo"));

    let folder = sandbox.path("folder");
    run(&sandbox, "export", &["--format", "clip-retrieval", "folder"]).code(0);
    assert_eq!(array(&folder.join("img_emb/img_emb_0.npy")), (shape, values));
    assert_eq!(table(&folder.join("metadata/metadata_0.parquet"), &["image_path"]), (paths, vec![]));
    // Nothing that is there is lost, and nothing unfinished stays.
    run(&sandbox, "export", &["--format", "clip-retrieval", "folder"]).code(1).says(&["folder is not empty"]);
    run(&sandbox, "export", &["--format", "clip-retrieval", "out.npy"]).code(1).says(&["no folder is there"]);
    run(&sandbox, "export", &["--format", "clip-retrieval", "no/where"]).code(1).says(&["create it first"]);
    fs::create_dir(sandbox.path("empty")).unwrap();
    run(&sandbox, "export", &["--format", "clip-retrieval", "--in", "photos/none", "empty"]).code(0).says(&["no rows"]);
    assert_eq!(array(&sandbox.path("empty/img_emb/img_emb_0.npy")).0, [0, 64]);
    let left = |name: &str| name.ends_with(".part");
    let names: Vec<String> = fs::read_dir(sandbox.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|name| left(name)), "{names:?}");

    run(&sandbox, "export", &["--format", "parquet", "--in", "photos/none", "none.parquet"]).code(0).says(&["no rows"]);
    run(&sandbox, "import-vectors", &["none.parquet", "-m", "demo"]).code(1).says(&["no row with both a path"]);

    // Both come back.
    for from in ["out.parquet", "folder"] {
        let library = format!("{from}.sqlite");
        let import = |more: &[&str]| sandbox.run([&["import-vectors", from, "--library", &library], more].concat());
        import(&["-m", "demo", "--root", "photos"]).code(0).says(&["added 5 embeddings, 1 known"]);
        import(&["--fingerprint", &"0".repeat(32)]).code(1).says(&["states the fingerprint", "name that model"]);
        sandbox.run(["export", "back.npy", "--library", &library]).code(0);
        assert_eq!(array(&sandbox.path("back.npy")), array(&sandbox.path("out.npy")), "{from}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_not_utf8_come_back() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let name = std::ffi::OsStr::from_bytes(b"photos/a\xff.bmp");
    sandbox.photo(name, 1);
    sandbox.photo("photos/b.bmp", 2);
    sandbox.index(["photos"]).code(0);
    for (format, out) in [("parquet", "out.parquet"), ("clip-retrieval", "folder")] {
        run(&sandbox, "export", &["--format", format, out]).code(0);
        let library = format!("{out}.sqlite");
        sandbox.run(["import-vectors", out, "-m", "demo", "--root", "photos", "--library", &library]).code(0);
        let ran = sandbox.run(["export", "back.npy", "--library", &library]).code(0);
        assert_eq!(ran.stderr, "wrote 2 rows to back.npy\n");
        let lines = fs::read_to_string(sandbox.path("back.npy.jsonl")).unwrap();
        assert!(lines.contains("61ff2e626d70") && lines.lines().count() == 2, "{lines}");
    }
}

/// A folder as clip-retrieval writes it: float16, partitions with leading zeros, captions, embeddings of texts.
#[test]
fn folders_of_clip_retrieval_are_imported() {
    let sandbox = indexed();
    run(&sandbox, "export", &["out.npy"]).code(0);
    let (_, values) = array(&sandbox.path("out.npy"));
    let folder = sandbox.path("folder");
    for part in ["img_emb", "text_emb", "metadata"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    let halves = |path: &str, dim: usize, values: &[f32]| {
        let rows = values.len() / dim;
        let header = format!("{{'descr': '<f2', 'fortran_order': False, 'shape': ({rows}, {dim}), }}\n");
        let mut bytes = b"\x93NUMPY\x01\0".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(values.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()));
        fs::write(folder.join(path), bytes).unwrap();
    };
    let names: Vec<String> = NAMES.iter().map(|name| format!("photos/{name}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let metadata = |number: &str| folder.join(format!("metadata/metadata_{number}.parquet"));
    halves("img_emb/img_emb_00.npy", 64, &values[..4 * 64]);
    halves("img_emb/img_emb_01.npy", 64, &values[4 * 64..]);
    halves("text_emb/text_emb_00.npy", 64, &values[..4 * 64]);
    write_paths(&metadata("00"), "image_path", &names[..4], None);
    write_paths(&metadata("01"), "image_path", &names[4..], None);
    let import =
        |more: &[&str]| sandbox.run([&["import-vectors", "folder", "--library", "other.sqlite"], more].concat());
    import(&["--root", "photos"]).code(2).says(&["name the model with -m"]);
    let ran = import(&["-m", "demo", "--root", "photos"]).code(0);
    assert_eq!(ran.stderr, "added 5 embeddings, 1 known\n");
    sandbox.run(["export", "back.npy", "--library", "other.sqlite"]).code(0);
    let (_, back) = array(&sandbox.path("back.npy"));
    // Half precision has 11 bits.
    assert!(back.iter().zip(&values).all(|(back, value)| (back - value).abs() <= value.abs() / 1024.0 + 1e-7));

    // Nothing is added of a folder whose last partition is bad.
    let mut bad = values[4 * 64..].to_vec();
    bad[64..].fill(f32::NAN);
    halves("img_emb/img_emb_01.npy", 64, &bad);
    let args = ["import-vectors", "folder", "-m", "demo", "--root", "photos", "--library", "bad.sqlite"];
    sandbox.run(args).code(1).says(&["error: folder/img_emb/img_emb_01.npy: row 2 has values that are not finite"]);
    assert!(!sandbox.path("bad.sqlite").exists());
    halves("img_emb/img_emb_01.npy", 64, &values[4 * 64..]);

    // What does not fit is refused before anything is written.
    let refused = |parts: &[&str]| {
        let ran =
            sandbox.run(["import-vectors", "folder", "-m", "demo", "--root", "photos", "--library", "none.sqlite"]);
        ran.code(1).says(parts);
        assert!(!sandbox.path("none.sqlite").exists());
    };
    write_paths(&metadata("01"), "image_path", &names[3..], None);
    refused(&["metadata_01.parquet: it has 3 rows, and its array has 2"]);
    write_paths(&metadata("01"), "url", &names[4..], None);
    refused(&["metadata_01.parquet: it has no column image_path"]);
    write_paths(&metadata("01"), "image_path", &names[4..], Some(&"0".repeat(32)));
    refused(&["metadata_01.parquet states the fingerprint 0000"]);
    fs::write(metadata("01"), "PAR1 but no table").unwrap();
    refused(&["metadata_01.parquet: it is no Parquet file"]);
    fs::remove_file(metadata("01")).unwrap();
    refused(&["img_emb_01.npy: there is no metadata/metadata_01.parquet"]);
    write_paths(&metadata("01"), "image_path", &names[4..], None);
    halves("img_emb/img_emb_01.npy", 32, &values[..64]);
    refused(&["img_emb_01.npy: it has vectors of 32 values, and the first array of 64"]);
    fs::remove_file(folder.join("img_emb/img_emb_01.npy")).unwrap();
    refused(&["metadata_01.parquet: there is no img_emb/img_emb_01.npy"]);
    fs::remove_dir_all(folder.join("img_emb")).unwrap();
    refused(&["folder: it has no img_emb/img_emb_0.npy"]);

    let usage = |args: &[&str], part: &str| {
        sandbox.run([&["import-vectors", "-m", "demo"], args].concat()).code(2).says(&[part]);
    };
    usage(&["folder", "paths.jsonl"], "leave paths.jsonl out");
    fs::write(sandbox.path("out.csv"), "path,e0").unwrap();
    usage(&["out.csv"], "out.csv is CSV, which is not read; write the vectors as an array");
    usage(&["out.npy"], "name a list with a JSON line per row");
    sandbox
        .run(["import-vectors", "-m", "demo", "foldr"])
        .code(1)
        .says(&["cannot read foldr: no such file; check the path"]);
}

#[test]
fn vectors_come_back() {
    let sandbox = indexed();
    run(&sandbox, "export", &["out.npy"]).code(0);
    let other = |args: &[&str]| {
        sandbox.run([&["import-vectors", "out.npy", "out.npy.jsonl", "--library", "other.sqlite"], args].concat())
    };
    other(&["-m", "demo"]).code(1).says(&["there is no photo library", "with --root DIR, which makes it"]);
    other(&["--root", "photos"]).code(2).says(&["name the model with -m"]);
    let ran = other(&["-m", "demo", "--root", "photos"]).code(0);
    assert_eq!(ran.stderr, "added 5 embeddings, 1 known\n");
    other(&["-m", "demo"]).code(0).says(&["added 0 embeddings, 6 known"]);
    // The index has nothing left to do, and searches find what they find in the first library.
    let args = ["index", "-m", "demo", "--library", "other.sqlite", "photos", "--report", "report.json"];
    sandbox.run(args).code(0);
    crate::support::expect(&sandbox.report(), &[("unchanged", 6)]);
    let search = ["search", "-m", "demo", "a red circle", "--all", "--format", "jsonl", "--library"];
    let found = |library: &str| sandbox.run(search.iter().chain([&library])).code(0).stdout;
    let (first, second) = (found("data/library.sqlite"), found("other.sqlite"));
    let scores = |text: &str| -> Vec<[Value; 2]> {
        let hits = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        hits.map(|hit| ["score", "fit"].map(|name| hit[name].clone())).collect()
    };
    assert_eq!((scores(&first), first.lines().count()), (scores(&second), 5));
    assert!(scores(&first).iter().all(|[_, fit]| fit.is_f64()), "{first}");
    // A stated fingerprint.
    let line = fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap();
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let fingerprint = line["fingerprint"].as_str().unwrap();
    other(&["--fingerprint", fingerprint]).code(0).says(&["6 known"]);
    other(&["--fingerprint", &"0".repeat(32)]).code(1).says(&["line 1: it states the fingerprint", fingerprint]);
    other(&["--fingerprint", "0123"]).code(2).says(&["not a fingerprint"]);
}

/// Without the model at hand nothing can be measured when vectors come; the index does it.
#[test]
fn what_was_not_measured_is_said_and_measured_by_the_index() {
    let sandbox = Sandbox::with_photos(0..12);
    sandbox.index(["photos"]).code(0);
    run(&sandbox, "export", &["out.npy"]).code(0);
    let line = fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap();
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let fingerprint = line["fingerprint"].as_str().unwrap();
    let other = ["--library", "other.sqlite"];
    let args = ["import-vectors", "out.npy", "out.npy.jsonl", "--root", "photos", "--fingerprint", fingerprint];
    sandbox.run(args.iter().chain(&other)).code(0).says(&["added 12 embeddings\n"]);
    let search = ["search", "-m", "demo", "a red circle", "--all", "--format", "jsonl"];
    let ran = sandbox.run(search.iter().chain(&other)).code(0);
    assert!(!ran.stdout.contains("\"fit\""), "{}", ran.stdout);
    ran.says(&["warning: how well photos fit is not known", "`clippie-rs index -m demo --library /"]);
    sandbox.run(["index", "-m", "demo"].iter().chain(&other)).code(0).says(&["12 unchanged"]);
    let ran = sandbox.run(search.iter().chain(&other)).code(0);
    assert_eq!((ran.stderr.as_str(), ran.stdout.matches("\"fit\"").count()), ("", 10));
    assert_eq!(ran.stdout, run(&sandbox, "search", &search[1..]).code(0).stdout);
    // And once only.
    let args = ["index", "-m", "demo", "--report", "report.json"];
    sandbox.run(args.iter().chain(&other)).code(0);
    assert_eq!(sandbox.report()["commits"], 0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let sandbox = Sandbox::with_photos(0..3);
    sandbox.index(["photos"]).code(0);
    let before = sandbox.rows();
    sandbox.write("photos/broken.bmp", "no photo", 0);
    sandbox.photo("elsewhere/5.bmp", 5);
    let list = |name: &str, paths: &[&str]| {
        let lines: String = paths.iter().map(|path| format!("{{\"path\":\"{path}\"}}\n")).collect();
        fs::write(sandbox.path(name), lines).unwrap();
    };
    let unit = |row: usize| (0..64).map(move |at| if at == row { 1.0 } else { 0.0 });
    let vectors: Vec<f32> = (0..3).flat_map(unit).collect();
    write_array(&sandbox.path("three.npy"), 64, &vectors);
    let import = |vectors: &str, paths: &str| run(&sandbox, "import-vectors", &[vectors, paths, "-m", "demo"]);

    list("two.jsonl", &["photos/0.bmp", "photos/1.bmp"]);
    import("three.npy", "two.jsonl").code(1).says(&["error: three.npy: there are 3 vectors and 2 paths"]);
    // An array that no memory holds is not read for that. Its values are a hole.
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 64), }\n";
    let start =
        [b"\x93NUMPY\x01\0", &u16::try_from(header.len()).unwrap().to_le_bytes()[..], header.as_bytes()].concat();
    fs::write(sandbox.path("huge.npy"), &start).unwrap();
    let huge = fs::File::options().write(true).open(sandbox.path("huge.npy")).unwrap();
    if huge.set_len(start.len() as u64 + 1_000_000_000 * 64 * 4).is_ok() {
        import("huge.npy", "two.jsonl").code(1).says(&["huge.npy: there are 1000000000 vectors and 2 paths"]);
    }
    list("three.jsonl", &["photos/0.bmp", "photos/1.bmp", "photos/2.bmp"]);
    for (value, reason) in
        [(f32::NAN, "bad.npy: row 2 has values that are not finite"), (0.0, "bad.npy: row 2 is zero")]
    {
        let mut bad = vectors.clone();
        bad[64..128].fill(value);
        write_array(&sandbox.path("bad.npy"), 64, &bad);
        import("bad.npy", "three.jsonl").code(1).says(&[reason]);
    }
    write_array(&sandbox.path("narrow.npy"), 32, &vectors[..96]);
    import("narrow.npy", "three.jsonl").code(1).says(&["vectors of 32 values", "demo have 64"]);
    fs::write(sandbox.path("bad.jsonl"), "{\"path\":\"photos/0.bmp\"}\n[]\n").unwrap();
    import("three.npy", "bad.jsonl").code(1).says(&["bad.jsonl, line 2: it is not a JSON object with a path"]);
    import("three.jsonl", "three.jsonl").code(1).says(&["no NumPy array"]);
    assert_eq!(sandbox.rows(), before);

    // Files that fail do not keep the others from being added; lengths are put right with a note.
    let new = sandbox.photo("photos/new.bmp", 9);
    set_time(&new, std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000));
    list("three.jsonl", &["photos/broken.bmp", "elsewhere/5.bmp", "photos/new.bmp"]);
    let long: Vec<f32> = vectors.iter().map(|value| 3.0 * value).collect();
    write_array(&sandbox.path("long.npy"), 64, &long);
    let ran = import("long.npy", "three.jsonl").code(3);
    let said =
        ["photos/broken.bmp: ", "elsewhere/5.bmp: it is in no folder of the library; name its folder with --root"];
    ran.says(&said).says(&["3 vectors did not have unit length", "added 1 embedding, 2 failed"]);
    let rows = sandbox.rows();
    let row = rows.iter().find(|row| row.path == "photos/new.bmp").unwrap();
    let stored: Vec<u8> = vectors[128..].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!((rows.len(), &row.embeddings[0].1), (4, &stored));
    // A mistake that all files share is said once.
    list("three.jsonl", &["elsewhere/1.bmp", "elsewhere/2.bmp", "elsewhere/3.bmp"]);
    let ran = import("three.npy", "three.jsonl").code(1);
    let said = "error: elsewhere/1.bmp: it is in no folder of the library; name its folder with --root
error: 2 more files are in no folder of the library; name their folder with --root
added 0 embeddings, 3 failed\n";
    assert_eq!(ran.stderr, said);
    fs::write(sandbox.path("marked.jsonl"), "\u{feff}{\"path\":\"photos/gone.bmp\"}\n").unwrap();
    list("one.jsonl", &["photos/gone.bmp"]);
    write_array(&sandbox.path("one.npy"), 64, &vectors[..64]);
    for list in ["one.jsonl", "marked.jsonl"] {
        import("one.npy", list).code(1).says(&["photos/gone.bmp: no such file; check the path"]);
    }
}

#[test]
fn the_library_is_classified_without_photos() {
    let sandbox = indexed();
    let labels = ["--label", "a red circle", "--label", "a blue square", "--format", "jsonl"];
    let names: Vec<String> = NAMES.iter().map(|name| format!("photos/{name}")).collect();
    let encoded = sandbox.run(["classify", "-m", "demo"].into_iter().chain(labels).chain(names.iter().map(|s| &**s)));
    let encoded = encoded.code(0).stdout;
    // Nothing is read but the library.
    for name in NAMES {
        fs::write(sandbox.path("photos").join(name), "").unwrap();
    }
    let stored = run(&sandbox, "classify", &labels).code(0).stdout;
    let rows = |text: &str| -> Vec<Value> {
        let row = |line: &str| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let path = row["path"].take();
            assert!(path.as_str().unwrap().ends_with(".bmp"));
            row
        };
        text.lines().map(row).collect()
    };
    assert_eq!(rows(&stored), rows(&encoded));
    assert_eq!(rows(&stored).len(), 6);
    let some = run(&sandbox, "classify", &[&labels[..], &["--in", "photos/b"]].concat()).code(0).stdout;
    assert_eq!((some.lines().count(), some.contains("photos/b/3.bmp")), (4, true));
    run(&sandbox, "classify", &[&labels[..], &["photos"]].concat()).code(2).says(&["cannot be used with"]);
    sandbox.run(["classify", "-m", "demo", "--in", "photos", "--label", "a"]).code(2).says(&["--library"]);
    let none = sandbox.run(["classify", "--label", "a", "--library"]).code(1);
    assert!(none.stderr.contains("there is no photo library"), "{}", none.stderr);
}
