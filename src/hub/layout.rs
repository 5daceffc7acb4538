//! Chooses the files of a repository that make a model: its checkpoint and configuration files.
//!
//! File names come from a server or a cache and may be anything. Only known names and plain names are accepted, so no
//! name leads out of a folder.

use super::error::Error;
use super::name::ModelName;
use crate::import::{Pick, is_index, other_parts, pick, whole_name};

/// Configuration files of open_clip, transformers and Apple.
const CONFIGS: [&str; 4] =
    ["open_clip_config.json", "config.json", "preprocessor_config.json", "processor_config.json"];

/// Files that say whether the tokenizer is CLIP's. That of a known model is known.
const TOKENIZERS: [&str; 2] = ["tokenizer_config.json", "special_tokens_map.json"];

/// Files that hold a vocabulary, in order of preference; models with CLIP's need them only to see that it is CLIP's.
const VOCABULARIES: [&[&str]; 2] = [&["tokenizer.json"], &["vocab.json", "merges.txt"]];
/// Files of SentencePiece's pieces; only models whose texts are pieces have one.
const PIECES: [&str; 3] = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"];

/// Start of the names of open_clip's checkpoints.
const OPEN_CLIP: &str = "open_clip";
/// CLIP's vocabulary has this file, and no other kind of vocabulary has.
const MERGES: &str = "merges.txt";

/// Longest file of a vocabulary that is fetched, in bytes. CLIP's have up to 4 MB, Gemma's 34 MB.
pub(super) const MAX_VOCABULARY: u64 = 128 << 20;

/// Maximum length of a file name.
const MAX_NAME: usize = 128;

/// The files of a model, all in the root of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// The file to convert: the checkpoint, or the index or the first of its parts.
    pub(super) checkpoint: String,
    /// The files with tensors, in their order.
    pub(super) parts: Vec<String>,
    pub(super) configs: Vec<String>,
}

impl Files {
    /// The index of the parts.
    pub(super) fn index(&self) -> Option<&String> {
        Some(&self.checkpoint).filter(|file| is_index(file))
    }
}

/// Chooses the files of a model among the `names` of a repository.
pub(super) fn choose(name: &ModelName, names: &[String]) -> Result<Files, Error> {
    let has = |file: &str| names.iter().any(|name| name == file);
    let known = name.known().map(|model| model.file).filter(|file| has(file));
    let checkpoint = match known {
        Some(file) => file.to_owned(),
        None => match pick(names.iter().map(String::as_str).filter(|name| is_plain(name))) {
            Pick::File(file) => file,
            Pick::None => return refuse(name, "holds no checkpoint in a supported format".into()),
            Pick::Several(files) => {
                return refuse(
                    name,
                    format!(
                        "holds several checkpoints ({files}); download the one you want and convert it with \
                         `clippie-rs convert`"
                    ),
                );
            }
        },
    };
    let others = match other_parts(&checkpoint, names) {
        Ok(others) => others,
        Err(missing) => {
            return refuse(name, format!("holds a checkpoint in several files, of which {missing} is missing"));
        }
    };
    let parts = Some(checkpoint.clone()).filter(|file| !is_index(file)).into_iter().chain(others).collect();
    // The tokenizer of a model with CLIP's vocabulary is known.
    let wanted = name.known().is_none_or(|model| model.has_pieces());
    let tokenizers = TOKENIZERS.iter().filter(|_| wanted);
    let vocabulary = VOCABULARIES.into_iter().find(|files| files.iter().any(|file| has(file)));
    // open_clip's checkpoints do not need CLIP's vocabulary.
    let needless = checkpoint.starts_with(OPEN_CLIP) && has(MERGES);
    let vocabulary = vocabulary.filter(|_| wanted && !needless).unwrap_or_default();
    let pieces = PIECES.iter().filter(|_| wanted);
    let configs = CONFIGS.iter().chain(tokenizers).chain(vocabulary).chain(pieces).filter(|config| has(config));
    let configs = configs.map(|config| (*config).to_owned()).collect();
    Ok(Files { checkpoint, parts, configs })
}

/// Whether `file` belongs to a checkpoint in several files.
pub(super) fn is_of_parts(file: &str) -> bool {
    whole_name(file).is_some()
}

/// The file of the tokenizer among the `names` of a repository that has the tokenizer of models of others.
pub(super) fn choose_tokenizer(name: &ModelName, names: &[String]) -> Result<&'static str, Error> {
    let mut files = VOCABULARIES.into_iter().flatten().take(1).copied().chain(PIECES);
    match files.find(|file| names.iter().any(|name| name == file)) {
        Some(file) => Ok(file),
        None => refuse(name, "holds no tokenizer".into()),
    }
}

/// Whether `file` holds a vocabulary.
pub(super) fn is_vocabulary(file: &str) -> bool {
    PIECES.contains(&file) || VOCABULARIES.iter().any(|files| files.contains(&file))
}

