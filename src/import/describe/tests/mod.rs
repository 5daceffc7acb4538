//! Configurations: defaults of absent fields, what is refused, hostile files.

use serde_json::{Value, json};

use super::named::{self, recognise};
use super::*;
use crate::catalog;
use crate::import::recipes::SourceLayout;
use crate::models::config::{
    Activation, ImagePooling, TextPooling, TextTransformerConfig, TransformerConfig, VitConfig,
};
use crate::preprocess::{Interpolation, ResizeMode};

const PATH: &str = "config.json";

/// The draft of a ViT-B/32 from its tensors, with placeholders for open settings.
fn draft() -> ModelConfig {
    let blocks = |width, mlp_width| TransformerConfig {
        width,
        layers: 12,
        heads: 1,
        mlp_width,
        activation: Activation::Gelu,
        norm_eps: 1e-5,
    };
    let image = ImageConfig::Vit(VitConfig {
        image_size: 224,
        patch_size: 32,
        class_token: true,
        pre_norm: true,
        rotary: false,
        stem: None,
        blocks: blocks(768, 3072),
        pooling: ImagePooling::ClassToken,
    });
    let text = TextConfig::Transformer(TextTransformerConfig {
        context_length: 77,
        vocab_size: 49408,
        causal: true,
        pad_id: 0,
        mask_padding: false,
        blocks: blocks(512, 2048),
        pooling: TextPooling::LargestId,
        projection: true,
    });
    ModelConfig::new(512, 0.0, Some(image), Some(text))
}

fn hf(value: Value) -> Result<Facts, Error> {
    huggingface::facts(Path::new(PATH), &value)
}

fn image_processor(value: Value) -> Result<Facts, Error> {
    processor::facts(Path::new(PATH), &value)
}

fn oc(value: Value) -> Result<Facts, Error> {
    open_clip::facts(Path::new(PATH), &value)
}

fn text<T, E: std::fmt::Display>(result: Result<T, E>) -> String {
    result.err().unwrap().to_string()
}

#[test]
fn absent_fields_of_transformers_have_its_defaults() {
    let facts = hf(json!({ "model_type": "clip" })).unwrap();
    for (tower, heads) in [(&facts.image, 12), (&facts.text, 8)] {
        assert_eq!(tower.activation, Some(Activation::QuickGelu));
        assert_eq!(tower.heads, Some(Heads::Count(heads)));
        assert_eq!(tower.norm_eps, Some(1e-5));
    }
    assert!(facts.agrees(&draft()) && facts.preprocess.mean.is_none());
}

#[test]
fn towers_of_transformers_may_differ() {
    let facts = hf(json!({
        "projection_dim": 512,
        "text_config": { "hidden_act": "gelu", "layer_norm_eps": 1e-6, "num_attention_heads": 4, "hidden_size": 512 },
        "vision_config": { "hidden_act": "quick_gelu", "hidden_size": 768, "patch_size": 32, "image_size": 224 },
    }))
    .unwrap();
    assert_eq!(facts.text.activation, Some(Activation::Gelu));
    assert_eq!((facts.text.norm_eps, facts.text.heads), (Some(1e-6), Some(Heads::Count(4))));
    assert_eq!(facts.image.activation, Some(Activation::QuickGelu));
    assert!(facts.agrees(&draft()));
}

#[test]
fn the_old_dicts_of_transformers_win() {
    let facts = hf(json!({
        "text_config": { "hidden_act": "gelu", "hidden_size": 999 },
        "text_config_dict": { "hidden_size": 512 },
        "vision_config": { "hidden_act": "gelu" },
        "vision_config_dict": null,
    }))
    .unwrap();
    assert_eq!(facts.text.activation, Some(Activation::QuickGelu));
    assert_eq!(facts.image.activation, Some(Activation::Gelu));
    assert!(facts.agrees(&draft()));
}

