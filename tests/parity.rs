//! Embeddings against open_clip, and for MobileCLIP also Apple's code, in float64: random weights in every
//! published layout, converted by the product itself, from the same pixels and token ids.
#![cfg(feature = "import")]

#[path = "../tools/checkpoint/mod.rs"]
mod checkpoint;
#[path = "common/converted.rs"]
mod converted;
#[path = "common/goldens.rs"]
mod goldens;

use std::sync::Mutex;

use checkpoint::{Layout, Model, golden};
use clippie_rs::{Clip, Isa, Options};
use ndarray::{Array2, Array4, ArrayD};

/// Largest difference of any component of a unit embedding. f32 in other hands (PyTorch, the same weights) is up
/// to 3e-7 off; this leaves room for other orders of summation.
const COMPONENT: f64 = 2e-6;
/// Largest `1 − cosine`, computed in f64.
const COSINE: f64 = 1e-9;

/// Full-size models take gigabytes: one at a time.
static FULL_SIZE: Mutex<()> = Mutex::new(());

fn pixels(side: usize) -> Array4<f32> {
    let all: Vec<f32> = (0..golden::IMAGES).flat_map(|i| golden::pixels(i, side)).collect();
    Array4::from_shape_vec((golden::IMAGES, 3, side, side), all).unwrap()
}

fn assert_close(what: &str, got: &Array2<f32>, expected: &ArrayD<f64>) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    for (row, exact) in got.outer_iter().zip(expected.outer_iter()) {
        let exact: Vec<f64> = exact.iter().copied().collect();
        let row: Vec<f64> = row.iter().map(|&v| v.into()).collect();
        let off = row.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = dot(&row, &exact) / (dot(&row, &row) * dot(&exact, &exact)).sqrt();
        println!("{what}: largest difference {off:.1e}, 1 - cosine {:.1e}", 1.0 - cosine);
        assert!(off <= COMPONENT, "{what}: a component is {off:e} off");
        assert!(1.0 - cosine <= COSINE, "{what}: 1 - cosine is {:e}", 1.0 - cosine);
    }
}

fn check(what: &str, clip: &Clip, model: &Model, golden: &str) {
    let images = clip.image().encode_pixels(pixels(model.image_size()).view()).unwrap();
    assert_close(&format!("{what} image"), &images, &goldens::read(&format!("{golden}-image")));
    let ids = golden::all_ids(model);
    let texts = clip.text().encode_ids(&ids).unwrap();
    assert_close(&format!("{what} text"), &texts, &goldens::read(&format!("{golden}-text")));
}

/// Names and checksums of all tensors.
fn tensors(clip: &Clip) -> Vec<(String, String)> {
    clip.weights().header().tensors.iter().map(|t| (t.spec.name.clone(), t.sha256.clone())).collect()
}

fn layouts(model: &Model) -> Vec<Layout> {
    [Layout::OpenAi, Layout::OpenClip, Layout::OpenClipBin, Layout::HuggingFace]
        .into_iter()
        .filter(|layout| layout.supports(model).is_ok())
        .collect()
}

/// Small models of awkward sizes, in every layout that can hold them, on every instruction set.
#[test]
fn tiny_models_in_every_layout_on_every_instruction_set() {
    let folder = tempfile::tempdir().unwrap();
    let tiny: Vec<Model> = golden::models().into_iter().filter(|m| m.name.starts_with("tiny-")).collect();
    assert!(tiny.len() >= 4);
    for model in &tiny {
        let layouts = layouts(model);
        assert!(layouts.len() >= 2, "{}", model.name);
        for layout in layouts {
            let path = converted::weights(model, layout, golden::SEED, folder.path());
            for isa in Isa::available() {
                let clip = Options::new().isa(isa).open(&path).unwrap();
                check(&format!("{} {layout:?} {isa:?}", model.name), &clip, model, &model.name);
            }
        }
    }
}

/// The published sizes. All layouts must give the very same tensors, and each its own activation's embeddings.
fn full_size(name: &str, combinations: &[(Layout, &str)]) {
    let _one_at_a_time = FULL_SIZE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut tables = Vec::new();
    for &(layout, activation) in combinations {
        let golden = format!("{name}-{activation}");
        let model = golden::models().into_iter().find(|m| m.name == golden).unwrap();
        let path = converted::weights(&model, layout, golden::SEED, folder.path());
        let clip = Clip::open(&path).unwrap();
        check(&format!("{golden} {layout:?}"), &clip, &model, &golden);
        tables.push(tensors(&clip));
        std::fs::remove_file(&path).unwrap();
    }
    assert!(tables.iter().all(|table| table.len() > 100 && *table == tables[0]), "layouts gave different tensors");
}

