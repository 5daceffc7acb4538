//! Wrong arguments, and libraries that cannot be used: a sentence, an exit code, and nothing lost.

use std::fs;

use crate::support::Sandbox;

#[test]
fn wrong_arguments() {
    let sandbox = Sandbox::with_photos([1]);
    let library = sandbox.library.to_str().unwrap().to_owned();
    for (args, code, says) in [
        (&["index", "-m", "demo", "--forget", "photos", "photos"][..], 1, "there is no photo library "),
        (&["index", "-m", "demo"], 1, "there is no photo library "),
        (&["index", "-m", "demo", "--library", &library], 1, "make it with `clippie-rs index -m MODEL DIR --library "),
        (&["status", "--library", &library], 1, "there is no photo library "),
        (&["index", "--library", &library, "photos"], 2, "no model given"),
        (&["index", "-m", "demo", "--library", &library, "nothing"], 1, "cannot read nothing: "),
        (
            &["index", "-m", "demo", "--library", &library, "photos/1.bmp"],
            2,
            "/1.bmp is a file; name the folder that it is in",
        ),
        (
            &["index", "-m", "demo", "--library", "photos", "photos"],
            2,
            "photos is a folder; --library takes the library",
        ),
        (&["index", "-m", "demo", "--report", "-", "photos"], 2, "--report writes to a file"),
    ] {
        sandbox.run(args).code(code).says(&[says]);
    }
    assert!(!sandbox.path("xdg").exists(), "no library is made in vain");
    // The default place.
    sandbox.run(["index", "-m", "demo", "photos"]).code(0);
    assert!(sandbox.path("xdg/clippie-rs/library.sqlite").is_file());
    sandbox.run(["index"]).code(0).says(&["1 unchanged"]);
    // A folder without photos.
    fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.index(["empty"]).code(0).says(&["/empty has no photos; `clippie-rs index --forget /", "indexed 0 photos"]);
    sandbox.index(["empty"]).code(0).says(&["indexed 0 photos"]);
}

#[test]
fn damaged_and_foreign_libraries() {
    let sandbox = Sandbox::with_photos(0..30);
    sandbox.index(["photos"]).code(0);
    let library = sandbox.library.to_str().unwrap().to_owned();
    let whole = fs::read(&library).unwrap();
    // A newer schema.
    let connection = rusqlite::Connection::open(&library).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    for args in [&["index", "-m", "demo", "--library", &library, "photos"][..], &["status", "--library", &library]] {
        sandbox.run(args).code(1).says(&["has schema 99", "update clippie-rs"]);
    }
    // Damage.
    let mut refused = 0;
    for at in (4096..whole.len()).step_by(4096) {
        let mut bytes = whole.clone();
        bytes[at..at + 64].fill(0xaa);
        fs::write(&library, bytes).unwrap();
        let ran = sandbox.index(["photos"]);
        assert!(ran.code != 1 || ran.stderr.contains(" is damaged ("), "{}", ran.stderr);
        refused += u32::from(ran.code == 1);
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{library}{end}"));
        }
    }
    assert!(refused > 2, "{refused}");
    fs::write(&library, "no database").unwrap();
    sandbox.index(["photos"]).code(1).says(&["is not a photo library"]);
    assert_eq!(fs::read(&library).unwrap(), b"no database");
    // As it was.
    fs::write(&library, whole).unwrap();
    sandbox.indexes(&[("unchanged", 30)]);
}

/// A library from elsewhere may name no file outside of its own folder.
#[test]
fn a_fingerprint_is_no_path() {
    let sandbox = Sandbox::with_photos(0..3);
    sandbox.index(["photos"]).code(0);
    let library = sandbox.library.to_str().unwrap().to_owned();
    let connection = rusqlite::Connection::open(&library).unwrap();
    connection.execute("UPDATE model SET fingerprint = '/../../x'", []).unwrap();
    drop(connection);
    for args in [
        &["status", "--library", &library][..],
        &["similar", "photos/1.bmp", "--library", &library],
        &["duplicates", "--library", &library],
        &["export", "e.npy", "--library", &library],
    ] {
        sandbox.run(args).code(1).says(&[" is damaged (it has a value that cannot be there)"]);
    }
}

