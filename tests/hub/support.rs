//! Fixtures: a hub server, a folder to pull into, and models small enough for many pulls.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use clippie_rs::hub::{Error, Event, Hub, HubBuilder, ModelName, PullOptions, StoredModel};
use clippie_rs::import::{self, ConvertOptions};
use tempfile::TempDir;

use clippie_testkit::checkpoint::model::{Model, TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout};
use clippie_testkit::hub_server::{Content, HubServer, Kind, Repo, RepoFile, Seen};

/// The repository that most tests pull.
pub const REPO: &str = "test/tiny";
/// The model name of that repository.
pub const NAME: &str = "hf-hub:test/tiny";
/// Its checkpoint.
pub const FILE: &str = "open_clip_model.safetensors";
/// Its configuration.
pub const CONFIG: &str = "open_clip_config.json";

/// A model of a few kilobytes.
pub fn micro() -> Model {
    let tower = TowerSize { width: 16, layers: 1, heads: 2, mlp_ratio: 2.0 };
    let size = VitSize {
        embed_dim: 8,
        image_size: 8,
        patch_size: 4,
        image: tower.clone(),
        context_length: 4,
        vocab_size: 10,
        causal: true,
        text: tower,
    };
    Model::custom("micro", size, true)
}

/// The files of [`micro`] in open_clip's layout, and the weights file converted from them.
pub struct Tiny {
    pub checkpoint: Vec<u8>,
    pub config: Vec<u8>,
    pub weights: Vec<u8>,
}

/// Created once for all tests.
pub fn tiny() -> &'static Tiny {
    static TINY: OnceLock<Tiny> = OnceLock::new();
    TINY.get_or_init(|| tiny_with_seed(1))
}

/// Like [`tiny`], with other values.
pub fn tiny_with_seed(seed: u64) -> Tiny {
    let folder = tempfile::tempdir().unwrap();
    checkpoint::write(&micro(), seed, Layout::OpenClip, folder.path()).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    Tiny { checkpoint: read(FILE), config: read(CONFIG), weights: converted(folder.path(), NAME) }
}

/// The weights file that a checkpoint gives when it is pulled by this name.
fn converted(checkpoint: &Path, name: &str) -> Vec<u8> {
    let out = checkpoint.join("out.clippie");
    import::convert(checkpoint, &out, &ConvertOptions::new().name(name), &mut |_| {}).unwrap();
    std::fs::read(out).unwrap()
}

impl Tiny {
    /// The weights file of a pull by this name, which is in the file.
    pub fn weights_named(&self, name: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), &self.checkpoint).unwrap();
        std::fs::write(folder.path().join(CONFIG), &self.config).unwrap();
        converted(folder.path(), name)
    }

    /// The repository with these files and some that a pull does not need.
    pub fn repo(&self) -> Repo {
        let large = RepoFile::large(FILE, Content::Bytes(self.checkpoint.clone().into()));
        let others = ["README.md", ".gitattributes", "tokenizer.json", "vocab.json", "merges.txt"];
        let mut files = vec![large, RepoFile::small(CONFIG, self.config.clone())];
        files.extend(others.map(|name| RepoFile::small(name, name)));
        Repo::new(REPO, files)
    }
}

/// A hub server with [`tiny`], and a folder to pull it into.
pub struct Fixture {
    pub server: HubServer,
    pub folder: TempDir,
}

impl Fixture {
    pub fn new() -> Fixture {
        Fixture::with(vec![tiny().repo()])
    }

    pub fn with(repos: Vec<Repo>) -> Fixture {
        Fixture { server: HubServer::start(repos), folder: tempfile::tempdir().unwrap() }
    }

    /// A builder for a hub with short waits.
    pub fn builder(&self) -> HubBuilder {
        Hub::builder(self.folder.path()).endpoint(&self.server.endpoint()).first_wait(Duration::from_millis(1))
    }

    pub fn hub(&self) -> Hub {
        self.builder().build().unwrap()
    }

    /// Pulls with default options.
    pub fn pull(&self) -> Result<StoredModel, Error> {
        pull(&self.hub(), NAME)
    }

    /// All files in the folder except locks, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut files = files(self.folder.path());
        files.retain(|file| !file.starts_with("locks"));
        files
    }

    /// File name of [`tiny`] when it is installed.
    pub fn stored(&self) -> String {
        stored(&tiny().repo())
    }

    /// Asserts that the model is installed with the right content, and that there are no other files.
    #[track_caller]
    pub fn assert_pulled(&self, pulled: Result<StoredModel, Error>) {
        let model = pulled.unwrap();
        assert_eq!(model.path, self.folder.path().join(self.stored()));
        assert_eq!(std::fs::read(&model.path).unwrap(), tiny().weights);
        assert_eq!(model.bytes, tiny().weights.len() as u64);
        assert_eq!(self.files(), [self.stored()]);
    }

    /// The ranges of all requests to the store.
    pub fn ranges(&self) -> Vec<Option<String>> {
        ranges(&self.server.seen())
    }
}

/// Path in the folder of the model of a repository of [`Tiny::repo`].
pub fn stored(repo: &Repo) -> String {
    format!("models/test--tiny-{}.clippie", &repo.file(FILE).sha256()[..16])
}

pub fn ranges(seen: &[Seen]) -> Vec<Option<String>> {
    seen.iter().filter(|seen| seen.kind == Kind::Store).map(|seen| seen.range.clone()).collect()
}

pub fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

/// Pulls with default options, ignoring events.
pub fn pull(hub: &Hub, model: &str) -> Result<StoredModel, Error> {
    hub.pull(&name(model), PullOptions::default(), &mut |_| ControlFlow::Continue(()))
}

/// Pulls until the first failure, like a process that is killed there.
pub fn pull_until_failure(hub: &Hub, model: &str) -> Result<StoredModel, Error> {
    hub.pull(&name(model), PullOptions::default(), &mut |event| match event {
        Event::Retry { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
}

/// All files in a folder and its subfolders, sorted.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, &mut found);
    let relative = |path: &PathBuf| path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
    let mut names: Vec<String> = found.iter().map(relative).collect();
    names.sort();
    names
}

/// Asserts that the error message contains all of `parts` and no secret.
#[track_caller]
pub fn assert_error<T: std::fmt::Debug>(result: Result<T, Error>, parts: &[&str]) -> Error {
    let error = result.unwrap_err();
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(!text.contains("s3cr3t") && !text.contains("hf_"), "{text}");
    error
}