/// The names of all files that a conversion reads beside the checkpoint.
pub(super) fn all_configs() -> impl Iterator<Item = &'static str> {
    CONFIGS.into_iter().chain(TOKENIZERS).chain(PIECES).chain(VOCABULARIES.into_iter().flatten().copied())
}

fn refuse<T>(name: &ModelName, reason: String) -> Result<T, Error> {
    Err(Error::Repository { repository: name.repository().to_owned(), reason })
}

/// Whether `name` is a plain file name on every system.
fn is_plain(name: &str) -> bool {
    name.len() <= MAX_NAME
        && !name.starts_with('.')
        && !name.ends_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn chosen(name: &str, names: &[&str]) -> Result<Files, Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        choose(&name.parse().unwrap(), &names)
    }

    #[test]
    fn a_known_model_uses_its_own_file() {
        for model in catalog::models() {
            let names = [model.file, "config.json", "model.safetensors", "pytorch_model.bin", "README.md"];
            let files = chosen(model.name, &names).unwrap();
            assert_eq!((files.checkpoint.as_str(), files.configs), (model.file, vec!["config.json".to_owned()]));
        }
        // If it is missing, any other checkpoint is used.
        let files = chosen("mobileclip-l-14", &["mobileclip_l_14.pt", "config.json"]).unwrap();
        assert_eq!(files.checkpoint, "mobileclip_l_14.pt");
    }

    #[test]
    fn names_outside_the_folder_are_ignored() {
        for evil in ["../../x.pt", "/etc/x.pt", r"..\x.pt", "C:x.pt", "sub/x.pt", "x\u{0}.pt", ".pt", "x.pt.", "ü.pt"]
        {
            let error = chosen("hf-hub:a/b", &[evil, "config.json"]).unwrap_err();
            assert!(error.to_string().contains("holds no checkpoint"), "{evil:?}: {error}");
            assert_eq!(chosen("hf-hub:a/b", &[evil, "y.pt"]).unwrap().checkpoint, "y.pt", "{evil:?}");
        }
        assert!(chosen("hf-hub:a/b", &[&format!("{}.pt", "x".repeat(200))]).is_err());
    }

    #[test]
    fn all_parts_of_a_checkpoint_are_chosen() {
        let [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        let index = "model.safetensors.index.json";
        let files = chosen("hf-hub:a/b", &[second, "config.json", first]).unwrap();
        assert_eq!((files.checkpoint.as_str(), files.index()), (first, None));
        assert_eq!(files.parts, [first, second]);
        let files = chosen("hf-hub:a/b", &[second, index, "config.json", first]).unwrap();
        assert_eq!((files.checkpoint.as_str(), files.index()), (index, Some(&index.to_owned())));
        assert_eq!(files.parts, [first, second]);
        assert_eq!(chosen("hf-hub:a/b", &[first, second, "model.safetensors"]).unwrap().parts, ["model.safetensors"]);
        let error = chosen("hf-hub:a/b", &[index, second]).unwrap_err().to_string();
        assert!(error.ends_with("in several files, of which model-00001-of-00002.safetensors is missing"), "{error}");
        let error = chosen("hf-hub:a/b", &["a.pt", "b.pt"]).unwrap_err().to_string();
        assert!(error.starts_with("a/b holds several checkpoints (a.pt, b.pt); download"), "{error}");
    }

    #[test]
    fn all_configurations_are_chosen() {
        let names = ["model.safetensors", "readme.json", "preprocessor_config.json", "config.json", "sub/config.json"];
        assert_eq!(chosen("hf-hub:a/b", &names).unwrap().configs, ["config.json", "preprocessor_config.json"]);
        let names = ["model.safetensors", "tokenizer_config.json", "vocab.json", "tokenizer.json", "config.json"];
        let expected = ["config.json", "tokenizer_config.json", "tokenizer.json"];
        assert_eq!(chosen("hf-hub:a/b", &names).unwrap().configs, expected);
        assert_eq!(chosen("vit-b-32-openai", &names).unwrap().configs, ["config.json"]);
        let names = ["pytorch_model.bin", "merges.txt", "vocab.json", "sub/tokenizer.json"];
        assert_eq!(chosen("hf-hub:a/b", &names).unwrap().configs, ["vocab.json", "merges.txt"]);
        let names = ["open_clip_model.safetensors", "open_clip_config.json", "tokenizer.json", "vocab.json"];
        assert_eq!(chosen("hf-hub:a/b", &names).unwrap().configs, ["open_clip_config.json", "tokenizer.json"]);
        let names = ["open_clip_model.safetensors", "tokenizer_config.json", "tokenizer.json", "spiece.model"];
        let expected = ["tokenizer_config.json", "tokenizer.json", "spiece.model"];
        assert_eq!(chosen("siglip-b-16-224", &names).unwrap().configs, expected);
        assert_eq!(chosen("hf-hub:a/b", &names).unwrap().configs, expected);
    }
}
