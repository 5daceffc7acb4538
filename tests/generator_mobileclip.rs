//! Tests of the generator's MobileCLIP family: values, names, layouts, folding, and agreement with the goldens.
#![cfg(feature = "import")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use tempfile::tempdir;
use zip::ZipArchive;

use clippie_testkit::checkpoint::layout::open_clip;
use clippie_testkit::checkpoint::tensor::{Element, Kind, Tensor};
use clippie_testkit::checkpoint::{self, Error, Layout, Model, golden};
use clippie_testkit::goldens;

/// Shape and values by name; integers are left out.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Model, tensor, and the bits of the values at some indices.
type Probe<'a> = (&'a str, Tensor, [(usize, u32); 3]);
/// Model, layout, and some names with their shapes.
type Listing<'a> = (&'a str, Layout, &'a [(&'a str, &'a [usize])]);

fn model(name: &str) -> Model {
    Model::named(name).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Writes a checkpoint and reads its floats back.
fn stored(model: &Model, layout: Layout, seed: u64, folder: &Path) -> Tensors {
    let files = checkpoint::write(model, seed, layout, &folder.join(layout.name())).unwrap();
    if files[0].extension().unwrap() == "safetensors" {
        let bytes = fs::read(&files[0]).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let floats_only = file.iter().filter(|(_, view)| view.dtype() == safetensors::Dtype::F32);
        return floats_only
            .map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), floats(view.data()))))
            .collect();
    }
    // Storages are in the order of the layout's entries.
    let top = files[0].file_stem().unwrap().to_str().unwrap().to_owned();
    let mut archive = ZipArchive::new(File::open(&files[0]).unwrap()).unwrap();
    let mut tensors = Tensors::new();
    for (key, entry) in layout.entries(model).into_iter().enumerate() {
        let mut bytes = Vec::new();
        archive.by_name(&format!("{top}/data/{key}")).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), entry.byte_len(), "{}", entry.name);
        if entry.element == Element::F32 {
            tensors.insert(entry.name, (entry.shape, floats(&bytes)));
        }
    }
    tensors
}

/// `tools/reference/checkpoint_values.py` computed the probes.
#[test]
fn values_are_those_of_the_python_twin() {
    let weight = |fan_in, gain| Kind::Weight { fan_in, gain };
    let trunk = |name: &str, shape: &[usize], kind| Tensor::single(format!("visual.trunk.{name}"), shape, kind);
    let mixer = "text_encoder.transformer.0.token_mixer.mixer.rbr_conv.0.conv.weight";
    let small = "stages.1.downsample.proj.0.small_conv.bn";
    let joint = "text.transformer.resblocks.0.attn.in_proj_weight";
    let probes: [Probe; 9] = [
        (
            "tiny-mci",
            trunk("stem.0.conv_kxk.0.conv.weight", &[20, 3, 3, 3], weight(27, 0.9)),
            [(0, 0xbe8bbfb4), (1, 0xbe7770c8), (539, 0xbda73bbe)],
        ),
        (
            "tiny-mci",
            trunk(&format!("{small}.running_mean"), &[40], Kind::RunningMean),
            [(0, 0xbc78d2b2), (1, 0x3cdad8a2), (39, 0xbd40f930)],
        ),
        (
            "tiny-mci",
            trunk(&format!("{small}.running_var"), &[40], Kind::RunningVariance),
            [(0, 0x3f0c8ff8), (1, 0x3f63ce4f), (39, 0x3fbfdff1)],
        ),
        (
            "tiny-mci",
            trunk("stages.2.blocks.0.token_mixer.layer_scale.gamma", &[80, 1, 1], Kind::LayerScale),
            [(0, 0x3ef3d7dc), (1, 0x3efe92ae), (79, 0x3ef2906e)],
        ),
        (
            "tiny-mci",
            trunk("stages.3.blocks.1.norm.bias", &[160], Kind::ConvNormBias),
            [(0, 0xbc0b9f94), (1, 0x3b41e8fa), (159, 0xbd568c44)],
        ),
        (
            "tiny-mci",
            trunk("stages.3.blocks.0.token_mixer.proj.bias", &[160], Kind::ConvBias),
            [(0, 0x3ba34523), (1, 0x3d47dac4), (159, 0x3ce338ab)],
        ),
        (
            "tiny-mci",
            trunk("stages.0.blocks.0.mlp.fc2.weight", &[20, 60, 1, 1], weight(60, 0.5)),
            [(0, 0x3cfb67e0), (1, 0x3c63ed92), (1199, 0xbc648060)],
        ),
        (
            "tiny-mci",
            Tensor::single(joint, &[192, 64], weight(64, 1.5)),
            [(0, 0x3e6bcbbe), (1, 0xbe411ee4), (12287, 0xbd3ac196)],
        ),
        (
            "tiny-hybrid",
            Tensor::single(mixer, &[128, 1, 1, 11], weight(11, 1.0)),
            [(0, 0xbc1de6e8), (1, 0xbead67c1), (1407, 0xbdb98be8)],
        ),
    ];
    for (name, tensor, values) in probes {
        assert!(model(name).tensors().contains(&tensor), "{}", tensor.name);
        let all = tensor.values(1);
        for (index, bits) in values {
            assert_eq!(all[index].to_bits(), bits, "{}[{index}]", tensor.name);
        }
    }
}

