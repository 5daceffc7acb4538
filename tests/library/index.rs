//! What a run makes of files that are new, changed, moved, copied, gone, replaced, or no photos.

use std::fs;
use std::time::SystemTime;

use crate::support::{Sandbox, expect, long_ago, photo, set_time};

#[test]
fn a_second_run_opens_no_photo() {
    let sandbox = Sandbox::with_photos(0..20);
    sandbox.photo("photos/a/b/x.bmp", 100);
    sandbox.write("photos/notes.txt", "no photo", 0);
    sandbox.photo("photos/.hidden/x.bmp", 101);
    sandbox.photo("photos/@eaDir/x.bmp", 102);
    let ran = sandbox.index(["photos"]).code(0).says(&["indexed 21 photos in ", ": 21 new\n"]);
    assert_eq!(ran.stdout, "");
    let report = sandbox.report();
    expect(&report, &[("new", 21), ("opened", 21), ("encoded", 21)]);
    assert_eq!(report["passed_over"]["other"]["txt"], 1);
    assert_eq!((&report["failures"], &report["model"]), (&serde_json::json!([]), &"demo".into()));
    let rows = sandbox.rows();
    assert_eq!(rows.len(), 21);
    assert!(rows.iter().all(|row| row.bytes == 822 && row.embeddings[0].1.len() == 64 * 4));

    sandbox.indexes(&[("unchanged", 21)]);
    assert_eq!(sandbox.rows(), rows);
    // Without a folder and a model: those of the library.
    let library = sandbox.library.to_str().unwrap();
    let args = ["index", "--library", library, "--report", "report.json"];
    let ran = sandbox.run(args).code(0);
    assert!(ran.stderr.starts_with("indexed 21 photos in ") && ran.stderr.ends_with(": 21 unchanged\n"));
    expect(&sandbox.report(), &[("unchanged", 21)]);
    assert_eq!(sandbox.run(args.into_iter().chain(["-q"])).code(0).stderr, "");
}

#[test]
fn formats_that_cannot_be_read_are_listed() {
    let sandbox = Sandbox::with_photos(0..2);
    let path = sandbox.write("photos/a/IMG_1.JP2", "\0\0\0\x0cjP  ", 0);
    sandbox.index(["photos"]).code(0).says(&["1 photo was not read: 1 .jp2; ", "to have it indexed\n"]);
    let path = fs::canonicalize(path).unwrap();
    assert_eq!(sandbox.report()["passed_over"]["unread_paths"][0]["path"], path.to_str().unwrap());
}

#[test]
fn what_is_known_of_a_photo() {
    let sandbox = Sandbox::with_photos([1]);
    sandbox.indexes(&[("new", 1), ("opened", 1), ("encoded", 1)]);
    let sql = "SELECT bytes, format, width, height, orientation, taken IS NULL, length(picture) > 0, hash FROM photo";
    let row = sandbox
        .connection()
        .query_row(sql, [], |row| {
            let numbers: (i64, String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let rest: (i64, bool, bool, Vec<u8>) = (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?);
            Ok((numbers, rest))
        })
        .unwrap();
    let hash = blake3::hash(&photo(1)).as_bytes().to_vec();
    assert_eq!(row, ((822, "bmp".into(), 16, 16), (1, true, true, hash)));
    let rows = sandbox.rows();
    assert_eq!(rows[0].modified, 1_500_000_001_000_000_000);
}

#[test]
fn a_recent_file_is_opened_once_more() {
    let sandbox = Sandbox::with_photos([1]);
    fs::write(sandbox.path("photos/2.bmp"), photo(2)).unwrap();
    sandbox.indexes(&[("new", 2), ("opened", 2), ("encoded", 2)]);
    // A later change within the same step of the clock and of the same length.
    let path = sandbox.path("photos/2.bmp");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, photo(3)).unwrap();
    set_time(&path, time);
    sandbox.indexes(&[("changed", 1), ("unchanged", 1), ("opened", 1), ("encoded", 1)]);
    set_time(&path, long_ago(5));
    sandbox.indexes(&[("unchanged", 2), ("opened", 1)]);
    sandbox.indexes(&[("unchanged", 2)]);
}

