//! Successful pulls: requests, files and events.

use std::fs;
use std::ops::ControlFlow;

use clippie_rs::Clip;
use clippie_rs::hub::{Event, Origin, PullOptions};
use clippie_rs::import::{self, ConvertOptions};

use crate::support::{CONFIG, FILE, Fixture, NAME, REPO, assert_error, name, pull, stored, tiny, tiny_with_seed};
use clippie_testkit::checkpoint::model::{TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout, Model, golden};
use clippie_testkit::hub_server::{COMMIT, Content, Kind, Repo, RepoFile};

#[test]
fn a_pull_downloads_converts_and_keeps_only_the_result() {
    let fixture = Fixture::new();
    let hub = fixture.hub();
    assert_eq!(hub.find(&name(NAME)).unwrap(), None);
    let model = pull(&hub, NAME);
    assert_eq!(hub.find(&name(NAME)).unwrap().as_ref(), model.as_ref().ok());
    assert_eq!(hub.models().unwrap().len(), 1);
    fixture.assert_pulled(model);

    // The list, then headers and content of the two needed files, all at one commit.
    let seen = fixture.server.seen();
    let paths: Vec<(Kind, &str)> = seen.iter().map(|seen| (seen.kind, seen.path.as_str())).collect();
    let resolve = |file: &str| format!("/{REPO}/resolve/{COMMIT}/{file}");
    let (config, checkpoint) = (resolve(CONFIG), resolve(FILE));
    let list = format!("/api/models/{REPO}/revision/main");
    let expected = [
        (Kind::List, list.as_str()),
        (Kind::Head, &config),
        (Kind::Head, &checkpoint),
        (Kind::Get, &config),
        (Kind::Get, &checkpoint),
    ];
    assert_eq!(paths[..5], expected);
    assert_eq!(seen[5].kind, Kind::Store);
    assert_eq!(seen.len(), 6);
    for request in &seen {
        assert_eq!(request.user_agent.as_deref(), Some(concat!("clippie-rs/", env!("CARGO_PKG_VERSION"))));
        assert_eq!((&request.range, &request.authorization), (&None, &None));
    }

    // An installed model needs no request.
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.server.seen(), []);
}

#[test]
fn the_original_is_kept_on_request() {
    let fixture = Fixture::new();
    let hub = fixture.hub();
    let options = PullOptions::default().keep_original(true);
    hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    let kept = |file: &str| format!("downloads/test--tiny/{file}");
    assert_eq!(fixture.files(), [kept(CONFIG), kept(FILE), fixture.stored()]);
    assert_eq!(fs::read(fixture.folder.path().join(kept(FILE))).unwrap(), tiny().checkpoint);
    let downloads = hub.downloads().unwrap();
    assert_eq!((downloads.len(), downloads[0].incomplete), (1, false));

    // A kept file is not downloaded again, unless it is damaged.
    fs::remove_file(fixture.folder.path().join(fixture.stored())).unwrap();
    fixture.server.seen();
    hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(fixture.ranges().is_empty());
    fs::remove_file(fixture.folder.path().join(fixture.stored())).unwrap();
    let mut damaged = tiny().checkpoint.clone();
    damaged[1000] ^= 1;
    fs::write(fixture.folder.path().join(kept(FILE)), damaged).unwrap();
    fixture.assert_pulled(fixture.pull());
    assert_eq!(fixture.ranges(), [None]);
}

#[test]
fn force_downloads_again_and_replaces_outdated_files() {
    let fixture = Fixture::new();
    let hub = fixture.hub();
    fixture.assert_pulled(fixture.pull());
    let next = tiny_with_seed(2);
    fixture.server.publish(next.repo());
    fixture.assert_pulled(fixture.pull());
    let options = PullOptions::default().force(true);
    let model = hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(fs::read(&model.path).unwrap(), next.weights);
    assert_eq!(fixture.files(), [stored(&next.repo())]);
    assert_eq!(hub.find(&name(NAME)).unwrap(), Some(model.clone()));

    // It also replaces a damaged weights file.
    fs::write(&model.path, "damaged").unwrap();
    let model = hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(fs::read(&model.path).unwrap(), next.weights);
}

