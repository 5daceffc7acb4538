//! Half precision loses nothing of a checkpoint of halves: its matrices are stored as they are.
#![cfg(feature = "import")]

#[path = "common/converted.rs"]
mod converted;
#[path = "common/halves.rs"]
mod halves;
#[path = "common/parity.rs"]
mod parity;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clippie_rs::import::{self, ConvertOptions};
use clippie_rs::weights::internals::Half;
use clippie_rs::weights::{Dtype, Layout as FileLayout, Precision, TensorSpec, WeightsFile};
use clippie_rs::{Clip, Isa, Options};
use clippie_testkit::checkpoint::edit::Tensors;
use clippie_testkit::checkpoint::{self, Layout, Model, golden};
use half::f16;
use ndarray::Array2;

/// The tensor of an open_clip checkpoint that a matrix of a plain model is made of, and whether its outputs are its rows.
fn source(matrix: &str) -> (String, bool) {
    let (tower, layer) = matrix.strip_suffix(".weight").unwrap().split_once('.').unwrap();
    let (blocks, proj) = match tower {
        "image" => ("visual.transformer", "visual.proj"),
        _ => ("transformer", "text_projection"),
    };
    match layer.split('.').collect::<Vec<_>>()[..] {
        ["patch"] => ("visual.conv1.weight".to_owned(), true),
        ["proj"] => (proj.to_owned(), false),
        ["blocks", block, part] => {
            let part = match part {
                "qkv" => "attn.in_proj_weight",
                "out" => "attn.out_proj.weight",
                "fc1" => "mlp.c_fc.weight",
                "fc2" => "mlp.c_proj.weight",
                other => panic!("{other}"),
            };
            (format!("{blocks}.resblocks.{block}.{part}"), true)
        }
        _ => panic!("{matrix}"),
    }
}

/// Asserts that every matrix of `file` has the numbers of `checkpoint`, and returns their number.
fn assert_same_bits(what: &str, file: &WeightsFile, checkpoint: &Tensors) -> usize {
    let is_matrix = |spec: &&TensorSpec| spec.layout == FileLayout::Panels16 && spec.shape.len() == 2;
    let matrices = file.header().tensors.iter().map(|entry| &entry.spec).filter(is_matrix);
    let count = matrices.map(|spec| {
        let what = format!("{what} {}", spec.name);
        assert_eq!(spec.dtype, Dtype::F16, "{what}");
        let &[k, n] = &spec.shape[..] else { panic!("{what}") };
        let stored = file.tensor_of::<Half>(&spec.name, spec.layout, &spec.shape).unwrap();
        let (name, outputs_are_rows) = source(&spec.name);
        let from = &checkpoint.0[&name].bytes;
        assert_eq!(from.len(), 4 * k * n, "{what}");
        for (i, number) in from.as_chunks::<4>().0.iter().enumerate() {
            let number = f32::from_le_bytes(*number);
            let (input, output) = if outputs_are_rows { (i % k, i / k) } else { (i / n, i % n) };
            let half = stored[(output / 16 * k + input) * 16 + output % 16].0;
            // The sign of a zero is a bit, too.
            assert_eq!(f16::from_bits(half).to_f32().to_bits(), number.to_bits(), "{what} [{input}, {output}]");
        }
    });
    count.count()
}

fn plain() -> impl Iterator<Item = Model> {
    let whole = Model::named("tinyclip-vit-8m-16").unwrap();
    golden::models().into_iter().filter(|model| model.name.starts_with("tiny-")).chain([whole])
}

/// The generator gives every layout the same numbers, which are halves wherever OpenAI's archives have halves.
#[test]
fn matrices_are_those_of_the_checkpoint_to_the_bit() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (mut archives, mut matrices) = (0, 0);
    for model in plain() {
        let source = folder.path().join("source");
        let written = checkpoint::write(&model, golden::SEED, Layout::OpenClip, &source).unwrap();
        let numbers = Tensors::read(&written[0]);
        for layout in [Layout::OpenAi, Layout::OpenClip, Layout::HuggingFace] {
            if layout.supports(&model).is_err() {
                continue;
            }
            let what = format!("{} {layout:?}", model.name);
            let path = converted::halves(&model, layout, golden::SEED, folder.path());
            let file = WeightsFile::open(&path).unwrap();
            assert!(file.verify().unwrap().is_intact());
            matrices += assert_same_bits(&what, &file, &numbers);
            archives += usize::from(layout == Layout::OpenAi);
            let gains = file.tensor_names().filter(|name| name.ends_with(".gains")).count();
            let layers = file.tensor_names().filter(|name| name.ends_with(".qkv.weight")).count();
            assert_eq!(gains, 2 * layers + 2, "{what}: two in each block, one before each projection");
            std::fs::remove_file(path).unwrap();
        }
        std::fs::remove_dir_all(source).unwrap();
    }
    println!("{matrices} matrices, {archives} archives");
    assert!(archives > 0 && matrices > 100, "{matrices} {archives}");
}

