//! Folders of a library: nested, linked, unplugged, unreadable, carried to another place, forgotten.

use std::fs;

use crate::support::{Sandbox, expect};

#[test]
fn nested_folders_are_one() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.photo("photos/2024/may/x.bmp", 5);
    sandbox.photo("photos/2024/y.bmp", 6);
    sandbox.index(["photos/2024"]).code(0).says(&["2 new"]);
    let inner = sandbox.rows();
    sandbox.indexes(&[("new", 2), ("unchanged", 2), ("opened", 2), ("encoded", 2)]);
    assert_eq!(sandbox.count("root"), 1);
    assert_eq!(sandbox.rows()[2..], inner);
    // A part only: what is new elsewhere is not seen.
    sandbox.photo("photos/2024/may/new.bmp", 7);
    sandbox.photo("photos/other.bmp", 8);
    fs::remove_file(sandbox.path("photos/0.bmp")).unwrap();
    fs::remove_file(sandbox.path("photos/2024/y.bmp")).unwrap();
    sandbox.index(["photos/2024/may"]).code(0).says(&["indexed 2 photos", "1 new, 1 unchanged\n"]);
    assert_eq!(sandbox.missing(), [""; 0]);
    // Named twice, and as a part of what is named.
    sandbox.index(["photos/2024/may", "photos/2024", "photos", "photos/"]).code(0).says(&["indexed 4 photos"]);
    assert_eq!(sandbox.missing(), ["photos/0.bmp", "photos/2024/y.bmp"]);
    assert_eq!(sandbox.count("root"), 1);
}

#[test]
fn a_drive_can_be_carried() {
    let mut sandbox = Sandbox::new();
    for seed in 0..3 {
        sandbox.photo(format!("drive/photos/{seed}.bmp"), seed);
    }
    sandbox.library = sandbox.path("drive/photos.sqlite");
    sandbox.index(["drive/photos"]).code(0);
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    fs::rename(sandbox.path("drive"), sandbox.path("elsewhere/disk")).unwrap();
    sandbox.library = sandbox.path("elsewhere/disk/photos.sqlite");
    let library = sandbox.library.to_str().unwrap().to_owned();
    sandbox.run(["index", "--library", &library, "--report", "report.json"]).code(0);
    expect(&sandbox.report(), &[("unchanged", 3)]);
    let status = sandbox.run(["status", "--library", &library]).code(0).stdout;
    assert!(status.contains("/elsewhere/disk/photos: 3 photos\n"), "{status}");
    // SQLite's log and its index are gone.
    let mut names: Vec<_> =
        fs::read_dir(sandbox.path("elsewhere/disk")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["photos", "photos.sqlite"]);
}

