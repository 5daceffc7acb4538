//! Pulls that go well: what is asked, what is kept, what is told.

use std::fs;
use std::ops::ControlFlow;

use clippie_rs::Clip;
use clippie_rs::hub::{Event, Origin, PullOptions};

use crate::support::{Bench, CONFIG, FILE, NAME, REPO, made, name, pull, says, stored, tiny};
use clippie_testkit::checkpoint::{self, Layout, Model, golden};
use clippie_testkit::hub_server::{COMMIT, Kind, Repo, RepoFile};

#[test]
fn a_fresh_pull_fetches_converts_and_keeps_only_the_result() {
    let bench = Bench::new();
    let hub = bench.hub();
    assert_eq!(hub.find(&name(NAME)).unwrap(), None);
    let model = pull(&hub, NAME);
    assert_eq!(hub.find(&name(NAME)).unwrap().as_ref(), model.as_ref().ok());
    assert_eq!(hub.models().unwrap().len(), 1);
    bench.assert_pulled(model);

    // The list, the headers and then the content of the two files that matter, all at one commit.
    let seen = bench.server.seen();
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

    // From then on nobody is asked.
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.server.seen(), []);
}

#[test]
fn the_original_is_kept_if_that_is_asked() {
    let bench = Bench::new();
    let hub = bench.hub();
    let options = PullOptions { keep_original: true, ..Default::default() };
    hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    let kept = |file: &str| format!("downloads/test--tiny/{file}");
    assert_eq!(bench.files(), [kept(CONFIG), kept(FILE), bench.stored()]);
    assert_eq!(fs::read(bench.folder.path().join(kept(FILE))).unwrap(), tiny().checkpoint);
    let downloads = hub.downloads().unwrap();
    assert_eq!((downloads.len(), downloads[0].incomplete), (1, false));

    // What was kept is not fetched again, unless it is damaged.
    fs::remove_file(bench.folder.path().join(bench.stored())).unwrap();
    bench.server.seen();
    hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(bench.ranges().is_empty());
    fs::remove_file(bench.folder.path().join(bench.stored())).unwrap();
    let mut damaged = tiny().checkpoint.clone();
    damaged[1000] ^= 1;
    fs::write(bench.folder.path().join(kept(FILE)), damaged).unwrap();
    bench.assert_pulled(bench.pull());
    assert_eq!(bench.ranges(), [None]);
}

