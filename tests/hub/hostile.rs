//! Hostile servers: URLs, lists, file names and sizes that must be refused.

use std::ops::ControlFlow;

use clippie_rs::hub::{Error, Event, PullOptions};
use serde_json::json;

use crate::support::{FILE, Fixture, NAME, REPO, assert_error, name, tiny};
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
            let fixture = Fixture::new();
            fixture.server.fail(kind, Fault::Redirect(to.into()));
            let error = assert_error(fixture.pull(), &[part]);
            assert!(matches!(error, Error::Protocol { .. }), "{error}");
        }
        // A redirect loop.
        let fixture = Fixture::new();
        let path = match kind {
            Kind::List => format!("/api/models/{REPO}/revision/main"),
            _ => format!("/{REPO}/resolve/{COMMIT}/{FILE}"),
        };
        fixture.server.fail_often(50, kind, &Fault::Redirect(path));
        assert_error(fixture.pull(), &["redirects more than 10 times"]);
        assert!(fixture.server.heal() > 30);
    }
}

#[test]
fn invalid_lists_are_refused() {
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
        (files(COMMIT, &["a.pt", "b.pt"]), "several checkpoints (a.pt, b.pt)"),
        (format!("{{\"sha\": \"{COMMIT}\", \"x\": \"{}\"}}", "x".repeat(17 << 20)), "more than the 16777216 bytes"),
    ] {
        let fixture = Fixture::new();
        fixture.server.fail(Kind::List, Fault::Text(text));
        let error = assert_error(fixture.pull(), &[part]);
        assert!(!error.to_string().contains('\u{1b}'));
        assert_eq!(fixture.files(), [""; 0]);
    }
}

#[test]
fn file_names_stay_in_their_folder() {
    // Names that lead out of the folder, and valid ones.
    let mut files: Vec<RepoFile> =
        ["../evil.pt", "/tmp/evil.pt", "..\\..\\evil.pt", "CON:evil.pt", "sub/model.safetensors"]
            .map(|evil| RepoFile::large(evil, Content::Bytes(vec![0].into())))
            .into();
    files.extend(tiny().repo().files);
    let fixture = Fixture::with(vec![Repo::new(REPO, files)]);
    fixture.assert_pulled(fixture.pull());
}

#[test]
fn impossible_headers_are_refused() {
    for (name, value, part) in [
        ("X-Repo-Commit", "1".repeat(40), "answers for commit 1111"),
        (
            "X-Linked-Size",
            "18446744073709551615".into(),
            "open_clip_config.json has 18446744073709551615 bytes, which no configuration",
        ),
    ] {
        let fixture = Fixture::new();
        fixture.server.fail(Kind::Head, Fault::Headers(vec![(name, value)]));
        let error = assert_error(fixture.pull(), &[part]);
        assert!(matches!(error, Error::Protocol { .. }), "{error}");
        assert_eq!(fixture.files(), [""; 0]);
    }
}

#[test]
fn a_model_that_does_not_fit_is_not_downloaded() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Head, Fault::Headers(vec![]));
    // 199 GB to download, and twice as much for the weights file.
    fixture.server.fail(Kind::Head, Fault::Headers(vec![("X-Linked-Size", "199000000000".into())]));
    let free = fs4::available_space(fixture.folder.path()).unwrap();
    assert!(free < 3 * 199_000_000_000, "this disk is too large for the test");
    let error =
        assert_error(fixture.pull(), &[NAME, "needs 597.0 GB of disk (199.0 GB to download, 398.0 GB", "CLIPPIE_HOME"]);
    assert!(matches!(error, Error::DiskSpace { .. }));
    assert_eq!(fixture.files(), [""; 0]);
    assert!(fixture.server.seen().iter().all(|seen| !matches!(seen.kind, Kind::Get | Kind::Store)));
}

#[test]
fn a_pull_can_be_cancelled_at_any_event() {
    // Cancel at each event of a pull in turn.
    let (mut stop_at, mut cancelled) = (0, 0);
    loop {
        let fixture = Fixture::new();
        let mut events = 0;
        let mut converting = false;
        let pulled = fixture.hub().pull(&name(NAME), PullOptions::default(), &mut |event| {
            converting |= matches!(event, Event::Convert(_));
            events += 1;
            if events > stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if events <= stop_at {
            fixture.assert_pulled(pulled);
            break;
        }
        assert_error(pulled, &["cancelled", "goes on with it"]);
        assert_eq!(events, stop_at + 1, "it went on");
        assert!(fixture.files().iter().all(|file| file.starts_with("downloads/")), "{:?}", fixture.files());
        fixture.server.seen();
        fixture.assert_pulled(fixture.pull());
        assert!(!converting || fixture.ranges().is_empty(), "the checkpoint was there");
        cancelled += usize::from(converting);
        stop_at += 1;
    }
    assert!(stop_at >= 3 && cancelled >= 3, "{cancelled} of {stop_at} during the conversion");
}

#[test]
fn an_unwritable_folder_is_reported() {
    let fixture = Fixture::new();
    let file = fixture.folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let hub = clippie_rs::hub::Hub::builder(&file).endpoint(&fixture.server.endpoint()).build().unwrap();
    let shown = file.display().to_string();
    let error = assert_error(crate::support::pull(&hub, NAME), &["cannot create", &shown]);
    assert!(matches!(error, Error::File { .. }));
    assert_eq!(fixture.server.seen(), []);
}