#[test]
fn unplugged_drives_are_kept() {
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.photo("drive/a/x.bmp", 5);
    sandbox.photo("drive/y.bmp", 6);
    sandbox.index(["photos", "drive"]).code(0).says(&["4 new"]);
    let all = sandbox.rows();
    let drive = sandbox.path("drive");
    let index = |args: &[&str]| sandbox.index(args.iter().copied());
    // Not mounted: not there, and then as an empty folder.
    fs::rename(&drive, sandbox.path("unplugged")).unwrap();
    for mounted in [false, true] {
        if mounted {
            fs::create_dir(&drive).unwrap();
        }
        let ran = index(&[]).code(0);
        let ran = ran.says(&["/drive cannot be indexed now (", "is kept", "indexed 2 photos", "2 unchanged\n"]);
        let forget = format!("/drive --library {}` would remove it", sandbox.library.display());
        ran.says(&["`clippie-rs index --forget /", &forget]);
        index(&["--prune"]).code(0).says(&["/drive cannot be indexed now ("]);
        assert_eq!(sandbox.report()["unreachable"].as_array().unwrap().len(), 1);
        // Named: the run could not do what was asked for.
        index(&["drive", "photos"]).code(3).says(&["/drive cannot be indexed now ("]);
        index(&["drive", "--prune"]).code(1).says(&["/drive cannot be indexed now ("]);
        assert_eq!(sandbox.rows(), all);
    }
    // All of them: nothing was looked at.
    fs::rename(sandbox.path("photos"), sandbox.path("away")).unwrap();
    let said = ["/photos cannot be indexed now (", "/drive cannot be indexed now (", "none of the library's folders"];
    index(&[]).code(3).says(&said);
    assert_eq!((&sandbox.report()["compared"], sandbox.rows()), (&0.into(), all.clone()));
    fs::rename(sandbox.path("away"), sandbox.path("photos")).unwrap();
    index(&["drive/a"]).code(1);
    fs::remove_dir(&drive).unwrap();
    let library = sandbox.library.to_str().unwrap();
    let status = sandbox.run(["status", "--library", library]).code(0).stdout;
    assert!(status.contains("/drive: 2 photos, cannot be reached now\n"), "{status}");
    // A part cannot be forgotten.
    let ran = index(&["drive/a"]).code(1);
    let ran = ran
        .says(&["/drive/a cannot be indexed now (no such file; check the path); what is known of its photos is kept"]);
    assert!(!ran.stderr.contains("--forget"), "{}", ran.stderr);
    assert_eq!(sandbox.rows(), all);
    // Plugged in again.
    fs::rename(sandbox.path("unplugged"), &drive).unwrap();
    index(&[]).code(0);
    expect(&sandbox.report(), &[("unchanged", 4)]);
    assert_eq!(sandbox.rows(), all);
    // Sold.
    fs::remove_dir_all(&drive).unwrap();
    index(&["--forget", "drive"]).code(0).says(&["forgot drive: 2 files, 2 photos\n"]);
    index(&["--forget", "drive"]).code(2).says(&["drive is not a folder of the library; they are: /"]);
    assert_eq!(sandbox.found(), ["photos/0.bmp", "photos/1.bmp"]);
    assert_eq!((sandbox.count("photo"), sandbox.count("embedding"), sandbox.count("root")), (2, 2, 1));
}

/// What was noted as missing while a folder was there is not removed while it is not, nor by a run over another folder.
#[test]
fn only_folders_of_the_run_are_pruned() {
    let sandbox = Sandbox::with_photos(0..3);
    for (name, seed) in [("a/x.bmp", 5), ("a/y.bmp", 6), ("b/z.bmp", 7), ("w.bmp", 8)] {
        sandbox.photo(format!("drive/{name}"), seed);
    }
    sandbox.index(["photos", "drive"]).code(0).says(&["7 new"]);
    for name in ["photos/0.bmp", "drive/a/x.bmp", "drive/b/z.bmp", "drive/w.bmp"] {
        fs::remove_file(sandbox.path(name)).unwrap();
    }
    sandbox.index([""; 0]).code(0).says(&["3 unchanged, 4 missing"]);
    let drive = sandbox.path("drive");
    fs::rename(&drive, sandbox.path("unplugged")).unwrap();
    sandbox.index(["--prune"]).code(0).says(&["/drive cannot be indexed now (", "is kept", "1 pruned"]);
    let kept = ["drive/a/x.bmp", "drive/b/z.bmp", "drive/w.bmp"];
    assert_eq!((sandbox.missing(), sandbox.count("photo")), (kept.map(str::to_owned).to_vec(), 6));
    fs::create_dir(&drive).unwrap();
    sandbox.index(["--prune"]).code(0).says(&["it is empty", "is kept"]);
    sandbox.index(["drive", "--prune"]).code(1);
    fs::remove_dir(&drive).unwrap();
    fs::rename(sandbox.path("unplugged"), &drive).unwrap();
    sandbox.index(["photos", "--prune"]).code(0);
    assert_eq!(sandbox.missing(), kept);
    // A part of it, and the rest.
    sandbox.index(["drive/a", "--prune"]).code(0).says(&["1 unchanged, 1 pruned"]);
    assert_eq!(sandbox.missing(), kept[1..]);
    sandbox.index(["--prune"]).code(0).says(&["3 unchanged, 2 pruned"]);
    assert_eq!((sandbox.missing().len(), sandbox.count("photo"), sandbox.count("embedding")), (0, 3, 3));
}

