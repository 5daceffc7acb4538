//! Conversion to 8 bits of tiny models of every family, in every layout, against a plain computation from the same model in
//! the other precisions.

#[path = "../common/converted.rs"]
mod converted;

use std::collections::HashMap;

use clippie_rs::Clip;
use clippie_rs::import::{self, ConvertOptions};
use clippie_rs::weights::internals::{quad_at, unpack_panels};
use clippie_rs::weights::{Dtype, Layout, Precision, TensorEntry, WeightsFile};
use clippie_testkit::checkpoint::edit::Tensors;
use clippie_testkit::checkpoint::{self, Model, golden};

/// Row-major elements of a matrix or vector in panels of floats.
fn floats(file: &WeightsFile, name: &str, k: usize, n: usize) -> Vec<f32> {
    let shape: &[usize] = if name.ends_with(".weight") { &[k, n] } else { &[n] };
    unpack_panels(&file.tensor(name, Layout::Panels16, shape).unwrap(), k, n)
}

/// The scale of a column and its integers, by their definition.
fn quantised(column: &[f32]) -> (f32, Vec<i8>) {
    let largest = column.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
    let scale = if largest == 0.0 { 1.0 } else { (f64::from(largest) / 127.0) as f32 };
    (scale, column.iter().map(|&weight| (f64::from(weight) / f64::from(scale)).round_ties_even() as i8).collect())
}

/// Compares a layer with its weights in single precision. Returns whether it has gains.
fn check_layer(what: &str, floats_of: &WeightsFile, int8: &WeightsFile, layer: &str, [k, n]: [usize; 2]) -> bool {
    let weights = floats(floats_of, &format!("{layer}.weight"), k, n);
    let stored = int8.tensor_of::<i8>(&format!("{layer}.weight"), Layout::Quads16, &[k, n]).unwrap();
    let of_columns = |part: &str| floats(int8, &format!("{layer}.{part}"), 1, n);
    let (scales, sums) = (of_columns("scales"), of_columns("sums"));
    let gains = int8.tensor(&format!("{layer}.gains"), Layout::Rows, &[k]).ok();
    for column in 0..n {
        let what = format!("{what} {layer} [{column}]");
        let integers: Vec<i8> = (0..k).map(|row| quad_at(&stored, k, row, column)).collect();
        let folded: Vec<f32> = (0..k).map(|row| weights[row * n + column]).collect();
        assert_eq!(integers.iter().map(|&integer| f32::from(integer)).sum::<f32>(), sums[column], "{what}");
        let most = integers.iter().map(|integer| integer.unsigned_abs()).max();
        assert!(most == Some(127) || (most == Some(0) && scales[column] == 1.0), "{what}: {most:?}");
        let Some(gains) = &gains else {
            assert_eq!((scales[column], integers), quantised(&folded), "{what}");
            continue;
        };
        for ((&gain, integer), folded) in gains.iter().zip(integers).zip(folded) {
            let [gain, scale] = [gain, scales[column]].map(f64::from);
            let off = (gain * f64::from(integer) * scale - f64::from(folded)).abs();
            // The folded weight was rounded once, the other one and its gain once each.
            let rounding = 4.0 * f64::from(f32::EPSILON) * f64::from(folded).abs();
            assert!(off <= gain.abs() * scale * 0.5 + rounding, "{what}: {gain} {integer} {scale} {folded}");
        }
    }
    gains.is_some()
}

/// Every tiny model in every layout.
fn tiny() -> impl Iterator<Item = (Model, checkpoint::Layout)> {
    let layouts = [checkpoint::Layout::OpenAi, checkpoint::Layout::OpenClip, checkpoint::Layout::HuggingFace];
    let plain = golden::models().into_iter().flat_map(move |model| {
        let supported = layouts.into_iter().filter(|layout| layout.supports(&model).is_ok()).collect::<Vec<_>>();
        supported.into_iter().map(move |layout| (model.clone(), layout))
    });
    let others = [
        golden::mobileclip_cases(),
        golden::siglip_cases(),
        golden::resnet_cases(),
        golden::multilingual_cases(),
        golden::perception_cases(),
    ];
    let others = others.into_iter().flatten().map(|(model, layout, _)| (model, layout));
    plain.chain(others).filter(|(model, _)| model.name.starts_with("tiny-"))
}

/// Whether a layer is one of those that 8 bits are for: linear layers of blocks, and the feed-forward parts of hybrid texts.
fn is_of_blocks(layer: &str) -> bool {
    let parts: Vec<&str> = layer.split('.').collect();
    match parts.as_slice() {
        [.., "squeeze", _] => false,
        [.., "ffn", "fc1" | "fc2"] => true,
        _ => parts.contains(&"blocks") && matches!(parts.last(), Some(&("qkv" | "out" | "fc1" | "fc2"))),
    }
}

