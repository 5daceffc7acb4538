//! Tests of the checkpoint generator: values, layouts, containers, and agreement with the goldens.
#![cfg(feature = "import")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use half::f16;
use serde_json::Value;
use tempfile::tempdir;
use zip::{CompressionMethod, ZipArchive};

use clippie_testkit::checkpoint::layout::open_clip;
use clippie_testkit::checkpoint::tensor::{Element, Kind, Tensor};
use clippie_testkit::checkpoint::{self, Error, Layout, Model, golden};
use clippie_testkit::goldens;

/// Values of each tensor by its canonical name.
type Tensors = BTreeMap<String, Vec<f32>>;

fn expected(model: &Model, seed: u64) -> Tensors {
    let named = |tensor: Tensor| (tensor.name.clone(), tensor.values(seed));
    model.tensors().into_iter().map(named).collect()
}

fn floats(bytes: &[u8], element: Element) -> Vec<f32> {
    match element {
        Element::F16 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        Element::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Element::I64 => panic!("not a weight"),
    }
}

fn read_safetensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .filter(|(name, _)| !name.ends_with(".num_batches_tracked"))
        .map(|(name, view)| {
            assert_eq!(view.dtype(), safetensors::Dtype::F32, "{name}");
            let values = floats(view.data(), Element::F32);
            (name.to_owned(), (view.shape().to_vec(), values))
        })
        .collect()
}