#[cfg(unix)]
#[test]
fn links_are_followed() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.photo("elsewhere/x.bmp", 5);
    sandbox.photo("disk/y.bmp", 6);
    sandbox.photo("disk/b/z.bmp", 7);
    let link = |to: &str, from: &str| symlink(sandbox.path(to), sandbox.path(from)).unwrap();
    link("elsewhere/x.bmp", "photos/link.bmp");
    link("disk", "photos/disk");
    link("disk", "photos/same disk");
    link("photos", "photos/loop");
    link("nothing", "photos/nothing");
    sandbox.indexes(&[("new", 5), ("opened", 5), ("encoded", 5)]);
    let all = sandbox.rows();
    let names = ["photos/0.bmp", "photos/1.bmp", "photos/disk/b/z.bmp", "photos/disk/y.bmp", "photos/link.bmp"];
    assert_eq!(sandbox.found(), names);
    sandbox.indexes(&[("unchanged", 5)]);
    // The links stay, what they lead to is unplugged.
    fs::rename(sandbox.path("disk"), sandbox.path("unplugged")).unwrap();
    fs::rename(sandbox.path("elsewhere"), sandbox.path("away")).unwrap();
    let warning =
        "photos/link.bmp: No such file or directory (os error 2); what the library knows of it stays as it is";
    sandbox.index(["photos", "--prune"]).code(3).says(&[warning, "2 unchanged\n"]);
    assert_eq!(sandbox.report()["unreadable"], 1);
    assert_eq!(sandbox.rows(), all);
    fs::rename(sandbox.path("unplugged"), sandbox.path("disk")).unwrap();
    fs::rename(sandbox.path("away"), sandbox.path("elsewhere")).unwrap();
    sandbox.indexes(&[("unchanged", 5)]);
    // A link that is removed takes its files along; the photos are found under the other one.
    fs::remove_file(sandbox.path("photos/disk")).unwrap();
    sandbox.indexes(&[("moved", 2), ("unchanged", 3), ("opened", 2)]);
    // The root itself may be a link.
    link("photos", "link");
    sandbox.index(["link"]).code(0).says(&["5 unchanged\n"]);
    assert_eq!(sandbox.count("root"), 1);
}

/// As a user whom permissions bind; root is not.
#[cfg(target_os = "linux")]
#[test]
fn unreadable_folders_are_kept() {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::process::CommandExt;
    let sandbox = Sandbox::with_photos(0..2);
    sandbox.photo("photos/private/x.bmp", 5);
    sandbox.photo("photos/private-too.bmp", 6);
    symlink("/nowhere", sandbox.path("photos/z")).unwrap();
    let nobody = 65534;
    let as_root = fs::metadata("/proc/self").is_ok_and(|data| std::os::unix::fs::MetadataExt::uid(&data) == 0);
    if as_root {
        let mut folders = vec![sandbox.path("")];
        while let Some(folder) = folders.pop() {
            chown(&folder, Some(nobody), None).unwrap();
            for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    chown(entry.path(), Some(nobody), None).unwrap();
                }
            }
        }
    }
    let index = |args: &[&str]| {
        let mut command = sandbox.index_command(args);
        if as_root {
            command.uid(nobody);
        }
        command.output().map(crate::support::Ran::new)
    };
    let set = |name: &str, mode| fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(mode)).unwrap();
    let first = match index(&["photos"]) {
        // The binary is in a folder that this user may not enter.
        Err(error) => return println!("skipped: {error}"),
        Ok(ran) => ran,
    };
    first.code(0).says(&["4 new"]);
    let all = sandbox.rows();
    set("photos/private", 0o000);
    let said = ["photos/private: Permission denied", "stays as it is", "3 unchanged\n"];
    index(&["photos", "--prune"]).unwrap().code(3).says(&said);
    assert_eq!(sandbox.report()["unreadable"], 1);
    assert_eq!(sandbox.rows(), all);
    set("photos/private", 0o700);
    // A file that may not be read is tried again each time, without a change of the file.
    fs::rename(sandbox.path("photos/0.bmp"), sandbox.path("photos/new.bmp")).unwrap();
    set("photos/new.bmp", 0o000);
    index(&["photos"]).unwrap().code(3).says(&["new.bmp: it cannot be read: Permission denied"]);
    index(&["photos"]).unwrap().code(0).says(&["3 unchanged, 1 failed before\n"]);
    set("photos/new.bmp", 0o600);
    index(&["photos"]).unwrap().code(0);
    expect(&sandbox.report(), &[("unchanged", 3), ("moved", 1), ("opened", 1)]);
    // The root.
    set("photos", 0o000);
    index(&["photos"]).unwrap().code(1).says(&["/photos cannot be indexed now (Permission denied"]);
    let none = "none of the library's folders can be reached now";
    index(&[]).unwrap().code(3).says(&["/photos cannot be indexed now (Permission denied", none]);
    set("photos", 0o700);
    index(&[]).unwrap().code(0).says(&["4 unchanged\n"]);
}

