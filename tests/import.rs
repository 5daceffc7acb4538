//! Conversion of tiny checkpoints in `tests/goldens/import`, which the reference libraries wrote
//! (`tools/import_fixtures.py`).

#![cfg(feature = "import")]

#[path = "import_files/configurations.rs"]
mod configurations;
#[path = "import_files/int8.rs"]
mod int8;

use std::path::{Path, PathBuf};

use clippie_rs::CancelToken;
use clippie_rs::import::{
    Checkpoint, Container, ConvertOptions, Converted, Error, SourceLayout, Stage, TokenTable, convert,
};
use clippie_rs::models::config::{Activation, ImageConfig, ModelConfig, TextConfig};
use clippie_rs::preprocess::{Interpolation, PreprocessConfig, ResizeMode};
use clippie_rs::weights::{Dtype, Layout, TensorSpec, WeightsFile};
use clippie_testkit::checkpoint::edit::Tensors;
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
fn token_tables_are_stored_in_8_bits_if_asked() {
    let options = |table| as_openai().token_table(table);
    let (converted, exact, _dir) = run(&golden("f64.pt"), &options(TokenTable::Exact)).unwrap();
    assert_eq!(converted.token_table_difference, None);
    let (converted, small, _dir) = run(&golden("f64.pt"), &options(TokenTable::Int8)).unwrap();
    let stated = converted.token_table_difference.unwrap();
    assert_ne!(exact.content_hash(), small.content_hash());
    let (mut largest, mut tables) = (0f64, 0);
    for (wanted, found) in exact.header().tensors.iter().zip(&small.header().tensors) {
        let spec = &found.spec;
        if spec.name != "text.token_embedding" {
            assert_eq!((&wanted.spec, &wanted.sha256), (spec, &found.sha256));
            continue;
        }
        tables += 1;
        assert_eq!((spec.dtype, spec.layout, &spec.shape), (Dtype::I8, Layout::ScaledRows, &wanted.spec.shape));
        let [rows, width] = spec.shape[..] else { panic!("{spec:?}") };
        assert_eq!(found.bytes.end - found.bytes.start, (rows * (4 + width)) as u64);
        let (wanted, found) = (values(&exact, &wanted.spec), values(&small, spec));
        for (wanted, found) in wanted.chunks(width).zip(found.chunks(width)) {
            let most = wanted.iter().fold(0f32, |most, value| most.max(value.abs()));
            let off = |(wanted, found): (&f32, &f32)| f64::from(*wanted) - f64::from(*found);
            let all = || wanted.iter().zip(found).map(off);
            assert!(all().all(|off| off.abs() <= f64::from(most) / 253.9), "{wanted:?} {found:?}");
            let length = wanted.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            largest = largest.max(all().map(|off| off * off).sum::<f64>().sqrt() / length);
        }
    }
    assert_eq!(tables, 1);
    // The stated one is that to the numbers of the checkpoint, before they are rounded to f32.
    assert!(stated > 0.0 && (stated - largest).abs() < 1e-6, "{stated} {largest}");
    // Also where 16 bits lose nothing, in every layout.
    let int8 = ConvertOptions::new().token_table(TokenTable::Int8);
    let (_, first, _dir) = run(&golden("open_clip"), &int8).unwrap();
    let (_, second, _dir) = run(&golden("huggingface"), &int8).unwrap();
    assert_eq!(first.content_hash(), second.content_hash());
    assert!(first.header().tensors.iter().any(|entry| entry.spec.dtype == Dtype::I8));
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
    assert!(file.tensor("text.blocks.1.fc1.weight", Layout::Panels16, &[24, 48]).is_ok());
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
             gelu|gelu_tanh|quick_gelu --mean R,G,B"
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
    assert!(error.contains("model `rn50-openai` says that patch_size is 32, but the tensors of"), "{error}");
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

// --- checkpoints in several files

/// The golden in Hugging Face's layout, as tensors; its folder has two configuration files.
fn huggingface() -> Tensors {
    Tensors::read(&golden("huggingface/model.safetensors"))
}

/// A folder with the configuration files of the golden in Hugging Face's layout.
fn huggingface_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "preprocessor_config.json"] {
        std::fs::copy(golden("huggingface").join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn content_hash(src: &Path, options: &ConvertOptions) -> String {
    let (_, file, _dir) = run(src, options).unwrap_or_else(|error| panic!("{}: {error}", src.display()));
    file.content_hash().to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn parts_give_the_weights_of_the_whole() {
    let expected = content_hash(&golden("huggingface"), &ConvertOptions::default());
    let dir = huggingface_folder();
    huggingface().write_parts(dir.path(), "model", 3);
    let parts: Vec<PathBuf> = (1..=3).map(|i| dir.path().join(format!("model-{i:05}-of-00003.safetensors"))).collect();
    let index = dir.path().join("model.safetensors.index.json");
    for src in [dir.path(), &index, &parts[0], &parts[2]] {
        let (converted, file, _dir) = run(src, &ConvertOptions::default()).unwrap();
        assert_eq!(file.content_hash(), expected);
        assert_eq!((&converted.source, converted.container), (&index, Container::Safetensors));
        let provenance = &file.header().meta.provenance;
        let all: Vec<u8> = parts.iter().flat_map(|part| std::fs::read(part).unwrap()).collect();
        assert_eq!(provenance.source, "model.safetensors.index.json");
        assert_eq!((provenance.source_bytes, &provenance.source_sha256), (all.len() as u64, &sha256(&all)));
    }
    // A single file is preferred, as before there were parts.
    let whole = dir.path().join("pytorch_model.bin");
    std::fs::copy(golden("huggingface_bin/pytorch_model.bin"), &whole).unwrap();
    assert_eq!(run(dir.path(), &ConvertOptions::default()).unwrap().0.source, whole);
    std::fs::remove_file(whole).unwrap();
    // Without the index, the names of the parts say enough.
    std::fs::remove_file(&index).unwrap();
    for src in [dir.path(), &parts[1]] {
        assert_eq!(content_hash(src, &ConvertOptions::default()), expected);
    }
    // Parts in PyTorch's container.
    let dir = huggingface_folder();
    let part = "pytorch_model-00001-of-00001.bin";
    std::fs::copy(golden("huggingface_bin/pytorch_model.bin"), dir.path().join(part)).unwrap();
    let map: serde_json::Map<_, _> = huggingface().0.keys().map(|name| (name.clone(), part.into())).collect();
    let index = serde_json::json!({ "weight_map": map }).to_string();
    std::fs::write(dir.path().join("pytorch_model.bin.index.json"), index).unwrap();
    assert_eq!(content_hash(dir.path(), &ConvertOptions::default()), expected);
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    let write = || {
        let dir = huggingface_folder();
        huggingface().write_parts(dir.path(), "model", 2);
        dir
    };
    let part = |dir: &tempfile::TempDir, i: usize| dir.path().join(format!("model-{i:05}-of-00002.safetensors"));
    let refused = |dir: &tempfile::TempDir, hint: &str| {
        let error = refused(dir.path(), &ConvertOptions::default());
        assert!(error.contains(hint), "{error}");
        error
    };

    // A missing file, with and without the index. Once it is there, the conversion works.
    let dir = write();
    let bytes = std::fs::read(part(&dir, 2)).unwrap();
    std::fs::remove_file(part(&dir, 2)).unwrap();
    refused(&dir, "1 of the checkpoint's 2 files are missing (model-00002-of-00002.safetensors); download them to the");
    let index = dir.path().join("model.safetensors.index.json");
    let text = std::fs::read(&index).unwrap();
    std::fs::remove_file(&index).unwrap();
    refused(&dir, "one of 2 parts of a checkpoint, of which model-00002-of-00002.safetensors is missing; download all");
    std::fs::write(part(&dir, 2), bytes).unwrap();
    assert!(run(dir.path(), &ConvertOptions::default()).is_ok());
    std::fs::write(&index, text).unwrap();

    // A tensor in both files, one in neither, one in the other.
    let first = Tensors::read(&part(&dir, 1));
    let moved = first.0.keys().next().unwrap().clone();
    let second = Tensors::read(&part(&dir, 2));
    second.and(&first.only(|name| name == moved)).write(&part(&dir, 2));
    refused(&dir, &format!("tensor `{moved}` is also in"));
    first.only(|name| name != moved).write(&part(&dir, 1));
    refused(&dir, &format!("tensor `{moved}` is missing, although the index says that it is there"));
    second.write(&part(&dir, 2));
    refused(&dir, &format!("tensor `{moved}` is missing"));

    // An index that names other places, or nothing.
    for (file, shown) in [("../model.safetensors", "`../model.safetensors`"), ("/etc/passwd", "`/etc/passwd`")] {
        let index = serde_json::json!({ "weight_map": { "logit_scale": file } });
        std::fs::write(dir.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
        refused(&dir, &format!("names the file {shown}, which is not beside it"));
    }
    for bad in ["", "{", "[]", r#"{"weight_map": 3}"#, r#"{"weight_map": {"a": 1}}"#, &"[".repeat(100_000)] {
        std::fs::write(dir.path().join("model.safetensors.index.json"), bad).unwrap();
        refused(&dir, "is not the index of a checkpoint");
    }
    let other = serde_json::json!({ "weight_map": { "logit_scale": "config.json" } }).to_string();
    std::fs::write(dir.path().join("model.safetensors.index.json"), other).unwrap();
    let error = convert(&part(&dir, 1), &dir.path().join("x"), &ConvertOptions::default(), &mut |_| {});
    let error = error.unwrap_err().to_string();
    assert!(error.contains("model.safetensors.index.json, does not name it"), "{error}");
}

// --- prefixes, towers, extra tensors

#[test]
fn prefixes_change_nothing() {
    let expected = content_hash(&golden("huggingface"), &ConvertOptions::default());
    for prefix in ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "a.b.c."] {
        let dir = huggingface_folder();
        huggingface().renamed(|name| format!("{prefix}{name}")).write(&dir.path().join("model.safetensors"));
        let (converted, file, _dir) = run(dir.path(), &ConvertOptions::default()).unwrap();
        assert_eq!((converted.prefix.as_str(), file.content_hash()), (prefix, expected.as_str()));
    }
}

#[test]
fn a_chosen_prefix_decides_between_models() {
    let expected = content_hash(&golden("huggingface"), &ConvertOptions::default());
    let mut other = huggingface();
    other.0.get_mut("logit_scale").unwrap().bytes.fill(0);
    let dir = huggingface_folder();
    let both = other.renamed(|name| format!("model.{name}")).and(&huggingface().renamed(|name| format!("ema.{name}")));
    both.write(&dir.path().join("model.safetensors"));
    let error = refused(dir.path(), &ConvertOptions::default());
    assert!(error.contains("several models, with the prefixes `ema.`, `model.`; choose one with --prefix"), "{error}");
    // Following the advice gives either model.
    assert_eq!(content_hash(dir.path(), &ConvertOptions::new().prefix("ema.")), expected);
    let (converted, file, _dir) = run(dir.path(), &ConvertOptions::new().prefix("model")).unwrap();
    assert_ne!(file.content_hash(), expected);
    assert_eq!((converted.config.logit_scale, converted.extra.len()), (0.0, huggingface().0.len()));
}

#[test]
fn extra_tensors_are_left_out_only_on_request() {
    let expected = content_hash(&golden("huggingface"), &ConvertOptions::default());
    let dir = huggingface_folder();
    let head = Tensors::f32("head.weight", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    huggingface().and(&head).write(&dir.path().join("model.safetensors"));
    let error = refused(dir.path(), &ConvertOptions::default());
    assert!(error.contains("1 in no tower (`head.weight`); add --ignore-extra to leave them out"), "{error}");
    let options = ConvertOptions::new().ignore_extra(true);
    let (converted, file, _dir) = run(dir.path(), &options).unwrap();
    assert_eq!((file.content_hash(), converted.extra), (expected.as_str(), vec!["head.weight".to_owned()]));
}

#[test]
fn one_tower_gives_a_file_of_one_tower() {
    let (_, whole, _whole_dir) = run(&golden("huggingface"), &ConvertOptions::default()).unwrap();
    for (tower, start, other) in
        [("image", ["vision_model.", "visual_"], "text"), ("text", ["text_model.", "text_"], "image")]
    {
        let dir = huggingface_folder();
        let part = huggingface().only(|name| start.iter().any(|start| name.starts_with(start)));
        part.write(&dir.path().join("model.safetensors"));
        let (converted, file, _dir) = run(dir.path(), &ConvertOptions::default()).unwrap();
        assert_eq!(converted.config.image.is_some(), tower == "image");
        assert_eq!(converted.config.text.is_some(), tower == "text");
        assert_eq!((converted.config.logit_scale, converted.model_name), (0.0, None));
        assert_eq!(file.header().meta.tokenizer.is_null(), tower == "image");
        // The same tensors, bit for bit.
        for entry in &file.header().tensors {
            let same = whole.header().tensors.iter().find(|other| other.spec.name == entry.spec.name).unwrap();
            assert_eq!((&entry.spec, &entry.sha256), (&same.spec, &same.sha256));
        }
        assert!(file.tensor_names().all(|name| !name.starts_with(other)));
        assert!(file.verify().is_ok());
    }
    // A text tower alone needs no preprocessing of photos.
    let dir = tempfile::tempdir().unwrap();
    let native = Tensors::read(&golden("open_clip/open_clip_model.safetensors"));
    let (text, path) = (native.only(|name| !name.starts_with("visual.")), dir.path().join("text.safetensors"));
    text.write(&path);
    let options = ConvertOptions::new().activation(Activation::QuickGelu).text_heads(3);
    let (converted, ..) = run(&path, &options).unwrap();
    assert_eq!(converted.preprocess, PreprocessConfig::openai(224));
    assert!(refused(&path, &options.image_heads(4)).contains("--image-heads does not apply"));
    native.only(|name| name.starts_with("visual.")).write(&path);
    let error = refused(&path, &ConvertOptions::new().activation(Activation::QuickGelu).image_heads(4));
    assert!(error.contains("do not tell the mean, standard deviation"), "{error}");
}

#[test]
fn long_clip_takes_its_first_positions_from_clip() {
    // 24 positions of 24 channels: more than the 20 that are kept.
    let (rows, width) = (24, 24);
    let table = |sign: f32| -> Vec<f32> { (0..rows * width).map(|i| sign * (1 + i) as f32 / 64.0).collect() };
    let native = Tensors::read(&golden("open_clip/open_clip_model.safetensors"));
    let long = native
        .only(|name| name != "positional_embedding")
        .and(&Tensors::f32("positional_embedding", &[rows, width], &table(1.0)))
        .and(&Tensors::f32("positional_embedding_res", &[rows, width], &table(-1.0)));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("longclip.safetensors");
    long.write(&path);
    // Activation and preprocessing are OpenAI's.
    let (converted, file, _dir) = run(&path, &heads()).unwrap();
    assert_eq!((converted.layout, converted.preprocess), (SourceLayout::OpenAi, PreprocessConfig::openai(18)));
    let spec = &file.header().tensors.iter().find(|entry| entry.spec.name == "text.position").unwrap().spec;
    let found = values(&file, spec);
    let mut expected = table(1.0);
    expected[20 * width..].iter_mut().for_each(|value| *value = -*value);
    assert_eq!(found, expected);
}

#[test]
fn a_conversion_can_be_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    for stage in [None, Some(Stage::Hash), Some(Stage::Write)] {
        let cancel = CancelToken::new();
        if stage.is_none() {
            cancel.cancel();
        }
        let mut report = |progress: clippie_rs::import::Progress| {
            if Some(progress.stage) == stage {
                cancel.cancel();
            }
        };
        let options = as_openai().cancel(&cancel);
        let error = convert(&golden("plain.pt"), &dir.path().join("x.clippie"), &options, &mut report).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{stage:?}: {error}");
        assert!(matches!(clippie_rs::Error::from(error), clippie_rs::Error::Cancelled));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    }
}

/// A sparse file costs no disk, and a file may declare any number of entries and elements in it.
#[test]
fn sparse_files_cost_nothing() {
    use std::io::{Seek, SeekFrom, Write};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse.pt");
    let mut file = std::fs::File::create(&path).unwrap();
    // A zip directory of 8 GiB, with as many entries as fit in it.
    let (len, start) = (8u64 << 30, 64u64);
    let (count, end) = (len / 46, len + start);
    file.write_all(b"PK\x03\x04").unwrap();
    file.seek(SeekFrom::Start(end)).unwrap();
    let mut tail = b"PK\x06\x06".to_vec();
    tail.extend(44u64.to_le_bytes());
    tail.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    [count, count, len, start].iter().for_each(|value| tail.extend(value.to_le_bytes()));
    tail.extend(b"PK\x06\x07\0\0\0\0");
    tail.extend(end.to_le_bytes());
    tail.extend(1u32.to_le_bytes());
    tail.extend(b"PK\x05\x06\0\0\0\0");
    tail.extend([0xff; 12]);
    tail.extend([0; 2]);
    file.write_all(&tail).unwrap();
    let error = refused(&path, &as_openai());
    assert!(error.contains("zip directory of 8589934592 bytes is longer than"), "{error}");

    // Tensors of 32 GiB of zeros: more elements than a tensor may have.
    let native = Tensors::read(&golden("open_clip/open_clip_model.safetensors"));
    let mut header = serde_json::Map::new();
    let mut at = 0usize;
    for (name, tensor) in &native.0 {
        let vocabulary = 1usize << 24;
        let shape = if name == "token_embedding.weight" { vec![vocabulary, 1024] } else { tensor.shape.clone() };
        let shape: Vec<usize> = match name.as_str() {
            "token_embedding.weight" => shape,
            name if name.starts_with("visual.") => shape,
            _ => shape
                .iter()
                .map(|&dim| match dim {
                    24 => 1024,
                    72 => 3072,
                    dim => dim,
                })
                .collect(),
        };
        let end = at + 2 * shape.iter().product::<usize>();
        header.insert(name.clone(), serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [at, end] }));
        at = end;
    }
    let header = serde_json::Value::Object(header).to_string();
    let path = dir.path().join("sparse.safetensors");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + at as u64).unwrap();
    let error = refused(&path, &as_openai().text_heads(16));
    assert!(error.contains("`text.token_embedding` has more than the 2147483648 numbers"), "{error}");
}

