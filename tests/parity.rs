//! Embeddings against open_clip, and for MobileCLIP also Apple's code, in float64: random weights in every published
//! layout, converted by this crate, from the same pixels and token ids.
//!
//! Every known name is pulled from a local hub with a repository like the publisher's; the other layouts are converted
//! from local files.
#![cfg(feature = "hub")]

#[path = "common/converted.rs"]
mod converted;
#[path = "common/parity.rs"]
mod parity;
#[path = "common/pulled.rs"]
mod pulled;

use std::sync::{Condvar, Mutex, PoisonError};

use clippie_rs::catalog;
use clippie_rs::{Clip, Isa, Options, TextCache, TextEncoder};
use clippie_testkit::checkpoint::model::Architecture;
use clippie_testkit::checkpoint::{Layout, Model, golden};
use parity::check;

/// Bytes of disk that full-size models may take at the same time; README.md says so, too. A larger one is tested alone.
const DISK: u64 = 14_000_000_000;
static FREE: (Mutex<u64>, Condvar) = (Mutex::new(DISK), Condvar::new());

/// The disk that a full-size model takes while it is tested.
struct Space(u64);

impl Space {
    /// Waits until there is room for a checkpoint of `model`, its download and what it is converted to.
    fn take(model: &Model) -> Self {
        let bytes = DISK.min(3 * 4 * model.parameters() as u64);
        let free = FREE.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = FREE.1.wait_while(free, |free| *free < bytes).unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Self(bytes)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        *FREE.0.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        FREE.1.notify_all();
    }
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

/// Checks the small ones of some models, layouts and goldens, on every instruction set. Returns how many they were.
fn check_tiny(cases: Vec<(Model, Layout, String)>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut layouts = 0;
    for (model, layout, golden) in cases {
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
    layouts
}

/// Small MobileCLIPs of awkward sizes, in every layout that holds them, on every instruction set.
#[test]
fn tiny_mobileclips_in_every_layout_on_every_instruction_set() {
    assert!(check_tiny(golden::mobileclip_cases()) > 15);
}

/// Small SigLIPs of awkward sizes, with heads of 72, 96 and 24 channels, in every layout that holds them, on every
/// instruction set. The goldens of a layout have the activations that its reference has.
#[test]
fn tiny_siglips_in_every_layout_on_every_instruction_set() {
    assert!(check_tiny(golden::siglip_cases()) >= 8);
}

/// Small ResNets of awkward sizes, in every layout that holds them, on every instruction set.
#[test]
fn tiny_resnets_in_every_layout_on_every_instruction_set() {
    assert!(check_tiny(golden::resnet_cases()) >= 6);
}

/// Small models with text towers of XLM-RoBERTa, NLLB and MetaCLIP 2, in every layout that holds them, on every instruction
/// set.
#[test]
fn tiny_multilingual_models_in_every_layout_on_every_instruction_set() {
    assert!(check_tiny(golden::multilingual_cases()) >= 14);
}

/// Small Perception Encoders of awkward sizes, with heads of 80, 96 and 20 channels, in every layout that holds them, on every
/// instruction set.
#[test]
fn tiny_perception_encoders_in_every_layout_on_every_instruction_set() {
    assert!(check_tiny(golden::perception_cases()) >= 8);
}

/// The probability is the sigmoid of the logit, with the trained scale and bias; other models have none.
#[test]
fn a_siglip_gives_a_cosine_a_probability() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, layout: Layout| {
        Clip::open(converted::weights(&Model::named(name).unwrap(), layout, golden::SEED, folder.path())).unwrap()
    };
    for layout in [OpenClip, HuggingFace] {
        let clip = open("tiny-siglip", layout);
        // As `checkpoint_values.py` makes them: uniform in 3.5 to 4.5 and in -15 to -9.
        let (scale, bias) = (f64::from(clip.logit_scale()), f64::from(clip.logit_bias().unwrap()));
        assert!((33.1..90.1).contains(&scale) && (-15.0..-9.0).contains(&bias), "{scale} {bias}");
        let even = (-bias / scale) as f32;
        assert!((clip.probability(even).unwrap() - 0.5).abs() < 1e-5);
        for cosine in [-1.0f32, -0.1, 0.0, 0.07, 0.2, 0.5, 1.0] {
            let expected = 1.0 / (1.0 + (-(scale * f64::from(cosine) + bias)).exp());
            let found = clip.probability(cosine).unwrap();
            assert!((f64::from(found) - expected).abs() <= 1e-6, "{cosine}: {found} {expected}");
            assert_eq!([clip.image().probability(cosine), clip.text().probability(cosine)], [Some(found); 2]);
        }
        assert_eq!([clip.image().logit_scale(), clip.text().logit_scale()], [clip.logit_scale(); 2]);
        assert_eq!([clip.image().logit_bias(), clip.text().logit_bias()], [clip.logit_bias(); 2]);
        assert!(clip.probability(-1.0).unwrap() < 1e-9 && clip.probability(1.0).unwrap() > 0.999);
    }
    let clip = open("tiny-quick", OpenClip);
    assert_eq!((clip.logit_bias(), clip.probability(0.3)), (None, None));
}

/// A text in two languages has two embeddings, also in a cache; what is stored in between is not mixed.
#[test]
fn a_cache_keeps_languages_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = converted::weights(&Model::named("tiny-nllb").unwrap(), OpenClip, golden::SEED, folder.path());
    let english = TextEncoder::open(path).unwrap();
    let german = english.with_language("de").unwrap();
    assert_eq!((english.language(), german.language()), (None, Some("de")));
    assert_eq!(english.fingerprint(), german.fingerprint());
    let cache = TextCache::new(10, 1 << 20);
    for _ in 0..2 {
        for encoder in [&english, &german] {
            assert_eq!(cache.get_or_encode(encoder, ["a dog"]).unwrap(), encoder.encode(["a dog"]).unwrap());
        }
    }
    assert_ne!(english.encode(["a dog"]).unwrap(), german.encode(["a dog"]).unwrap());
    assert_eq!((cache.len(), cache.hits(), cache.misses()), (2, 2, 2));
    assert!(english.with_language("fr").is_err());
}

