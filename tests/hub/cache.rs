//! The cache of Hugging Face's own library: used in place, never written.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clippie_rs::hub::{Error, Event, Hub, Origin, PullOptions};

use crate::support::{CONFIG, FILE, Fixture, NAME, assert_error, files, name, pull, tiny};
use clippie_testkit::hub_server::{COMMIT, Kind};

/// Creates a cache with these files of [`tiny`], in the form of the library.
fn cache(fixture: &Fixture, names: &[&str]) -> PathBuf {
    let root = fixture.folder.path().join("hf/hub");
    let repository = root.join("models--test--tiny");
    let snapshot = repository.join("snapshots").join(COMMIT);
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::create_dir_all(repository.join("blobs")).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    let repo = tiny().repo();
    for name in names {
        let bytes = if *name == FILE { &tiny().checkpoint } else { &tiny().config };
        put(&repository, &snapshot, name, repo.file(name).sha256(), bytes);
    }
    root
}

#[cfg(unix)]
fn put(repository: &Path, snapshot: &Path, name: &str, sha256: &str, bytes: &[u8]) {
    fs::write(repository.join("blobs").join(sha256), bytes).unwrap();
    std::os::unix::fs::symlink(format!("../../blobs/{sha256}"), snapshot.join(name)).unwrap();
}

/// Without symbolic links the snapshot has the files themselves.
#[cfg(not(unix))]
fn put(_repository: &Path, snapshot: &Path, name: &str, _sha256: &str, bytes: &[u8]) {
    fs::write(snapshot.join(name), bytes).unwrap();
}

#[test]
fn downloads_of_other_tools_need_no_network() {
    for offline in [false, true] {
        let fixture = Fixture::new();
        let root = cache(&fixture, &[FILE, CONFIG]);
        let before = files(&root);
        let hub = fixture.builder().hub_cache(&root).offline(offline).build().unwrap();
        let mut origin = None;
        let model = hub.pull(&name(NAME), PullOptions::default(), &mut |event| {
            if let Event::Plan(plan) = event {
                let Origin::HubCache(path) = plan.origin else { panic!("{plan:?}") };
                origin = Some(path.to_owned());
            }
            ControlFlow::Continue(())
        });
        assert_eq!(fs::read(model.unwrap().path).unwrap(), tiny().weights);
        assert!(origin.unwrap().ends_with(format!("snapshots/{COMMIT}/{FILE}")));
        assert_eq!(fixture.server.seen(), []);
        assert_eq!(files(&root), before);
        assert_eq!(files(fixture.folder.path()).iter().filter(|file| file.starts_with("downloads")).count(), 0);
    }
}

#[test]
fn files_missing_in_the_cache_come_from_the_hub() {
    // Without the configuration, or without the checkpoint.
    for names in [&[FILE][..], &[CONFIG]] {
        let fixture = Fixture::new();
        let root = cache(&fixture, names);
        let hub = fixture.builder().hub_cache(&root).build().unwrap();
        let model = pull(&hub, NAME).unwrap();
        assert_eq!(fs::read(model.path).unwrap(), tiny().weights);
        assert_eq!(fixture.ranges(), [None]);
    }
}

#[cfg(unix)]
#[test]
fn a_damaged_blob_is_refused() {
    let fixture = Fixture::new();
    let root = cache(&fixture, &[FILE, CONFIG]);
    let blob = root.join("models--test--tiny/blobs").join(tiny().repo().file(FILE).sha256());
    let mut bytes = tiny().checkpoint.clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&blob, &bytes).unwrap();
    let offline = fixture.builder().hub_cache(&root).offline(true).build().unwrap();
    let error = assert_error(pull(&offline, NAME), &["SHA-256", blob.file_name().unwrap().to_str().unwrap()]);
    assert!(matches!(error, Error::DamagedCache { .. }));
    assert_eq!(offline.find(&name(NAME)).unwrap(), None);
    // With network the file comes from the hub; the cache stays unchanged.
    let online = fixture.builder().hub_cache(&root).build().unwrap();
    assert_eq!(fs::read(pull(&online, NAME).unwrap().path).unwrap(), tiny().weights);
    assert_eq!(fs::read(&blob).unwrap(), bytes);
}

#[test]
fn force_ignores_the_cache() {
    let fixture = Fixture::new();
    let root = cache(&fixture, &[FILE, CONFIG]);
    let hub = fixture.builder().hub_cache(&root).build().unwrap();
    let options = PullOptions::default().force(true);
    hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(fixture.server.seen().iter().any(|seen| seen.kind == Kind::Store));
}

#[test]
fn a_missing_model_offline_is_an_error_with_a_remedy() {
    let fixture = Fixture::new();
    let hub: Hub = fixture.builder().offline(true).build().unwrap();
    let error =
        assert_error(pull(&hub, NAME), &[NAME, "is not on this computer", "forbids the network", "clippie-rs pull"]);
    assert!(matches!(error, Error::Offline { .. }));
    assert_eq!(fixture.server.seen(), []);
    // Offline does not matter once the model is installed.
    fixture.assert_pulled(fixture.pull());
    fixture.server.seen();
    fixture.assert_pulled(pull(&hub, NAME));
    assert_eq!(fixture.server.seen(), []);
}