/// Parameters as counted by timm, open_clip and Apple's code, and numbers of entries in their state dicts.
#[test]
fn published_models_have_their_published_sizes() {
    for (name, parameters) in [
        ("mobileclip-s0", 53_847_681),
        ("mobileclip-s1", 84_969_729),
        ("mobileclip-s2", 99_243_329),
        ("mobileclip-b-lt", 149_777_153),
        ("mobileclip-s4", 445_435_137),
        ("mobileclip2-s0", 74_835_073),
        ("mobileclip2-s3", 248_885_953),
        ("mobileclip2-l-14", 427_617_281),
    ] {
        assert_eq!(model(name).parameters(), parameters, "{name}");
    }
    for (name, layout, entries) in [
        ("mobileclip-s0", Layout::Apple, 893),
        ("mobileclip-s0", Layout::AppleFolded, 389),
        ("mobileclip-s1", Layout::Apple, 1585),
        ("mobileclip-s2", Layout::AppleFolded, 785),
        ("mobileclip-b", Layout::Apple, 313),
        ("mobileclip-b", Layout::OpenClip, 314),
        ("mobileclip2-s0", Layout::OpenClip, 934),
        ("mobileclip2-s3", Layout::OpenClipBin, 1681),
        ("mobileclip2-s4", Layout::ApplePrefixed, 1715),
        ("mobileclip2-l-14", Layout::OpenClip, 447),
    ] {
        assert_eq!(layout.entries(&model(name)).len(), entries, "{name} {layout:?}");
    }
}