#[test]
fn what_transformers_configs_may_say_is_limited() {
    let error = text(hf(json!({ "text_config": { "hidden_act": "gelu_new" } })));
    let expected = "config.json: `text_config.hidden_act` is `gelu_new`; `gelu` and `quick_gelu` are supported; ";
    assert!(error.starts_with(expected), "{error}");
    assert!(text(hf(json!({ "text_config": 3 }))).contains("`text_config` is not an object"));
    assert!(text(hf(json!({ "text_config": { "vocab_size": -1 } }))).contains("not a whole number"));
    assert!(text(hf(json!({ "text_config": { "eos_token_id": 7 } }))).contains("eos_token_id"));
    assert!(hf(json!({ "text_config": { "eos_token_id": 2 } })).is_ok());
    assert!(hf(json!({ "text_config": { "eos_token_id": 49407 } })).is_ok());
    assert!(text(hf(json!({ "vision_config": { "num_channels": 4 } }))).contains("num_channels"));
    assert!(text(hf(json!({ "vision_config": { "image_size": [224, 160] } }))).contains("side of a square"));
}

#[test]
fn image_processors_of_every_age_are_understood() {
    let old = image_processor(json!({
        "crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true,
        "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.25, 0.5, 0.75], "resample": 2, "size": 224
    }))
    .unwrap();
    assert_eq!(old.preprocess.mean, Some([0.5; 3]));
    assert_eq!(old.preprocess.std, Some([0.25, 0.5, 0.75]));
    assert_eq!(old.preprocess.interpolation, Some(Interpolation::Bilinear));
    assert_eq!(old.preprocess.resize, Some(ResizeMode::Shortest));
    assert_eq!(old.image_size(), Some(224));

    let new = image_processor(json!({ "image_processor": {
        "crop_size": { "height": 336, "width": 336 }, "size": { "shortest_edge": 336 }, "rescale_factor": 0.00392156862745098
    } }))
    .unwrap();
    assert_eq!(new.preprocess.mean, Some(PreprocessConfig::openai(1).mean));
    assert_eq!(new.preprocess.interpolation, Some(Interpolation::Bicubic));
    assert_eq!(new.image_size(), Some(336));

    let squash = image_processor(json!({
        "do_center_crop": false, "do_normalize": false, "size": { "height": 224, "width": 224 }
    }))
    .unwrap();
    assert_eq!(squash.preprocess.resize, Some(ResizeMode::Squash));
    assert_eq!((squash.preprocess.mean, squash.preprocess.std), (Some([0.0; 3]), Some([1.0; 3])));
}

#[test]
fn image_processors_that_do_something_else_are_refused() {
    for (config, field) in [
        (json!({ "do_resize": false }), "do_resize"),
        (json!({ "do_rescale": false }), "do_rescale"),
        (json!({ "rescale_factor": 1 }), "rescale_factor"),
        (json!({ "do_center_crop": false }), "do_center_crop"),
        (json!({ "resample": 1 }), "resample"),
        (json!({ "image_mean": [0.5, 0.5] }), "image_mean"),
        (json!({ "image_std": "0.5" }), "image_std"),
        (json!({ "size": 256 }), "crop_size"),
        (json!({ "crop_size": { "height": 224, "width": 225 } }), "crop_size"),
        (json!({ "do_resize": "yes" }), "do_resize"),
    ] {
        let error = text(image_processor(config));
        assert!(error.contains(&format!("`{field}`")), "{error}");
    }
}