#[test]
fn moved_and_copied_files_cost_no_second_pass() {
    let sandbox = Sandbox::with_photos([]);
    for seed in 0..6 {
        sandbox.photo(format!("photos/a/{seed}.bmp"), seed);
    }
    sandbox.indexes(&[("new", 6), ("opened", 6), ("encoded", 6)]);
    let before = sandbox.rows();
    // A folder.
    fs::rename(sandbox.path("photos/a"), sandbox.path("photos/b")).unwrap();
    let report = sandbox.indexes(&[("moved", 6), ("opened", 6)]);
    assert_eq!((&report["recognised"], sandbox.missing().len()), (&6.into(), 0));
    let found: Vec<_> = sandbox.rows().into_iter().filter(|row| !row.missing).collect();
    let same = |a: &crate::support::Row, b: &crate::support::Row| {
        (&a.content, &a.embeddings, a.modified) == (&b.content, &b.embeddings, b.modified)
    };
    assert!(found.iter().zip(&before).all(|(now, then)| same(now, then) && now.path.starts_with("photos/b/")));
    // A file, a copy of another one, and two copies of a new one.
    fs::rename(sandbox.path("photos/b/1.bmp"), sandbox.path("photos/b/one.bmp")).unwrap();
    sandbox.photo("photos/copy.bmp", 2);
    sandbox.photo("photos/new.bmp", 7);
    sandbox.photo("photos/z/newer.bmp", 7);
    let numbers = [("new", 1), ("moved", 1), ("copied", 2), ("unchanged", 5), ("opened", 4), ("encoded", 1)];
    sandbox.indexes(&numbers);
    assert_eq!((sandbox.count("photo"), sandbox.count("embedding")), (7, 7));
    // Many copies of a new one at once.
    for copy in 0..300 {
        sandbox.photo(format!("photos/many/{copy}.bmp"), 8);
    }
    sandbox.indexes(&[("new", 1), ("copied", 299), ("unchanged", 9), ("opened", 300), ("encoded", 1)]);
    assert_eq!((sandbox.missing().len(), sandbox.count("photo")), (0, 8));
    // One copy is deleted, another photo is found at its new path in a later run than that in which it was missed.
    fs::remove_file(sandbox.path("photos/many/1.bmp")).unwrap();
    fs::rename(sandbox.path("photos/b/0.bmp"), sandbox.path("0.bmp")).unwrap();
    sandbox.index(["photos"]).code(0).says(&["307 unchanged, 2 missing\n"]);
    fs::rename(sandbox.path("0.bmp"), sandbox.path("photos/zero.bmp")).unwrap();
    sandbox.index(["photos"]).code(0).says(&[": 1 moved, 307 unchanged\n"]);
    assert_eq!(sandbox.missing(), ["photos/many/1.bmp"]);
    // Two copies become one with another name, which takes the place of another photo.
    fs::remove_file(sandbox.path("photos/copy.bmp")).unwrap();
    fs::rename(sandbox.path("photos/b/2.bmp"), sandbox.path("photos/b/3.bmp")).unwrap();
    sandbox.index(["photos"]).code(0).says(&[": 1 changed, 305 unchanged\n"]);
    assert_eq!(sandbox.missing(), ["photos/many/1.bmp"]);
}