/// One name of every kind of module, with its shape, as the published state dicts list them.
#[test]
fn names_and_shapes_are_the_published_ones() {
    let cases: [Listing; 5] = [
        (
            "mobileclip2-s0",
            Layout::OpenClip,
            &[
                ("visual.trunk.stem.0.conv_scale.conv.weight", &[64, 3, 1, 1]),
                ("visual.trunk.stem.2.identity.running_var", &[64]),
                ("visual.trunk.stages.2.downsample.proj.0.se.fc1.weight", &[64, 256, 1, 1]),
                ("visual.trunk.stages.3.downsample.proj.1.conv_kxk.0.bn.num_batches_tracked", &[]),
                ("visual.trunk.stages.3.pos_emb.pos_enc.weight", &[512, 1, 7, 7]),
                ("visual.trunk.stages.3.blocks.1.token_mixer.qkv.weight", &[1536, 512]),
                ("visual.trunk.stages.1.blocks.5.layer_scale.gamma", &[128, 1, 1]),
                ("visual.trunk.final_conv.se.fc2.weight", &[1024, 64, 1, 1]),
                ("visual.trunk.head.fc.weight", &[512, 1024]),
                ("text.text_projection", &[512, 512]),
            ],
        ),
        (
            "mobileclip2-s3",
            Layout::OpenClipFolded,
            &[
                ("visual.trunk.stem.1.reparam_conv.weight", &[96, 1, 3, 3]),
                ("visual.trunk.stages.4.downsample.proj.0.reparam_conv.weight", &[1536, 1, 7, 7]),
                ("visual.trunk.stages.4.pos_emb.reparam_conv.bias", &[1536]),
                ("visual.trunk.stages.2.blocks.23.token_mixer.reparam_conv.weight", &[384, 1, 3, 3]),
                ("visual.trunk.stages.3.blocks.3.norm.bias", &[768]),
                ("visual.trunk.stages.0.blocks.1.mlp.conv.bn.running_mean", &[96]),
                ("visual.trunk.final_conv.reparam_conv.bias", &[3072]),
                ("visual.trunk.head.fc.bias", &[768]),
            ],
        ),
        (
            "mobileclip-s0",
            Layout::Apple,
            &[
                ("image_encoder.model.patch_embed.0.rbr_scale.bn.running_mean", &[64]),
                ("image_encoder.model.network.2.5.convffn.fc1.weight", &[384, 128, 1, 1]),
                ("image_encoder.model.network.3.proj.0.lkb_origin.conv.weight", &[256, 1, 7, 7]),
                ("image_encoder.model.network.5.proj.1.rbr_skip.num_batches_tracked", &[]),
                ("image_encoder.model.network.6.pe.bias", &[512]),
                ("image_encoder.model.network.7.1.layer_scale_2", &[512, 1, 1]),
                ("image_encoder.model.conv_exp.se.reduce.weight", &[64, 1024, 1, 1]),
                ("image_encoder.model.head.proj", &[1024, 512]),
                ("text_encoder.positional_embedding.pos_embed.pos_embed", &[1, 1, 77, 512]),
                ("text_encoder.transformer.5.token_mixer.mixer.rbr_conv.0.conv.weight", &[512, 1, 1, 11]),
                ("text_encoder.transformer.4.pre_norm_mha.1.qkv_proj.bias", &[1536]),
            ],
        ),
        (
            "mobileclip-s1",
            Layout::AppleFolded,
            &[
                ("image_encoder.model.patch_embed.2.reparam_conv.weight", &[64, 64, 1, 1]),
                ("image_encoder.model.network.5.proj.0.lkb_reparam.weight", &[512, 1, 7, 7]),
                ("image_encoder.model.network.6.reparam_conv.weight", &[512, 1, 7, 7]),
                ("image_encoder.model.network.0.3.token_mixer.reparam_conv.bias", &[64]),
                ("image_encoder.model.network.0.3.layer_scale", &[64, 1, 1]),
                ("text_encoder.projection_layer", &[512, 512]),
            ],
        ),
        (
            "mobileclip-b",
            Layout::Apple,
            &[
                ("image_encoder.model.patch_emb.0.block.norm.running_var", &[192]),
                ("image_encoder.model.patch_emb.2.block.conv.bias", &[768]),
                ("image_encoder.model.pos_embed.pos_embed.pos_embed", &[1, 1, 196, 768]),
                ("image_encoder.model.transformer.11.pre_norm_ffn.4.weight", &[768, 3072]),
                ("image_encoder.model.classifier.proj", &[768, 512]),
                ("text_encoder.transformer.11.pre_norm_ffn.1.bias", &[2048]),
            ],
        ),
    ];
    for (name, layout, expected) in cases {
        let entries: BTreeMap<_, _> =
            layout.entries(&model(name)).into_iter().map(|entry| (entry.name, entry.shape)).collect();
        for (tensor, shape) in expected {
            assert_eq!(entries.get(*tensor).map(Vec::as_slice), Some(*shape), "{name} {tensor}");
        }
    }
}