#[test]
fn absent_fields_of_open_clip_have_its_defaults() {
    let bare = json!({ "embed_dim": 512, "vision_cfg": {}, "text_cfg": {} });
    let facts = oc(bare.clone()).unwrap();
    assert_eq!(facts.image.activation, Some(Activation::Gelu));
    assert_eq!(facts.image.heads, Some(Heads::Width(64)));
    assert_eq!((facts.text.heads, facts.causal), (Some(Heads::Count(8)), Some(true)));
    assert!(facts.preprocess.mean.is_none(), "an architecture alone leaves the preprocessing open");
    assert!(facts.agrees(&draft()));

    let facts = oc(json!({ "model_cfg": bare, "preprocess_cfg": { "mean": null, "interpolation": null } })).unwrap();
    assert_eq!(facts.preprocess.mean, Some(PreprocessConfig::openai(1).mean));
    assert_eq!(facts.preprocess.std, Some(PreprocessConfig::openai(1).std));
    assert_eq!(facts.preprocess.interpolation, Some(Interpolation::Bicubic));
    assert_eq!(facts.preprocess.resize, Some(ResizeMode::Shortest));
}

#[test]
fn what_open_clip_configs_may_say_is_limited() {
    for (pointer, value) in [
        ("/vision_cfg/no_ln_pre", json!(true)),
        ("/vision_cfg/pool_type", json!("avg")),
        ("/vision_cfg/attentional_pool", json!(true)),
        ("/vision_cfg/timm_model_name", json!("resnet50")),
        ("/vision_cfg/ls_init_value", json!(1e-5)),
        ("/vision_cfg/image_size", json!([224, 160])),
        ("/text_cfg/pool_type", json!("last")),
        ("/text_cfg/hf_model_name", json!("roberta-base")),
        ("/text_cfg/proj_bias", json!(true)),
        ("/text_cfg/act_kwargs", json!({ "approximate": "tanh" })),
        ("/text_cfg/qk_norm", json!(true)),
        ("/text_cfg/width", json!(512.5)),
        ("/text_cfg/no_causal_mask", json!(1)),
        ("/vision_cfg", json!(null)),
        ("/quick_gelu", json!("yes")),
        ("/init_logit_bias", json!(-10)),
    ] {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        let mut config = json!({ "vision_cfg": {}, "text_cfg": {} });
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[name] = value;
        let error = text(oc(config));
        assert!(error.contains(&format!("config.json: `{field}` is")), "{error}");
    }
    for bad in [json!({ "resize_mode": "longest" }), json!({ "interpolation": "random" }), json!({ "mode": "L" })] {
        let error = text(oc(json!({ "model_cfg": { "vision_cfg": {}, "text_cfg": {} }, "preprocess_cfg": bad })));
        assert!(error.contains("`preprocess_cfg."), "{error}");
    }
}

#[test]
fn known_names_have_the_settings_of_their_weights() {
    let settings = |name: &str| {
        let facts = named::facts(name).unwrap();
        (facts.image.activation.unwrap(), facts.preprocess.mean.unwrap() == [0.5; 3])
    };
    assert_eq!(settings("vit-b-32-openai"), (Activation::QuickGelu, false));
    assert_eq!(settings("vit-b-32-laion400m-e32"), (Activation::QuickGelu, false));
    assert_eq!(settings("vit-b-32-laion2b"), (Activation::Gelu, false));
    assert_eq!(settings("vit-l-14-laion2b"), (Activation::Gelu, true));
    assert_eq!(settings("vit-l-14-datacomp-xl"), (Activation::Gelu, false));
    assert_eq!(catalog::models().len(), 117);
    assert!(catalog::models().iter().all(|model| named::facts(model.name).is_ok()));
    assert_eq!(settings("rn50-cc12m"), (Activation::QuickGelu, false));
}

#[test]
fn models_of_openai_are_recognised_by_their_shapes() {
    assert_eq!(recognise(SourceLayout::OpenAi, &draft()), Some("vit-b-32-openai"));
    // In other layouts several models have these shapes.
    assert_eq!(recognise(SourceLayout::OpenClip, &draft()), None);
    let mut other = draft();
    if let Some(TextConfig::Transformer(text)) = &mut other.text {
        text.blocks.layers = 11;
    }
    assert_eq!(recognise(SourceLayout::OpenAi, &other), None);
}

