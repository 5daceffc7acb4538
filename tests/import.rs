//! Conversion of tiny checkpoints in `tests/goldens/import`, which the reference libraries wrote
//! (`tools/import_fixtures.py`).

#![cfg(feature = "import")]

use std::path::{Path, PathBuf};

use clippie_rs::import::{Checkpoint, Container, ConvertOptions, Converted, Error, SourceLayout, Stage, convert};
use clippie_rs::models::config::{Activation, ImageConfig, ModelConfig, TextConfig};
use clippie_rs::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use clippie_rs::weights::{self, Dtype, TensorSpec, WeightsFile};
use clippie_rs::{Clip, TextEncoder};
use clippie_testkit::checkpoint::model::{TowerSize, VitSize};
use clippie_testkit::checkpoint::{self, Layout, Model};
use sha2::{Digest, Sha256};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/import").join(name)
}

/// Options with the goldens' attention heads, which cannot be derived from their widths.
fn heads() -> ConvertOptions {
    ConvertOptions::new().image_heads(4).text_heads(3)
}

/// OpenAI's values for everything that a bare state dict leaves undetermined.
fn as_openai() -> ConvertOptions {
    let PreprocessConfig { resize, interpolation, mean, std, .. } = PreprocessConfig::openai(18);
    heads().activation(Activation::QuickGelu).mean(mean).std(std).interpolation(interpolation).resize(resize)
}

/// Removes one option.
fn without<T>(field: impl Fn(&mut ConvertOptions) -> &mut Option<T>, mut options: ConvertOptions) -> ConvertOptions {
    *field(&mut options) = None;
    options
}

fn run(src: &Path, options: &ConvertOptions) -> Result<(Converted, WeightsFile, tempfile::TempDir), Error> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("model.clippie");
    let converted = convert(src, &out, options, &mut |_| {})?;
    let file = WeightsFile::open(&out).unwrap();
    Ok((converted, file, dir))
}