#[test]
fn every_layout_holds_the_same_numbers() {
    let seed = 3;
    let folder = tempdir().unwrap();
    for name in ["tiny-mci", "tiny-stem"] {
        let model = model(name);
        let open_clip = stored(&model, Layout::OpenClip, seed, folder.path());
        assert!(stored(&model, Layout::OpenClipBin, seed, folder.path()) == open_clip);
        for tensor in model.tensors() {
            let (shape, values) = &open_clip[&tensor.name];
            assert_eq!(*shape, tensor.shape);
            assert!(*values == tensor.values(seed), "{}", tensor.name);
        }

        // Sorted, the values of Apple's layout are the same, except that it has no bias in the head.
        let apple = stored(&model, Layout::Apple, seed, folder.path());
        let sorted = |tensors: &Tensors, skip: &str| {
            let kept = tensors.iter().filter(|(name, _)| !name.starts_with(skip));
            let mut bits: Vec<u32> = kept.flat_map(|(_, (_, values))| values.iter().map(|v| v.to_bits())).collect();
            bits.sort_unstable();
            bits
        };
        let (bias, head, projection) = match name {
            "tiny-mci" => ("visual.trunk.head.fc.bias", "visual.trunk.head.fc.weight", "head.proj"),
            _ => ("visual.trunk.head.bias", "visual.trunk.head.weight", "classifier.proj"),
        };
        assert!(open_clip[bias].1.iter().all(|&value| value == 0.0));
        assert!(sorted(&open_clip, bias) == sorted(&apple, "nothing"));
        let (shape, turned) = &apple[&format!("image_encoder.model.{projection}")];
        let (_, straight) = &open_clip[head];
        let [inputs, outputs] = shape[..] else { panic!("{shape:?}") };
        for i in 0..inputs * outputs {
            assert_eq!(turned[i], straight[i % outputs * inputs + i / outputs]);
        }
        let pairs: &[(&str, &str)] = match name {
            "tiny-mci" => &[
                (
                    "network.2.1.token_mixer.mixer.rbr_scale.bn.bias",
                    "stages.1.blocks.1.token_mixer.mixer.conv_scale.bn.bias",
                ),
                ("network.5.proj.0.lkb_origin.conv.weight", "stages.3.downsample.proj.0.large_conv.conv.weight"),
                ("network.6.pe.weight", "stages.3.pos_emb.pos_enc.weight"),
                ("network.7.1.layer_scale_1", "stages.3.blocks.1.layer_scale_1.gamma"),
                ("network.4.0.token_mixer.layer_scale", "stages.2.blocks.0.token_mixer.layer_scale.gamma"),
                ("conv_exp.se.expand.bias", "final_conv.se.fc2.bias"),
            ],
            _ => &[
                ("patch_emb.1.block.norm.running_mean", "patch_embed.backbone.1.bn.running_mean"),
                ("transformer.1.pre_norm_mha.1.out_proj.weight", "blocks.1.attn.proj.weight"),
                ("post_transformer_norm.bias", "norm.bias"),
            ],
        };
        for (own, timm) in pairs {
            let own = &apple[&format!("image_encoder.model.{own}")];
            assert!(*own == open_clip[&format!("visual.trunk.{timm}")], "{timm}");
        }
    }

    let model = model("tiny-mci-deep");
    let plain = stored(&model, Layout::Apple, seed, folder.path());
    assert!(plain == stored(&model, Layout::OpenClip, seed, folder.path()));
    for (name, tensor) in stored(&model, Layout::ApplePrefixed, seed, folder.path()) {
        assert!(plain[name.strip_prefix("module.").unwrap()] == tensor, "{name}");
    }
}

/// A feature map of channels, rows and columns.
type Map = Vec<Vec<Vec<f64>>>;

fn input(channels: usize, height: usize, width: usize) -> Map {
    let value = |c, y, x| ((c * 37 + y * 11 + x * 5) % 23) as f64 / 11.0 - 1.0;
    (0..channels).map(|c| (0..height).map(|y| (0..width).map(|x| value(c, y, x)).collect()).collect()).collect()
}

/// A grouped convolution, padded by half the kernel.
fn convolve(input: &Map, (shape, weight): &(Vec<usize>, Vec<f32>), stride: usize) -> Map {
    let [outputs, inputs, rows, columns] = shape[..] else { panic!("{shape:?}") };
    let (height, width) = (input[0].len(), input[0][0].len());
    // Each group of `inputs` channels has an equal share of the outputs.
    let per_group = outputs / (input.len() / inputs);
    let at = |output: usize, top: usize, left: usize| {
        let mut sum = 0.0;
        for i in 0..inputs * rows * columns {
            let (c, ky, kx) = (i / (rows * columns), i / columns % rows, i % columns);
            let (y, x) = ((top + ky).wrapping_sub(rows / 2), (left + kx).wrapping_sub(columns / 2));
            if y < height && x < width {
                let channel = output / per_group * inputs + c;
                sum += f64::from(weight[output * inputs * rows * columns + i]) * input[channel][y][x];
            }
        }
        sum
    };
    let line = |o: usize, y: usize| (0..width).step_by(stride).map(|x| at(o, y, x)).collect();
    (0..outputs).map(|o| (0..height).step_by(stride).map(|y| line(o, y)).collect()).collect()
}

fn each(map: &Map, value: impl Fn(usize, f64) -> f64) -> Map {
    let change = |(c, rows): (usize, &Vec<Vec<f64>>)| {
        rows.iter().map(|row| row.iter().map(|&x| value(c, x)).collect()).collect()
    };
    map.iter().enumerate().map(change).collect()
}

fn add(a: &Map, b: &Map) -> Map {
    let zip = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| zip(a, b)).collect()).collect()
}

fn batch_norm(map: &Map, tensors: &Tensors, name: &str) -> Map {
    let read = |part: &str| tensors[&format!("{name}.{part}")].1.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
    let (weight, bias, mean, variance) = (read("weight"), read("bias"), read("running_mean"), read("running_var"));
    each(map, |c, x| (x - mean[c]) / (variance[c] + 1e-5).sqrt() * weight[c] + bias[c])
}

