//! What `index` is told to skip is remembered, and libraries of earlier versions are brought up to date.

use std::fs;

use serde_json::{Value, json};

use crate::support::Sandbox;

/// What `status` says about the folders: what is skipped in them.
fn skipped(sandbox: &Sandbox) -> Vec<(Value, Value)> {
    let ran = sandbox.run(["status", "--json", "--library", sandbox.library.to_str().unwrap()]).code(0);
    let status: Value = serde_json::from_str(&ran.stdout).unwrap();
    let folders = status["folders"].as_array().unwrap();
    folders.iter().map(|folder| (folder["exclude"].clone(), folder["ignore_files"].clone())).collect()
}

#[test]
fn exclusions_are_remembered_until_they_are_given_again() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.photo("photos/private/x.bmp", 5);
    sandbox.photo("photos/trips/raw/x.bmp", 6);
    sandbox.photo("photos/hidden/x.bmp", 7);
    sandbox.write("photos/hidden/.nomedia", "", 0);
    sandbox.index(["photos", "--exclude", "private", "--exclude", "ra?"]).code(0).says(&["3 new"]);
    // Also by a run over all folders, and when something changes.
    sandbox.indexes(&[("unchanged", 3)]);
    sandbox.photo("photos/private/y.bmp", 8);
    sandbox.photo("photos/2.bmp", 2);
    sandbox.index([""; 0]).code(0).says(&["1 new, 3 unchanged"]);
    assert_eq!(skipped(&sandbox), [(json!(["private", "ra?"]), json!(false))]);
    let ran = sandbox.run(["status", "--library", sandbox.library.to_str().unwrap()]).code(0);
    assert!(ran.stdout.contains("photos: 4 photos, excluding private, ra?"), "{}", ran.stdout);
    // Others take their place; what is excluded now stays in the library until it is pruned.
    sandbox.index(["photos", "--exclude", "/2.bmp", "--ignore-files"]).code(0).says(&["3 new, 2 unchanged, 2 missing"]);
    assert_eq!(sandbox.missing(), ["photos/2.bmp", "photos/hidden/x.bmp"]);
    sandbox.indexes(&[("unchanged", 5)]);
    assert_eq!(skipped(&sandbox), [(json!(["/2.bmp"]), json!(true))]);
    sandbox.index(["--exclude", "", "--prune"]).code(0).says(&["1 found again", "1 pruned"]);
    assert_eq!((sandbox.missing(), sandbox.found().len()), (vec![], 6));
    sandbox.index(["photos", "--ignore-files=no"]).code(0).says(&["1 new"]);
    assert_eq!(skipped(&sandbox), [(json!([]), json!(false))]);
    sandbox.indexes(&[("unchanged", 7)]);
    // Nothing is remembered of a folder that is forgotten, or of a run that is refused.
    sandbox.index(["photos", "--exclude", "{a"]).code(2);
    sandbox.index(["photos", "--exclude", "private"]).code(0);
    sandbox.index(["--forget", "photos"]).code(0);
    sandbox.index(["photos"]).code(0).says(&["7 new"]);
}

#[test]
fn exclusions_of_a_part_hold_for_the_part() {
    let sandbox = Sandbox::with_photos(0..1);
    for (folder, seed) in [("trips [1]/raw", 3), ("trips [1]", 4), ("raw", 5), ("private", 6), ("trips [1]/private", 7)]
    {
        sandbox.photo(format!("photos/{folder}/{seed}.bmp"), seed);
    }
    let raw = "photos/raw/5.bmp";
    sandbox.index(["photos", "--exclude", "private"]).code(0).says(&["4 new"]);
    sandbox.index(["photos/trips [1]", "--exclude", "raw"]).code(0).says(&["1 unchanged, 1 missing"]);
    assert_eq!(skipped(&sandbox), [(json!(["private", "/trips\\ \\[1\\]/**/raw"]), json!(false))]);
    sandbox.indexes(&[("unchanged", 3)]);
    assert!(sandbox.found().contains(&raw.to_owned()), "{:?}", sandbox.found());
    // The part alone follows what holds for the whole, and is not read if it is excluded.
    sandbox.index(["photos/trips [1]", "--exclude", ""]).code(0).says(&["1 found again"]);
    assert_eq!(skipped(&sandbox), [(json!(["private"]), json!(false))]);
    sandbox
        .index(["photos/private"])
        .code(2)
        .says(&["photos/private is excluded from the indexed folder", "--exclude ''"]);
    // A folder that becomes part of another keeps what it skips.
    sandbox.photo("private/8.bmp", 8);
    let folder = sandbox.folder.path().to_str().unwrap().to_owned();
    sandbox.index([&folder]).code(0).says(&["1 new"]);
    assert_eq!(skipped(&sandbox), [(json!(["/photos/**/private"]), json!(false))]);
    assert!(!sandbox.found().iter().any(|path| path.starts_with("photos/") && path.contains("private")));
}

#[test]
fn libraries_of_earlier_versions_are_brought_up_to_date() {
    for from in [1, 2, 4] {
        let mut sandbox = Sandbox::with_photos(0..3);
        sandbox.write("photos/broken.jpg", "no photo", 7);
        sandbox.library = sandbox.path("library.sqlite");
        let stored = format!("{}/tests/goldens/library/version-{from}.sqlite", env!("CARGO_MANIFEST_DIR"));
        fs::copy(stored, &sandbox.library).unwrap();
        let version = |sandbox: &Sandbox| {
            sandbox.connection().query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let before = sandbox.rows();
        assert_eq!((version(&sandbox), before.len(), sandbox.count("text")), (from, 4, 1));
        // Whatever opens it first.
        let expected = if from == 1 { json!([]) } else { json!(["raw"]) };
        assert_eq!(skipped(&sandbox), [(expected.clone(), json!(false))]);
        let exclusions = expected.as_array().unwrap().len() as u64;
        assert_eq!((version(&sandbox), sandbox.count("exclusion"), sandbox.count("text")), (5, exclusions, 1));
        assert_eq!(sandbox.rows(), before);
        sandbox.indexes(&[("unchanged", 3), ("failed_before", 1)]);
        sandbox.index(["photos", "--exclude", "1.*"]).code(0).says(&["2 unchanged", "1 missing"]);
        sandbox.indexes(&[("unchanged", 2), ("failed_before", 1)]);
        let found = sandbox.run(["search", "-m", "demo", "--library", "library.sqlite", "--all", "a red star"]).code(0);
        assert_eq!(found.stdout.matches(".bmp").count(), 2, "{}", found.stdout);
    }
}