fn refused(src: &Path, options: &ConvertOptions) -> String {
    let dir = tempfile::tempdir().unwrap();
    let error = convert(src, &dir.path().join("out.clippie"), options, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    error
}

/// Distance in units of the last place.
fn ulps(a: f32, b: f32) -> u32 {
    let order = |x: f32| {
        if x.is_sign_negative() { -((x.to_bits() & 0x7fff_ffff) as i64) } else { x.to_bits() as i64 }
    };
    (order(a) - order(b)).unsigned_abs() as u32
}

/// Values of a stored tensor of any type.
fn values(file: &WeightsFile, spec: &TensorSpec) -> Vec<f32> {
    if spec.dtype == Dtype::F32 {
        return file.tensor(&spec.name, spec.layout, &spec.shape).unwrap().to_vec();
    }
    let [rows, width] = spec.shape[..] else { panic!("{} is no table", spec.name) };
    let table = file.table(&spec.name, rows, width).unwrap();
    let mut all = vec![0.0; rows * width];
    all.chunks_exact_mut(width).enumerate().for_each(|(row, out)| table.read(row, out));
    all
}

/// Compares a file with the tensors that numpy folded and packed.
fn assert_canonical(file: &WeightsFile, wanted: &str) {
    let wanted = Checkpoint::open(&golden(wanted)).unwrap();
    let mut names: Vec<&str> = file.tensor_names().collect();
    let mut expected: Vec<&str> = wanted.tensors().map(|t| t.name).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for entry in &file.header().tensors {
        let spec = &entry.spec;
        let found = values(file, spec);
        let tensor = wanted.tensor(&spec.name).unwrap();
        let mut values = vec![0.0; tensor.len()];
        tensor.read(0, &mut values).unwrap();
        assert_eq!(found.len(), values.len(), "{}", spec.name);
        // The terms of a bias may be summed in another order, which can change the last rounding.
        let allowed = u32::from(spec.name.ends_with(".bias"));
        for (i, (&found, &wanted)) in found.iter().zip(&values).enumerate() {
            let off = ulps(found, wanted as f32);
            assert!(off <= allowed, "{} [{i}]: {found} instead of {wanted}", spec.name);
        }
    }
    assert!(file.verify().is_ok());
}

#[test]
fn folds_and_packs_as_numpy_does() {
    let (_, file, _dir) = run(&golden("open_clip"), &ConvertOptions::default()).unwrap();
    assert_canonical(&file, "canonical.safetensors");
    let (_, file, _dir) = run(&golden("f64.pt"), &as_openai()).unwrap();
    assert_canonical(&file, "canonical_f64.safetensors");
}

#[test]
fn lookup_tables_are_f16_where_that_is_lossless() {
    let dtypes = |source: &str, options: &ConvertOptions| {
        let (_, file, _dir) = run(&golden(source), options).unwrap();
        let halves = file.header().tensors.iter().filter(|entry| entry.spec.dtype == Dtype::F16);
        halves.map(|entry| entry.spec.name.clone()).collect::<Vec<_>>()
    };
    // The first two hold values that are exact in f16; the last holds full f64 precision.
    assert_eq!(dtypes("open_clip", &ConvertOptions::default()), ["text.token_embedding"]);
    assert_eq!(dtypes("huggingface", &ConvertOptions::default()), ["text.token_embedding"]);
    assert!(dtypes("f64.pt", &as_openai()).is_empty());
}

#[test]
fn every_container_and_layout_gives_the_same_weights() {
    let (first, file, _dir) = run(&golden("open_clip"), &ConvertOptions::default()).unwrap();
    let hash = file.content_hash().to_owned();
    let cases = [
        ("openai.pt", heads(), Container::TorchScript, SourceLayout::OpenAi),
        ("plain.pt", as_openai(), Container::TorchZip, SourceLayout::OpenClip),
        ("deflated.pt", as_openai(), Container::TorchZip, SourceLayout::OpenClip),
        ("training.pt", as_openai(), Container::TorchZip, SourceLayout::OpenClip),
        ("legacy.pt", as_openai(), Container::TorchLegacy, SourceLayout::OpenClip),
        ("strided.pt", as_openai(), Container::TorchZip, SourceLayout::OpenClip),
        ("huggingface", ConvertOptions::default(), Container::Safetensors, SourceLayout::HuggingFace),
        ("huggingface_bin", ConvertOptions::default(), Container::TorchZip, SourceLayout::HuggingFace),
    ];
    for (source, options, container, layout) in cases {
        let (converted, file, _dir) = run(&golden(source), &options).unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!((converted.container, converted.layout), (container, layout), "{source}");
        assert_eq!(converted.config, first.config, "{source}");
        assert_eq!(converted.preprocess, first.preprocess, "{source}");
        assert_eq!(file.content_hash(), hash, "{source}");
        assert_eq!(file.header().meta.provenance.source_layout, layout.as_str());
    }
    // Other values have another hash.
    let (_, file, _dir) = run(&golden("bf16.safetensors"), &as_openai()).unwrap();
    assert_ne!(file.content_hash(), hash);
}

#[test]
fn the_file_describes_the_model_and_its_provenance() {
    let (converted, file, _dir) = run(&golden("openai.pt"), &heads()).unwrap();
    let meta = &file.header().meta;
    let config: ModelConfig = serde_json::from_value(meta.model.clone()).unwrap();
    assert_eq!(config, converted.config);
    assert_eq!((config.embed_dim, config.logit_scale), (12, 4.605_468_8));
    let Some(ImageConfig::Vit(image)) = &config.image else { panic!() };
    assert_eq!((image.image_size, image.patch_size, image.pre_norm), (18, 6, true));
    let blocks = &image.blocks;
    assert_eq!((blocks.width, blocks.layers, blocks.heads, blocks.mlp_width), (20, 2, 4, 40));
    assert_eq!((blocks.activation, blocks.norm_eps), (Activation::QuickGelu, 1e-5));
    let Some(TextConfig::Transformer(text)) = &config.text else { panic!() };
    assert_eq!((text.context_length, text.vocab_size, text.causal), (9, 64, true));
    let blocks = &text.blocks;
    assert_eq!((blocks.width, blocks.layers, blocks.heads, blocks.mlp_width), (24, 2, 3, 48));
    let preprocess: PreprocessConfig = serde_json::from_value(meta.preprocess.clone()).unwrap();
    assert_eq!(preprocess, PreprocessConfig::openai(18));

    let source = std::fs::read(golden("openai.pt")).unwrap();
    let sha256: String = Sha256::digest(&source).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(meta.provenance.source, "openai.pt");
    assert_eq!(meta.provenance.source_sha256, sha256);
    assert_eq!(meta.provenance.source_bytes, source.len() as u64);
    assert_eq!(meta.provenance.model_name, None);
    assert!(meta.provenance.converter.starts_with("clippie-rs "));
    let mut ignored = converted.ignored.clone();
    ignored.sort();
    assert_eq!(ignored, ["attn_mask", "context_length", "input_resolution", "vocab_size"]);

    let first: Vec<&str> = file.tensor_names().take(6).collect();
    let order = ["image.patch.weight", "image.position", "image.ln_pre.weight", "image.ln_pre.bias"];
    assert_eq!(first[..4], order);
    assert_eq!(first[4..], ["image.blocks.0.qkv.weight", "image.blocks.0.qkv.bias"]);
    assert_eq!(file.tensor_names().last(), Some("text.proj.bias"));
    assert!(file.tensor("text.blocks.1.fc1.weight", weights::Layout::Panels16, &[24, 48]).is_ok());
}

#[test]
fn progress_covers_both_stages() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    let converted =
        convert(&golden("plain.pt"), &dir.path().join("m.clippie"), &as_openai(), &mut |p| seen.push(p)).unwrap();
    assert!(seen.iter().all(|p| p.done <= p.total));
    assert!(seen.windows(2).all(|w| w[0].stage != w[1].stage || w[0].done < w[1].done));
    let last = seen.last().unwrap();
    assert_eq!((last.stage, last.done, last.total), (Stage::Write, converted.bytes, converted.bytes));
    assert!(seen.iter().any(|p| p.stage == Stage::Hash && p.done == p.total));
}