#[test]
fn events_come_in_order() {
    let mut repo = tiny().repo();
    repo.card = serde_json::json!({ "license": "other", "license_name": "apple-amlr" });
    let fixture = Fixture::with(vec![repo]);
    let mut events = Vec::new();
    let (mut downloaded, mut converted) = (0, (0, 1));
    let mut callback = |event: Event<'_>| {
        let what = match event {
            Event::Plan(plan) => {
                let Origin::Hub { url, commit } = plan.origin else { panic!("{plan:?}") };
                assert_eq!((url, commit), (format!("{}/{REPO}", fixture.server.endpoint()).as_str(), COMMIT));
                assert_eq!(plan.bytes, (tiny().checkpoint.len() + tiny().config.len()) as u64);
                assert_eq!(plan.license, Some("apple-amlr"));
                "plan"
            }
            Event::Download { file, done, total } => {
                if file == FILE {
                    assert!(done > downloaded && total == tiny().checkpoint.len() as u64);
                    downloaded = done;
                }
                "download"
            }
            Event::Convert(progress) => {
                converted = (progress.done, progress.total);
                "convert"
            }
            // On a busy machine.
            Event::Idle => return ControlFlow::Continue(()),
            other => panic!("{other:?}"),
        };
        if events.last() != Some(&what) {
            events.push(what);
        }
        ControlFlow::Continue(())
    };
    fixture.assert_pulled(fixture.hub().pull(&name(NAME), PullOptions::default(), &mut callback));
    assert_eq!(events, ["plan", "download", "convert"]);
    assert_eq!(downloaded, tiny().checkpoint.len() as u64);
    assert_eq!(converted.0, converted.1);
}

#[test]
fn a_revision_is_a_separate_model() {
    let mut repo = tiny().repo();
    repo.revisions = vec!["v1".into(), "refs/pr/7".into()];
    let fixture = Fixture::with(vec![repo]);
    let hub = fixture.hub();
    for (revision, label) in [("v1", "v1"), ("refs/pr/7", "refs%2Fpr%2F7"), (COMMIT, COMMIT)] {
        let name = format!("{NAME}@{revision}");
        let model = pull(&hub, &name).unwrap();
        let file = model.path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(file.starts_with(&format!("test--tiny@{label}-")), "{file}");
        assert!(fs::read(&model.path).unwrap() == tiny().weights_named(&name));
        let list = &fixture.server.seen()[0].path;
        assert_eq!(*list, format!("/api/models/{REPO}/revision/{label}"));
    }
    assert_eq!(hub.find(&name(NAME)).unwrap(), None);
    assert_eq!(hub.models().unwrap().len(), 3);
    hub.remove(&name(&format!("{NAME}@v1"))).unwrap();
    assert_eq!(hub.models().unwrap().len(), 2);
}

#[test]
fn mirrors_may_have_a_path_prefix_and_repositories_may_move() {
    let server = clippie_testkit::hub_server::HubServer::under("/mirrors/hf", vec![tiny().repo()]);
    let fixture = Fixture { server, folder: tempfile::tempdir().unwrap() };
    fixture.assert_pulled(fixture.pull());
    let seen = fixture.server.seen();
    assert!(seen.iter().filter(|seen| seen.kind != Kind::Store).all(|seen| seen.path.starts_with("/mirrors/hf/")));

    // A renamed repository: each path redirects to the new one, relative to the host.
    let fixture = Fixture::new();
    let old = "hf-hub:test/old-name";
    fixture
        .server
        .fail(Kind::List, clippie_testkit::hub_server::Fault::Redirect(format!("/api/models/{REPO}/revision/main")));
    for kind in [Kind::Head, Kind::Get] {
        for file in [CONFIG, FILE] {
            let to = format!("/{REPO}/resolve/{COMMIT}/{file}");
            fixture.server.fail(kind, clippie_testkit::hub_server::Fault::Redirect(to));
            // The target of the redirect is another request.
            fixture.server.fail(kind, clippie_testkit::hub_server::Fault::Headers(vec![]));
        }
    }
    let model = pull(&fixture.hub(), old).unwrap();
    assert!(fs::read(model.path).unwrap() == tiny().weights_named(old));
}

/// Pulls small models in every published layout and compares embeddings with the reference.
#[test]
fn every_repository_layout_is_converted() {
    for (model, layout, golden) in [
        ("tiny-quick", Layout::OpenClip, "tiny-quick"),
        ("tiny-quick", Layout::OpenClipBin, "tiny-quick"),
        ("tiny-quick", Layout::HuggingFace, "tiny-quick"),
        ("tiny-floor", Layout::HuggingFace, "tiny-floor"),
        ("tiny-bidirectional", Layout::OpenClip, "tiny-bidirectional"),
        ("tiny-openai", Layout::OpenAi, "tiny-openai"),
    ] {
        let model = Model::named(model).unwrap();
        let source = tempfile::tempdir().unwrap();
        checkpoint::write(&model, golden::SEED, layout, source.path()).unwrap();
        let mut repo = Repo::of_folder(REPO, source.path());
        repo.files.push(RepoFile::small("README.md", "words"));
        let fixture = Fixture::with(vec![repo]);
        let pulled = fixture.pull().unwrap_or_else(|error| panic!("{} {layout:?}: {error}", model.name));
        let clip = Clip::open(&pulled.path).unwrap();
        crate::parity::check(&format!("{} {layout:?}", model.name), &clip, &model, golden);
    }
}

