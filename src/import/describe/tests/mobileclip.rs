//! MobileCLIP: the settings that configurations, known names and layouts give for every published model.

use super::*;
use crate::import::recipes;
use crate::import::recipes::tests::mobileclip::checkpoint;
use crate::models::tests::checkpoint::layout::open_clip as generator;
use crate::models::tests::checkpoint::mobileclip::{ImageTower, MobileClipSize, published};
use crate::models::tests::checkpoint::model::Architecture;
use crate::models::tests::checkpoint::{Layout, Model};

fn model(name: &str) -> Model {
    published().into_iter().find(|model| model.name == name).unwrap()
}

fn described(
    model: &Model,
    layout: Layout,
    folder: Option<&Path>,
    options: &ConvertOptions,
) -> Result<Described, Error> {
    let checkpoint = checkpoint(model, layout);
    let mapped = recipes::map(&checkpoint, &ConvertOptions::default()).unwrap();
    describe(&checkpoint, &mapped, (4.6, None), folder, options)
}

fn named(name: &str) -> ConvertOptions {
    ConvertOptions { model: Some(name.to_owned()), ..ConvertOptions::default() }
}

fn catalogued(name: &str) -> &'static catalog::Model {
    catalog::find(name).unwrap()
}

fn size(model: &Model) -> &MobileClipSize {
    model.mobileclip().unwrap()
}

/// Compares with the generator's description of the model. `apple` expects Apple's definition of MobileCLIP-B
/// instead of timm's.
fn assert_described(what: &str, model: &Model, described: &Described, apple: bool) {
    let Described { config, preprocess, .. } = described;
    assert_eq!((preprocess.mean, preprocess.std), (model.mean, model.std), "{what}");
    assert_eq!(preprocess.interpolation == Interpolation::Bicubic, model.interpolation == "bicubic", "{what}");
    assert_eq!((preprocess.resize, preprocess.image_size), (ResizeMode::Shortest, model.image_size()), "{what}");
    let (eps, stem) = match config.image.as_ref().unwrap() {
        ImageConfig::Mci(mci) => {
            assert!(mci.stages.iter().all(|stage| stage.heads == stage.channels / 32 || stage.heads == 0), "{what}");
            (mci.norm_eps, None)
        }
        ImageConfig::Vit(vit) => {
            assert_eq!((vit.blocks.heads, vit.blocks.activation), (vit.blocks.width / 64, Activation::Gelu), "{what}");
            (vit.blocks.norm_eps, vit.stem.as_ref())
        }
        #[allow(unreachable_patterns, reason = "a new architecture is none of MobileCLIP's")]
        other => panic!("{what}: {other:?}"),
    };
    assert_eq!(stem.is_some(), matches!(size(model).image, ImageTower::StemVit { .. }), "{what}");
    match stem {
        Some(stem) => assert_eq!((stem.padding, eps), if apple { (1, 1e-5) } else { (0, 1e-6) }, "{what}"),
        None => assert_eq!(eps, 1e-5, "{what}"),
    }
    let (causal, blocks) = match config.text.as_ref().unwrap() {
        TextConfig::Transformer(text) => (text.causal, &text.blocks),
        TextConfig::Hybrid(text) => (false, &text.blocks),
        TextConfig::XlmRoberta(_) => panic!("no MobileCLIP"),
    };
    assert_eq!(causal, model.causal(), "{what}");
    assert_eq!(
        (blocks.heads, blocks.activation, blocks.norm_eps),
        (blocks.width / 64, Activation::Gelu, 1e-5),
        "{what}"
    );
}

#[test]
fn layouts_and_known_names_determine_all_settings() {
    for model in published() {
        for layout in Layout::supported(&model) {
            let what = format!("{} {layout:?}", model.name);
            let apple = matches!(layout, Layout::Apple | Layout::AppleFolded) && size(&model).offer.has_apple_names();
            let by_name = described(&model, layout, None, &named(&model.name)).unwrap();
            assert_described(&what, &model, &by_name, apple);
            assert_eq!(by_name.model_name.as_deref(), Some(model.name.as_str()));
            if !apple {
                assert_eq!(
                    by_name.config,
                    ModelConfig { logit_scale: 4.6, ..catalogued(&model.name).config() },
                    "{what}"
                );
            }
            assert_eq!(by_name.preprocess, catalogued(&model.name).preprocess(), "{what}");

            let bare = described(&model, layout, None, &ConvertOptions::default());
            if apple {
                let bare = bare.unwrap();
                assert_described(&what, &model, &bare, true);
                let is_b = matches!(size(&model).image, ImageTower::StemVit { .. });
                assert_eq!(bare.model_name, Some(model.name.clone()).filter(|_| !is_b), "{what}");
            } else {
                let error = text(bare);
                assert!(error.contains("do not tell the direction of attention over text"), "{error}");
                assert!(error.ends_with("give --model NAME (such as mobileclip2-s0) or --config FILE"), "{error}");
            }
        }
    }
}

#[test]
fn configurations_of_open_clip_are_complete() {
    let dir = tempfile::tempdir().unwrap();
    for model in published().iter().filter(|model| Layout::OpenClip.supports(model).is_ok()) {
        let config = generator::config(model);
        std::fs::write(dir.path().join("open_clip_config.json"), serde_json::to_vec(&config).unwrap()).unwrap();
        let found = described(model, Layout::OpenClip, Some(dir.path()), &ConvertOptions::default()).unwrap();
        assert_described(&model.name, model, &found, false);
        assert_eq!(found.model_name, None);
    }
}