const ALL: [(Layout, &str); 5] = [
    (Layout::OpenAi, "quick_gelu"),
    (Layout::OpenClip, "gelu"),
    (Layout::OpenClip, "quick_gelu"),
    (Layout::HuggingFace, "quick_gelu"),
    (Layout::HuggingFace, "gelu"),
];
/// Every layout and both activations; the remaining pairs follow from equal tensors.
const LARGE: [(Layout, &str); 3] =
    [(Layout::OpenAi, "quick_gelu"), (Layout::OpenClip, "gelu"), (Layout::HuggingFace, "quick_gelu")];

#[test]
fn vit_b_32() {
    full_size("vit-b-32", &ALL);
}

#[test]
fn vit_b_16() {
    full_size("vit-b-16", &ALL);
}

#[test]
fn vit_l_14() {
    full_size("vit-l-14", &LARGE);
}

#[test]
fn vit_l_14_336() {
    full_size("vit-l-14-336", &LARGE);
}

/// Small MobileCLIPs of awkward sizes, in every layout that holds them, on every instruction set.
#[test]
fn tiny_mobileclips_in_every_layout_on_every_instruction_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut layouts = 0;
    for (model, layout, golden) in golden::mobileclip_cases() {
        if !model.name.starts_with("tiny-") {
            continue;
        }
        layouts += 1;
        let path = converted::weights(&model, layout, golden::SEED, folder.path());
        for isa in Isa::available() {
            let clip = Options::new().isa(isa).open(&path).unwrap();
            check(&format!("{golden} {layout:?} {isa:?}"), &clip, &model, &golden);
        }
    }
    assert!(layouts > 15);
}

/// Models that share their tensors, each in a layout. All must give the very same tensors, but for those of the
/// layouts that are folded already, which were rounded once more.
fn mobileclips(cases: &[(&str, Layout)]) {
    let _one_at_a_time = FULL_SIZE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut tables = Vec::new();
    for &(name, layout) in cases {
        let model = golden::mobileclip_models().into_iter().find(|m| m.name == name).unwrap();
        let golden = golden::mobileclip_golden(&model, layout);
        let path = converted::weights(&model, layout, golden::SEED, folder.path());
        let clip = Clip::open(&path).unwrap();
        let preprocess = &clip.weights().header().meta.preprocess;
        let expected = serde_json::json!({
            "image_size": model.image_size(), "resize": "shortest", "interpolation": model.interpolation,
            "mean": model.mean, "std": model.std,
        });
        assert_eq!(*preprocess, expected, "{name} {layout:?}");
        check(&format!("{name} {layout:?}"), &clip, &model, &golden);
        if !matches!(layout, Layout::OpenClipFolded | Layout::AppleFolded) {
            tables.push(tensors(&clip));
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert!(tables.iter().all(|table| table.len() > 100 && *table == tables[0]), "layouts gave different tensors");
}

#[test]
fn mobileclip_s0() {
    mobileclips(&[("mobileclip-s0", Layout::Apple), ("mobileclip-s0", Layout::AppleFolded)]);
}

#[test]
fn mobileclip2_s0() {
    let layouts = [Layout::OpenClip, Layout::OpenClipBin, Layout::OpenClipFolded, Layout::Apple, Layout::ApplePrefixed];
    mobileclips(&layouts.map(|layout| ("mobileclip2-s0", layout)));
}

#[test]
fn mobileclip_s1() {
    let layouts = [Layout::OpenClip, Layout::Apple, Layout::AppleFolded];
    mobileclips(&layouts.map(|layout| ("mobileclip-s1", layout)));
}

#[test]
fn mobileclip_s2() {
    let layouts = [Layout::OpenClip, Layout::Apple, Layout::OpenClipFolded];
    mobileclips(&layouts.map(|layout| ("mobileclip-s2", layout)));
}

#[test]
fn mobileclip2_s2() {
    mobileclips(&[("mobileclip2-s2", Layout::OpenClip)]);
}

/// The same tensors, but padding and epsilon differ between timm's definition and Apple's.
#[test]
fn mobileclip_b() {
    mobileclips(&[("mobileclip-b", Layout::OpenClip), ("mobileclip-b-lt", Layout::Apple)]);
}

#[test]
fn mobileclip2_b() {
    mobileclips(&[("mobileclip2-b", Layout::OpenClip)]);
}

#[test]
fn mobileclip_s3() {
    mobileclips(&[("mobileclip2-s3", Layout::OpenClip), ("mobileclip-s3", Layout::ApplePrefixed)]);
}

/// The largest; its folded form and other layouts follow from the smaller ones.
#[test]
fn mobileclip_s4() {
    mobileclips(&[("mobileclip2-s4", Layout::OpenClip)]);
}

#[test]
fn mobileclip_l_14() {
    mobileclips(&[("mobileclip2-l-14", Layout::OpenClip), ("mobileclip-l-14", Layout::Apple)]);
}