#[test]
fn linear_layers_of_blocks_become_integers_in_every_layout() {
    let folder = tempfile::tempdir().unwrap();
    let (mut cases, mut layers, mut with_gains) = (0, 0, 0);
    for (model, layout) in tiny() {
        let what = format!("{} {layout:?}", model.name);
        let write = |precision| {
            let path = converted::in_precision(&model, layout, golden::SEED, folder.path(), precision);
            WeightsFile::open(&path).unwrap()
        };
        let [whole, half, int8] = [Precision::F32, Precision::F16, Precision::Int8].map(write);
        assert_eq!(int8.header().precision(), Precision::Int8, "{what}");
        assert!(int8.verify().unwrap().is_intact(), "{what}");
        let parameters = |file: &WeightsFile| file.header().towers().iter().map(|t| t.parameters).collect::<Vec<_>>();
        assert_eq!([parameters(&half), parameters(&int8)], [parameters(&whole), parameters(&whole)], "{what}");
        Clip::open(int8.path()).unwrap_or_else(|error| panic!("{what}: {error}"));

        let [floats, halves] = [&whole, &half].map(|file| {
            let by_name = file.header().tensors.iter().map(|entry| (entry.spec.name.as_str(), entry));
            by_name.collect::<HashMap<&str, &TensorEntry>>()
        });
        let mut names = Vec::new();
        for entry in &int8.header().tensors {
            let spec = &entry.spec;
            names.push(spec.name.as_str());
            match (spec.layout, spec.name.rsplit_once('.')) {
                (Layout::Quads16, Some((layer, "weight"))) => {
                    let [k, n] = spec.shape[..] else { panic!("{what} {spec:?}") };
                    assert!(is_of_blocks(layer), "{what} {layer}");
                    with_gains += usize::from(check_layer(&what, &whole, &int8, layer, [k, n]));
                    layers += 1;
                }
                (Layout::ScaledRows, _) => {
                    assert_eq!((spec.name.as_str(), spec.dtype), ("text.token_embedding", Dtype::I8), "{what}");
                }
                (_, Some((layer, "scales" | "sums"))) => assert!(is_of_blocks(layer), "{what} {layer}"),
                (_, Some((layer, "gains"))) if is_of_blocks(layer) => {}
                // Biases with the scale of queries, which half precision has apart from its weights.
                (_, Some((layer, "bias"))) if is_of_blocks(layer) => {
                    let wanted = floats[spec.name.as_str()];
                    assert_eq!((&wanted.spec, &wanted.sha256), (spec, &entry.sha256), "{what}");
                }
                // All else is what half precision has, to the bit.
                (_, part) => {
                    assert!(
                        part.is_none_or(|(layer, part)| part != "weight" || !is_of_blocks(layer)),
                        "{what} {spec:?}"
                    );
                    let wanted = halves[spec.name.as_str()];
                    assert_eq!((&wanted.spec, &wanted.sha256), (spec, &entry.sha256), "{what}");
                }
            }
        }
        names.retain(|name| !["scales", "sums", "gains"].iter().any(|part| name.ends_with(&format!(".{part}"))));
        assert_eq!(names, whole.tensor_names().collect::<Vec<_>>(), "{what}: names and their order");
        cases += 1;
    }
    println!("{cases} models with {layers} layers, {with_gains} of them with gains");
    assert!(cases > 40 && layers > 300 && with_gains > 100, "{cases} {layers} {with_gains}");
}

#[test]
fn a_model_without_such_layers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::named("tiny-resnet").unwrap();
    let source = folder.path().join("source");
    checkpoint::write(&model, golden::SEED, checkpoint::Layout::OpenClip, &source).unwrap();
    let file = source.join("open_clip_model.safetensors");
    Tensors::read(&file).only(|name| name.starts_with("visual.")).write(&file);
    let out = folder.path().join("out.clippie");
    let convert = |precision| import::convert(&source, &out, &ConvertOptions::new().precision(precision), &mut |_| {});
    let error = convert(Precision::Int8).unwrap_err().to_string();
    assert!(error.contains("--precision int8 does not apply") && error.ends_with("give f16"), "{error}");
    assert!(!out.exists());
    assert_eq!(convert(Precision::F16).unwrap().linear_difference, None);
}

#[test]
fn what_8_bits_cost_is_stated() {
    let folder = tempfile::tempdir().unwrap();
    let source = super::golden("open_clip");
    let out = folder.path().join("out.clippie");
    let options = ConvertOptions::new().precision(Precision::Int8);
    let converted = import::convert(&source, &out, &options, &mut |_| {}).unwrap();
    let [linear, table] = [converted.linear_difference, converted.token_table_difference].map(Option::unwrap);
    assert!(linear > 1e-4 && linear < 0.02 && table > 1e-4 && table < 0.02, "{linear} {table}");
}