fn read_entry(archive: &mut ZipArchive<File>, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut entry = archive.by_name(name).unwrap();
    entry.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The storages of a PyTorch archive, in the order of the layout's entries.
fn read_storages(path: &Path, folder: &str, layout: Layout, model: &Model) -> Tensors {
    let mut archive = ZipArchive::new(File::open(path).unwrap()).unwrap();
    let pickle = read_entry(&mut archive, &format!("{folder}/data.pkl"));
    let mut tensors = Tensors::new();
    for (key, entry) in layout.entries(model).into_iter().enumerate() {
        // The tensor's own name precedes its storage's key in the pickle; names within modules repeat.
        if layout != Layout::OpenAi {
            let position = |text: &[u8]| pickle.windows(text.len()).position(|w| w == text);
            let mut name = (entry.name.len() as u32).to_le_bytes().to_vec();
            name.extend(entry.name.as_bytes());
            assert!(position(&name).is_some(), "{}", entry.name);
        }
        let bytes = read_entry(&mut archive, &format!("{folder}/data/{key}"));
        assert_eq!(bytes.len(), entry.byte_len(), "{}", entry.name);
        if entry.element != Element::I64 {
            tensors.insert(entry.name, floats(&bytes, entry.element));
        }
    }
    tensors
}

/// `tools/reference/checkpoint_values.py` computed the probes.
#[test]
fn values_are_those_of_the_python_twin() {
    let weight = |fan_in, gain| Kind::Weight { fan_in, gain };
    let probes: [(Tensor, &[(usize, u32)]); 6] = [
        (
            Tensor::half("visual.conv1.weight", &[40, 3, 7, 7], weight(147, 1.0)),
            &[(0, 0x3bca6000), (1, 0xbc174000), (5879, 0x3ddba000)],
        ),
        (
            Tensor::half("transformer.resblocks.2.attn.in_proj_weight", &[120, 40], weight(40, 1.5)),
            &[(0, 0x3e7b8000), (1, 0x3da44000), (4799, 0xbe8f2000)],
        ),
        (
            Tensor::half("transformer.resblocks.1.attn.in_proj_bias", &[120], Kind::Bias),
            &[(0, 0x3dbfe000), (1, 0x3e4b4000), (119, 0xbdcf4000)],
        ),
        (
            Tensor::single("visual.ln_pre.weight", &[40], Kind::NormWeight),
            &[(0, 0x3f446759), (1, 0x3f8daa34), (39, 0x3fa782db)],
        ),
        (
            Tensor::single("token_embedding.weight", &[64, 40], Kind::Embedding),
            &[(0, 0xbf56151f), (1, 0x3ecd2049), (2559, 0xbeb76b4f)],
        ),
        (Tensor::single("logit_scale", &[], Kind::LogitScale), &[(0, 0x406c1942)]),
    ];
    let model = Model::named("tiny-quick").unwrap();
    for (tensor, values) in probes {
        assert!(model.tensors().contains(&tensor), "{}", tensor.name);
        let all = tensor.values(1);
        for &(index, bits) in values {
            assert_eq!(all[index].to_bits(), bits, "{}[{index}]", tensor.name);
        }
    }
}

#[test]
fn files_depend_on_the_seed_alone() {
    let model = Model::named("tiny-floor").unwrap();
    let folder = tempdir().unwrap();
    let bytes = |seed, name: &str| {
        let target = folder.path().join(name);
        let files = checkpoint::write(&model, seed, Layout::OpenClip, &target).unwrap();
        fs::read(&files[0]).unwrap()
    };
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let first = bytes(5, "a");
    assert!(first == bytes(5, "b"));
    assert!(first == one_thread.install(|| bytes(5, "c")));
    assert!(first != bytes(6, "d"));
}

#[test]
fn every_layout_holds_the_same_numbers() {
    let seed = 3;
    let model = Model::named("tiny-openai").unwrap();
    let expected = expected(&model, seed);
    let shapes: BTreeMap<_, _> = model.tensors().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
    let folder = tempdir().unwrap();
    let write = |layout: Layout| {
        let target = folder.path().join(layout.name());
        checkpoint::write(&model, seed, layout, &target).unwrap()
    };

    let files = write(Layout::OpenClip);
    assert!(files[0].ends_with("open_clip_model.safetensors"));
    assert!(files[1].ends_with("open_clip_config.json"));
    let stored = read_safetensors(&files[0]);
    assert!(stored.keys().eq(expected.keys()));
    for (name, (shape, values)) in stored {
        assert_eq!(shape, shapes[&name], "{name}");
        assert!(values == expected[&name], "{name}");
    }

    let files = write(Layout::OpenClipBin);
    let stored = read_storages(&files[0], "open_clip_pytorch_model", Layout::OpenClipBin, &model);
    assert!(stored == expected);

    let files = write(Layout::OpenAi);
    assert!(files.len() == 1 && files[0].ends_with("tiny-openai.pt"));
    assert!(read_storages(&files[0], "tiny-openai", Layout::OpenAi, &model) == expected);

    let files = write(Layout::HuggingFace);
    assert!(files[0].ends_with("model.safetensors"));
    let mut stored = read_safetensors(&files[0]);
    for (theirs, ours) in [("visual_projection", "visual.proj"), ("text_projection", "text_projection")] {
        let (shape, values) = stored.remove(&format!("{theirs}.weight")).unwrap();
        let [outputs, inputs] = shape[..] else { panic!("{theirs}: {shape:?}") };
        assert_eq!([inputs, outputs], shapes[ours][..]);
        for input in 0..inputs {
            for output in 0..outputs {
                let turned = expected[ours][input * outputs + output];
                assert_eq!(values[output * inputs + input], turned, "{theirs}");
            }
        }
    }
    for (tower, blocks) in [("vision_model", "visual.transformer"), ("text_model", "transformer")] {
        for kind in ["weight", "bias"] {
            let joined: Vec<f32> = ["q", "k", "v"]
                .iter()
                .flat_map(|part| {
                    let name = format!("{tower}.encoder.layers.1.self_attn.{part}_proj.{kind}");
                    stored.remove(&name).unwrap().1
                })
                .collect();
            assert!(joined == expected[&format!("{blocks}.resblocks.1.attn.in_proj_{kind}")]);
        }
        let (_, fc2) = &stored[&format!("{tower}.encoder.layers.0.mlp.fc2.weight")];
        assert!(*fc2 == expected[&format!("{blocks}.resblocks.0.mlp.c_proj.weight")]);
    }
}

#[test]
fn openai_archives_are_laid_out_as_torchscript() {
    let model = Model::named("tiny-openai").unwrap();
    let folder = tempdir().unwrap();
    let files = checkpoint::write(&model, 1, Layout::OpenAi, folder.path()).unwrap();
    let mut archive = ZipArchive::new(File::open(&files[0]).unwrap()).unwrap();

    for index in 0..archive.len() {
        let entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let name = name.strip_prefix("tiny-openai/").expect("one top folder");
        let (start, method) = (entry.data_start().unwrap(), entry.compression());
        assert_eq!(start % 64, 0, "{name}");
        let is_code = name.starts_with("code/");
        assert_eq!(method == CompressionMethod::Deflated, is_code, "{name}");
    }
    assert_eq!(read_entry(&mut archive, "tiny-openai/version"), b"3\n");
    let root = "tiny-openai/code/__torch__/multimodal/model/multimodal_transformer.py";
    let code = String::from_utf8(read_entry(&mut archive, root)).unwrap();
    assert!(code.contains("__buffers__ = [\"input_resolution\", \"context_length\", \"vocab_size\", ]"));

    let elements: BTreeMap<_, _> =
        Layout::OpenAi.entries(&model).into_iter().map(|entry| (entry.name, entry.element)).collect();
    assert_eq!(elements["visual.proj"], Element::F16);
    assert_eq!(elements["transformer.resblocks.0.attn.in_proj_bias"], Element::F16);
    assert_eq!(elements["token_embedding.weight"], Element::F32);
    assert_eq!(elements["visual.ln_pre.weight"], Element::F32);
    assert_eq!(elements["vocab_size"], Element::I64);
}

/// Counts of the published models: parameters from open_clip's model profiles, tensors from transformers.
#[test]
fn published_models_have_their_published_sizes() {
    for (name, parameters) in [
        ("vit-b-32-openai", 151_277_313),
        ("vit-b-16-laion2b", 149_620_737),
        ("vit-l-14-datacomp-xl", 427_616_513),
        ("vit-l-14-336-openai", 427_944_193),
    ] {
        assert_eq!(Model::named(name).unwrap().parameters(), parameters);
    }
    let model = Model::named("vit-b-32-openai").unwrap();
    assert_eq!(Layout::HuggingFace.entries(&model).len(), 398);
}

#[test]
fn goldens_describe_the_same_models_and_inputs() {
    let index = goldens::index();
    assert_eq!(index["seed"], golden::SEED);
    for (image, pixels) in index["first_pixels"].as_array().unwrap().iter().enumerate() {
        let own = golden::pixels(image, 2);
        for (own, golden) in own.iter().zip(pixels.as_array().unwrap()) {
            assert_eq!(f64::from(*own), golden.as_f64().unwrap());
        }
    }

    let models = golden::models();
    let described = index["models"].as_array().unwrap();
    assert_eq!(models.len(), described.len());
    for described in described {
        let name = described["name"].as_str().unwrap();
        let model = models.iter().find(|model| model.name == name).unwrap();
        assert_eq!(open_clip::model_config(model), described["model_cfg"]);
        assert_eq!(serde_json::json!(golden::all_ids(model)), described["ids"], "{name}");

        let embed = model.embed_dim();
        let image = goldens::read(&format!("{name}-image"));
        assert_eq!(image.shape(), [golden::IMAGES, embed]);
        let text = goldens::read(&format!("{name}-text"));
        assert_eq!(text.shape(), [golden::TEXTS, embed]);
        for row in image.outer_iter().chain(text.outer_iter()) {
            let length: f64 = row.iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-14, "{name}");
        }
        if name.starts_with("tiny-") {
            let size = model.vit().unwrap();
            let stages = goldens::read(&format!("{name}-image-stages"));
            let tokens = size.grid() * size.grid() + 1;
            let expected = [size.image.layers + 1, golden::IMAGES, tokens, size.image.width];
            assert_eq!(stages.shape(), expected);
            let stages = goldens::read(&format!("{name}-text-stages"));
            let tokens = size.context_length;
            let expected = [size.text.layers + 1, golden::TEXTS, tokens, size.text.width];
            assert_eq!(stages.shape(), expected);
        }
    }
}