/// What a photo was known as is dropped only where a run looked for it.
#[test]
fn moves_between_folders() {
    let sandbox = Sandbox::with_photos(0..3);
    sandbox.photo("drive/x.bmp", 5);
    sandbox.photo("drive/y.bmp", 6);
    sandbox.index(["photos", "drive"]).code(0).says(&["5 new"]);
    let copy = |from: &str, to: &str| {
        fs::copy(sandbox.path(from), sandbox.path(to)).unwrap();
        crate::support::set_time(&sandbox.path(to), crate::support::long_ago(1));
    };
    copy("drive/x.bmp", "photos/x.bmp");
    fs::remove_file(sandbox.path("drive/x.bmp")).unwrap();
    // The other folder is not part of the run, and then not there.
    sandbox.index(["photos"]).code(0).says(&[": 1 copy, 3 unchanged\n"]);
    copy("drive/y.bmp", "photos/y.bmp");
    fs::rename(sandbox.path("drive"), sandbox.path("unplugged")).unwrap();
    sandbox.index([""; 0]).code(0).says(&[": 1 copy, 4 unchanged\n"]);
    assert_eq!((sandbox.found().len(), sandbox.missing().len()), (7, 0));
    fs::rename(sandbox.path("unplugged"), sandbox.path("drive")).unwrap();
    sandbox.index([""; 0]).code(0).says(&[": 6 unchanged, 1 missing\n"]);
    // Both are.
    fs::rename(sandbox.path("drive/y.bmp"), sandbox.path("photos/z.bmp")).unwrap();
    sandbox.photo("drive/w.bmp", 7);
    sandbox.index([""; 0]).code(0).says(&[": 1 new, 1 moved, 5 unchanged\n"]);
    fs::rename(sandbox.path("photos/2.bmp"), sandbox.path("drive/2.bmp")).unwrap();
    sandbox.index([""; 0]).code(0).says(&[": 1 moved, 6 unchanged\n"]);
    // What is excluded now is still there.
    fs::create_dir(sandbox.path("photos/private")).unwrap();
    fs::rename(sandbox.path("photos/0.bmp"), sandbox.path("photos/private/0.bmp")).unwrap();
    sandbox.index([""; 0]).code(0).says(&[": 1 moved, 6 unchanged\n"]);
    copy("photos/private/0.bmp", "photos/again.bmp");
    sandbox.index(["photos", "--exclude", "private"]).code(0).says(&[": 1 copy, 4 unchanged, 1 missing\n"]);
    assert_eq!(sandbox.missing(), ["drive/x.bmp", "photos/private/0.bmp"]);
}

/// A chain of folders that takes minutes to follow to its end.
#[test]
fn folders_at_any_depth_are_named_and_kept() {
    let sandbox = Sandbox::with_photos(0..2);
    let chain = |depth: usize| format!("photos{}", "/d".repeat(depth));
    sandbox.photo(chain(256) + "/deepest.bmp", 5);
    let too_deep = sandbox.photo(chain(257) + "/deeper.bmp", 6);
    fs::create_dir_all(sandbox.path(chain(1000))).unwrap();
    // Within the limit when it is named by itself.
    let inner = chain(10);
    sandbox.index([inner.as_str()]).code(3).says(&["2 new"]);
    let warning = format!("{}: it is more than 256 folders deep", too_deep.parent().unwrap().display());
    sandbox.index(["photos", "--prune"]).code(3).says(&[&warning, "stays as it is", "indexed 3 photos", "2 new"]);
    assert_eq!(sandbox.report()["unreadable"], 1);
    assert_eq!(sandbox.missing(), [""; 0]);
    assert_eq!(sandbox.found().len(), 4);
    // Folders that are passed over are not missed.
    sandbox.index(["photos", "--exclude", "/d/d/"]).code(0).says(&["2 missing"]);
}