/// Between the embeddings of one checkpoint of halves in single and in half precision. In one file a factor of a norm is
/// multiplied with a weight, which rounds the product, in the other with an input.
const ROUNDING: f32 = 1e-6;

/// Converts an open_clip checkpoint of `model` whose token table is of halves, too.
fn of_halves(model: &Model, folder: &Path) -> [PathBuf; 2] {
    let source = folder.join("source");
    let file = checkpoint::write(model, golden::SEED, Layout::OpenClip, &source).unwrap().remove(0);
    let mut tensors = Tensors::read(&file);
    let table = tensors.0.get_mut("token_embedding.weight").unwrap();
    for number in table.bytes.as_chunks_mut::<4>().0 {
        *number = f16::from_f32(f32::from_le_bytes(*number)).to_f32().to_le_bytes();
    }
    tensors.write(&file);
    let paths = [Precision::F32, Precision::F16].map(|precision| {
        let out = folder.join(format!("{}-{}.clippie", model.name, precision.name()));
        import::convert(&source, &out, &ConvertOptions::new().precision(precision), &mut |_| {}).unwrap();
        out
    });
    std::fs::remove_dir_all(source).unwrap();
    paths
}

fn embeddings(clip: &Clip, model: &Model) -> [Array2<f32>; 2] {
    let texts = clip.text().encode_ids(golden::all_ids(model)).unwrap();
    [clip.image().encode_pixels(parity::pixels(model).view()).unwrap(), texts]
}

#[test]
fn a_checkpoint_of_halves_embeds_as_in_single_precision() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for model in plain() {
        let [whole, half] = of_halves(&model, folder.path());
        for isa in Isa::available() {
            let open = |path| Options::new().isa(isa).open(path).unwrap();
            let [exact, stored] = [open(&whole), open(&half)].map(|clip| embeddings(&clip, &model));
            for (exact, stored) in exact.iter().zip(&stored) {
                let off = exact.iter().zip(stored).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                println!("{} {isa:?}: {off:.1e}", model.name);
                assert!(off <= ROUNDING, "{} {isa:?}: {off:e}", model.name);
            }
        }
    }
}

/// One model for each way in which a LayerNorm comes before a linear layer.
const WAYS: [&str; 5] = ["tiny-quick", "tiny-siglip-open-clip", "tiny-perception", "tiny-hybrid", "tiny-mci-deep"];

fn ways() -> Vec<(Model, Layout, String)> {
    let plain = golden::models().into_iter().map(|model| (model.clone(), Layout::OpenClip, model.name.clone()));
    let all = plain.chain(golden::mobileclip_cases()).chain(golden::siglip_cases()).chain(golden::perception_cases());
    let mut cases = HashMap::new();
    for (model, layout, golden) in all.filter(|(.., golden)| WAYS.contains(&golden.as_str())) {
        cases.entry(golden.clone()).or_insert((model, layout, golden));
    }
    assert_eq!(cases.len(), WAYS.len(), "{:?}", cases.keys());
    cases.into_values().collect()
}

#[test]
fn batches_and_threads_change_no_bit() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (model, layout, golden) in ways() {
        let path = converted::halves(&model, layout, golden::SEED, folder.path());
        for isa in Isa::available() {
            let run = |threads, batch_size| {
                let clip = Options::new().isa(isa).threads(threads).batch_size(batch_size).open(&path).unwrap();
                embeddings(&clip, &model)
            };
            let expected = run(1, 1);
            for (threads, batch_size) in [(1, 8), (2, 1), (3, 2), (4, 8)] {
                assert_eq!(run(threads, batch_size), expected, "{golden} {isa:?} {threads} {batch_size}");
            }
        }
    }
}