#[test]
fn a_folder_resolves_to_its_published_file() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(dir.path(), &as_openai());
    assert!(error.contains("holds no checkpoint"), "{error}");

    std::fs::copy(golden("plain.pt"), dir.path().join("mine.pt")).unwrap();
    std::fs::write(dir.path().join("training_args.bin"), b"no").unwrap();
    std::fs::write(dir.path().join("readme.md"), b"no").unwrap();
    assert!(run(dir.path(), &as_openai()).is_ok());

    std::fs::copy(golden("plain.pt"), dir.path().join("other.pth")).unwrap();
    let error = refused(dir.path(), &as_openai());
    assert!(error.contains("several checkpoints (mine.pt, other.pth)"), "{error}");

    let published = "open_clip_model.safetensors";
    std::fs::copy(golden("open_clip").join(published), dir.path().join(published)).unwrap();
    let (converted, ..) = run(dir.path(), &as_openai()).unwrap();
    assert!(converted.source.ends_with(published));

    let error = refused(&dir.path().join("nowhere"), &as_openai());
    assert!(error.contains("nowhere cannot be read"), "{error}");
}

#[test]
fn undetermined_properties_are_asked_for() {
    let error = refused(&golden("plain.pt"), &ConvertOptions::default());
    assert!(
        error.contains(
            "do not tell the activation, mean, standard deviation, interpolation and resize mode that the model \
             was trained with; give --model NAME (such as vit-b-32-openai), --config FILE, or --activation \
             gelu|quick_gelu --mean R,G,B"
        ),
        "{error}"
    );
    let error = refused(&golden("plain.pt"), &without(|options| &mut options.resize, as_openai()));
    assert!(error.contains("the resize mode that") && error.ends_with("or --resize shortest|squash"), "{error}");
    let error = refused(&golden("plain.pt"), &without(|options| &mut options.text_heads, as_openai()));
    assert!(error.contains("width of 24 is no multiple of 64; give --text-heads N"), "{error}");
    let error = refused(&golden("plain.pt"), &as_openai().image_heads(3));
    assert!(error.contains("attention heads is 3") && error.contains("width of 20"), "{error}");
    let error = refused(&golden("plain.pt"), &as_openai().std([1.0, 0.0, 1.0]));
    assert!(error.contains("standard deviation of 0"), "{error}");
}

#[test]
fn known_names_must_match_the_tensors() {
    let named = |name: &str| heads().model(name);
    let error = refused(&golden("plain.pt"), &named("vit-b-32-openai"));
    assert!(error.contains("model `vit-b-32-openai` says that patch_size is 32, but the tensors of"), "{error}");
    assert!(error.contains("say 6; the two do not belong together"), "{error}");
    let error = refused(&golden("plain.pt"), &named("mobileclip2-s0"));
    assert!(error.contains("model `mobileclip2-s0` says that the image tower is fastvit_mci0, but"), "{error}");
    assert!(error.contains("say a vision transformer of width 20 with 2 layers"), "{error}");
    let error = refused(&golden("plain.pt"), &named("rn50-openai"));
    assert_eq!(error, "model `rn50-openai` is not supported yet; vision transformers and MobileCLIP are");
    let error = refused(&golden("plain.pt"), &named("vit"));
    assert!(error.starts_with("model `vit` is not known; known are vit-b-32-openai, "), "{error}");
}

/// Creates a folder with the golden checkpoint and the given configuration.
fn folder_with_config(name: &str, config: &serde_json::Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(golden("plain.pt"), dir.path().join("m.pt")).unwrap();
    std::fs::write(dir.path().join(name), serde_json::to_vec(config).unwrap()).unwrap();
    dir
}