/// Names and configurations of another model's towers.
#[test]
fn contradictions_with_tensors_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("open_clip_config.json");
    for one in published() {
        let layout = Layout::usual(&one);
        for other in published() {
            let same = size(&one).timm_name == size(&other).timm_name && size(&one).text == size(&other).text;
            let result = described(&one, layout, None, &named(&other.name));
            assert_eq!(result.is_ok(), same, "{} as {}", one.name, other.name);
            if same || Layout::OpenClip.supports(&one).is_err() || Layout::OpenClip.supports(&other).is_err() {
                continue;
            }
            std::fs::write(&path, serde_json::to_vec(&generator::config(&other)).unwrap()).unwrap();
            let error = text(described(&one, Layout::OpenClip, Some(dir.path()), &ConvertOptions::default()));
            let (claimed, found) = (size(&other).timm_name, size(&one).timm_name);
            let wanted = format!("`model_cfg.vision_cfg.timm_model_name` is {claimed}");
            assert!(error.contains(&wanted.replace('`', "")) && error.contains(&format!("say {found}")), "{error}");
        }
    }
    assert!(
        text(described(&model("mobileclip-s0"), Layout::Apple, None, &named("vit-b-32-openai")))
            .contains("fastvit_mci0")
    );
}

#[test]
fn files_of_apple_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    let s0 = model("mobileclip-s0");
    let try_one = |config: &Value| {
        std::fs::write(&path, serde_json::to_vec(config).unwrap()).unwrap();
        described(&s0, Layout::Apple, Some(dir.path()), &ConvertOptions::default())
    };
    let config = json!({
        "embed_dim": 512,
        "image_cfg": { "image_size": 256, "model_name": "mci0" },
        "text_cfg": {
            "context_length": 77, "vocab_size": 49408, "dim": 512, "ffn_multiplier_per_layer": 4.0,
            "n_heads_per_layer": 8, "n_transformer_layers": 4, "norm_layer": "layer_norm_fp32",
            "causal_masking": false, "model_name": "mct"
        }
    });
    assert_described("mobileclip-s0", &s0, &try_one(&config).unwrap(), true);
    for (pointer, value, hint) in [
        ("/image_cfg/model_name", json!("mci1"), "image_cfg.model_name is fastvit_mci1"),
        ("/image_cfg/model_name", json!("resnet"), "`image_cfg.model_name` is `resnet`, which is not supported"),
        ("/text_cfg/model_name", json!("base"), "text_cfg.model_name is 0, but"),
        ("/text_cfg/model_name", json!("x"), "`text_cfg.model_name` is `x`, which is not supported"),
        ("/text_cfg/n_transformer_layers", json!(12), "text_cfg.n_transformer_layers is 12, but"),
        ("/text_cfg/dim", json!(768), "text_cfg.dim is 768, but"),
        ("/embed_dim", json!(768), "embed_dim is 768, but"),
        ("/text_cfg/causal_masking", json!(3), "is neither true nor false"),
    ] {
        let mut config = config.clone();
        *config.pointer_mut(pointer).unwrap() = value;
        let error = text(try_one(&config));
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn padding_and_epsilon_can_be_overridden_where_there_are_any() {
    let with = |padding, eps| ConvertOptions { stem_padding: padding, norm_eps: eps, ..ConvertOptions::default() };
    let b = described(&model("mobileclip-b"), Layout::Apple, None, &with(Some(0), Some(1e-6))).unwrap();
    assert_described("mobileclip-b", &model("mobileclip-b"), &b, false);
    let options = ConvertOptions { model: Some("mobileclip-b".into()), ..with(Some(1), Some(1e-5)) };
    let b = described(&model("mobileclip-b"), Layout::OpenClip, None, &options).unwrap();
    assert_described("mobileclip-b", &model("mobileclip-b"), &b, true);

    for (name, layout, options, hint) in [
        (
            "mobileclip-s0",
            Layout::Apple,
            with(Some(1), None),
            "--stem-padding does not apply: the image tower is a FastViT",
        ),
        ("mobileclip2-l-14", Layout::OpenClip, with(Some(1), None), "without convolutional stem"),
        ("mobileclip-b", Layout::Apple, with(Some(2), None), "padding of the stem is 2"),
        ("mobileclip-b", Layout::Apple, with(None, Some(0.0)), "norm epsilon of 0 is not above zero"),
        ("mobileclip-b", Layout::Apple, with(None, Some(f64::NAN)), "norm epsilon of NaN"),
        (
            "mobileclip-s0",
            Layout::Apple,
            ConvertOptions { image_heads: Some(4), ..ConvertOptions::default() },
            "--image-heads does not apply",
        ),
    ] {
        let options = match layout {
            Layout::OpenClip => ConvertOptions { model: Some(name.into()), ..options },
            _ => options,
        };
        let error = text(described(&model(name), layout, None, &options));
        assert!(error.contains(hint), "{error}");
    }
}

/// ViT-H, ViT-g and ViT-bigG have sixteen heads for images of any size, also of one that is not published.
#[test]
fn wide_towers_have_sixteen_heads() {
    for name in ["vit-h-14-laion2b", "vit-h-14-378-dfn5b", "vit-g-14-laion2b-s34b", "vit-bigg-14-laion2b"] {
        let published = Model::named(name).unwrap();
        let mut other = published.clone();
        let Architecture::Vit(size) = &mut other.architecture else { panic!("{name}") };
        size.image_size = 336;
        let options = ConvertOptions::new().activation(Activation::Gelu).mean([0.5; 3]).std([0.5; 3]);
        let options = options.interpolation(Interpolation::Bicubic).resize(ResizeMode::Shortest);
        for model in [published, other] {
            let Some(ImageConfig::Vit(image)) =
                described(&model, Layout::OpenClip, None, &options).unwrap().config.image
            else {
                panic!("{name}")
            };
            assert_eq!((image.blocks.heads, image.image_size), (16, model.image_size()), "{name}");
        }
    }
}