/// Files from before there were gains, and files in which only some layers have them.
#[test]
fn halves_may_contain_the_norm_and_the_scale_of_queries() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let layers: [fn(&str) -> bool; 4] = [
        |_| false,
        |name| name.contains(".0."),
        |name| name.contains(".qkv."),
        |name| name.contains(".fc1.") || name.contains(".proj."),
    ];
    // The tokenizer in SigLIP's file is no tensor of floats; Perception Encoder pools in the same way.
    for (model, layout, golden) in ways().into_iter().filter(|(model, ..)| model.siglip().is_none()) {
        let whole = WeightsFile::open(&converted::weights(&model, layout, golden::SEED, folder.path())).unwrap();
        let half = WeightsFile::open(&converted::halves(&model, layout, golden::SEED, folder.path())).unwrap();
        // Layers that are never halves stay as they are.
        let halves: Vec<_> = half.tensor_names().filter(|name| dtype(&half, name) == Some(Dtype::F16)).collect();
        for (i, apart) in layers.into_iter().enumerate() {
            let layer = |name: &str| name.rsplit_once('.').map_or(String::new(), |(layer, _)| format!("{layer}."));
            let mut tensors = halves::tensors(&half);
            tensors.retain(|(spec, _)| apart(&layer(&spec.name)) || !spec.name.ends_with(".gains"));
            let folded: HashMap<_, _> =
                halves::tensors(&whole).into_iter().map(|tensor| (tensor.0.name.clone(), tensor)).collect();
            for tensor in &mut tensors {
                let name = tensor.0.name.clone();
                if !apart(&layer(&name)) && folded.contains_key(&name) {
                    *tensor = folded[&name].clone();
                    if halves.contains(&name.as_str()) {
                        halves::round(tensor);
                    }
                }
            }
            let path = folder.path().join(format!("{golden}-{i}.clippie"));
            halves::write(&path, &whole, &tensors);
            let clip = Clip::open(&path).unwrap();
            let bounds = parity::halves_of(clip.embed_dim());
            parity::check_within(&format!("{golden} {i}"), &clip, &model, &golden, bounds);
        }
    }
}

fn dtype(file: &WeightsFile, name: &str) -> Option<Dtype> {
    file.header().tensors.iter().find(|entry| entry.spec.name == name).map(|entry| entry.spec.dtype)
}

#[test]
fn gains_that_belong_to_no_layer_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::named("tiny-quick").unwrap();
    let file = WeightsFile::open(&converted::halves(&model, Layout::OpenClip, 1, folder.path())).unwrap();
    let whole = WeightsFile::open(&converted::weights(&model, Layout::OpenClip, 1, folder.path())).unwrap();
    let tensors = halves::tensors(&file);
    let width = |name: &str| tensors.iter().find(|(spec, _)| spec.name == name).unwrap().0.shape[0];
    let refused = |file: &WeightsFile, layer: &str, len: usize| {
        let mut tensors = halves::tensors(file);
        let name = format!("{layer}.gains");
        tensors.retain(|(spec, _)| spec.name != name);
        let at = tensors.iter().position(|(spec, _)| spec.name == format!("{layer}.weight")).unwrap();
        let spec = TensorSpec::new(&name, tensors[at].0.tower, Dtype::F32, FileLayout::Rows, &[len]);
        tensors.insert(at + 1, (spec, vec![1.0; len]));
        let path = folder.path().join("hostile.clippie");
        halves::write(&path, file, &tensors);
        let error = Clip::open(&path).unwrap_err().to_string();
        assert!(error.contains(&name) && error.contains("hostile.clippie"), "{error}");
        error
    };
    // No norm comes before these.
    let outputs = width("image.blocks.0.out.weight");
    let error = refused(&file, "image.blocks.0.out", outputs);
    println!("{error}");
    refused(&file, "text.blocks.0.fc2", width("text.blocks.0.fc2.weight"));
    // Weights of another type contain them.
    refused(&whole, "image.blocks.0.qkv", outputs);
    let error = refused(&file, "text.blocks.0.qkv", width("text.blocks.0.qkv.weight") + 1);
    assert!(error.contains("rows"), "{error}");
}