#[test]
fn configurations_state_activation_and_preprocessing() {
    let folder = tempdir().unwrap();
    let model = Model::named("tiny-bidirectional").unwrap();
    let target = folder.path().join("renamed.safetensors");
    let files = checkpoint::write(&model, 1, Layout::OpenClip, &target).unwrap();
    assert_eq!(files[0], target);
    let config: Value = serde_json::from_slice(&fs::read(&files[1]).unwrap()).unwrap();
    assert_eq!(config["model_cfg"]["text_cfg"]["no_causal_mask"], true);
    assert_eq!(config["model_cfg"]["vision_cfg"]["head_width"], 24);
    assert_eq!(config["model_cfg"].get("quick_gelu"), None);

    let mut model = Model::named("tiny-floor").unwrap();
    model.mean = [0.5; 3];
    let files = checkpoint::write(&model, 1, Layout::HuggingFace, folder.path()).unwrap();
    let read = |i: usize| -> Value { serde_json::from_slice(&fs::read(&files[i]).unwrap()).unwrap() };
    assert_eq!(read(1)["text_config"]["hidden_act"], "gelu");
    assert_eq!(read(1)["vision_config"]["intermediate_size"], 180);
    assert_eq!(read(2)["image_mean"], serde_json::json!([0.5, 0.5, 0.5]));
    assert_eq!(read(2)["size"]["shortest_edge"], 30);
}

#[test]
fn refusals_name_the_remedy() {
    let error = Model::named("vit-b-64").unwrap_err();
    assert!(matches!(error, Error::UnknownModel { .. }));
    assert!(error.to_string().contains("vit-b-32-openai, "), "{error}");

    let folder = tempdir().unwrap();
    for (model, layout) in [("vit-b-32-laion2b", Layout::OpenAi), ("tiny-bidirectional", Layout::HuggingFace)] {
        let model = Model::named(model).unwrap();
        let error = checkpoint::write(&model, 1, layout, folder.path()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!("tensorflow".parse::<Layout>().is_err());
}

/// The names and shapes of RN50 are those of open_clip's model.
#[test]
fn names_and_shapes_of_a_resnet_are_the_published_ones() {
    let keys: Value = serde_json::from_slice(&fs::read("tests/goldens/import/keys.json").unwrap()).unwrap();
    let expected: BTreeMap<String, Vec<usize>> = serde_json::from_value(keys["RN50"].clone()).unwrap();
    let model = Model::named("rn50-openai").unwrap();
    let entries = Layout::OpenClip.entries(&model);
    let found: BTreeMap<String, Vec<usize>> = entries.into_iter().map(|entry| (entry.name, entry.shape)).collect();
    assert_eq!(found, expected);
    assert_eq!(model.parameters(), 102_007_137);
    // OpenAI's archive holds the same, and its own buffers.
    let names: Vec<String> = Layout::OpenAi.entries(&model).into_iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), expected.len() + 3);
    assert!(expected.keys().all(|name| names.contains(name)));
}
