//! Inputs that fail: each is reported by name, the others are encoded.

use std::fs;

use crate::photos::{broken, huge_png, jpeg, png};
use crate::support::{Sandbox, rows};

#[test]
fn damaged_photos_fail_without_affecting_others() {
    let sandbox = Sandbox::new();
    let bad = broken();
    for i in 0..200u32 {
        let (ending, bytes): (&str, Vec<u8>) = if i % 3 == 0 { ("png", png(i)) } else { ("jpg", jpeg(i)) };
        let name = format!("photos/{i:03}.{ending}");
        sandbox.write(&name, if i % 40 == 17 { bad[i as usize / 40].1.clone() } else { bytes });
    }
    let ran = sandbox.encode(["photos"]).code(3);
    let all = ran.rows();
    assert_eq!(all.len(), 200);
    let mut failed = Vec::new();
    for (i, row) in all.iter().enumerate() {
        let path = row["path"].as_str().unwrap();
        assert!(path.starts_with(&format!("photos/{i:03}.")), "{path}");
        if row.get("error").is_some() {
            assert!(row.get("embedding").is_none() && row.get("fingerprint").is_none());
            assert!(row["error"].as_str().unwrap().starts_with(path), "{row}");
            failed.push(i);
        }
    }
    assert_eq!(failed, [17, 57, 97, 137, 177]);
    let errors = ran.error_lines();
    assert_eq!(errors.len(), 5, "{}", ran.stderr);
    for (line, i) in errors.iter().zip(&failed) {
        assert_eq!(*line, format!("error: {}", all[*i]["error"].as_str().unwrap()));
    }
    assert!(ran.stderr.ends_with("encoded 195 of 200 inputs; 5 failed\n"), "{}", ran.stderr);

    // Neighbours of a damaged photo, and other photos, get the same rows as when encoded alone.
    for i in [0, 16, 18, 56, 58, 100, 199] {
        let path = all[i]["path"].as_str().unwrap();
        assert_eq!(sandbox.encode([path]).ok().rows()[0], all[i]);
    }
}

#[test]
fn the_command_fails_if_all_inputs_fail() {
    let sandbox = Sandbox::new();
    for (name, bytes) in broken() {
        sandbox.write(name, bytes);
    }
    let ran = sandbox.encode(["."]).code(1).says(&["encoded 0 of 5 inputs; 5 failed"]);
    assert_eq!(ran.rows().len(), 5);
    assert!(ran.rows().iter().all(|row| row["error"].is_string()));
    let ran = sandbox.encode(["missing.jpg", "--format", "json"]).code(1);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(json["rows"][0]["error"].as_str().unwrap().starts_with("cannot read missing.jpg: "), "{json}");
    // A text cannot fail, so this is a partial success.
    sandbox.encode(["missing.jpg", "--text", "a"]).code(3).says(&["encoded 1 of 2 inputs; 1 failed"]);
}

#[test]
fn a_photo_with_huge_declared_dimensions_is_rejected_quickly() {
    let sandbox = Sandbox::new();
    sandbox.write("huge.png", huge_png());
    let started = std::time::Instant::now();
    sandbox.encode(["huge.png"]).code(1).says(&["huge.png", "60000"]);
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn other_files_are_reported_as_unknown_formats() {
    let sandbox = Sandbox::new();
    sandbox.write("words.txt", "some words");
    let weights = sandbox.model();
    let weights = weights.to_str().unwrap();
    let ran = sandbox.encode(["words.txt", weights, "missing", "--text", "a"]).code(3);
    let errors = ran.error_lines();
    assert!(errors[0].starts_with("error: words.txt"), "{}", errors[0]);
    assert!(errors[1].starts_with(&format!("error: {weights}")), "{}", errors[1]);
    assert!(errors[2] == "error: cannot read missing: no such file; check the path", "{}", errors[2]);
    assert_eq!(errors.len(), 3);
}

#[test]
fn control_characters_in_names_are_escaped() {
    let sandbox = Sandbox::new();
    let name = "evil\u{1b}[31m\nname.jpg";
    sandbox.write(name, "");
    let ran = sandbox.encode([name]).code(1);
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("evil\\u{1b}[31m\\nname.jpg") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    assert_eq!(ran.rows()[0]["path"], name);
}

#[cfg(target_os = "linux")]
#[test]
fn an_endless_file_is_rejected() {
    let sandbox = Sandbox::new();
    sandbox.encode(["/dev/zero", "--threads", "1"]).code(1).says(&["/dev/zero"]);
}

#[cfg(unix)]
#[test]
fn failures_keep_their_order_in_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("d/1.jpg", jpeg(1));
    sandbox.write("d/3.jpg", jpeg(3));
    std::os::unix::fs::symlink("nowhere.jpg", sandbox.path("d/2.jpg")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("d/4")).unwrap();
    let ran = sandbox.encode(["d", "-o", "out.jsonl"]).code(3).says(&["error: cannot read d/2.jpg: "]);
    assert_eq!(ran.stdout, b"");
    let rows = rows(&fs::read_to_string(sandbox.path("out.jsonl")).unwrap());
    let names: Vec<_> = rows.iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(names, ["d/1.jpg", "d/2.jpg", "d/3.jpg"]);
    assert!(rows[1]["error"].is_string() && rows[0]["embedding"].is_array() && rows[2]["embedding"].is_array());
}