/// How a full-size model is obtained.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Converted from a local checkpoint.
    File(Layout),
    /// Pulled by its known name, from a repository in this layout.
    Pull(Layout),
}

use Layout::{Apple, AppleFolded, ApplePrefixed, HuggingFace, Meta, OpenAi, OpenClip, OpenClipBin, OpenClipFolded};
use Way::{File, Pull};

/// Models with the same tensors, by name, each in a layout in which it is published.
type Cases = &'static [(&'static str, Way)];

const VIT_B_32: Cases = &[
    ("vit-b-32-openai", File(OpenAi)),
    ("vit-b-32-openai", Pull(OpenClip)),
    ("vit-b-32-laion400m-e32", Pull(OpenClip)),
    ("vit-b-32-laion2b", Pull(OpenClip)),
    ("vit-b-32-datacomp-xl", Pull(OpenClip)),
    ("vit-b-32-openai", File(HuggingFace)),
    ("vit-b-32-laion2b", File(HuggingFace)),
];
const VIT_B_16: Cases = &[
    ("vit-b-16-openai", File(OpenAi)),
    ("vit-b-16-openai", Pull(OpenClip)),
    ("vit-b-16-laion2b", Pull(OpenClip)),
    ("vit-b-16-datacomp-xl", Pull(OpenClip)),
    ("vit-b-16-openai", File(HuggingFace)),
    ("vit-b-16-laion2b", File(HuggingFace)),
];
const VIT_L_14: Cases = &[
    ("vit-l-14-openai", File(OpenAi)),
    ("vit-l-14-openai", Pull(OpenClip)),
    ("vit-l-14-laion2b", Pull(OpenClip)),
    ("vit-l-14-datacomp-xl", Pull(OpenClip)),
    ("vit-l-14-openai", File(HuggingFace)),
];
const VIT_L_14_336: Cases = &[("vit-l-14-336-openai", File(OpenAi)), ("vit-l-14-336-openai", Pull(OpenClip))];
const VIT_B_32_256: Cases = &[("vit-b-32-256-datacomp", Pull(OpenClip)), ("vit-b-32-256-datacomp", File(HuggingFace))];
const VIT_B_16_PLUS: Cases =
    &[("vit-b-16-plus-240-laion400m-e32", Pull(OpenClip)), ("vit-b-16-plus-240-laion400m-e32", File(HuggingFace))];
