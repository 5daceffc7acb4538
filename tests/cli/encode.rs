//! `encode`: its rows, and what must not change them.

use serde_json::Value;

use crate::photos::{as_png, jpeg, photo, png, turned_jpeg};
use crate::support::{EMBED_DIM, Sandbox, embedding, feed};

fn length(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn photos_and_texts_are_rows_in_the_order_given() {
    let sandbox = Sandbox::new();
    for i in 0..6 {
        sandbox.write(format!("{i}.jpg"), jpeg(i));
    }
    sandbox.write("files.txt", "4.jpg\n3.jpg\n");
    sandbox.write("texts.txt", "third\nfourth\n");
    let args = ["--text", "first", "5.jpg", "--texts-from", "texts.txt", "0.jpg", "--files-from", "files.txt"];
    let ran = sandbox.encode(args.iter().chain(&["--text", "second", "1.jpg"])).ok();
    let rows = ran.rows();
    let names: Vec<&str> = rows.iter().map(|row| row["path"].as_str().or(row["text"].as_str()).unwrap()).collect();
    assert_eq!(names, ["5.jpg", "0.jpg", "1.jpg", "4.jpg", "3.jpg", "first", "second", "third", "fourth"]);
    for row in &rows {
        let values = embedding(row);
        assert_eq!(values.len(), EMBED_DIM);
        assert!((length(&values) - 1.0).abs() < 1e-6);
        assert_eq!(row["fingerprint"], rows[0]["fingerprint"]);
        assert_eq!(row.as_object().unwrap().len(), 3);
    }
    for (i, a) in rows.iter().enumerate() {
        assert!(rows[..i].iter().all(|b| a["embedding"] != b["embedding"]), "{i}");
    }
}

#[test]
fn parts_in_order_are_all_rows_in_order() {
    let sandbox = Sandbox::new();
    for i in 0..5 {
        sandbox.write(format!("photos/{i}.jpg"), jpeg(i));
    }
    sandbox.write("photos/broken.jpg", "no photo");
    let inputs = ["photos", "--text", "first", "--text", "second", "--text", "third"];
    let all = sandbox.encode(inputs).code(3);
    for count in [1, 2, 4, 20] {
        let parts = (1..=count).map(|part| {
            let part = format!("{part}/{count}");
            let ran = sandbox.encode(inputs.iter().chain(&["--partition", &part]));
            ran.rows()
        });
        assert_eq!(parts.flatten().collect::<Vec<_>>(), all.rows(), "{count}");
    }
    sandbox.encode(inputs.iter().chain(&["--partition", "3/2"])).fails(2, &["3/2", "1/8 to 8/8"]);
}

#[test]
fn neither_threads_nor_batches_nor_neighbours_change_a_bit() {
    let sandbox = Sandbox::new();
    for i in 0..23 {
        sandbox
            .write(format!("photos/{i:02}.{}", if i % 2 == 0 { "jpg" } else { "png" }), [jpeg, png][i as usize % 2](i));
    }
    let texts: Vec<String> = (0..23).map(|i| "a dog ".repeat(i)).collect();
    sandbox.write("texts.txt", texts.join("\n"));
    let all = ["photos", "--texts-from", "texts.txt"];
    let expected = sandbox.encode(all.iter().chain(&["--threads", "1", "--batch-size", "1"])).ok();
    assert_eq!(expected.rows().len(), 46);
    for threads in ["1", "2", "4"] {
        for batch in ["1", "3", "8", "64"] {
            let ran = sandbox.encode(all.iter().chain(&["--threads", threads, "--batch-size", batch])).ok();
            assert_eq!(ran.text(), expected.text(), "{threads} threads, batches of {batch}");
        }
    }
    let lines: Vec<&str> = expected.text().lines().collect();
    for (i, name) in [(0, "photos/00.jpg"), (7, "photos/07.png"), (22, "photos/22.jpg")] {
        assert_eq!(sandbox.encode([name]).ok().text().trim_end(), lines[i]);
    }
    assert_eq!(sandbox.encode(["--text", &texts[5]]).ok().text().trim_end(), lines[23 + 5]);
}

#[test]
fn raw_embeddings_differ_only_in_length() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    for args in [["a.jpg"].as_slice(), &["--text", "a dog"]] {
        let unit = sandbox.encode(args).ok().rows();
        let raw = sandbox.encode(args.iter().chain(&["--raw"])).ok().rows();
        assert_ne!(unit[0]["fingerprint"], raw[0]["fingerprint"]);
        let (unit, raw) = (embedding(&unit[0]), embedding(&raw[0]));
        assert!((length(&raw) - 1.0).abs() > 1e-3);
        for (unit, raw_value) in unit.iter().zip(&raw) {
            assert!((f64::from(*unit) - f64::from(*raw_value) / length(&raw)).abs() < 1e-6);
        }
    }
}