/// The branches and the folded kernel give the same result.
#[test]
fn folded_convolutions_compute_what_their_branches_do() {
    let seed = 5;
    let folder = tempdir().unwrap();
    for (name, trained, folded) in
        [("tiny-mci", Layout::OpenClip, Layout::OpenClipFolded), ("tiny-hybrid", Layout::Apple, Layout::AppleFolded)]
    {
        let model = model(name);
        let trained = stored(&model, trained, seed, folder.path());
        let folded = stored(&model, folded, seed, folder.path());
        let branch = |x: &Map, name: &str, stride| {
            let sum = convolve(x, &trained[&format!("{name}.conv.weight")], stride);
            batch_norm(&sum, &trained, &format!("{name}.bn"))
        };
        let check = |x: &Map, name: &str, stride, expected: &Map| {
            let bias = &folded[&format!("{name}.bias")].1;
            let sum = convolve(x, &folded[&format!("{name}.weight")], stride);
            let got = each(&sum, |c, x| x + f64::from(bias[c]));
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().flatten().flatten().zip(expected.iter().flatten().flatten()) {
                assert!((got - expected).abs() < 1e-5, "{name}: {got} instead of {expected}");
            }
        };

        if name == "tiny-mci" {
            let x = input(3, 7, 6);
            let stem = "visual.trunk.stem.0";
            let full = branch(&x, &format!("{stem}.conv_kxk.0"), 2);
            let scale = branch(&x, &format!("{stem}.conv_scale"), 2);
            check(&x, &format!("{stem}.reparam_conv"), 2, &add(&full, &scale));

            let x = input(20, 9, 8);
            let down = "visual.trunk.stages.1.downsample.proj.0";
            let large = branch(&x, &format!("{down}.large_conv"), 2);
            let small = branch(&x, &format!("{down}.small_conv"), 2);
            check(&x, &format!("{down}.reparam_conv"), 2, &add(&large, &small));

            let x = input(40, 3, 4);
            let point = "visual.trunk.stages.1.downsample.proj.1";
            let full = branch(&x, &format!("{point}.conv_kxk.0"), 1);
            let identity = batch_norm(&x, &trained, &format!("{point}.identity"));
            check(&x, &format!("{point}.reparam_conv"), 1, &add(&full, &identity));

            let x = input(160, 5, 4);
            let position = "visual.trunk.stages.3.pos_emb";
            let bias = &trained[&format!("{position}.pos_enc.bias")].1;
            let encoded = convolve(&x, &trained[&format!("{position}.pos_enc.weight")], 1);
            let encoded = each(&encoded, |c, x| x + f64::from(bias[c]));
            check(&x, &format!("{position}.reparam_conv"), 1, &add(&x, &encoded));
        }

        let (x, mixer, words) = match name {
            "tiny-mci" => {
                let words = ["conv_kxk.0", "conv_scale", "identity", "layer_scale.gamma"];
                (input(40, 5, 4), "visual.trunk.stages.1.blocks.1.token_mixer", words)
            }
            _ => {
                let words = ["rbr_conv.0", "rbr_conv.0", "rbr_skip", "layer_scale"];
                (input(128, 1, 14), "text_encoder.transformer.0.token_mixer", words)
            }
        };
        let [full, scale, identity, layer_scale] = words;
        let mut mixed = branch(&x, &format!("{mixer}.mixer.{full}"), 1);
        if scale != full {
            mixed = add(&mixed, &branch(&x, &format!("{mixer}.mixer.{scale}"), 1));
        }
        mixed = add(&mixed, &batch_norm(&x, &trained, &format!("{mixer}.mixer.{identity}")));
        let normed = batch_norm(&x, &trained, &format!("{mixer}.norm.{identity}"));
        let difference = add(&mixed, &each(&normed, |_, x| -x));
        let factors = &trained[&format!("{mixer}.{layer_scale}")].1;
        let expected = add(&x, &each(&difference, |c, x| x * f64::from(factors[c])));
        check(&x, &format!("{mixer}.reparam_conv"), 1, &expected);
    }
}