/// transformers' checkpoints come with the vocabulary that they need.
#[test]
fn a_vocabulary_that_is_not_clips_is_refused() {
    let tower = TowerSize { width: 16, layers: 1, heads: 2, mlp_ratio: 2.0 };
    let size = VitSize {
        embed_dim: 8,
        image_size: 8,
        patch_size: 4,
        image: tower.clone(),
        context_length: 4,
        vocab_size: 49408,
        causal: true,
        text: tower,
    };
    let source = tempfile::tempdir().unwrap();
    checkpoint::write(&Model::custom("words", size, true), 1, Layout::HuggingFace, source.path()).unwrap();
    let with = |files: Vec<RepoFile>| {
        let mut repo = Repo::of_folder(REPO, source.path());
        repo.files.extend(files);
        Fixture::with(vec![repo])
    };
    let fixture = with(vec![RepoFile::small("vocab.json", "{\"<s>\": 0}"), RepoFile::small("merges.txt", "words")]);
    let folder = fixture.folder.path().join("downloads/test--tiny");
    let shown = folder.join("vocab.json").display().to_string();
    assert_error(fixture.pull(), &[&shown, "is not CLIP's vocabulary: its token 0 is `<s>`", "are kept in"]);
    // The advice for a model that has CLIP's after all.
    let copies = tempfile::tempdir().unwrap();
    for config in ["config.json", "preprocessor_config.json"] {
        fs::copy(folder.join(config), copies.path().join(config)).unwrap();
    }
    let options = ConvertOptions::new().config(copies.path());
    import::convert(&folder, &copies.path().join("out.clippie"), &options, &mut |_| {}).unwrap();

    // The whole tokenizer is preferred.
    let tokenizer = RepoFile::small("tokenizer.json", "{\"model\": {\"type\": \"Unigram\"}}");
    let fixture = with(vec![RepoFile::small("vocab.json", "{}"), tokenizer]);
    assert_error(fixture.pull(), &["tokenizer.json: `model.type` is \"Unigram\", which is not supported"]);
    assert!(fixture.server.seen().iter().all(|seen| !seen.path.ends_with("vocab.json")));
    // One that is far too large is not fetched, and what an older pull left does not count.
    let large = Content::Bytes(vec![b' '; (128 << 20) + 1].into());
    let fixture = with(vec![RepoFile::large("tokenizer.json", large)]);
    let folder = fixture.folder.path().join("downloads/test--tiny");
    fs::create_dir_all(&folder).unwrap();
    for name in ["vocab.json", "tokenizer_config.json"] {
        fs::write(folder.join(name), "not even JSON").unwrap();
    }
    fixture.pull().unwrap();
    assert!(fixture.server.seen().iter().all(|seen| seen.kind == Kind::Head || !seen.path.ends_with("tokenizer.json")));
}

#[test]
fn unconvertible_downloads_are_kept() {
    // Without a configuration the activation is unknown.
    let mut repo = tiny().repo();
    repo.files.retain(|file| file.sha256() == repo_file_sum(FILE));
    let fixture = Fixture::with(vec![repo]);
    let kept = "downloads/test--tiny/open_clip_model.safetensors".to_owned();
    let folder = fixture.folder.path().join("downloads/test--tiny");
    let shown = folder.display().to_string();
    assert_error(fixture.pull(), &["--activation", "are kept in", &shown, "clippie-rs convert"]);
    assert_eq!(fixture.files(), [kept.as_str()]);
    // The next pull does not download it again.
    fixture.server.seen();
    fixture.pull().unwrap_err();
    assert!(fixture.ranges().is_empty());
    // Once the repository is complete, the pull succeeds.
    fixture.server.publish(tiny().repo());
    fixture.assert_pulled(fixture.pull());
    assert!(fixture.ranges().is_empty());
}

fn repo_file_sum(file: &str) -> String {
    tiny().repo().file(file).sha256().to_owned()
}

#[test]
fn models_are_listed_and_removed() {
    let fixture = Fixture::new();
    let hub = fixture.hub();
    fixture.assert_pulled(fixture.pull());
    fs::write(fixture.folder.path().join("models/notes.txt"), "not ours").unwrap();
    let all = hub.models().unwrap();
    assert_eq!((all.len(), all[0].name.to_string()), (1, NAME.to_owned()));
    assert_eq!(hub.remove(&name(NAME)).unwrap(), tiny().weights.len() as u64);
    assert_eq!(fixture.files(), ["models/notes.txt"]);
    assert_error(hub.remove(&name(NAME)), &[NAME, "is not on this computer"]);
    assert_error(hub.remove(&name("mobileclip2-s0")), &["mobileclip2-s0", "is not on this computer"]);
}
