//! A random checkpoint in the repository of a known model, pulled by name from a local hub.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clippie_rs::hub::{Event, Hub, ModelName, PullOptions};
use clippie_testkit::checkpoint::{self, Layout, Model, pieces};
use clippie_testkit::hub_server::{HubServer, Repo, RepoFile};

/// Publishes the checkpoint of `model` under `name`, pulls `name` into `folder` and keeps only the weights file.
pub fn weights(name: &str, model: &Model, layout: Layout, seed: u64, folder: &Path) -> PathBuf {
    let name: ModelName = name.parse().unwrap();
    let known = name.known().unwrap();
    let source = folder.join("published");
    let files = checkpoint::write(model, seed, layout, &source).unwrap();
    assert_eq!(files[0].file_name().unwrap(), known.file, "{name}");
    let mut repo = Repo::of_folder(known.repository, &source);
    // What the model does not need is not looked at.
    let others = ["README.md", "vocab.json", "tokenizer.json"].into_iter().filter(|_| pieces::file(model).is_none());
    repo.files.extend(others.map(|name| RepoFile::small(name, "words")));
    let server = HubServer::start(vec![repo]);

    let home = folder.join("home");
    let hub = Hub::builder(&home).endpoint(&server.endpoint()).build().unwrap();
    let pulled = hub.pull(&name, PullOptions::default(), &mut |event| {
        // The checkpoint takes gigabytes and is no longer needed.
        if let Event::Convert(_) = event {
            let _ = std::fs::remove_dir_all(&source);
        }
        ControlFlow::Continue(())
    });
    let pulled = pulled.unwrap();
    assert_eq!(hub.find(&name).unwrap().as_ref(), Some(&pulled));
    // Only the weights file and the lock remain.
    assert!(!source.exists() && !home.join("downloads").join(known.name).exists());
    let path = folder.join(format!("{name}.clippie"));
    std::fs::rename(&pulled.path, &path).unwrap();
    path
}
