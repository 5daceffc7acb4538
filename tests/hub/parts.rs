//! Checkpoints in several files.

use std::fs;
use std::ops::ControlFlow;

use clippie_rs::Clip;
use clippie_rs::hub::PullOptions;
use clippie_rs::import::{self, ConvertOptions};
use clippie_testkit::checkpoint::edit::Tensors;
use clippie_testkit::checkpoint::{self, Layout, Model, golden};
#[cfg(unix)]
use clippie_testkit::hub_server::COMMIT;
use clippie_testkit::hub_server::Repo;

use crate::support::{Fixture, NAME, REPO, assert_error, name, pull};

/// The files of a transformers checkpoint in two parts.
fn folder_of_parts(with_index: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::named("tiny-quick").unwrap();
    checkpoint::write(&model, golden::SEED, Layout::HuggingFace, folder.path()).unwrap();
    let whole = folder.path().join("model.safetensors");
    Tensors::read(&whole).write_parts(folder.path(), "model", 2);
    fs::remove_file(whole).unwrap();
    if !with_index {
        fs::remove_file(folder.path().join("model.safetensors.index.json")).unwrap();
    }
    folder
}

#[test]
fn a_checkpoint_in_several_files_is_pulled() {
    let model = Model::named("tiny-quick").unwrap();
    for with_index in [true, false] {
        let folder = folder_of_parts(with_index);
        let repo = Repo::of_folder(REPO, folder.path());
        let fixture = Fixture::with(vec![repo.clone()]);
        let hub = fixture.hub();
        // A part of another commit lies in the folder of the download.
        let downloads = fixture.folder.path().join("downloads/test--tiny");
        fs::create_dir_all(&downloads).unwrap();
        for stale in ["model-00001-of-00003.safetensors", "pytorch_model.bin.index.json"] {
            fs::write(downloads.join(stale), "{}").unwrap();
        }
        let keep = PullOptions::default().keep_original(true);
        let pulled = hub.pull(&name(NAME), keep, &mut |_| ControlFlow::Continue(())).unwrap();
        let clip = Clip::open(&pulled.path).unwrap();
        crate::parity::check("parts", &clip, &model, "tiny-quick");
        // Converting the folder that was kept gives the same file, but for the name.
        let again = fixture.folder.path().join("again.clippie");
        import::convert(&downloads, &again, &ConvertOptions::new().name(NAME), &mut |_| {}).unwrap();
        assert_eq!(fs::read(&again).unwrap(), fs::read(&pulled.path).unwrap());
        fs::remove_file(&again).unwrap();

        // A damaged part is fetched again, the other is not.
        fs::remove_file(&pulled.path).unwrap();
        let part = downloads.join("model-00002-of-00002.safetensors");
        let mut bytes = fs::read(&part).unwrap();
        bytes[1000] ^= 1;
        fs::write(&part, bytes).unwrap();
        fixture.server.seen();
        pull(&hub, NAME).unwrap();
        assert_eq!(fixture.ranges(), [None]);

        // Nothing is fetched of a checkpoint that lacks a part.
        let mut lacking = repo;
        lacking.files.retain(|file| file.name() != "model-00001-of-00002.safetensors");
        fixture.server.publish(lacking);
        fixture.server.seen();
        let error = hub.pull(&name(NAME), PullOptions::default().force(true), &mut |_| ControlFlow::Continue(()));
        assert_error(error, &["of which model-00001-of-00002.safetensors is missing"]);
        assert!(fixture.ranges().is_empty());
    }
}

#[cfg(unix)]
#[test]
fn parts_in_the_cache_of_another_tool_are_used() {
    let fixture = Fixture::new();
    let folder = folder_of_parts(true);
    let root = fixture.folder.path().join("hf/hub");
    let snapshot = root.join("models--test--tiny/snapshots").join(COMMIT);
    fs::create_dir_all(root.join("models--test--tiny/refs")).unwrap();
    fs::write(root.join("models--test--tiny/refs/main"), COMMIT).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    let blobs = root.join("models--test--tiny/blobs");
    fs::create_dir_all(&blobs).unwrap();
    for file in &Repo::of_folder(REPO, folder.path()).files {
        fs::copy(folder.path().join(file.name()), blobs.join(file.sha256())).unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{}", file.sha256()), snapshot.join(file.name())).unwrap();
    }
    let hub = fixture.builder().hub_cache(&root).offline(true).build().unwrap();
    let clip = Clip::open(pull(&hub, NAME).unwrap().path).unwrap();
    crate::parity::check("cached parts", &clip, &Model::named("tiny-quick").unwrap(), "tiny-quick");
    assert_eq!(fixture.server.seen(), []);
    // One bit of a part.
    fs::remove_dir_all(fixture.folder.path().join("models")).unwrap();
    let part = fs::canonicalize(snapshot.join("model-00002-of-00002.safetensors")).unwrap();
    let mut bytes = fs::read(&part).unwrap();
    bytes[1000] ^= 1;
    fs::write(&part, bytes).unwrap();
    assert_error(pull(&hub, NAME), &[&part.display().to_string()]);
}