#[test]
fn deleted_files_may_come_back() {
    let sandbox = Sandbox::with_photos(0..3);
    sandbox.indexes(&[("new", 3), ("opened", 3), ("encoded", 3)]);
    let before = sandbox.rows();
    fs::rename(sandbox.path("photos/1.bmp"), sandbox.path("1.bmp")).unwrap();
    sandbox.indexes(&[("missing", 1), ("unchanged", 2)]);
    assert_eq!(sandbox.missing(), ["photos/1.bmp"]);
    let status = sandbox.run(["status", "--missing", "--library", sandbox.library.to_str().unwrap()]).code(0);
    assert!(status.stdout.contains("2 photos, 1 missing") && status.stdout.contains("missing  /"), "{}", status.stdout);
    sandbox.indexes(&[("unchanged", 2)]);
    fs::rename(sandbox.path("1.bmp"), sandbox.path("photos/1.bmp")).unwrap();
    sandbox.indexes(&[("found_again", 1), ("unchanged", 2)]);
    assert_eq!(sandbox.rows(), before);
    // Removed for good.
    fs::remove_file(sandbox.path("photos/1.bmp")).unwrap();
    sandbox.index(["photos", "--prune"]).code(0).says(&["2 unchanged, 1 missing, 1 pruned"]);
    assert_eq!((sandbox.found().len(), sandbox.count("photo"), sandbox.count("embedding")), (2, 2, 2));
    // And indexed again as a new one.
    sandbox.photo("photos/1.bmp", 1);
    sandbox.indexes(&[("new", 1), ("unchanged", 2), ("opened", 1), ("encoded", 1)]);
    assert_eq!(sandbox.rows(), before);
}

#[test]
fn changed_and_replaced_files_are_read() {
    let sandbox = Sandbox::with_photos(0..4);
    sandbox.indexes(&[("new", 4), ("opened", 4), ("encoded", 4)]);
    // Edited.
    sandbox.write("photos/0.bmp", photo(10), 500);
    sandbox.indexes(&[("changed", 1), ("unchanged", 3), ("opened", 1), ("encoded", 1)]);
    // Another size alone is noticed, too.
    sandbox.write("photos/1.bmp", [photo(11), vec![0; 7]].concat(), 1);
    sandbox.indexes(&[("changed", 1), ("unchanged", 3), ("opened", 1), ("encoded", 1)]);
    // Exchanged for each other.
    fs::rename(sandbox.path("photos/2.bmp"), sandbox.path("x")).unwrap();
    fs::rename(sandbox.path("photos/3.bmp"), sandbox.path("photos/2.bmp")).unwrap();
    fs::rename(sandbox.path("x"), sandbox.path("photos/3.bmp")).unwrap();
    sandbox.indexes(&[("changed", 2), ("unchanged", 2), ("opened", 2)]);
    // Replaced by a folder of the same name.
    fs::remove_file(sandbox.path("photos/3.bmp")).unwrap();
    sandbox.photo("photos/3.bmp/y.bmp", 2);
    sandbox.indexes(&[("moved", 1), ("unchanged", 3), ("opened", 1)]);
    assert_eq!(sandbox.missing(), [""; 0]);
}

#[test]
fn clocks_may_jump() {
    let sandbox = Sandbox::with_photos(0..3);
    sandbox.indexes(&[("new", 3), ("opened", 3), ("encoded", 3)]);
    let year = std::time::Duration::from_secs(365 * 86_400);
    for time in [SystemTime::now() + 20 * year, SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH - year, long_ago(0)] {
        for seed in 0..3 {
            set_time(&sandbox.path(format!("photos/{seed}.bmp")), time);
        }
        let report = sandbox.indexes(&[("unchanged", 3), ("opened", 3)]);
        assert_eq!(report["found"], 3);
        sandbox.indexes(&[("unchanged", 3)]);
    }
}