const TINYCLIP_8M_16: Cases = &[("tinyclip-vit-8m-16", Pull(HuggingFace)), ("tinyclip-vit-8m-16", File(OpenClipBin))];
const TINYCLIP_39M_16: Cases = &[("tinyclip-vit-39m-16", Pull(HuggingFace))];
const TINYCLIP_40M_32: Cases = &[("tinyclip-vit-40m-32", Pull(HuggingFace))];
const TINYCLIP_61M_32: Cases = &[("tinyclip-vit-61m-32", Pull(HuggingFace)), ("tinyclip-vit-61m-32", File(OpenClip))];
const MOBILECLIP_S0: Cases = &[("mobileclip-s0", Pull(Apple)), ("mobileclip-s0", File(AppleFolded))];
const MOBILECLIP_S1: Cases =
    &[("mobileclip-s1", Pull(OpenClip)), ("mobileclip-s1", File(Apple)), ("mobileclip-s1", File(AppleFolded))];
const MOBILECLIP_S2: Cases =
    &[("mobileclip-s2", Pull(OpenClip)), ("mobileclip-s2", File(Apple)), ("mobileclip-s2", File(OpenClipFolded))];
/// The same tensors, but padding and epsilon differ between timm's definition and Apple's.
const MOBILECLIP_B: Cases = &[("mobileclip-b", Pull(OpenClip)), ("mobileclip-b", File(Apple))];
const MOBILECLIP_S3: Cases =
    &[("mobileclip2-s3", Pull(OpenClip)), ("mobileclip2-s3", File(Apple)), ("mobileclip-s3", Pull(ApplePrefixed))];
const MOBILECLIP_S4: Cases =
    &[("mobileclip2-s4", Pull(OpenClip)), ("mobileclip2-s4", File(Apple)), ("mobileclip-s4", Pull(Apple))];
const MOBILECLIP_L_14: Cases =
    &[("mobileclip2-l-14", Pull(OpenClip)), ("mobileclip2-l-14", File(Apple)), ("mobileclip-l-14", Pull(Apple))];
const MOBILECLIP2_S0: Cases = &[
    ("mobileclip2-s0", Pull(OpenClip)),
    ("mobileclip2-s0", File(OpenClipBin)),
    ("mobileclip2-s0", File(OpenClipFolded)),
    ("mobileclip2-s0", File(Apple)),
    ("mobileclip2-s0", File(ApplePrefixed)),
];
const MOBILECLIP2_S2: Cases = &[("mobileclip2-s2", Pull(OpenClip)), ("mobileclip2-s2", File(ApplePrefixed))];
const SIGLIP_B_16: Cases = &[("siglip-b-16-224", Pull(OpenClip)), ("siglip-b-16-224", File(HuggingFace))];
const SIGLIP_SO400M_14: Cases = &[("siglip-so400m-14-224", Pull(OpenClip))];
const SIGLIP2_B_32: Cases = &[("siglip2-b-32-256", Pull(OpenClip)), ("siglip2-b-32-256", File(HuggingFace))];
const PE_CORE_T_16: Cases =
    &[("pe-core-t-16-384", Pull(OpenClip)), ("pe-core-t-16-384", File(OpenClipBin)), ("pe-core-t-16-384", File(Meta))];
const PE_CORE_B_16: Cases = &[("pe-core-b-16-224", Pull(OpenClip))];
const RN50: Cases =
    &[("rn50-openai", File(OpenAi)), ("rn50-openai", Pull(OpenClip)), ("rn50-cc12m", File(OpenClipBin))];
const RN101: Cases = &[("rn101-openai", Pull(OpenClip))];
/// 40 channels in the stem, no multiple of sixteen.
const RN50_X4: Cases = &[("rn50x4-openai", Pull(OpenClip)), ("rn50x4-openai", File(OpenAi))];
const RN50_X16: Cases = &[("rn50x16-openai", Pull(OpenClip))];
const XLM_ROBERTA_BASE: Cases = &[("xlm-r-base-vit-b-32", Pull(OpenClipBin)), ("xlm-r-base-vit-b-32", File(OpenClip))];
const MOBILECLIP2_B: Cases = &[("mobileclip2-b", Pull(OpenClip)), ("mobileclip2-b", File(Apple))];

