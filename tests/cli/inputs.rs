//! The files that an argument, a folder or a list refers to.

use std::ffi::OsString;
use std::fs;

use crate::photos::{as_bmp, golden, jpeg, photo, png};
use crate::support::{Sandbox, feed};

fn paths(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let rows = sandbox.encode(args).ok().rows();
    rows.iter().map(|row| row["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn folders_are_walked_in_byte_order() {
    let sandbox = Sandbox::new();
    for name in
        ["b.jpg", "B.JPG", "a/z.jpeg", "a.jpg", "a/b/c.jpg", "a-.jpg", "\u{e9}.jpg", "z/.hidden/x.jpg", ".x.jpg"]
    {
        sandbox.write(format!("d/{name}"), jpeg(1));
    }
    for name in ["notes.txt", "movie.mp4", "jpg", "a/model.clippie", "x.jpg.part"] {
        sandbox.write(format!("d/{name}"), "not to be touched");
    }
    let expected = ["d/B.JPG", "d/a-.jpg", "d/a.jpg", "d/a/b/c.jpg", "d/a/z.jpeg", "d/b.jpg", "d/\u{e9}.jpg"];
    assert_eq!(paths(&sandbox, &["d"]), expected);
    assert_eq!(paths(&sandbox, &["d/"]), expected);
    assert_eq!(paths(&sandbox, &["d/a", "d/b.jpg", "d/a"]).len(), 5);
    // A hidden file can still be given by name.
    assert_eq!(paths(&sandbox, &["d/.x.jpg", "d/z/.hidden"]), ["d/.x.jpg", "d/z/.hidden/x.jpg"]);
}

#[test]
fn all_photo_extensions_are_found_in_a_folder() {
    let sandbox = Sandbox::new();
    let bmp = as_bmp(&photo(1, 30, 40));
    let kinds = [
        ("bmp", bmp.clone()),
        ("dib", bmp),
        ("gif", golden("animated.gif")),
        ("jfif", jpeg(1)),
        ("jpe", jpeg(2)),
        ("jpeg", jpeg(3)),
        ("jpg", jpeg(4)),
        ("png", png(1)),
        ("tif", golden("mode-RGB.tif")),
        ("tiff", golden("mode-L.tif")),
        ("webp", golden("lossless.webp")),
    ];
    for (ending, bytes) in &kinds {
        sandbox.write(format!("d/x.{ending}"), bytes);
    }
    let expected: Vec<String> = kinds.iter().map(|(ending, _)| format!("d/x.{ending}")).collect();
    assert_eq!(paths(&sandbox, &["d"]), expected);
    // The content determines the format, not the name.
    sandbox.write("wrong.gif", png(1));
    sandbox.write("no-ending", jpeg(1));
    assert_eq!(paths(&sandbox, &["wrong.gif", "no-ending"]).len(), 2);
}

#[cfg(unix)]
#[test]
fn links_are_followed_without_cycles() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::new();
    sandbox.write("real/a.jpg", jpeg(1));
    sandbox.write("d/b.jpg", jpeg(2));
    symlink("..", sandbox.path("d/up")).unwrap();
    symlink("../real", sandbox.path("d/link")).unwrap();
    symlink("../real/a.jpg", sandbox.path("d/c.jpg")).unwrap();
    symlink("d", sandbox.path("e")).unwrap();
    // `up` leads to the folder above and so to `d` and `real` again, which were walked before.
    assert_eq!(paths(&sandbox, &["d"]), ["d/b.jpg", "d/c.jpg", "d/link/a.jpg"]);
    assert_eq!(paths(&sandbox, &["d/up"]), ["d/up/d/b.jpg", "d/up/d/c.jpg", "d/up/d/link/a.jpg"]);
    assert_eq!(paths(&sandbox, &["e/link"]), ["e/link/a.jpg"]);
}

#[test]
fn a_folder_without_photos_is_a_warning() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("d")).unwrap();
    let ran = sandbox.encode(["d"]).code(0).says(&["warning: d: no photos in this folder"]);
    assert_eq!(ran.stdout, b"");
}