#[test]
fn failures_are_remembered() {
    let sandbox = Sandbox::with_photos([1]);
    sandbox.write("photos/a\u{1b}[31m\n.bmp", "no photo", 0);
    sandbox.write("photos/b.bmp", &photo(5)[..400], 0);
    let ran = sandbox.index(["photos"]).code(3).says(&[
        "a\\u{1b}[31m\\n.bmp: it is ",
        "b.bmp: it",
        "indexed 1 photo in ",
        "1 new, 2 failed",
    ]);
    assert!(!ran.stderr.contains('\u{1b}'));
    let report = sandbox.report();
    expect(&report, &[("new", 1), ("failed", 2), ("opened", 3), ("encoded", 1)]);
    assert_eq!(report["failures"].as_array().unwrap().len(), 2);
    sandbox.indexes(&[("unchanged", 1), ("failed_before", 2)]);
    let ran = sandbox.index(["photos", "--retry"]).code(0);
    assert!(ran.stderr.ends_with("1 unchanged, 2 failed before\n"), "{}", ran.stderr);
    expect(&sandbox.report(), &[("unchanged", 1), ("failed_before", 2), ("opened", 2)]);
    let library = sandbox.library.to_str().unwrap().to_owned();
    let status = sandbox.run(["status", "--library", &library]).code(0);
    assert!(status.stdout.contains("photos   1 different photo in 1 file\n"), "{}", status.stdout);
    assert!(status.stdout.contains("1 photo, 2 failed\n") && !status.stdout.contains('\u{1b}'), "{}", status.stdout);
    let status = sandbox.run(["status", "--json", "--failed", "--library", &library]).code(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["failed"].as_array().unwrap().len(), 2);
    assert!(status["failed"][0]["path"].as_str().unwrap().ends_with("a\u{1b}[31m\n.bmp"));
    // Repaired.
    sandbox.write("photos/b.bmp", photo(5), 1);
    sandbox.indexes(&[("changed", 1), ("unchanged", 1), ("failed_before", 1), ("opened", 1), ("encoded", 1)]);
    // Damaged.
    sandbox.write("photos/b.bmp", "", 2);
    sandbox.index(["photos"]).code(3).says(&["b.bmp: it is empty"]);
    // Gone.
    fs::remove_file(sandbox.path("photos/b.bmp")).unwrap();
    sandbox.indexes(&[("missing", 1), ("unchanged", 1), ("failed_before", 1)]);
}

#[test]
fn excluded_files_are_not_found_any_more() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.photo("photos/private/x.bmp", 5);
    sandbox.photo("photos/hidden/x.bmp", 6);
    sandbox.write("photos/hidden/.nomedia", "", 0);
    sandbox.indexes(&[("new", 4), ("opened", 4), ("encoded", 4)]);
    let all = sandbox.rows();
    sandbox.index(["photos", "--exclude", "private"]).code(0).says(&["3 unchanged, 1 missing"]);
    assert_eq!(sandbox.missing(), ["photos/private/x.bmp"]);
    sandbox.index(["photos", "--exclude", ""]).code(0).says(&["1 found again"]);
    sandbox.index(["photos", "--ignore-files"]).code(0).says(&["3 unchanged, 1 missing"]);
    assert_eq!(sandbox.missing(), ["photos/hidden/x.bmp"]);
    sandbox.index(["photos", "--ignore-files=no"]).code(0).says(&["1 found again"]);
    assert_eq!(sandbox.rows(), all);
    sandbox.index(["photos", "--exclude", "{a"]).code(2).says(&["--exclude: \"{a\" is not a pattern"]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_are_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::with_photos([]);
    for (seed, name) in
        [&b"photos/\xff\xfe.bmp"[..], b"photos/\xc3\xa9/A.BMP", b"photos/e\xcc\x81/ .bmp"].iter().enumerate()
    {
        sandbox.photo(std::ffi::OsStr::from_bytes(name), seed as u32);
    }
    sandbox.write(std::ffi::OsStr::from_bytes(b"photos/\x80.bmp"), "no photo", 0);
    sandbox.index(["photos"]).code(3);
    let report = sandbox.report();
    expect(&report, &[("new", 3), ("failed", 1), ("opened", 4), ("encoded", 3)]);
    assert!(report["failures"][0]["path_bytes"].as_str().unwrap().ends_with("2f802e626d70"));
    sandbox.indexes(&[("unchanged", 3), ("failed_before", 1)]);
    // Letters in another case are another name.
    let rename = |from: &[u8], to: &[u8]| {
        let path = |name| sandbox.path(std::ffi::OsStr::from_bytes(name));
        fs::rename(path(from), path(to)).unwrap();
    };
    rename(b"photos/\xc3\xa9/A.BMP", b"photos/\xc3\xa9/a.bmp");
    let numbers = [("moved", 1), ("unchanged", 2), ("failed_before", 1), ("opened", 1)];
    sandbox.indexes(&numbers);
    rename(b"photos/\xc3\xa9", b"photos/\xc3\x89");
    sandbox.indexes(&numbers);
    assert_eq!(sandbox.missing(), [""; 0]);
}

