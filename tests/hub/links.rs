//! A store that others can write to: links in it are never followed for writing or removing.

#![cfg(unix)]

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use clippie_rs::hub::{Error, Hub, PullOptions};

use crate::support::{CONFIG, FILE, Fixture, NAME, assert_error, files, name, pull, pull_until_failure, tiny};
use clippie_testkit::hub_server::{COMMIT, Fault, Kind};

const PRECIOUS: &[u8] = b"precious";

/// A fixture with a file outside the store, and the download folder of [`NAME`].
fn attacked() -> (Fixture, tempfile::TempDir, PathBuf, PathBuf) {
    let (fixture, outside) = (Fixture::new(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("victim");
    fs::write(&victim, PRECIOUS).unwrap();
    let downloads = fixture.folder.path().join("downloads/test--tiny");
    fs::create_dir_all(&downloads).unwrap();
    (fixture, outside, victim, downloads)
}

fn incomplete() -> String {
    format!("{FILE}.{}.incomplete", &tiny().repo().file(FILE).sha256()[..16])
}

#[test]
fn links_in_the_downloads_folder_are_not_written_through() {
    let config_sum = "incomplete";
    for planted in [incomplete(), FILE.into(), CONFIG.into(), format!("{CONFIG}.{config_sum}")] {
        let (fixture, outside, victim, downloads) = attacked();
        symlink(&victim, downloads.join(&planted)).unwrap();
        fixture.assert_pulled(fixture.pull());
        assert_eq!(fs::read(&victim).unwrap(), PRECIOUS, "{planted}");

        // A dangling link makes no file elsewhere.
        let (fixture, _, _, downloads) = attacked();
        let made = outside.path().join("made");
        symlink(&made, downloads.join(&planted)).unwrap();
        fixture.assert_pulled(fixture.pull());
        assert!(!made.exists(), "{planted}");
    }
    // A second name of a file elsewhere, and a pipe, which would be waited for.
    let (fixture, _outside, victim, downloads) = attacked();
    let inside = fixture.folder.path().join("victim");
    fs::write(&inside, PRECIOUS).unwrap();
    fs::hard_link(&inside, downloads.join(incomplete())).unwrap();
    assert!(Command::new("mkfifo").arg(downloads.join(CONFIG)).status().unwrap().success());
    pull(&fixture.hub(), NAME).unwrap();
    assert_eq!((fs::read(&victim).unwrap(), fs::read(&inside).unwrap()), (PRECIOUS.to_vec(), PRECIOUS.to_vec()));
}

#[test]
fn a_link_in_place_of_the_downloads_of_a_model_is_replaced() {
    let (fixture, outside, victim, downloads) = attacked();
    fs::remove_dir(&downloads).unwrap();
    symlink(outside.path(), &downloads).unwrap();
    fixture.server.fail(Kind::Store, Fault::Cut(5000));
    assert!(matches!(pull_until_failure(&fixture.hub(), NAME), Err(Error::Cancelled)));
    let data = downloads.symlink_metadata().unwrap();
    // Nobody else sees or changes what is downloaded.
    assert!(data.is_dir() && data.mode() & 0o777 == 0o700);
    assert_eq!((files(outside.path()), fs::read(&victim).unwrap()), (vec!["victim".into()], PRECIOUS.to_vec()));
    fixture.assert_pulled(fixture.pull());
}

#[test]
fn removing_follows_no_link() {
    let (fixture, outside, victim, downloads) = attacked();
    let hub = fixture.hub();
    let model = pull(&hub, NAME).unwrap();
    // Links to a folder and a file below the folder of downloads, in place of it, and in place of the model.
    fs::create_dir_all(&downloads).unwrap();
    symlink(outside.path(), downloads.join("folder")).unwrap();
    symlink(&victim, downloads.join("x.incomplete")).unwrap();
    fs::rename(&model.path, outside.path().join("model")).unwrap();
    symlink(outside.path().join("model"), &model.path).unwrap();
    // Nothing of it is free again.
    assert_eq!(hub.remove(&name(NAME)).unwrap(), 0);
    assert_eq!((fixture.files(), files(outside.path())), (vec![], vec!["model".into(), "victim".into()]));
    assert!(!downloads.exists());

    symlink(outside.path(), &downloads).unwrap();
    assert_eq!(hub.downloads().unwrap(), []);
    fixture.assert_pulled(pull(&hub, NAME));
    symlink(outside.path(), &downloads).unwrap();
    hub.remove(&name(NAME)).unwrap();
    assert!(downloads.symlink_metadata().is_err());
    assert_eq!(files(outside.path()), ["model", "victim"]);
}

/// `CLIPPIE_HOME` may lead to another disk; a link in it may lead anywhere.
#[test]
fn links_in_place_of_the_folders_of_the_store_are_refused() {
    for planted in ["downloads", "models", "locks"] {
        let (fixture, outside, _victim, _) = attacked();
        let (hub, link) = (fixture.hub(), fixture.folder.path().join(planted));
        fixture.assert_pulled(fixture.pull());
        let before = hub.models().unwrap();
        // What a store would remove if this were its own: a model, what is left of one, a download.
        let there = outside.path().join(planted);
        let _ = fs::remove_dir_all(&there);
        match link.exists() {
            true => fs::rename(&link, &there).unwrap(),
            false => fs::create_dir(&there).unwrap(),
        }
        fs::create_dir_all(there.join("test--tiny")).unwrap();
        fs::write(there.join("test--tiny/x.incomplete"), PRECIOUS).unwrap();
        fs::write(there.join(".test--tiny-0000000000000000.clippie.999999-1.part"), PRECIOUS).unwrap();
        symlink(&there, &link).unwrap();
        let expected = files(outside.path());

        assert_eq!(hub.models().unwrap(), before, "reading is safe");
        assert_eq!(hub.downloads().unwrap(), []);
        let advice = "it is a symbolic link, which is not followed here; remove it";
        let shown = link.display().to_string();
        assert_error(hub.remove(&name(NAME)), &["cannot use", &shown, advice, "CLIPPIE_HOME"]);
        if planted != "locks" {
            let force = PullOptions::default().force(true);
            let pulled = hub.pull(&name(NAME), force, &mut |_| ControlFlow::Continue(()));
            assert_error(pulled, &["cannot use", &shown, advice]);
        }
        assert_eq!(files(outside.path()), expected, "{planted}");
        // The advice works.
        fs::remove_file(&link).unwrap();
        fixture.assert_pulled(fixture.pull());
        let linked = tempfile::tempdir().unwrap();
        symlink(fixture.folder.path(), linked.path().join("home")).unwrap();
        let hub = Hub::builder(linked.path().join("home")).endpoint(&fixture.server.endpoint()).build().unwrap();
        assert_eq!(hub.remove(&name(NAME)).unwrap(), tiny().weights.len() as u64);
        fixture.assert_pulled(fixture.pull());
    }
}

#[test]
fn locks_are_regular_files() {
    for planted in ["link", "pipe"] {
        let (fixture, _outside, victim, _) = attacked();
        let lock = fixture.folder.path().join("locks/test--tiny.lock");
        fs::create_dir(lock.parent().unwrap()).unwrap();
        let part = if planted == "link" {
            symlink(&victim, &lock).unwrap();
            "a symbolic link, which is not followed here; remove it"
        } else {
            assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
            "it is a pipe"
        };
        assert_error(fixture.pull(), &["cannot write", "test--tiny.lock", part]);
        assert_eq!(fs::read(&victim).unwrap(), PRECIOUS);
        // The advice works.
        fs::remove_file(&lock).unwrap();
        fixture.assert_pulled(fixture.pull());
    }
}

#[test]
fn a_pipe_in_the_cache_of_another_tool_is_not_waited_for() {
    let fixture = Fixture::new();
    let refs = fixture.folder.path().join("hf/models--test--tiny/refs");
    fs::create_dir_all(&refs).unwrap();
    assert!(Command::new("mkfifo").arg(refs.join("main")).status().unwrap().success());
    let hub = fixture.builder().hub_cache(fixture.folder.path().join("hf")).build().unwrap();
    pull(&hub, NAME).unwrap();
    assert!(!fixture.server.seen().is_empty() && COMMIT.len() == 40);
}

/// A conversion reads whatever configuration lies beside the checkpoint.
#[test]
fn configurations_of_another_commit_are_not_used() {
    let (fixture, _outside, _, downloads) = attacked();
    fs::write(downloads.join("preprocessor_config.json"), "{\"image_mean\": [9, 9, 9]}").unwrap();
    fs::write(downloads.join("config.json"), "not even JSON").unwrap();
    fixture.assert_pulled(fixture.pull());
}