/// A small disk, where the user may mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_read_only_one() {
    use std::process::Command;
    struct Disk(std::path::PathBuf);
    impl Drop for Disk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).output();
        }
    }
    // More than one batch.
    let mut sandbox = Sandbox::with_photos(0..2400);
    let place = sandbox.path("disk");
    fs::create_dir(&place).unwrap();
    let mount = |options: &str| {
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(&place)
            .output()
            .is_ok_and(|out| out.status.success())
    };
    if !mount("size=1800k") {
        return println!("skipped: no file system can be mounted here");
    }
    let _disk = Disk(place.clone());
    sandbox.library = place.join("library.sqlite");
    sandbox.index(["photos"]).code(1).says(&["the disk of the photo library ", " is full; what was committed is kept"]);
    let kept = sandbox.rows();
    assert!(!kept.is_empty() && kept.len() < 2400, "{}", kept.len());
    assert!(mount("remount,size=24m"));
    let rest = 2400 - kept.len() as u64;
    sandbox.indexes(&[("unchanged", kept.len() as u64), ("new", rest), ("opened", rest), ("encoded", rest)]);
    let all = sandbox.rows();
    assert!(kept.iter().all(|row| all.contains(row)));
    // Nothing can be written any more, but read.
    sandbox.photo("photos/new.bmp", 10_000);
    assert!(mount("remount,ro"));
    sandbox.index(["photos"]).code(1).says(&["cannot write the photo library ", "name another file with --library"]);
    let status = sandbox.run(["status", "--library", sandbox.library.to_str().unwrap()]).code(0);
    assert!(status.stdout.contains("photos   2400 different photos in 2400 files\n"), "{}", status.stdout);
    assert!(mount("remount,rw"));
    sandbox.indexes(&[("unchanged", 2400), ("new", 1), ("opened", 1), ("encoded", 1)]);
}

#[test]
fn damaged_packed_vectors_are_made_again() {
    let sandbox = Sandbox::with_photos(0..1200);
    sandbox.index(["photos"]).code(0);
    let library = sandbox.library.to_str().unwrap().to_owned();
    let search = || sandbox.run(["search", "--library", &library, "--all", "-n", "50", "--format", "jsonl", "a star"]);
    let expected = search().code(0).stdout;
    let others = [
        &["export", "out.csv"][..],
        &["classify", "--label", "star", "--label", "moon", "--format", "jsonl"],
        &["duplicates", "--format", "jsonl"],
    ];
    let other = |args: &[&str]| {
        let ran = sandbox.run([args, &["--library", &library]].concat()).code(0);
        // What `export` wrote.
        (ran.stdout, fs::read(sandbox.path("out.csv")).unwrap_or_default())
    };
    let all = others.map(other);
    let beside = fs::read_dir(sandbox.library.parent().unwrap()).unwrap();
    let packed = beside.map(|entry| entry.unwrap().path()).find(|path| path.to_string_lossy().ends_with(".vectors"));
    let packed = packed.expect("so many vectors are packed");
    let sound = fs::read(&packed).unwrap();
    for at in [150, 1000, sound.len() / 2, sound.len() - 200] {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        fs::write(&packed, bytes).unwrap();
        assert_eq!(search().code(0).stdout, expected, "damage at {at}");
        for (args, expected) in others.iter().zip(&all) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            fs::write(&packed, bytes).unwrap();
            assert_eq!(&other(args), expected, "damage at {at}: {args:?}");
        }
    }
}

#[test]
fn what_a_foreign_library_brings_along_does_not_run() {
    let sandbox = Sandbox::with_photos(0..5);
    sandbox.index(["photos"]).code(0);
    let rows = sandbox.rows();
    let library = sandbox.library.to_str().unwrap().to_owned();
    let connection = rusqlite::Connection::open(&sandbox.library).unwrap();
    connection.execute_batch("CREATE TRIGGER evil AFTER INSERT ON text BEGIN DELETE FROM file; END").unwrap();
    drop(connection);
    sandbox.run(["search", "--library", &library, "a text that was never searched for"]).code(0);
    assert_eq!(sandbox.rows(), rows);
}

#[test]
fn a_library_that_was_edited_is_called_damaged() {
    for edit in
        ["UPDATE photo SET taken = x'0102'", "DROP TABLE text", "DELETE FROM setting", "UPDATE file SET modified = 'x'"]
    {
        let sandbox = Sandbox::with_photos(0..5);
        sandbox.index(["photos"]).code(0);
        let connection = rusqlite::Connection::open(&sandbox.library).unwrap();
        connection.execute_batch(edit).unwrap();
        drop(connection);
        let ran = sandbox.run(["search", "--library", sandbox.library.to_str().unwrap(), "--all", "a star"]);
        // SQLite converts, or the library says what is wrong without its statements.
        assert!(
            ran.code == 0 || ran.stderr.contains("is damaged (") && ran.stderr.contains("index again"),
            "{edit}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("SELECT"), "{}", ran.stderr);
    }
}