#[test]
fn force_fetches_anew_and_replaces_what_is_outdated() {
    let bench = Bench::new();
    let hub = bench.hub();
    bench.assert_pulled(bench.pull());
    let next = made(2);
    bench.server.publish(next.repo());
    bench.assert_pulled(bench.pull());
    let options = PullOptions { force: true, ..Default::default() };
    let model = hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(fs::read(&model.path).unwrap(), next.weights);
    assert_eq!(bench.files(), [stored(&next.repo())]);
    assert_eq!(hub.find(&name(NAME)).unwrap(), Some(model.clone()));

    // A damaged weights file is made whole so.
    fs::write(&model.path, "damaged").unwrap();
    let model = hub.pull(&name(NAME), options, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(fs::read(&model.path).unwrap(), next.weights);
}

#[test]
fn everything_is_told_in_its_order() {
    let mut repo = tiny().repo();
    repo.card = serde_json::json!({ "license": "other", "license_name": "apple-amlr" });
    let bench = Bench::with(vec![repo]);
    let mut told = Vec::new();
    let (mut downloaded, mut converted) = (0, (0, 1));
    let mut callback = |event: Event<'_>| {
        let what = match event {
            Event::Plan(plan) => {
                let Origin::Hub { url, commit } = plan.origin else { panic!("{plan:?}") };
                assert_eq!((url, commit), (format!("{}/{REPO}", bench.server.endpoint()).as_str(), COMMIT));
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
            other => panic!("{other:?}"),
        };
        if told.last() != Some(&what) {
            told.push(what);
        }
        ControlFlow::Continue(())
    };
    bench.assert_pulled(bench.hub().pull(&name(NAME), PullOptions::default(), &mut callback));
    assert_eq!(told, ["plan", "download", "convert"]);
    assert_eq!(downloaded, tiny().checkpoint.len() as u64);
    assert_eq!(converted.0, converted.1);
}

#[test]
fn a_revision_is_a_model_of_its_own() {
    let mut repo = tiny().repo();
    repo.revisions = vec!["v1".into(), "refs/pr/7".into()];
    let bench = Bench::with(vec![repo]);
    let hub = bench.hub();
    for (revision, label) in [("v1", "v1"), ("refs/pr/7", "refs%2Fpr%2F7"), (COMMIT, COMMIT)] {
        let model = pull(&hub, &format!("{NAME}@{revision}")).unwrap();
        let file = model.path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(file.starts_with(&format!("test--tiny@{label}-")), "{file}");
        assert_eq!(fs::read(&model.path).unwrap(), tiny().weights);
        let list = &bench.server.seen()[0].path;
        assert_eq!(*list, format!("/api/models/{REPO}/revision/{label}"));
    }
    assert_eq!(hub.find(&name(NAME)).unwrap(), None);
    assert_eq!(hub.models().unwrap().len(), 3);
    hub.remove(&name(&format!("{NAME}@v1"))).unwrap();
    assert_eq!(hub.models().unwrap().len(), 2);
}

#[test]
fn a_mirror_may_have_paths_in_front_and_a_repository_may_have_moved() {
    let server = clippie_testkit::hub_server::HubServer::under("/mirrors/hf", vec![tiny().repo()]);
    let bench = Bench { server, folder: tempfile::tempdir().unwrap() };
    bench.assert_pulled(bench.pull());
    let seen = bench.server.seen();
    assert!(seen.iter().filter(|seen| seen.kind != Kind::Store).all(|seen| seen.path.starts_with("/mirrors/hf/")));

    // A repository that was renamed: each path leads to the new one, relative to the host.
    let bench = Bench::new();
    let old = "hf-hub:test/old-name";
    bench
        .server
        .fail(Kind::List, clippie_testkit::hub_server::Fault::Redirect(format!("/api/models/{REPO}/revision/main")));
    for kind in [Kind::Head, Kind::Get] {
        for file in [CONFIG, FILE] {
            let to = format!("/{REPO}/resolve/{COMMIT}/{file}");
            bench.server.fail(kind, clippie_testkit::hub_server::Fault::Redirect(to));
            // What the redirect leads to is a request again.
            bench.server.fail(kind, clippie_testkit::hub_server::Fault::Headers(vec![]));
        }
    }
    let model = pull(&bench.hub(), old).unwrap();
    assert_eq!(fs::read(model.path).unwrap(), tiny().weights);
}

/// Small models of every layout that repositories have, and the embeddings of the reference.
#[test]
fn every_layout_of_a_repository_is_understood() {
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
        let bench = Bench::with(vec![repo]);
        let pulled = bench.pull().unwrap_or_else(|error| panic!("{} {layout:?}: {error}", model.name));
        let clip = Clip::open(&pulled.path).unwrap();
        crate::parity::check(&format!("{} {layout:?}", model.name), &clip, &model, golden);
    }
}

#[test]
fn what_cannot_be_converted_is_kept_for_whoever_can() {
    // Without a configuration nobody knows how the model was trained.
    let mut repo = tiny().repo();
    repo.files.retain(|file| file.sha256() == repo_file_sum(FILE));
    let bench = Bench::with(vec![repo]);
    let kept = "downloads/test--tiny/open_clip_model.safetensors".to_owned();
    let folder = bench.folder.path().join("downloads/test--tiny");
    let shown = folder.display().to_string();
    says(bench.pull(), &["--activation", "are kept in", &shown, "clippie-rs convert"]);
    assert_eq!(bench.files(), [kept.as_str()]);
    // The next pull does not fetch it again.
    bench.server.seen();
    bench.pull().unwrap_err();
    assert!(bench.ranges().is_empty());
    // Once it is published whole, the pull ends well.
    bench.server.publish(tiny().repo());
    bench.assert_pulled(bench.pull());
    assert!(bench.ranges().is_empty());
}

fn repo_file_sum(file: &str) -> String {
    tiny().repo().file(file).sha256().to_owned()
}

#[test]
fn models_are_listed_and_removed() {
    let bench = Bench::new();
    let hub = bench.hub();
    bench.assert_pulled(bench.pull());
    fs::write(bench.folder.path().join("models/notes.txt"), "not ours").unwrap();
    let all = hub.models().unwrap();
    assert_eq!((all.len(), all[0].name.to_string()), (1, NAME.to_owned()));
    assert_eq!(hub.remove(&name(NAME)).unwrap(), tiny().weights.len() as u64);
    assert_eq!(bench.files(), ["models/notes.txt"]);
    says(hub.remove(&name(NAME)), &[NAME, "is not on this computer"]);
    says(hub.remove(&name("mobileclip2-s0")), &["mobileclip2-s0", "is not on this computer"]);
}