fn open_clip_config() -> serde_json::Value {
    let bytes = std::fs::read(golden("open_clip/open_clip_config.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn flags_override_configs_and_named_configs_override_those_in_the_folder() {
    let dir = folder_with_config("open_clip_config.json", &open_clip_config());
    let src = dir.path().join("m.pt");
    let (converted, ..) = run(&src, &ConvertOptions::default()).unwrap();
    assert_eq!(converted.preprocess, PreprocessConfig::openai(18));

    let options = ConvertOptions::new().activation(Activation::Gelu).interpolation(Interpolation::Bilinear);
    let (converted, ..) = run(&src, &options).unwrap();
    let Some(ImageConfig::Vit(image)) = &converted.config.image else { panic!() };
    assert_eq!((image.blocks.activation, image.blocks.heads), (Activation::Gelu, 4));
    assert_eq!(converted.preprocess.interpolation, Interpolation::Bilinear);

    let mut other = open_clip_config();
    other["model_cfg"]["quick_gelu"] = false.into();
    other["model_cfg"]["text_cfg"]["no_causal_mask"] = true.into();
    other["model_cfg"]["vision_cfg"]["image_size"] = serde_json::json!([23, 23]);
    other["preprocess_cfg"] = serde_json::json!({
        "size": 23, "mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear", "resize_mode": "squash"
    });
    let path = dir.path().join("other.json");
    std::fs::write(&path, serde_json::to_vec(&other).unwrap()).unwrap();
    let options = ConvertOptions::new().config(path);
    let (converted, ..) = run(&src, &options).unwrap();
    assert_eq!(
        converted.preprocess,
        PreprocessConfig::new(23).with_resize(ResizeMode::Squash).with_interpolation(Interpolation::Bilinear)
    );
    let Some(TextConfig::Transformer(text)) = &converted.config.text else { panic!() };
    assert_eq!((text.causal, text.blocks.activation), (false, Activation::Gelu));
    let Some(ImageConfig::Vit(image)) = &converted.config.image else { panic!() };
    assert_eq!((image.image_size, image.grid()), (23, 3));
}

#[test]
fn configs_must_match_the_tensors() {
    for (field, value, found) in [
        ("/model_cfg/embed_dim", 16, "say 12"),
        ("/model_cfg/vision_cfg/width", 40, "say 20"),
        ("/model_cfg/vision_cfg/layers", 12, "say 2"),
        ("/model_cfg/vision_cfg/patch_size", 9, "say 6"),
        ("/model_cfg/vision_cfg/image_size", 24, "say 18 (3 patches of 6 a side)"),
        ("/model_cfg/vision_cfg/mlp_ratio", 4, "say 40"),
        ("/model_cfg/vision_cfg/head_width", 7, "a width of 20"),
        ("/model_cfg/text_cfg/context_length", 77, "say 9"),
        ("/model_cfg/text_cfg/vocab_size", 49408, "say 64"),
        ("/model_cfg/text_cfg/width", 512, "say 24"),
        ("/model_cfg/text_cfg/layers", 0, "say 2"),
        ("/model_cfg/text_cfg/heads", 0, "a width of 24"),
    ] {
        let mut config = open_clip_config();
        *config.pointer_mut(field).unwrap() = value.into();
        let dir = folder_with_config("open_clip_config.json", &config);
        let error = refused(&dir.path().join("m.pt"), &ConvertOptions::default());
        assert!(error.contains("open_clip_config.json says that") && error.contains(found), "{field}: {error}");
    }
}

#[test]
fn unrelated_configs_in_the_folder_are_ignored() {
    let dir = folder_with_config("config.json", &serde_json::json!({ "theme": "dark" }));
    let src = dir.path().join("m.pt");
    assert!(run(&src, &as_openai()).is_ok());
    let options = as_openai().config(dir.path().join("config.json"));
    let error = refused(&src, &options);
    assert!(error.contains("config.json: is no configuration of open_clip"), "{error}");
}

#[test]
fn the_checkpoint_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let src = dir.path().join("m.pt");
    std::fs::copy(golden("plain.pt"), &src).unwrap();
    let error = convert(&src, &src, &as_openai(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("is the checkpoint itself"), "{error}");
    assert_eq!(std::fs::read(&src).unwrap(), std::fs::read(golden("plain.pt")).unwrap());
}

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
        assert!(error.ends_with("remove it from a copy of the file and give the copy with --config"), "{error}");
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

/// What the error advises works: photos, and ids from a program.
#[test]
fn a_model_of_another_vocabulary_takes_photos_and_ids() {
    let dir = tempfile::tempdir().unwrap();
    for rows in [64, 49408 + 4097] {
        let path = with_vocabulary(rows, 2, dir.path()).unwrap();
        let clip = Clip::open(&path).unwrap();
        let error = clip.text().encode(["a cat"]).unwrap_err().to_string();
        assert!(error.contains(&format!("token embedding has {rows} rows and CLIP's vocabulary 49408")), "{error}");
        assert!(error.contains("use the model for photos alone, or from a program"), "{error}");
        assert_eq!(clip.text().encode_ids([[1, 5, 63]]).unwrap().nrows(), 1);
        assert_eq!(clip.image().encode_pixels(ndarray::Array4::zeros((1, 3, 16, 16)).view()).unwrap().nrows(), 1);
    }
}
