//! What is passed over in folders, what is said about it, and the report.

use std::fs;

use serde_json::{Value, json};

use crate::photos::{golden, jpeg, png};
use crate::support::{Ran, Sandbox};

fn paths(ran: &Ran) -> Vec<String> {
    ran.rows().iter().map(|row| row["path"].as_str().unwrap().to_owned()).collect()
}

/// The start of a JPEG 2000 file.
const JP2: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";

#[test]
fn photos_that_cannot_be_read_are_named_by_ending() {
    let sandbox = Sandbox::new();
    sandbox.write("d/a.jpg", jpeg(1));
    for name in ["IMG_1.JP2", "e/IMG_2.jp2", "b.psd", "e/c.X3F"] {
        sandbox.write(format!("d/{name}"), JP2);
    }
    for name in ["notes.txt", "movie.mp4", "a.xmp"] {
        sandbox.write(format!("d/{name}"), "no photo");
    }
    let warning = "warning: 4 photos were not read: 2 .jp2, 1 .psd, 1 .x3f; convert them to JPEG or PNG \
                   to have them encoded\n";
    let ran = sandbox.encode(["d"]).code(0);
    assert_eq!((ran.stderr.as_str(), paths(&ran)), (warning, vec!["d/a.jpg".to_owned()]));
    sandbox.encode(["d", "--report", "report.json"]).code(0);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(sandbox.path("report.json")).unwrap()).unwrap();
    let unread = report["passed_over"]["unread_paths"].as_array().unwrap();
    let unread: Vec<&str> = unread.iter().map(|unread| unread["path"].as_str().unwrap()).collect();
    assert_eq!(unread, ["d/IMG_1.JP2", "d/b.psd", "d/e/IMG_2.jp2", "d/e/c.X3F"]);
    // Folders of a list, and several folders, have one warning.
    sandbox.write("list", "d/e\nd/a.jpg\n");
    let ran = sandbox.encode(["--files-from", "list", "d/e"]).code(0);
    assert!(ran.stderr.contains("4 photos were not read: 2 .jp2, 2 .x3f"), "{}", ran.stderr);
    sandbox.encode(["-q", "d"]).ok();
    let ran = sandbox.encode(["-v", "d"]).code(0).says(&["passed over 3 other files: 1 .mp4, 1 .txt, 1 .xmp\n"]);
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    // A file that is named is tried, and fails.
    sandbox.encode(["d/b.psd"]).code(1).says(&["error: d/b.psd is a"]);
    // The warning comes before the verdict, which is last.
    sandbox.write("d/empty.jpg", "");
    let ran = sandbox.encode(["d"]).code(3);
    assert!(ran.stderr.ends_with(&format!("{warning}encoded 1 of 2 inputs; 1 failed\n")), "{}", ran.stderr);

    // What the warning advises.
    for name in ["IMG_1.JP2", "e/IMG_2.jp2", "b.psd", "e/c.X3F", "empty.jpg"] {
        fs::remove_file(sandbox.path("d").join(name)).unwrap();
        sandbox.write(format!("d/{name}.jpg"), jpeg(2));
    }
    assert_eq!(sandbox.encode(["d"]).ok().rows().len(), 6);
}

#[test]
fn side_folders_have_no_rows() {
    let sandbox = Sandbox::new();
    for name in ["a.jpg", "._a.jpg", "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/x.jpg", "e/@eaDir/x.jpg"] {
        sandbox.write(format!("lib/{name}"), jpeg(1));
    }
    let ran = sandbox.encode(["lib"]).ok();
    assert_eq!(paths(&ran), ["lib/a.jpg"]);
    let said = "passed over 4 files or folders of other programs: 2 @eaDir, 1 #recycle, 1 ._*\n";
    sandbox.encode(["lib", "-v"]).code(0).says(&[said]);
    // What is named is taken.
    let ran = sandbox.encode(["lib/#recycle", "lib/._a.jpg", "lib/@eaDir"]).ok();
    let thumbnail = "lib/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg";
    assert_eq!(paths(&ran), ["lib/#recycle/x.jpg", "lib/._a.jpg", thumbnail]);
}

