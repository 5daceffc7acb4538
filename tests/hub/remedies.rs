//! The advice in errors: it is followed, and it works.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use clippie_rs::hub::{Error, Hub, PullOptions};
use clippie_rs::import::{self, ConvertOptions};

use crate::support::{CONFIG, FILE, Fixture, NAME, assert_error, name, pull, tiny};
use clippie_testkit::hub_server::{COMMIT, Content, Fault, Kind, Repo, RepoFile};

#[test]
fn offline_either_the_network_or_another_folder_helps() {
    let fixture = Fixture::new();
    let offline = fixture.builder().offline(true).build().unwrap();
    assert_error(pull(&offline, NAME), &["allow it once for `clippie-rs pull hf-hub:test/tiny`", "set CLIPPIE_HOME"]);
    fixture.assert_pulled(fixture.pull());
    pull(&offline, NAME).unwrap();
    // Another program, with the first one's folder.
    let elsewhere = Hub::builder(fixture.folder.path()).endpoint("http://127.0.0.1:9").offline(true).build().unwrap();
    pull(&elsewhere, NAME).unwrap();
}

#[test]
fn what_was_fetched_wrongly_is_fetched_again() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Flip(7));
    assert_error(fixture.pull(), &["thrown away, pull again"]);
    fixture.assert_pulled(fixture.pull());
}

/// The cache of another tool, offline: nothing of it is thrown away, so pulling again cannot help.
#[cfg(unix)]
#[test]
fn a_damaged_file_of_another_tool_is_named_with_a_remedy() {
    let fixture = Fixture::new();
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("models--test--tiny");
    let snapshot = repository.join("snapshots").join(COMMIT);
    for folder in ["refs", "blobs"] {
        fs::create_dir_all(repository.join(folder)).unwrap();
    }
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    fs::write(snapshot.join(CONFIG), &tiny().config).unwrap();
    let sum = tiny().repo().file(FILE).sha256().to_owned();
    let blob = repository.join("blobs").join(&sum);
    std::os::unix::fs::symlink(&blob, snapshot.join(FILE)).unwrap();
    let damaged = || fs::write(&blob, [&tiny().checkpoint[1..], b"x"].concat()).unwrap();
    let offline = fixture.builder().hub_cache(cache.path()).offline(true).build().unwrap();

    damaged();
    let shown = fs::canonicalize(&blob).unwrap().display().to_string();
    for _ in 0..2 {
        let error = assert_error(
            pull(&offline, NAME),
            &[&shown, "another tool downloaded it", "SHA-256", &sum, "remove it and download it again with that tool"],
        );
        assert!(matches!(error, Error::DamagedCache { .. }) && !error.to_string().contains("thrown away"), "{error}");
    }
    // Removed, and downloaded again with that tool.
    fs::remove_file(&blob).unwrap();
    assert!(matches!(pull(&offline, NAME), Err(Error::Offline { .. })));
    fs::write(&blob, &tiny().checkpoint).unwrap();
    fixture.assert_pulled(pull(&offline, NAME));
    offline.remove(&name(NAME)).unwrap();
    // Or with the network, which leaves the cache as it is.
    damaged();
    let online = fixture.builder().hub_cache(cache.path()).build().unwrap();
    fixture.assert_pulled(pull(&online, NAME));
    assert!(fixture.server.seen().iter().any(|seen| seen.kind == Kind::Store));
}

#[test]
fn a_refused_token_can_be_left_out() {
    // The token is refused before the repository is looked at, as by the real hub; HF_HUB_DISABLE_IMPLICIT_TOKEN is a
    // hub without a token.
    let fixture = Fixture::new();
    let refused = Fault::Status(401, vec![("X-Error-Message", "Invalid credentials in Authorization header".into())]);
    fixture.server.fail(Kind::List, refused);
    let with = fixture.builder().token("expired").build().unwrap();
    assert_error(pull(&with, NAME), &["is not accepted (401)", "HF_HUB_DISABLE_IMPLICIT_TOKEN=1"]);
    fixture.assert_pulled(fixture.pull());
}

#[test]
fn a_checkpoint_that_needs_options_is_kept_to_be_converted() {
    // Without its configuration, the checkpoint does not show the activation.
    let large = RepoFile::large(FILE, Content::Bytes(tiny().checkpoint.clone().into()));
    let fixture = Fixture::with(vec![Repo::new(crate::support::REPO, vec![large])]);
    let folder = fixture.folder.path().join("downloads/test--tiny");
    let shown = folder.display().to_string();
    let error = assert_error(fixture.pull(), &[&shown, "`clippie-rs convert`", "--activation"]);
    assert!(matches!(&error, Error::Convert { folder: kept, .. } if Path::new(kept) == folder), "{error}");
    // With the configuration that it needs.
    let out = fixture.folder.path().join("out.clippie");
    let config: serde_json::Value = serde_json::from_slice(&tiny().config).unwrap();
    fs::write(folder.join("given.json"), config.to_string()).unwrap();
    let options = ConvertOptions::new().config(folder.join("given.json"));
    import::convert(&folder.join(FILE), &out, &options, &mut |_| {}).unwrap();
    // And it can be removed by name.
    assert!(fixture.hub().remove(&name(NAME)).unwrap() > 0);
    assert!(!folder.exists());
}

#[test]
fn a_cancelled_pull_goes_on() {
    let fixture = Fixture::new();
    fixture.server.fail(Kind::Store, Fault::Cut(5000));
    let cancelled = fixture.hub().pull(&name(NAME), PullOptions::default(), &mut |event| match event {
        clippie_rs::hub::Event::Retry { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert_error(cancelled, &["what was downloaded is kept, and pulling again goes on with it"]);
    fixture.server.seen();
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.ranges(), [Some("bytes=5000-".to_owned())]);
}
