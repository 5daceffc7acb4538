//! Configuration files beside a checkpoint: every field is obeyed, without effect, or refused with advice that works.

use std::path::{Path, PathBuf};

use clippie_rs::import::{ConvertOptions, Error, convert};
use clippie_rs::{Clip, TextEncoder};
use clippie_testkit::checkpoint::model::{TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout, Model};

use super::{golden, refused, run};

/// A copy of a golden folder without its checkpoint's configuration being touched: name, and what to change.
fn golden_folder(name: &str, edit: impl Fn(&str, &mut serde_json::Value)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden(name)).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        if file.ends_with(".json") {
            let mut value = serde_json::from_slice(&bytes).unwrap();
            edit(file, &mut value);
            bytes = serde_json::to_vec(&value).unwrap();
        }
        std::fs::write(dir.path().join(file), bytes).unwrap();
    }
    dir
}

/// The bytes of the weights file.
fn bytes(src: &Path, options: &ConvertOptions) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.clippie");
    convert(src, &out, options, &mut |_| {}).unwrap_or_else(|error| panic!("{}: {error}", src.display()));
    std::fs::read(out).unwrap()
}

/// The remedy of a refused field, followed: a copy of the file without it takes the place of that file alone.
#[test]
fn a_field_can_be_removed_from_a_copy_of_its_file() {
    let expected = bytes(&golden("huggingface"), &ConvertOptions::default());
    for (edited, pointer) in [("config.json", "/text_config"), ("config.json", ""), ("preprocessor_config.json", "")] {
        let folder = golden_folder("huggingface", |file, value| {
            if file == edited {
                value.pointer_mut(pointer).unwrap()["brand_new"] = 3.into();
            }
        });
        let error = refused(folder.path(), &ConvertOptions::default());
        assert!(error.contains(&format!("{edited}: `")) && error.contains("brand_new` is 3"), "{error}");
        let remedy = "remove it from a copy of the file and give the copy, or for several files a folder of copies, with \
                      --config";
        assert!(error.ends_with(remedy), "{error}");
        // Anywhere, under any name.
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("corrected.json");
        std::fs::copy(golden("huggingface").join(edited), &copy).unwrap();
        assert_eq!(bytes(folder.path(), &ConvertOptions::new().config(&copy)), expected, "{edited}");
    }

    // If several files have such fields, a folder of copies does.
    let folder = golden_folder("huggingface", |_, value| value["brand_new"] = 3.into());
    let copies = golden_folder("huggingface", |_, _| {});
    assert_eq!(bytes(folder.path(), &ConvertOptions::new().config(copies.path())), expected);

    // A file that is no configuration at all is not even opened.
    for (damage, reason) in [(vec![b' '; 5 << 20], "is too long to be"), (b"{".to_vec(), "is not valid JSON")] {
        let folder = golden_folder("huggingface", |_, _| {});
        std::fs::write(folder.path().join("config.json"), damage).unwrap();
        let error = refused(folder.path(), &ConvertOptions::default());
        assert!(error.contains(reason) && error.ends_with("give another with --config"), "{error}");
        let options = ConvertOptions::new().config(golden("huggingface/config.json"));
        assert_eq!(bytes(folder.path(), &options), expected);
    }

    let tokenizer = folder_of_tokenizer(serde_json::json!({ "tokenizer_class": "CLIPTokenizer", "brand_new": 3 }));
    let error = refused(tokenizer.path(), &ConvertOptions::default());
    assert!(error.contains("tokenizer_config.json: `brand_new` is 3"), "{error}");
    let copy = tokenizer.path().join("corrected.json");
    std::fs::write(&copy, r#"{ "tokenizer_class": "CLIPTokenizer" }"#).unwrap();
    assert_eq!(bytes(tokenizer.path(), &ConvertOptions::new().config(&copy)), expected);
}

fn folder_of_tokenizer(config: serde_json::Value) -> tempfile::TempDir {
    let folder = golden_folder("huggingface", |_, _| {});
    std::fs::write(folder.path().join("tokenizer_config.json"), serde_json::to_vec(&config).unwrap()).unwrap();
    folder
}

#[test]
fn the_tokenizers_files_are_read() {
    let expected = bytes(&golden("huggingface"), &ConvertOptions::default());
    let folder = folder_of_tokenizer(serde_json::json!({ "tokenizer_class": "CLIPTokenizer", "model_max_length": 77 }));
    assert_eq!(bytes(folder.path(), &ConvertOptions::default()), expected);
    std::fs::write(folder.path().join("special_tokens_map.json"), r#"{ "eos_token": "</s>" }"#).unwrap();
    let error = refused(folder.path(), &ConvertOptions::default());
    assert!(error.contains("special_tokens_map.json: `eos_token` is `</s>`"), "{error}");
    // open_clip's configuration states the tokenizer itself.
    let folder = golden_folder("open_clip", |_, _| {});
    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{ "tokenizer_class": "T5Tokenizer" }"#).unwrap();
    assert_eq!(
        bytes(folder.path(), &ConvertOptions::default()),
        bytes(&golden("open_clip"), &ConvertOptions::default())
    );
}

#[test]
fn fields_without_effect_change_no_byte() {
    let expected = bytes(&golden("open_clip"), &ConvertOptions::default());
    let folder = golden_folder("open_clip", |_, value| {
        let model = &mut value["model_cfg"];
        model["init_logit_scale"] = 99.into();
        model["custom_text"] = true.into();
        model["vision_cfg"]["patch_dropout"] = 0.5.into();
        model["text_cfg"]["output_tokens"] = true.into();
        model["text_cfg"]["pad_id"] = 7.into();
        value["preprocess_cfg"]["fill_color"] = 255.into();
    });
    assert_eq!(bytes(folder.path(), &ConvertOptions::default()), expected);
}

#[test]
fn the_cleaning_of_texts_is_named_in_the_file() {
    let with = |kwargs: serde_json::Value| {
        golden_folder("open_clip", move |_, value| {
            value["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = kwargs.clone();
        })
    };
    let tokenizer = |folder: &Path| run(folder, &ConvertOptions::default()).unwrap().1.header().meta.tokenizer.clone();
    let usual = tokenizer(&golden("open_clip"));
    assert_eq!(usual.get("clean"), None);
    for name in ["canonicalize", "whitespace"] {
        let mut expected = usual.clone();
        expected["clean"] = name.into();
        assert_eq!(tokenizer(with(serde_json::json!({ "clean": name })).path()), expected);
    }
    // The usual one has no name, and the file is the same.
    let folder = with(serde_json::json!({ "clean": "lower" }));
    assert_eq!(
        bytes(folder.path(), &ConvertOptions::default()),
        bytes(&golden("open_clip"), &ConvertOptions::default())
    );
}

/// A model with this many rows in its token embedding; the first rows are the same for every number.
fn with_vocabulary(rows: usize, end: usize, folder: &Path) -> Result<PathBuf, Error> {
    let tower = |layers| TowerSize { width: 32, layers, heads: 2, mlp_ratio: 2.0 };
    let size = VitSize {
        embed_dim: 16,
        image_size: 16,
        patch_size: 8,
        image: tower(1),
        context_length: 77,
        vocab_size: rows,
        causal: true,
        text: tower(1),
    };
    let source = folder.join(format!("{rows}-{end}"));
    checkpoint::write(&Model::custom("tiny-vocabulary", size, true), 1, Layout::HuggingFace, &source).unwrap();
    let config = source.join("config.json");
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    value["text_config"]["eos_token_id"] = end.into();
    std::fs::write(&config, serde_json::to_vec(&value).unwrap()).unwrap();
    let out = folder.join(format!("{rows}-{end}.clippie"));
    convert(&source, &out, &ConvertOptions::default(), &mut |_| {})?;
    Ok(out)
}

#[test]
fn added_tokens_leave_ordinary_texts_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let texts = ["a cat on a sofa", "", "İstanbul & <end_of_text>"];
    let embed = |path: &Path| TextEncoder::open(path).unwrap().encode(texts).unwrap();
    let plain = embed(&with_vocabulary(49408, 49407, dir.path()).unwrap());
    for end in [49407, 2] {
        let path = with_vocabulary(49411, end, dir.path()).unwrap();
        assert_eq!(embed(&path), plain, "{end}");
        // A program can give the added tokens; the pooled one is the one that the configuration names.
        let ids = [[49406, 320, 49409, 49407]];
        let encoder = TextEncoder::open(&path).unwrap();
        let pooled = encoder.encode_ids(ids).unwrap();
        let cut = encoder.encode_ids([&ids[0][..3]]).unwrap();
        assert_eq!(pooled == cut, end == 2, "{end}");
    }
    let error = with_vocabulary(49411, 49410, dir.path()).unwrap_err().to_string();
    assert!(error.contains("`text_config.eos_token_id` is 49410, which no text of CLIP's tokenizer ends"), "{error}");
}

/// Another vocabulary beside the checkpoint is refused whatever other file is named.
#[test]
fn a_named_configuration_does_not_hide_a_vocabulary() {
    let dir = tempfile::tempdir().unwrap();
    with_vocabulary(49408, 49407, dir.path()).unwrap();
    let source = dir.path().join("49408-49407");
    std::fs::write(source.join("vocab.json"), r#"{"cat</w>": 0}"#).unwrap();
    std::fs::write(source.join("tokenizer_config.json"), r#"{"tokenizer_class": "CLIPTokenizer"}"#).unwrap();
    let out = dir.path().join("out.clippie");
    for name in [None, Some("config.json"), Some("tokenizer_config.json"), Some("")] {
        let mut options = ConvertOptions::default();
        options.config = name.map(|name| source.join(name));
        let error = convert(&source, &out, &options, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("vocab.json: is not CLIP's vocabulary: its token 0 is `cat</w>`"), "{name:?}: {error}");
    }
    assert!(!out.exists());
}

/// What the error advises works: photos, and ids from a program.
#[test]
fn a_model_of_another_vocabulary_takes_photos_and_ids() {
    let dir = tempfile::tempdir().unwrap();
    for rows in [64, 49408 + 4097] {
        let path = with_vocabulary(rows, 2, dir.path()).unwrap();
        let clip = Clip::open(&path).unwrap();
        let error = clip.text().encode(["a cat"]).unwrap_err().to_string();
        assert!(
            error.contains(&format!("text tower has {rows} tokens, and its file no tokenizer for them")),
            "{error}"
        );
        assert!(error.contains("use the model for photos alone, or from a program"), "{error}");
        assert_eq!(clip.text().encode_ids([[1, 5, 63]]).unwrap().nrows(), 1);
        assert_eq!(clip.image().encode_pixels(ndarray::Array4::zeros((1, 3, 16, 16)).view()).unwrap().nrows(), 1);
    }
}