#[test]
fn lists_are_read_from_files_and_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.write("a b.jpg", jpeg(1));
    sandbox.write("d/c.jpg", jpeg(2));
    sandbox.write("-", jpeg(3));
    sandbox.write("crlf.txt", "\u{feff}a b.jpg\r\n\r\nd\r\n-\r\n");
    let expected = sandbox.encode(["a b.jpg", "d", "./-"]).ok().text().replace("./-", "-");
    assert_eq!(sandbox.encode(["--files-from", "crlf.txt"]).ok().text(), expected);
    for list in ["a b.jpg\nd\n-\n", "a b.jpg\nd\n-", "a b.jpg\0d\0-\0", "a b.jpg\0d\0-"] {
        let ran = feed(sandbox.encode_command(["--files-from", "-"]), list.as_bytes()).ok();
        assert_eq!(ran.text(), expected, "{list:?}");
    }
    for (list, texts) in [
        ("one\r\n\r\ntwo\r\n", vec!["one", "", "two"]),
        ("\u{feff}one\n two \n\n", vec!["one", " two ", ""]),
        ("one", vec!["one"]),
        ("", vec![]),
        ("\n", vec![""]),
    ] {
        let ran = feed(sandbox.encode_command(["--texts-from", "-"]), list.as_bytes()).ok();
        let rows = ran.rows();
        assert_eq!(rows.iter().map(|row| row["text"].as_str().unwrap()).collect::<Vec<_>>(), texts, "{list:?}");
    }
    sandbox.encode(["--files-from", "no-list"]).fails(1, &["error: cannot read no-list: "]);
    sandbox.encode(["--texts-from", "d"]).fails(1, &["error: cannot read d: "]);
    sandbox.write("latin.txt", b"one\ntwo\nr\xe9sum\xe9\n");
    sandbox.encode(["--texts-from", "latin.txt"]).fails(1, &["latin.txt: line 3 is not UTF-8", "byte 2"]);
    // A line without end.
    let (long, remedy) = (vec![b'x'; (1 << 20) + 1], "put each text on a line of its own");
    sandbox.write("long.txt", [b"one\n", &long[..]].concat());
    sandbox.encode(["--texts-from", "long.txt"]).fails(1, &["long.txt: line 2 goes on after 1024 KiB", remedy]);
    let ran = feed(sandbox.encode_command(["--files-from", "-"]), &long);
    ran.fails(
        1,
        &["standard input: line 1 goes on after 64 KiB, which is no path; put each path on a line of its own"],
    );
    // As PowerShell's `>` writes lists. Split at their NUL bytes they would name the current folder, `.`.
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let utf16: Vec<u8> = "\u{feff}a b.jpg\r\nd\r\n".encode_utf16().flat_map(order).collect();
        sandbox.write("utf16.txt", utf16);
        let message = "error: utf16.txt is UTF-16; save the file as UTF-8\n";
        sandbox.encode(["--files-from", "utf16.txt"]).fails(1, &[message]);
        sandbox.encode(["--texts-from", "utf16.txt"]).fails(1, &["save the file as UTF-8"]);
    }
}

#[test]
fn names_may_look_like_options() {
    let sandbox = Sandbox::new();
    sandbox.write("--raw", jpeg(1));
    sandbox.write("-x.jpg", jpeg(2));
    assert_eq!(paths(&sandbox, &["--", "--raw", "-x.jpg"]), ["--raw", "-x.jpg"]);
    sandbox.encode(["-x.jpg"]).fails(2, &["-x"]);
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let sandbox = Sandbox::new();
    let name = OsString::from_vec(b"d/b\xff\xfe.jpg".to_vec());
    fs::create_dir(sandbox.path("d")).unwrap();
    fs::write(sandbox.path(&name), jpeg(1)).unwrap();
    sandbox.write("d/a.jpg", jpeg(1));
    let mut expected = sandbox.encode(["d/a.jpg"]).ok().rows().remove(0);
    expected["path"] = "d/b\u{fffd}\u{fffd}.jpg".into();
    expected["path_bytes"] = "642f62fffe2e6a7067".into();
    assert_eq!(sandbox.encode([&name]).ok().rows()[0], expected);
    assert_eq!(sandbox.encode(["d"]).ok().rows()[1], expected);
    let list = b"d/b\xff\xfe.jpg\n";
    assert_eq!(feed(sandbox.encode_command(["--files-from", "-"]), list).ok().rows()[0], expected);

    let csv = sandbox.encode(["d", "--format", "csv"]).ok().stdout;
    let raw = b"b\xff\xfe.jpg,";
    assert!(csv.windows(raw.len()).any(|bytes| bytes == raw), "the bytes as they are");
    sandbox.encode(["d", "--format", "npy", "-o", "out.npy"]).ok();
    let names = crate::support::rows(&fs::read_to_string(sandbox.path("out.npy.jsonl")).unwrap());
    assert_eq!(names[1]["path_bytes"], "642f62fffe2e6a7067");

    fs::write(sandbox.path(&name), "broken").unwrap();
    let ran = sandbox.encode(["d"]).code(3).says(&["error: d/b\u{fffd}\u{fffd}.jpg"]);
    assert_eq!(ran.rows()[1]["path_bytes"], "642f62fffe2e6a7067");
    // The output and the model may have such names, too.
    let out = OsString::from_vec(b"out\xff".to_vec());
    sandbox.encode(["d/a.jpg".into(), "-o".into(), out.clone()]).ok();
    assert!(sandbox.path(&out).exists());
    let model = sandbox.path(OsString::from_vec(b"m\xff.clippie".to_vec()));
    fs::copy(sandbox.model(), &model).unwrap();
    sandbox.run(["encode".into(), "d/a.jpg".into(), "-m".into(), model.into_os_string()]).ok();
    sandbox.encode([OsString::from("--text"), OsString::from_vec(b"\xff".to_vec())]).fails(2, &["UTF-8"]);
}