/// Sizes do not distinguish these.
#[test]
fn a_name_stands_for_a_whole_image_tower() {
    let facts = named::facts("vit-b-32-openai").unwrap();
    facts.check(Path::new(PATH), &draft()).unwrap();
    let mut other = draft();
    if let Some(ImageConfig::Vit(vit)) = &mut other.image {
        vit.pre_norm = false;
    }
    let error = text(facts.check(Path::new(PATH), &other));
    assert!(error.contains("says that the image tower is a vision transformer of width 768"), "{error}");
    // Open settings do not matter.
    let mut open = draft();
    if let Some(ImageConfig::Vit(vit)) = &mut open.image {
        (vit.image_size, vit.blocks.heads, vit.blocks.activation) = (230, 12, Activation::QuickGelu);
    }
    facts.check(Path::new(PATH), &open).unwrap();
}

/// FastViT's heads have a fixed width, so the channels must be a multiple of it.
#[test]
fn attention_of_an_odd_width_is_refused() {
    let mut config = catalog::find("mobileclip2-s0").unwrap().config();
    config.validate().unwrap();
    let Some(ImageConfig::Mci(mci)) = &mut config.image else { panic!() };
    for (i, stage) in mci.stages.iter_mut().enumerate() {
        stage.channels = 50 << i;
        stage.heads = if stage.heads > 0 { stage.channels / 32 } else { 0 };
    }
    assert!(text(config.validate()).contains("attention over 400 channels, which is no multiple of 32"));
}

#[test]
fn hostile_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("open_clip_config.json");
    for (bytes, hint) in [
        (b"".to_vec(), "is not valid JSON"),
        (b"{\"model_cfg\"".to_vec(), "is not valid JSON"),
        (b"[1]".to_vec(), "is not a JSON object"),
        (b"{}".to_vec(), "`vision_cfg` is missing"),
        (b"\xff\xfe".to_vec(), "is not valid JSON"),
        (vec![b'['; 1 << 20], "is not valid JSON"),
        (vec![b' '; 5 << 20], "too long"),
        (b"{\"model_cfg\":[]}".to_vec(), "`model_cfg` is not an object"),
        (b"{\"model_cfg\":{\"embed_dim\":1e999}}".to_vec(), "open_clip_config.json"),
        (b"{\"model_cfg\":{\"embed_dim\":18446744073709551616}}".to_vec(), "`model_cfg.embed_dim` is not a whole"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = text(sidecars::read(None, Some(dir.path()), SourceLayout::OpenClip, Texts::Clip));
        assert!(error.contains(hint), "{error}");
    }
    // Announced at 150 GB: refused by its length alone.
    let file = std::fs::File::create(&path).unwrap();
    if file.set_len(150 << 30).is_ok() {
        let error = text(sidecars::read(None, Some(dir.path()), SourceLayout::OpenClip, Texts::Clip));
        assert!(error.contains("too long to be a configuration: 161061273600 bytes"), "{error}");
    }
}

/// A pipe would wait for a writer for ever, a folder has no bytes.
#[test]
#[cfg(unix)]
fn only_regular_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.json");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = text(sidecars::read(Some(&pipe), None, SourceLayout::OpenClip, Texts::Clip));
    assert!(error.contains("pipe.json: is not a file; give a configuration file with --config"), "{error}");
    let error = text(sidecars::read(Some(dir.path()), None, SourceLayout::OpenClip, Texts::Clip));
    assert!(error.contains("holds no configuration of open_clip"), "{error}");
    let error = text(sidecars::read(Some(&dir.path().join("nowhere.json")), None, SourceLayout::OpenClip, Texts::Clip));
    assert!(error.contains("nowhere.json cannot be read"), "{error}");
}

mod fields;
mod mobileclip;
mod multilingual;
mod perception;
mod siglip;
mod vocabulary;