#[test]
fn another_model_is_beside_the_first() {
    let sandbox = Sandbox::with_photos(0..3);
    sandbox.indexes(&[("new", 3), ("opened", 3), ("encoded", 3)]);
    sandbox.tiny_model(1, "tiny.clippie");
    let library = sandbox.library.to_str().unwrap().to_owned();
    let args = ["index", "--library", &library, "--report", "report.json", "-m", "tiny.clippie", "photos"];
    let further = sandbox.run(args).code(0).says(&["a further model, ", "beside those of demo"]);
    assert!(further.stderr.ends_with(": 3 new to this model\n"), "{}", further.stderr);
    expect(&sandbox.report(), &[("new_to_model", 3), ("opened", 3), ("encoded", 3)]);
    assert!(sandbox.rows().iter().all(|row| row.embeddings.len() == 2));
    let again = sandbox.run(args).code(0);
    assert!(!again.stderr.contains("warning"), "{}", again.stderr);
    expect(&sandbox.report(), &[("unchanged", 3)]);
    sandbox.indexes(&[("unchanged", 3)]);
    // Which one is meant now?
    sandbox.run(["index", "--library", &library]).code(2).says(&["has embeddings of demo and ", "choose with -m"]);
    let status = sandbox.run(["status", "--library", &library]).code(0).stdout;
    assert_eq!(status.lines().filter(|line| line.starts_with("model    ") && line.ends_with(", 3 photos")).count(), 2);
}

/// What a second model has no embedding of counts as new to it, copies too; what else happened to a file comes first.
#[test]
fn photos_are_new_to_a_further_model() {
    let sandbox = Sandbox::with_photos(0..3);
    sandbox.photo("photos/copy.bmp", 0);
    sandbox.indexes(&[("new", 3), ("copied", 1), ("opened", 4), ("encoded", 3)]);
    sandbox.tiny_model(1, "tiny.clippie");
    sandbox.photo("photos/1.bmp", 7);
    let library = sandbox.library.to_str().unwrap().to_owned();
    sandbox.run(["index", "--library", &library, "--report", "report.json", "-m", "tiny.clippie", "photos"]).code(0);
    expect(&sandbox.report(), &[("new_to_model", 3), ("changed", 1), ("opened", 4), ("encoded", 3)]);
    sandbox.run(["index", "--library", &library, "--report", "report.json", "-m", "tiny.clippie", "photos"]).code(0);
    expect(&sandbox.report(), &[("unchanged", 4)]);
}