#[test]
fn a_damaged_index_is_an_error_or_means_the_same() {
    let dir = huggingface_folder();
    huggingface().write_parts(dir.path(), "model", 2);
    let path = dir.path().join("model.safetensors.index.json");
    let index = std::fs::read(&path).unwrap();
    let names = |checkpoint: &Checkpoint| checkpoint.tensors().map(|info| info.name.to_owned()).collect::<Vec<_>>();
    let expected = names(&Checkpoint::open(&path).unwrap());
    let (mut good, mut bad) = (0, 0);
    let cut = (0..index.len()).step_by(3).map(|len| index[..len].to_vec());
    let flipped = (0..index.len()).step_by(3).map(|at| {
        let mut index = index.clone();
        index[at] ^= 1 << (at % 8);
        index
    });
    for damaged in cut.chain(flipped) {
        std::fs::write(&path, damaged).unwrap();
        match Checkpoint::open(dir.path()) {
            Ok(checkpoint) => {
                assert_eq!(names(&checkpoint), expected);
                good += 1;
            }
            Err(error) => {
                assert!(!error.to_string().chars().any(char::is_control), "{error}");
                bad += 1;
            }
        }
    }
    assert!(good > 0 && bad > 1000, "{good} {bad}");
}

/// A program that writes the checkpoint meanwhile would give weights of two files under the hash of one.
#[cfg(unix)]
#[test]
fn a_checkpoint_that_changes_during_its_conversion_is_refused() {
    for truncate in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (src, out) = (dir.path().join("plain.pt"), dir.path().join("out.clippie"));
        std::fs::copy(golden("plain.pt"), &src).unwrap();
        let mut changed = false;
        let error = convert(&src, &out, &as_openai(), &mut |progress| {
            if progress.stage == Stage::Write && !std::mem::replace(&mut changed, true) {
                let file = std::fs::OpenOptions::new().write(true).open(&src).unwrap();
                let len = file.metadata().unwrap().len();
                if truncate {
                    // The end of the archive, which no tensor needs any more.
                    file.set_len(len - 1).unwrap();
                } else {
                    std::os::unix::fs::FileExt::write_at(&file, b"x", len - 1).unwrap();
                }
            }
        })
        .unwrap_err();
        assert!(error.to_string().contains("it changed while it was read; convert it again"), "{error}");
        assert!(!out.exists() && std::fs::read_dir(dir.path()).unwrap().count() == 1);
    }
}