#[test]
fn orientation_is_applied_by_default() {
    let sandbox = Sandbox::new();
    let (turned, stored, upright) = turned_jpeg();
    sandbox.write("turned.jpg", turned);
    sandbox.write("stored.png", as_png(&stored));
    sandbox.write("upright.png", as_png(&upright));

    let rows = |args: &[&str]| sandbox.encode(args).ok().rows();
    let with = rows(&["turned.jpg", "upright.png", "stored.png"]);
    let without = rows(&["turned.jpg", "upright.png", "stored.png", "--no-orient"]);
    let same = |a: &Value, b: &Value| a["embedding"] == b["embedding"];
    assert!(same(&with[0], &with[1]) && !same(&with[0], &with[2]));
    assert!(same(&without[0], &without[2]) && !same(&without[0], &without[1]));
    assert_eq!(with[1]["embedding"], without[1]["embedding"]);
    assert_ne!(with[1]["fingerprint"], without[1]["fingerprint"]);
}

#[test]
fn preprocessing_overrides_change_embedding_and_fingerprint() {
    let sandbox = Sandbox::new();
    sandbox.write("a.png", as_png(&photo(2, 90, 50)));
    let ways: [&[&str]; 7] = [
        &[],
        &["--resize", "squash"],
        &["--interpolation", "bilinear"],
        &["--mean", "0,0,0"],
        &["--mean", "-0.1,0,0"],
        &["--std", "0.5,0.5,0.5"],
        &["--resize", "squash", "--interpolation", "bilinear", "--mean", "0,0,0", "--std", "1,1,1"],
    ];
    let rows: Vec<Value> =
        ways.iter().map(|way| sandbox.encode(["a.png"].iter().chain(*way)).ok().rows().remove(0)).collect();
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[..i] {
            assert_ne!(a["embedding"], b["embedding"]);
            assert_ne!(a["fingerprint"], b["fingerprint"]);
        }
        // A text has the fingerprint of the photos that it can be compared with.
        let text = sandbox.encode(["--text", "a"].iter().chain(ways[i])).ok().rows().remove(0);
        assert_eq!(text["fingerprint"], a["fingerprint"]);
    }
    let stated = ["--resize", "shortest", "--interpolation", "bicubic", "--mean", "0.48145466,0.4578275,0.40821073"];
    let stated = sandbox.encode(["a.png"].iter().chain(&stated)).ok().rows().remove(0);
    assert_eq!(stated, rows[0]);
}

#[test]
fn a_photo_may_come_from_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jpg", jpeg(1));
    sandbox.write("-", jpeg(2));
    let named = sandbox.encode(["a.jpg", "./-"]).ok().rows();
    let piped = feed(sandbox.encode_command(["-"]), &jpeg(1)).ok().rows();
    assert_eq!(piped[0]["path"], "-");
    assert_eq!(piped[0]["embedding"], named[0]["embedding"]);
    assert_eq!(named[1]["path"], "./-");
    feed(sandbox.encode_command(["-"]), b"no photo").code(1).says(&["error: standard input: "]);
    feed(sandbox.encode_command(["-"]), b"").code(1).says(&["error: standard input: "]);
}

#[test]
fn long_texts_are_truncated() {
    let sandbox = Sandbox::new();
    let long = "dog ".repeat(500);
    let cut = "dog ".repeat(75);
    let rows = sandbox.encode(["--text", &long, "--text", &cut, "--text", ""]).ok().rows();
    assert_eq!(rows[0]["embedding"], rows[1]["embedding"]);
    assert_eq!(rows[2]["text"], "");
    // A text may look like an option.
    let rows = sandbox.encode(["--text", "--raw", "--text=-m"]).ok().rows();
    assert_eq!((&rows[0]["text"], &rows[1]["text"]), (&"--raw".into(), &"-m".into()));
}