const ALL: [Cases; 30] = [
    VIT_B_32,
    VIT_B_16,
    VIT_L_14,
    VIT_L_14_336,
    VIT_B_32_256,
    VIT_B_16_PLUS,
    TINYCLIP_8M_16,
    TINYCLIP_39M_16,
    TINYCLIP_40M_32,
    TINYCLIP_61M_32,
    MOBILECLIP_S0,
    MOBILECLIP_S1,
    MOBILECLIP_S2,
    MOBILECLIP_B,
    MOBILECLIP_S3,
    MOBILECLIP_S4,
    MOBILECLIP_L_14,
    MOBILECLIP2_S0,
    MOBILECLIP2_S2,
    MOBILECLIP2_B,
    SIGLIP_B_16,
    SIGLIP_SO400M_14,
    SIGLIP2_B_32,
    PE_CORE_T_16,
    PE_CORE_B_16,
    RN50,
    RN101,
    RN50_X4,
    RN50_X16,
    XLM_ROBERTA_BASE,
];

/// Image towers that are too large for these tests. Small models have their heads (`tiny-huge`, `tiny-giant`,
/// `tiny-gigantic`) and their blocks, and [`models_by_name`] compares them by hand.
const TOO_LARGE: [&str; 4] = ["vit-h-14", "vit-g-14", "vit-bigg-14", "rn50x64"];

#[test]
fn every_known_name_is_pulled() {
    let cases = |name: &str| {
        let cases = ALL.iter().copied().flatten().filter(|(case, way)| *case == name && matches!(way, Pull(_)));
        cases.count()
    };
    // Of SigLIP, Perception Encoder and multilingual models, the others have the same parts in other sizes; unit tests map their listings.
    let whole = |name: &str| match Model::named(name).unwrap().architecture {
        Architecture::Siglip(_) => golden::WHOLE_SIGLIPS.contains(&name),
        Architecture::Multilingual(_) => golden::WHOLE_MULTILINGUAL.contains(&name),
        Architecture::Perception(_) => golden::WHOLE_PERCEPTIONS.contains(&name),
        _ => !TOO_LARGE.iter().any(|start| name.starts_with(start)),
    };
    for model in catalog::models().iter().filter(|model| whole(model.name)) {
        // Names of the same model, trained with other data, stand for each other.
        let same =
            |other: &catalog::Model| other.config() == model.config() && other.preprocess() == model.preprocess();
        let pulled = catalog::models().iter().filter(|other| same(other)).map(|other| cases(other.name));
        assert!(pulled.sum::<usize>() >= 1 && cases(model.name) <= 1, "{}", model.name);
    }
}

/// The name of the goldens of a full-size model in a layout.
fn golden_of(model: &Model, layout: Layout) -> String {
    match model.vit() {
        None if model.siglip().is_some() => golden::siglip_golden(model, layout),
        None if model.resnet().is_some() => golden::resnet_golden(model),
        None if model.multilingual().is_some() || model.perception().is_some() => model.name.clone(),
        None => golden::mobileclip_golden(model, layout),
        // The same size with the same activation.
        Some(size) => {
            let same = |other: &Model| other.vit() == Some(size) && other.quick_gelu == model.quick_gelu;
            golden::models().into_iter().find(same).map_or_else(|| model.name.clone(), |same| same.name)
        }
    }
}