/// Writes go to the database in few transactions. `CLIPPIE_PHOTOS` sets the number of photos for a measurement on an idle
/// machine: then less than a tenth of the time may be spent in the database.
#[test]
fn the_database_is_cheap() {
    let measured = std::env::var("CLIPPIE_PHOTOS").ok();
    let photos: u32 = measured.as_ref().map_or(400, |number| number.parse().unwrap());
    let sandbox = Sandbox::new();
    for seed in 0..photos {
        sandbox.photo(format!("photos/{}/{seed}.bmp", seed / 100), seed);
    }
    let report = sandbox.indexes(&[("new", photos.into()), ("opened", photos.into()), ("encoded", photos.into())]);
    let seconds = |name: &str| report[name].as_f64().unwrap();
    let share = seconds("database_seconds") / seconds("seconds");
    println!("{photos} photos: {:.1} s, {:.1} % in the database", seconds("seconds"), 100.0 * share);
    assert!(share < if measured.is_some() { 0.1 } else { 0.9 }, "{share}");
    let most = f64::from(photos / 256) + seconds("seconds") / 2.0 + 2.0;
    assert!(report["commits"].as_f64().unwrap() <= most, "{report}");
    let report = sandbox.indexes(&[("unchanged", photos.into())]);
    assert_eq!(report["commits"], 0);
}

#[test]
fn raw_files_beside_pictures_are_asked_for() {
    let sandbox = Sandbox::with_photos(0..2);
    let jpeg = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/preprocess/files/64x48-2.jpg")).unwrap();
    let mut raf = b"FUJIFILMCCD-RAW 0201".to_vec();
    raf.resize(84, 0);
    raf.extend([[0, 0, 0, 100], (jpeg.len() as u32).to_be_bytes()].concat());
    raf.resize(100, 0);
    raf.extend(&jpeg);
    // The first has a picture beside it; the second has one of another name.
    sandbox.write("photos/a/IMG_1.JPG", &jpeg, 0);
    raf.push(1);
    sandbox.write("photos/a/IMG_1.RAF", &raf, 0);
    raf.push(2);
    sandbox.write("photos/a/IMG_2.raf", &raf, 0);
    let passed = "1 raw file has a JPEG or HEIC file of the same name, which was taken; --raw-twins takes it too";
    sandbox.index(["photos"]).code(0).says(&["4 new", passed]);
    assert_eq!(sandbox.report()["passed_over"]["raw_twins"], 1);
    // Asked for once, it is remembered.
    sandbox.index(["photos", "--raw-twins"]).code(0).says(&["1 new, 4 unchanged"]);
    sandbox.index(["photos"]).code(0).says(&["5 unchanged"]);
    sandbox.index(["photos", "--raw-twins=no"]).code(0).says(&["4 unchanged, 1 missing"]);
    // A picture that is passed over does not stand for the raw file.
    sandbox.index(["photos", "--exclude", "*.JPG"]).code(0).says(&["1 found again"]);
}

#[test]
fn photos_beyond_a_limit_fail_until_it_is_raised() {
    let sandbox = Sandbox::with_photos(0..2);
    let ran = sandbox.index(["photos", "--max-pixels", "0.000255"]).code(3);
    ran.says(&[
        "0.bmp: it is 16 x 16 pixels; the limit is 255 pixels: scale it down first, or raise the limit (--max-pixels",
    ]);
    sandbox.write("photos/large.bmp", [photo(3), vec![0; 1 << 20]].concat(), 3);
    let ran = sandbox.index(["photos", "--max-bytes", "1"]).code(3);
    ran.says(&[
        "large.bmp: ",
        "it has more than 1048576 bytes, the limit for a photo unless it is raised (--max-bytes",
    ]);
    expect(&sandbox.report(), &[("failed", 1), ("failed_before", 2), ("opened", 0)]);
    sandbox.index(["photos", "--retry"]).code(0).says(&["3 changed"]);
    let library = sandbox.library.to_str().unwrap();
    let similar = ["similar", "--all", "--library", library];
    sandbox.photo("other.bmp", 9);
    sandbox.run([&similar[..], &["other.bmp"]].concat()).code(0);
    let ran = sandbox.run([&similar[..], &["other.bmp", "--max-pixels", "0.0001"]].concat()).code(1);
    ran.says(&["other.bmp is 16 x 16 pixels; the limit is 100 pixels"]);
    sandbox.run(["index", "--max-seconds", "0"]).code(2).says(&["not a number from 1 to 86400"]);
}
