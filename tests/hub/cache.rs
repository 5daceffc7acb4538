//! The cache of Hugging Face's own library: used as it lies, never written.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clippie_rs::hub::{Error, Event, Hub, Origin, PullOptions};

use crate::support::{Bench, CONFIG, FILE, NAME, files, name, pull, says, tiny};
use clippie_testkit::hub_server::{COMMIT, Kind};

/// A cache with these files of [`tiny`], as the library leaves it.
fn cache(bench: &Bench, names: &[&str]) -> PathBuf {
    let root = bench.folder.path().join("hf/hub");
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

/// Where there are no symbolic links the files lie in the snapshot.
#[cfg(not(unix))]
fn put(_repository: &Path, snapshot: &Path, name: &str, _sha256: &str, bytes: &[u8]) {
    fs::write(snapshot.join(name), bytes).unwrap();
}

#[test]
fn what_another_tool_downloaded_is_used_without_network() {
    for offline in [false, true] {
        let bench = Bench::new();
        let root = cache(&bench, &[FILE, CONFIG]);
        let before = files(&root);
        let hub = bench.builder().hub_cache(&root).offline(offline).build().unwrap();
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
        assert_eq!(bench.server.seen(), []);
        assert_eq!(files(&root), before);
        assert_eq!(files(bench.folder.path()).iter().filter(|file| file.starts_with("downloads")).count(), 0);
    }
}

#[test]
fn the_hub_is_asked_for_what_the_cache_lacks() {
    // Without the configuration, or without the checkpoint.
    for names in [&[FILE][..], &[CONFIG]] {
        let bench = Bench::new();
        let root = cache(&bench, names);
        let hub = bench.builder().hub_cache(&root).build().unwrap();
        let model = pull(&hub, NAME).unwrap();
        assert_eq!(fs::read(model.path).unwrap(), tiny().weights);
        assert_eq!(bench.ranges(), [None]);
    }
}

#[cfg(unix)]
#[test]
fn a_damaged_blob_is_noticed() {
    let bench = Bench::new();
    let root = cache(&bench, &[FILE, CONFIG]);
    let blob = root.join("models--test--tiny/blobs").join(tiny().repo().file(FILE).sha256());
    let mut bytes = tiny().checkpoint.clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&blob, &bytes).unwrap();
    let offline = bench.builder().hub_cache(&root).offline(true).build().unwrap();
    let error = says(pull(&offline, NAME), &["SHA-256", FILE]);
    assert!(matches!(error, Error::Mismatch { .. }));
    assert_eq!(offline.find(&name(NAME)).unwrap(), None);
    // With network the hub has a better one; the cache stays as it is.
    let online = bench.builder().hub_cache(&root).build().unwrap();
    assert_eq!(fs::read(pull(&online, NAME).unwrap().path).unwrap(), tiny().weights);
    assert_eq!(fs::read(&blob).unwrap(), bytes);
}

#[test]
fn force_asks_the_hub() {
    let bench = Bench::new();
    let root = cache(&bench, &[FILE, CONFIG]);
    let hub = bench.builder().hub_cache(&root).build().unwrap();
    let options = PullOptions { force: true, ..Default::default() };
    hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(bench.server.seen().iter().any(|seen| seen.kind == Kind::Store));
}

#[test]
fn offline_and_missing_is_said_with_the_remedy() {
    let bench = Bench::new();
    let hub: Hub = bench.builder().offline(true).build().unwrap();
    let error = says(pull(&hub, NAME), &[NAME, "is not on this computer", "forbids the network", "clippie-rs pull"]);
    assert!(matches!(error, Error::Offline { .. }));
    assert_eq!(bench.server.seen(), []);
    // With the model it does not matter.
    bench.assert_pulled(bench.pull());
    bench.server.seen();
    bench.assert_pulled(pull(&hub, NAME));
    assert_eq!(bench.server.seen(), []);
}