/// Each case must match its own goldens and preprocessing. All must have identical tensors, except those of layouts
/// that are already folded and therefore rounded once more.
fn full_size(cases: Cases) {
    let named =
        |name| Model::named(name).ok().or_else(|| golden::models().into_iter().find(|m| m.name == name)).unwrap();
    let _space = Space::take(&named(cases[0].0));
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut tables = Vec::new();
    for &(name, way) in cases {
        let model = named(name);
        let what = format!("{name} {way:?}");
        let (path, layout) = match way {
            File(layout) => (converted::weights(&model, layout, golden::SEED, folder.path()), layout),
            Pull(layout) => (pulled::weights(name, &model, layout, golden::SEED, folder.path()), layout),
        };
        let clip = Clip::open(&path).unwrap();
        let preprocess = &clip.weights().header().meta.preprocess;
        let expected = serde_json::json!({
            "image_size": model.image_size(),
            "resize": model.resize(),
            // transformers resizes for SigLIP 2 with another filter.
            "interpolation": match (model.siglip(), layout) {
                (Some(size), HuggingFace) if size.has_gemma() => "bilinear",
                _ => model.interpolation,
            },
            "mean": model.mean, "std": model.std,
        });
        assert_eq!(*preprocess, expected, "{what}");
        check(&what, &clip, &model, &golden_of(&model, layout));
        if !matches!(layout, OpenClipFolded | AppleFolded) {
            tables.push(tensors(&clip));
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert!(tables.iter().all(|table| table.len() > 100 && *table == tables[0]), "layouts gave different tensors");
}

/// The models that `CLIPPIE_PARITY` names, as `NAME:LAYOUT,…`, such as `vit-h-14-laion2b:open-clip`: those whose files are
/// too large for every run. Their goldens are in the repository; `tools/reference` writes those of others. One model
/// takes up to three times the space of its checkpoint, in `target`.
#[test]
fn models_by_name() {
    let names = std::env::var("CLIPPIE_PARITY").unwrap_or("tiny-gigantic:open-clip".to_owned());
    for case in names.split(',') {
        let (name, layout) = case.split_once(':').expect("a case is NAME:LAYOUT");
        let (model, layout) = (Model::named(name).unwrap(), layout.parse().unwrap());
        let _space = Space::take(&model);
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let clip = Clip::open(converted::weights(&model, layout, golden::SEED, folder.path())).unwrap();
        check(case, &clip, &model, &golden_of(&model, layout));
    }
}

#[test]
fn vit_b_32() {
    full_size(VIT_B_32);
}

#[test]
fn vit_b_16() {
    full_size(VIT_B_16);
}

#[test]
fn vit_l_14() {
    full_size(VIT_L_14);
}

#[test]
fn vit_l_14_336() {
    full_size(VIT_L_14_336);
}

#[test]
fn vit_b_32_256() {
    full_size(VIT_B_32_256);
}

#[test]
fn vit_b_16_plus() {
    full_size(VIT_B_16_PLUS);
}

#[test]
fn tinyclip() {
    for cases in [TINYCLIP_8M_16, TINYCLIP_39M_16, TINYCLIP_40M_32, TINYCLIP_61M_32] {
        full_size(cases);
    }
}

#[test]
fn mobileclip_s0() {
    full_size(MOBILECLIP_S0);
}

#[test]
fn mobileclip_s1() {
    full_size(MOBILECLIP_S1);
}

#[test]
fn mobileclip_s2() {
    full_size(MOBILECLIP_S2);
}

#[test]
fn mobileclip_b() {
    full_size(MOBILECLIP_B);
}

#[test]
fn mobileclip_s3() {
    full_size(MOBILECLIP_S3);
}

#[test]
fn mobileclip_s4() {
    full_size(MOBILECLIP_S4);
}

#[test]
fn mobileclip_l_14() {
    full_size(MOBILECLIP_L_14);
}

#[test]
fn mobileclip2_s0() {
    full_size(MOBILECLIP2_S0);
}

#[test]
fn mobileclip2_s2() {
    full_size(MOBILECLIP2_S2);
}

#[test]
fn xlm_roberta_base() {
    full_size(XLM_ROBERTA_BASE);
}

#[test]
fn siglip_so400m_14() {
    full_size(SIGLIP_SO400M_14);
}

#[test]
fn siglip_b_16() {
    full_size(SIGLIP_B_16);
}

#[test]
fn siglip2_b_32() {
    full_size(SIGLIP2_B_32);
}

#[test]
fn pe_core_t_16() {
    full_size(PE_CORE_T_16);
}

#[test]
fn pe_core_b_16() {
    full_size(PE_CORE_B_16);
}

#[test]
fn rn50() {
    full_size(RN50);
}

#[test]
fn rn101() {
    full_size(RN101);
}

#[test]
fn rn50x4() {
    full_size(RN50_X4);
}

#[test]
fn rn50x16() {
    full_size(RN50_X16);
}

#[test]
fn mobileclip2_b() {
    full_size(MOBILECLIP2_B);
}