#[test]
fn patterns_and_ignore_files_exclude() {
    let sandbox = Sandbox::new();
    for name in ["a.jpg", "b.png", "Screenshots/c.png", "e/keep.png", "e/raw/d.jpg", "private/f.jpg"] {
        sandbox.write(format!("d/{name}"), png(1));
    }
    let run = |args: &[&str]| paths(&sandbox.encode(["d"].iter().chain(args)).ok());
    assert_eq!(run(&["--exclude", "*.png"]), ["d/a.jpg", "d/e/raw/d.jpg", "d/private/f.jpg"]);
    assert_eq!(run(&["--exclude", "*.png", "--exclude", "/e/raw", "--exclude=!keep.png"]).len(), 3);
    assert_eq!(run(&["--exclude", "*/"]), ["d/a.jpg", "d/b.png"]);
    assert_eq!(run(&["--exclude", "d"]).len(), 6);
    sandbox.write("d/.gitignore", "*.jpg\n{x\n");
    sandbox.write("d/private/.nomedia", "");
    assert_eq!(run(&[]).len(), 6);
    let ran = sandbox.encode(["d", "--ignore-files"]).code(0);
    assert_eq!(paths(&ran), ["d/Screenshots/c.png", "d/b.png", "d/e/keep.png"]);
    // A warning of the library is shown; with -v it is part of the log, and with -q it is not shown.
    assert!(ran.stderr.starts_with("warning: line 2 of d/.gitignore has no effect: "), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1);
    let twice = sandbox.encode(["d", "d", "--ignore-files"]).code(0);
    assert_eq!(twice.stderr, ran.stderr, "printed once");
    sandbox.encode(["d", "--ignore-files", "-q"]).ok();
    let verbose = sandbox.encode(["d", "--ignore-files", "-v"]).code(0).says(&["WARN", "line 2 of d/.gitignore"]);
    assert!(!verbose.stderr.contains("warning: line 2"), "{}", verbose.stderr);

    // The advice for a malformed pattern.
    let ran = sandbox.encode(["d", "--exclude", "{x"]).fails(2, &["--exclude: \"{x\" is not a pattern of files"]);
    assert!(ran.stderr.contains("put a backslash before a character that has no special meaning"), "{}", ran.stderr);
    assert_eq!(run(&["--exclude", "\\{x"]).len(), 6);
    sandbox.encode(["d", "--exclude", "[a"]).fails(2, &["--exclude: \"[a\" is not a pattern of files"]);
    // Not a comment, as in a file.
    sandbox.write("d/#g.png", png(1));
    assert_eq!(run(&[]).len(), 7);
    assert_eq!(run(&["--exclude", "#g.png"]).len(), 6);
}

#[test]
fn a_report_says_what_became_of_all_inputs() {
    let sandbox = Sandbox::new();
    sandbox.write("d/a.jpg", jpeg(1));
    sandbox.write("d/b.jpg", "no photo");
    sandbox.write("d/c.gif", golden("animated.gif"));
    sandbox.write("d/x.jp2", JP2);
    sandbox.write("d/notes.txt", "");
    sandbox.write("d/.hidden.jpg", "");
    sandbox.write("d/@eaDir/t.jpg", jpeg(1));
    let report = |args: &[&str], code: i32| -> Value {
        sandbox.encode(["--report", "report.json"].iter().chain(args)).code(code);
        let text = fs::read_to_string(sandbox.path("report.json")).unwrap();
        fs::remove_file(sandbox.path("report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let fingerprint = sandbox.encode(["--text", "a"]).ok().rows()[0]["fingerprint"].clone();
    let mut found = report(&["d", "missing.jpg", "--exclude", "*.gif", "--text", "a"], 3);
    assert!(found["seconds"].as_f64().unwrap() >= 0.0);
    found["seconds"] = 0.into();
    let failures = found["failures"].as_array_mut().unwrap();
    assert_eq!((&failures[0]["path"], &failures[1]["path"]), (&json!("d/b.jpg"), &json!("missing.jpg")));
    assert!(failures.iter().all(|failure| failure["error"].as_str().unwrap().len() > 20), "{failures:?}");
    failures.clear();
    let expected = json!({
        "failures": [], "version": env!("CARGO_PKG_VERSION"), "model": "tiny", "fingerprint": fingerprint,
        "encoded": 2, "failed": 2, "seconds": 0, "error": null,
        "passed_over": {
            "unread": {"jp2": 1}, "unread_paths": [{"path": "d/x.jp2"}], "other": {"txt": 1}, "side": {"@eaDir": 1}, "hidden": 1, "excluded": 1, "ignored": 0, "raw_twins": 0,
        },
    });
    assert_eq!(found, expected);

    assert_eq!(report(&["--text", "a"], 0)["failures"], json!([]));
    let found = report(&["d/b.jpg"], 1);
    assert_eq!((&found["encoded"], &found["failed"]), (&json!(0), &json!(1)));
    assert_eq!(found["error"], "encoded 0 of 1 input; 1 failed");
    let found = report(&["d/a.jpg", "d/b.jpg", "--format", "npy", "-o", "out.npy"], 1);
    assert!(found["error"].as_str().unwrap().contains("--skip-errors"), "{found}");
    assert_eq!(found["failures"][0]["path"], "d/b.jpg");

    // Found out before any work.
    for (file, part) in [("no/report.json", "cannot write no/report.json"), ("d", "it is a folder")] {
        sandbox.encode(["--report", file, "--files-from", "no-list"]).fails(1, &[part]);
    }
    sandbox.encode(["--report", "-", "--text", "a"]).fails(2, &["--report writes to a file"]);
    for file in ["out", "./out", "d/../out"] {
        sandbox.encode(["--report", file, "-o", "out", "--text", "a"]).fails(2, &["the report to another file"]);
    }
    sandbox.encode(["--report", "o.jsonl", "-o", "o", "--format", "npy", "--text", "a"]).fails(2, &["another file"]);
    sandbox.encode(["--report", "d/a.jpg", "d"]).fails(2, &["d/a.jpg is one of the inputs"]);
    assert_eq!(fs::read(sandbox.path("d/a.jpg")).unwrap(), jpeg(1));
}
