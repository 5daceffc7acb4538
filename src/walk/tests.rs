//! Walks over folders that tests make.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Makes the files of `names`, with this content.
fn folder(names: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in names {
        let path = folder.path().join("lib").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn names(root: &Path, photos: Photos) -> Vec<String> {
    photos.map(|photo| photo.unwrap().strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/")).collect()
}

#[test]
fn side_folders_are_passed_over_and_counted() {
    let folder = folder(&[
        ("a.jpg", ""),
        ("b/c.png", ""),
        ("._a.jpg", ""),
        ("@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", ""),
        ("b/@eaDir/x.jpg", ""),
        ("#recycle/x.jpg", ""),
        ("$RECYCLE.BIN/x.jpg", ""),
        ("__MACOSX/._x.jpg", ""),
        ("Catalog Previews.lrdata/x.jpg", ""),
        (".thumbnails/x.jpg", ""),
        (".hidden.jpg", ""),
        ("Family.photoslibrary/originals/0/d.jpeg", ""),
        ("Family.photoslibrary/resources/derivatives/0/d.jpeg", ""),
        ("e.JP2", ""),
        ("b/f.jp2", ""),
        ("g.PSD", ""),
        ("notes.txt", ""),
        ("jpg", ""),
    ]);
    let root = folder.path().join("lib");
    let photos = photos(&root);
    let passed = photos.passed_over().clone();
    assert_eq!(names(&root, photos), ["Family.photoslibrary/originals/0/d.jpeg", "a.jpg", "b/c.png"]);
    let side = [
        ("#recycle", 1),
        ("$RECYCLE.BIN", 1),
        ("*.lrdata", 1),
        ("*.photoslibrary/resources/derivatives", 1),
        (".thumbnails", 1),
        ("._*", 1),
        ("@eaDir", 2),
        ("__MACOSX", 1),
    ];
    assert_eq!(passed.side, BTreeMap::from(side));
    assert_eq!(passed.unread, BTreeMap::from([("jp2".into(), 2), ("psd".into(), 1)]));
    assert_eq!(passed.other, BTreeMap::from([("txt".into(), 1), (String::new(), 1)]));
    assert_eq!((passed.hidden, passed.excluded, passed.ignored), (1, 0, 0));
}

#[test]
fn the_walked_folder_may_have_any_name() {
    let folder = folder(&[("@eaDir/x.jpg", ""), (".cache/y.jpg", ""), (".nomedia", "")]);
    let root = folder.path().join("lib");
    assert_eq!(names(&root, photos(root.join("@eaDir"))), ["@eaDir/x.jpg"]);
    assert_eq!(names(&root, photos(root.join(".cache"))), [".cache/y.jpg"]);
    let all = Walk::new().exclude(["lib", "@eaDir", "/"]).unwrap().ignore_files(true);
    assert_eq!(names(&root, all.photos(root.join("@eaDir"))), ["@eaDir/x.jpg"]);
}

#[test]
fn patterns_exclude_files_and_folders() {
    let files = ["a.jpg", "a.png", "raw/b.jpg", "raw/c/d.jpg", "x/raw/e.jpg", "x/a.png", "x/f.jpg"];
    let folder = folder(&files.map(|name| (name, "")));
    let root = folder.path().join("lib");
    for (patterns, expected, excluded) in [
        (&[][..], &files[..], 0),
        (&["*.png"], &["a.jpg", "raw/b.jpg", "raw/c/d.jpg", "x/f.jpg", "x/raw/e.jpg"], 2),
        (&["*.png", "!x/a.png"], &["a.jpg", "raw/b.jpg", "raw/c/d.jpg", "x/a.png", "x/f.jpg", "x/raw/e.jpg"], 1),
        (&["raw"], &["a.jpg", "a.png", "x/a.png", "x/f.jpg"], 2),
        (&["/raw/"], &["a.jpg", "a.png", "x/a.png", "x/f.jpg", "x/raw/e.jpg"], 1),
        (&["x/**/*.jpg", "raw/*/d.*"], &["a.jpg", "a.png", "raw/b.jpg", "x/a.png"], 3),
        (&["*"], &[], 4),
    ] {
        let walk = Walk::new().exclude(patterns).unwrap();
        for root in [root.clone(), root.join(".")] {
            let photos = walk.photos(&root);
            let passed = photos.passed_over().clone();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(names(&root, photos), expected, "{patterns:?}");
            assert_eq!(passed, PassedOver { excluded, ..PassedOver::default() }, "{patterns:?}");
        }
    }
}

#[test]
fn ignore_files_are_respected_on_request() {
    let files = [
        (".gitignore", "# a comment\n*.png\r\n/top.jpg\n{broken\n\u{feff}x"),
        (".ignore", "!keep.png\n"),
        ("a.jpg", ""),
        ("a.png", ""),
        ("keep.png", ""),
        ("top.jpg", ""),
        ("b/top.jpg", ""),
        ("b/.ppignore", "c.jpg\n!d.png\n"),
        ("b/c.jpg", ""),
        ("b/d.png", ""),
        ("b/e/c.jpg", ""),
        ("c.jpg", ""),
        ("hidden/.nomedia", ""),
        ("hidden/f.jpg", ""),
        ("z/.noimage", ""),
        ("z/y/g.jpg", ""),
    ];
    let folder = folder(&files);
    let root = folder.path().join("lib");
    let photos = Walk::new().ignore_files(true).photos(&root);
    assert_eq!(photos.passed_over().ignored, 6);
    assert_eq!(names(&root, photos), ["a.jpg", "b/d.png", "b/top.jpg", "c.jpg", "keep.png"]);
    let all = super::photos(&root);
    assert_eq!((all.len(), all.passed_over().ignored), (11, 0));
    // What the caller excludes comes first.
    let photos = Walk::new().exclude(["keep.png"]).unwrap().ignore_files(true).photos(&root);
    assert_eq!((photos.passed_over().excluded, photos.passed_over().ignored), (1, 6));
}

/// A link that leads nowhere can be passed over by its name, like any file.
#[cfg(unix)]
#[test]
fn broken_links_are_excluded_and_ignored() {
    let folder = folder(&[("a.jpg", ""), ("b/.gitignore", "ignored.jpg\n")]);
    let root = folder.path().join("lib");
    for link in ["dangling.jpg", "b/ignored.jpg", "b/dangling.jpg", ".hidden.jpg", "._a.jpg", "b/dangling.txt"] {
        std::os::unix::fs::symlink("nope", root.join(link)).unwrap();
    }
    let broken = |walk: &Walk| -> Vec<String> {
        let errors = walk.photos(&root).filter_map(Result::err);
        errors.map(|error| error.path().strip_prefix(&root).unwrap().display().to_string()).collect()
    };
    assert_eq!(broken(&Walk::new()), ["b/dangling.jpg", "b/ignored.jpg", "dangling.jpg"]);
    assert_eq!(broken(&Walk::new().exclude(["dangling.jpg"]).unwrap()), ["b/ignored.jpg"]);
    assert_eq!(broken(&Walk::new().exclude(["/dangling.jpg"]).unwrap()), ["b/dangling.jpg", "b/ignored.jpg"]);
    // A link that leads nowhere is no folder.
    assert_eq!(broken(&Walk::new().exclude(["*/"]).unwrap()), ["dangling.jpg"]);
    assert_eq!(broken(&Walk::new().ignore_files(true)), ["b/dangling.jpg", "dangling.jpg"]);
    let photos = Walk::new().exclude(["dangling.*"]).unwrap().ignore_files(true).photos(&root);
    let passed = photos.passed_over().clone();
    assert_eq!(names(&root, photos), ["a.jpg"]);
    assert_eq!((passed.excluded, passed.ignored, passed.hidden, passed.side["._*"]), (3, 1, 2, 1));
}

/// Neither waits for a pipe nor reads without end.
#[cfg(unix)]
#[test]
fn an_ignore_file_may_be_anything() {
    let folder = folder(&[("a.jpg", ""), ("b/.gitignore/x", ""), ("b/b.jpg", ""), ("c/c.jpg", ""), ("d/d.jpg", "")]);
    let root = folder.path().join("lib");
    std::os::unix::fs::symlink("/dev/zero", root.join(".ignore")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(root.join("c/.gitignore")).status().unwrap().success());
    fs::write(root.join("d/.gitignore"), vec![b'*'; (1 << 20) + 1]).unwrap();
    let photos = Walk::new().ignore_files(true).photos(&root);
    assert_eq!(names(&root, photos), ["a.jpg", "b/b.jpg", "c/c.jpg", "d/d.jpg"]);
}

#[test]
fn one_by_one_in_the_same_order() {
    let names =
        ["a.jpg", "a/b.jpg", "a-b/c.jpg", "a/b/c.jpg", "a0.jpg", "ab.png", "a/.b.jpg", "b/@eaDir/x.jpg", "c/d.gif"];
    let folder = folder(&names.map(|name| (name, "")));
    let root = folder.path().join("lib");
    let walk = Walk::new().exclude(["c"]).unwrap();
    let mut walking = walk.walk(&root);
    let listed: Vec<PathBuf> = walking.by_ref().map(Result::unwrap).collect();
    let mut sorted = listed.clone();
    sorted.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    assert_eq!((listed.len(), &listed), (6, &sorted));
    let photos = walk.photos(&root);
    assert_eq!(walking.passed_over(), photos.passed_over());
    for name in names {
        let path = root.join(name);
        assert_eq!(walk.lists(&root, &path), listed.contains(&path), "{name}");
    }
    for none in ["a", "none.jpg", "", "../x.jpg"] {
        assert!(!walk.lists(&root, root.join(none)), "{none}");
    }
    assert!(!walk.lists(root.join("a"), root.join("a.jpg")));
}

#[test]
fn the_depth_is_limited() {
    let deep = |depth: usize| "d/".repeat(depth) + "x.jpg";
    let (deepest, deeper) = (deep(DEEPEST), deep(DEEPEST + 1));
    let folder = folder(&[("a.jpg", ""), (&deepest, ""), (&deeper, ""), ("z.jpg", "")]);
    let root = folder.path().join("lib");
    let found: Vec<_> = photos(&root).collect();
    let ([Ok(_), Err(error), Ok(photo), Ok(_)], end) = (&found[..], "d/".repeat(DEEPEST + 1)) else {
        panic!("{found:?}");
    };
    assert_eq!((photo, error.path()), (&root.join(&deepest), &*root.join(end)));
    assert!(error.to_string().contains(": it is more than 256 folders deep; name it"), "{error}");
    let lists = |names: &str| Walk::new().lists(&root, root.join(names));
    assert!(lists(&deepest) && !lists(&deeper));
    // From further below.
    assert_eq!(photos(root.join("d")).filter_map(Result::ok).count(), 2);
    // What is passed over may be as deep as it likes.
    let walk = Walk::new().exclude(["/".to_owned() + &"d/".repeat(DEEPEST + 1)]).unwrap();
    assert!(walk.photos(&root).all(|photo| photo.is_ok()));
}

#[test]
fn a_cancelled_walk_looks_no_further() {
    let folder = folder(&[("a.jpg", ""), ("b/c.txt", ""), ("d/e.txt", ""), ("f.jpg", "")]);
    let token = CancelToken::new();
    let walk = Walk::new().cancel(&token);
    let mut walking = walk.walk(folder.path().join("lib"));
    assert!(walking.next().is_some_and(|photo| photo.is_ok()));
    token.cancel();
    assert!(walking.next().is_none() && walking.next().is_none());
    assert_eq!(walking.passed_over(), &PassedOver::default());
}
