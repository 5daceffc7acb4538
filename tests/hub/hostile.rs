//! Servers that mean harm: addresses, lists, names and sizes that nobody should follow.

use std::ops::ControlFlow;

use clippie_rs::hub::{Error, Event, PullOptions};
use serde_json::json;

use crate::support::{Bench, FILE, NAME, REPO, name, says, tiny};
use clippie_testkit::hub_server::{COMMIT, Content, Fault, Kind, Repo, RepoFile};

#[test]
fn redirects_are_counted_and_checked() {
    for kind in [Kind::List, Kind::Head, Kind::Get] {
        for (to, part) in [
            ("ftp://127.0.0.1/x", "redirects to `ftp://127.0.0.1/x`, which is neither https nor http"),
            ("file:///etc/passwd", "redirects to `file:///etc/passwd`"),
            ("http://user:pw@127.0.0.1/", "has a name or password"),
            ("http://", "has no host"),
            ("http:// x/", "has spaces"),
        ] {
            let bench = Bench::new();
            bench.server.fail(kind, Fault::Redirect(to.into()));
            let error = says(bench.pull(), &[part]);
            assert!(matches!(error, Error::Protocol { .. }), "{error}");
        }
        // Round and round.
        let bench = Bench::new();
        let path = match kind {
            Kind::List => format!("/api/models/{REPO}/revision/main"),
            _ => format!("/{REPO}/resolve/{COMMIT}/{FILE}"),
        };
        bench.server.fail_often(50, kind, &Fault::Redirect(path));
        says(bench.pull(), &["redirects more than 10 times"]);
        assert!(bench.server.heal() > 30);
    }
}

#[test]
fn lists_that_are_none_are_refused() {
    let files = |sha: &str, files: &[&str]| {
        let files: Vec<_> = files.iter().map(|file| json!({ "rfilename": file })).collect();
        json!({ "sha": sha, "siblings": files }).to_string()
    };
    for (text, part) in [
        (String::new(), "answers with no list of files"),
        ("<html>Sign in to the hotel's network</html>".into(), "answers with no list of files"),
        ("{\"siblings\": []}".into(), "missing field `sha`"),
        ("[".repeat(100_000), "answers with no list of files"),
        (format!("{{\"sha\": {}1{}}}", "[".repeat(1000), "]".repeat(1000)), "answers with no list of files"),
        (files("../../../../../../../etc/passwd\u{1b}[31m", &[FILE]), "in place of a commit"),
        (files(COMMIT, &[]), "holds no checkpoint"),
        (files(COMMIT, &["../../evil.pt", "/etc/evil.pt", "sub/evil.pt", "..\\evil.pt"]), "holds no checkpoint"),
        (files(COMMIT, &["a.pt", "b.pt"]), "several checkpoints or parts of one (a.pt, b.pt)"),
        (format!("{{\"sha\": \"{COMMIT}\", \"x\": \"{}\"}}", "x".repeat(17 << 20)), "more than the 16777216 bytes"),
    ] {
        let bench = Bench::new();
        bench.server.fail(Kind::List, Fault::Text(text));
        let error = says(bench.pull(), &[part]);
        assert!(!error.to_string().contains('\u{1b}'));
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[test]
fn names_of_files_stay_in_their_folder() {
    // Beside names that lead elsewhere, one that does not.
    let mut files: Vec<RepoFile> =
        ["../evil.pt", "/tmp/evil.pt", "..\\..\\evil.pt", "CON:evil.pt", "sub/model.safetensors"]
            .map(|evil| RepoFile::large(evil, Content::Bytes(vec![0].into())))
            .into();
    files.extend(tiny().repo().files);
    let bench = Bench::with(vec![Repo::new(REPO, files)]);
    bench.assert_pulled(bench.pull());
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    for (name, value, part) in [
        ("X-Repo-Commit", "1".repeat(40), "answers for commit 1111"),
        ("X-Linked-Size", "18446744073709551615".into(), "which no checkpoint has"),
    ] {
        let bench = Bench::new();
        bench.server.fail(Kind::Head, Fault::Headers(vec![(name, value)]));
        let error = says(bench.pull(), &[part]);
        assert!(matches!(error, Error::Protocol { .. }), "{error}");
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[test]
fn what_does_not_fit_is_not_begun() {
    let bench = Bench::new();
    bench.server.fail(Kind::Head, Fault::Headers(vec![]));
    // 150 GB, in a folder where less is free or, at two times as much again, surely less.
    bench.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-Size", "199000000000".into())]));
    let free = fs4::available_space(bench.folder.path()).unwrap();
    assert!(free < 3 * 199_000_000_000, "this disk is too large for the test");
    let error = says(bench.pull(), &[NAME, "needs 597.0 GB of disk (199.0 GB to download, 398.0 GB", "CLIPPIE_HOME"]);
    assert!(matches!(error, Error::DiskSpace { .. }));
    assert_eq!(bench.files(), [""; 0]);
    assert!(bench.server.seen().iter().all(|seen| !matches!(seen.kind, Kind::Get | Kind::Store)));
}

#[test]
fn a_pull_can_be_broken_off_anywhere() {
    // At each event that a pull tells, one after the other.
    let mut stop_at = 0;
    loop {
        let bench = Bench::new();
        let mut told = 0;
        let mut converting = false;
        let pulled = bench.hub().pull(&name(NAME), PullOptions::default(), &mut |event| {
            converting |= matches!(event, Event::Convert(_));
            told += 1;
            if told > stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if converting {
            // So near to the end it is brought there.
            bench.assert_pulled(pulled);
            break;
        }
        says(pulled, &["cancelled", "goes on with it"]);
        assert!(bench.files().iter().all(|file| file.ends_with(".incomplete") || file.ends_with(".json")));
        bench.assert_pulled(bench.pull());
        stop_at += 1;
    }
    assert!(stop_at >= 3);
}

#[test]
fn where_nothing_can_be_written_it_is_said() {
    let bench = Bench::new();
    let file = bench.folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let hub = clippie_rs::hub::Hub::builder(&file).endpoint(&bench.server.endpoint()).build().unwrap();
    let shown = file.display().to_string();
    let error = says(crate::support::pull(&hub, NAME), &["cannot create", &shown]);
    assert!(matches!(error, Error::File { .. }));
    assert_eq!(bench.server.seen(), []);
}
