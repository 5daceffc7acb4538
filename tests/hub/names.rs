//! Every catalogue name, with the file names of its real repository: the right files are downloaded.
//!
//! The contents are a few bytes; `tests/parity.rs` pulls, converts and runs every name with real contents.

use clippie_rs::catalog;
use clippie_rs::hub::Error;

use crate::support::{Fixture, assert_error, pull};
use clippie_testkit::checkpoint::{Layout, Model};
use clippie_testkit::hub_server::{Content, Kind, Repo, RepoFile};

/// Files of open_clip's repositories.
const OPEN_CLIP: [&str; 9] = [
    ".gitattributes",
    "README.md",
    "open_clip_config.json",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
];
/// Further files of timm's repositories of vision transformers: only the image tower.
const TIMM: [&str; 3] = ["config.json", "model.safetensors", "pytorch_model.bin"];
/// Further files of LAION's repositories, for transformers.
const LAION: [&str; 5] =
    ["config.json", "model.safetensors", "preprocessor_config.json", "pytorch_model.bin", "special_tokens_map.json"];

/// Further files of repositories of models whose texts are pieces.
const TOKENIZER: [&str; 3] = ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"];

/// The files of a model's repository, and those of them that a pull needs.
fn published(model: &catalog::Model) -> (Vec<&'static str>, Vec<&'static str>) {
    let open_clip = ["open_clip_config.json", model.file];
    let has_pieces = Model::named(model.name).is_ok_and(|model| model.vocab_size() != 49408);
    match model.repository.split_once('/').unwrap() {
        // The tokenizer of these is in another repository.
        ("visheratin", _) => (vec!["README.md", "open_clip_config.json", model.file], open_clip.into()),
        ("timm", _) if has_pieces && model.tokenizer_repository.is_some() => {
            (vec!["README.md", "open_clip_config.json", model.file], open_clip.into())
        }
        ("timm", _) if has_pieces => {
            let names = ["README.md", "open_clip_config.json", "open_clip_pytorch_model.bin", model.file];
            ([&names[..], &TOKENIZER].concat(), [&open_clip[..], &TOKENIZER].concat())
        }
        ("laion", _) if has_pieces => {
            let names = ["README.md", "config.json", model.file];
            ([&names[..], &TOKENIZER].concat(), [&names[1..], &TOKENIZER].concat())
        }
        ("facebook", _) => {
            let names = ["README.md", "config.json", "preprocessor_config.json", "model.safetensors"];
            ([&names[..], &TOKENIZER].concat(), [&names[1..], &TOKENIZER].concat())
        }
        ("timm", name) if name.starts_with("MobileCLIP2") => (OPEN_CLIP.into(), open_clip.into()),
        ("timm", _) => ([&OPEN_CLIP[..], &TIMM].concat(), [&open_clip[..], &["config.json"]].concat()),
        ("laion", _) => {
            let wanted = [&open_clip[..], &["config.json", "preprocessor_config.json"]].concat();
            ([&OPEN_CLIP[..], &LAION].concat(), wanted)
        }
        ("apple", name) if name.ends_with("-OpenCLIP") || name.starts_with("DFN") => {
            (OPEN_CLIP.into(), open_clip.into())
        }
        ("apple", _) => {
            let files = [".gitattributes", "LICENSE", "README.md", "config.json", model.file];
            (files.into(), vec!["config.json", model.file])
        }
        ("wkcn", _) => {
            let names = ["config.json", model.file, "preprocessor_config.json", "pytorch_model.bin", "vocab.json"];
            (names.into(), names[..3].into())
        }
        (owner, _) => panic!("{owner} publishes nothing here"),
    }
}

fn repo(model: &catalog::Model, names: &[&str]) -> Repo {
    let file = |name: &&str| match name.rsplit('.').next() {
        Some("safetensors" | "bin" | "pt") => {
            let text = format!("{} of {}", name, model.name).into_bytes();
            RepoFile::large(name, Content::Bytes(text.into()))
        }
        Some("json") => RepoFile::small(name, "{}"),
        _ => RepoFile::small(name, "words"),
    };
    Repo::new(model.repository, names.iter().map(file).collect())
}

/// The known models whose pull does not ask for more free disk than these tests may: the space for the weights file counts
/// before the first byte comes.
fn models() -> impl Iterator<Item = &'static catalog::Model> {
    catalog::models().iter().filter(|model| model.download_bytes() < 3 << 30)
}

#[test]
fn every_known_name_downloads_the_right_files() {
    assert!(2 * models().count() > catalog::models().len());
    for model in models() {
        let (names, mut wanted) = published(model);
        let lender = model.tokenizer_repository.filter(|_| !names.contains(&"tokenizer.json"));
        let lender = lender.map(|name| Repo::new(name, vec![RepoFile::small("tokenizer.json", "{}")]));
        wanted.extend(lender.as_ref().map(|_| "tokenizer.json"));
        let fixture = Fixture::with([repo(model, &names)].into_iter().chain(lender).collect());
        // The checkpoint is not valid, so the pull ends after the download.
        let error = assert_error(pull(&fixture.hub(), model.name), &[model.file]);
        assert!(matches!(error, Error::Convert { .. }), "{}: {error}", model.name);
        let seen = fixture.server.seen();
        let fetched = |kind: Kind| {
            let files = seen.iter().filter(|seen| seen.kind == kind);
            let mut files: Vec<&str> = files.map(|seen| seen.path.rsplit('/').next().unwrap()).collect();
            files.sort_unstable();
            files
        };
        wanted.sort_unstable();
        assert_eq!(fetched(Kind::Head), wanted, "{}", model.name);
        assert_eq!(fetched(Kind::Get), wanted, "{}", model.name);
        let store = fetched(Kind::Store);
        let sum = repo(model, &names).file(model.file).sha256().to_owned();
        assert!(store.len() == 1 && store[0].starts_with(&sum), "{}: {store:?}", model.name);
        let list = format!("/api/models/{}/revision/{}", model.repository, model.revision.unwrap_or("main"));
        assert_eq!(seen[0].path, list);
    }
}

/// A repository with open_clip's pickle only.
#[test]
fn pickles_are_used_without_an_alternative() {
    for model in models().filter(|model| model.file == "open_clip_model.safetensors") {
        let names = ["README.md", "open_clip_config.json", "open_clip_pytorch_model.bin"];
        let fixture = Fixture::with(vec![repo(model, &names)]);
        assert_error(pull(&fixture.hub(), model.name), &["open_clip_pytorch_model.bin"]);
    }
}

#[test]
fn download_sizes_match_the_tensors() {
    for known in catalog::models() {
        let model = Model::named(known.name).unwrap();
        let layout = match known.file {
            "model.safetensors" => Layout::HuggingFace,
            file if file.ends_with(".pt") => Layout::Apple,
            _ => Layout::OpenClip,
        };
        let bytes: usize = layout.entries(&model).iter().map(|entry| entry.byte_len()).sum();
        let about = known.download_bytes() as f64;
        let ratio = bytes as f64 / about;
        assert!((1.0..1.01).contains(&ratio), "{}: {bytes} bytes, said to be {about}", known.name);
    }
}