#[test]
fn layouts_are_those_in_which_a_model_is_published() {
    use Layout::{Apple, AppleFolded, ApplePrefixed, OpenClip, OpenClipBin, OpenClipFolded};
    for (name, usual, layouts) in [
        ("mobileclip-s0", Apple, &[Apple, AppleFolded][..]),
        ("mobileclip-s1", OpenClip, &[OpenClip, OpenClipBin, OpenClipFolded, Apple, AppleFolded]),
        ("mobileclip-b-lt", OpenClip, &[OpenClip, OpenClipBin, Apple]),
        ("mobileclip-s4", Apple, &[Apple, ApplePrefixed]),
        ("mobileclip2-s2", OpenClip, &[OpenClip, OpenClipBin, OpenClipFolded, Apple, ApplePrefixed]),
        ("mobileclip2-b", OpenClip, &[OpenClip, OpenClipBin, Apple, ApplePrefixed]),
    ] {
        let model = model(name);
        assert_eq!(Layout::supported(&model), layouts, "{name}");
        assert_eq!(Layout::usual(&model), usual, "{name}");
    }
    assert_eq!(Apple.file_name(&model("mobileclip-b-lt")), "mobileclip_blt.pt");

    let folder = tempdir().unwrap();
    for (name, layout) in [("tiny-stem", AppleFolded), ("tiny-hybrid", OpenClip), ("tiny-openai", Apple)] {
        let error = checkpoint::write(&model(name), 1, layout, folder.path()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    let read = |name: &str, layout| -> serde_json::Value {
        let files = checkpoint::write(&model(name), 1, layout, &folder.path().join(name)).unwrap();
        serde_json::from_slice(&fs::read(&files[1]).unwrap()).unwrap()
    };
    let config = read("tiny-hybrid", Apple);
    assert_eq!(config["text_cfg"]["model_name"], "mct");
    assert_eq!(config["image_cfg"], serde_json::json!({ "image_size": 64, "model_name": "mci0" }));
    let config = read("tiny-stem", OpenClip);
    assert_eq!(config["model_cfg"]["vision_cfg"]["timm_model_name"], "vit_base_mci_224");
    assert_eq!(config["model_cfg"]["text_cfg"]["no_causal_mask"], false);
    assert_eq!(config["preprocess_cfg"]["interpolation"], "bilinear");
    assert_eq!(config["preprocess_cfg"]["std"], serde_json::json!([1.0, 1.0, 1.0]));
}

#[test]
fn goldens_describe_the_same_models_and_inputs() {
    let mut used = BTreeSet::new();
    for (model, layout, name) in golden::mobileclip_cases() {
        let entry = goldens::mobileclip(&name);
        assert_eq!(entry["image_size"], model.image_size(), "{name}");
        assert_eq!(entry["ids"], serde_json::json!(golden::all_ids(&model)), "{name}");
        if let Some(config) = entry.get("model_cfg") {
            assert_eq!(open_clip::model_config(&model), *config, "{name} {layout:?}");
        }
        if !used.insert(name.clone()) {
            continue;
        }

        let embed = model.embed_dim();
        for (tower, count) in [("image", golden::IMAGES), ("text", golden::TEXTS)] {
            let embeddings = goldens::read(&format!("{name}-{tower}"));
            assert_eq!(embeddings.shape(), [count, embed], "{name}");
            for row in embeddings.outer_iter() {
                let length: f64 = row.iter().map(|value| value * value).sum();
                assert!((length - 1.0).abs() < 1e-14, "{name}");
            }
            if name.starts_with("tiny") {
                let stages = goldens::stages(&name, tower);
                assert!(stages.iter().all(|(_, values)| values.shape()[0] == count), "{name}");
                let (last, projected) = stages.last().unwrap();
                assert_eq!(last, "projected");
                for (row, unit) in projected.outer_iter().zip(embeddings.outer_iter()) {
                    let length = row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                    for (value, unit) in row.iter().zip(unit) {
                        assert!((f64::from(*value) / length - unit).abs() < 1e-6, "{name}");
                    }
                }
            }
        }
    }
    let described = goldens::index()["mobileclip"].as_array().unwrap().len();
    assert_eq!(used.len(), described, "a golden is of no model");

    let shapes: Vec<_> =
        goldens::stages("tiny-mci", "image").into_iter().map(|(name, map)| (name, map.shape().to_vec())).collect();
    let shape = |stage: &str| shapes.iter().find(|(name, _)| name == stage).unwrap().1.clone();
    assert_eq!(shape("stem"), [2, 20, 20, 20]);
    assert_eq!(shape("stages.3.position"), [2, 3, 3, 160]);
    assert_eq!(shape("final"), [2, 3, 3, 320]);
}
