//! SigLIP's configurations: defaults of absent fields, settings by layout, and what is refused.

use super::*;
use crate::import::recipes;
use crate::import::recipes::tests::siglip as listings;
use facts::Heads;

fn described(name: &str, folder: Option<&Path>, options: &ConvertOptions) -> Result<Described, Error> {
    let checkpoint = listings::full_size(name);
    let mapped = recipes::map(&checkpoint, options).unwrap();
    // There are only names and shapes, no tokenizer.
    describe(&checkpoint, &mapped, (4.7, Some(-16.5)), folder, &options.clone().without_tokenizer(true))
}

fn activations(config: &ModelConfig) -> (Activation, Activation) {
    let Some(ImageConfig::Vit(image)) = &config.image else { panic!() };
    let Some(TextConfig::Transformer(text)) = &config.text else { panic!() };
    (image.blocks.activation, text.blocks.activation)
}

/// By the names of timm's and open_clip's definitions, which differ from the original's by size.
#[test]
fn gelu_is_that_of_the_layout() {
    use Activation::{Gelu as Erf, GeluTanh as Tanh};
    for (name, expected) in [
        ("ViT-B-16-SigLIP", (Erf, Erf)),
        ("ViT-B-16-SigLIP-512", (Erf, Erf)),
        ("ViT-B-16-SigLIP-i18n-256", (Erf, Erf)),
        ("ViT-L-16-SigLIP-384", (Erf, Erf)),
        ("ViT-SO400M-14-SigLIP", (Erf, Erf)),
        ("ViT-SO400M-14-SigLIP-384", (Erf, Erf)),
        ("ViT-B-16-SigLIP2", (Erf, Tanh)),
        ("ViT-B-16-SigLIP2-512", (Erf, Tanh)),
        ("ViT-L-16-SigLIP2-256", (Erf, Tanh)),
        ("ViT-L-16-SigLIP2-384", (Erf, Tanh)),
        ("ViT-SO400M-14-SigLIP2", (Erf, Tanh)),
        ("ViT-SO400M-14-SigLIP2-378", (Erf, Tanh)),
        ("ViT-B-32-SigLIP2-256", (Tanh, Tanh)),
        ("ViT-L-16-SigLIP2-512", (Tanh, Tanh)),
        ("google/siglip-base-patch16-224", (Tanh, Tanh)),
        ("google/siglip2-base-patch32-256", (Tanh, Tanh)),
    ] {
        let Described { config, preprocess, .. } = described(name, None, &ConvertOptions::new()).unwrap();
        assert_eq!(activations(&config), expected, "{name}");
        assert_eq!((preprocess.resize, preprocess.mean, preprocess.std), (ResizeMode::Squash, [0.5; 3], [0.5; 3]));
        let bilinear = name.starts_with("google/siglip2");
        let filter = if bilinear { Interpolation::Bilinear } else { Interpolation::Bicubic };
        assert_eq!(preprocess.interpolation, filter, "{name}");
        assert_eq!((config.logit_scale, config.logit_bias), (4.7, Some(-16.5)), "{name}");
    }
    let tanh = ConvertOptions::new().activation(Activation::GeluTanh);
    assert_eq!(activations(&described("ViT-B-16-SigLIP", None, &tanh).unwrap().config), (Tanh, Tanh));
}

/// A name says no more about activation and preprocessing than the layout, in which SigLIPs differ.
#[test]
fn a_name_leaves_the_layout_its_settings() {
    let named = |listing: &str, name: &str| described(listing, None, &ConvertOptions::new().model(name));
    let described = named("google/siglip2-base-patch32-256", "siglip2-b-32-256").unwrap();
    assert_eq!(described.preprocess.interpolation, Interpolation::Bilinear);
    let described = named("google/siglip-base-patch16-224", "siglip-b-16-224").unwrap();
    assert_eq!(activations(&described.config), (Activation::GeluTanh, Activation::GeluTanh));
    // Heads of 72 channels, and of 96.
    let described = named("ViT-SO400M-14-SigLIP2", "siglip2-so400m-14-224").unwrap();
    let Some(ImageConfig::Vit(image)) = &described.config.image else { panic!() };
    assert_eq!((image.blocks.heads, image.blocks.norm_eps, image.image_size), (16, 1e-6, 224));
    let Some(TextConfig::Transformer(words)) = &described.config.text else { panic!() };
    assert_eq!((words.blocks.heads, words.blocks.norm_eps), (16, 1e-6));
    let giant = self::described("ViT-gopt-16-SigLIP2-256", None, &ConvertOptions::new()).unwrap();
    let Some(ImageConfig::Vit(image)) = &giant.config.image else { panic!() };
    assert_eq!((image.blocks.heads, image.blocks.width), (16, 1536));
    assert!(text(named("ViT-B-16-SigLIP", "vit-b-16-openai")).contains("kind of model"));
    assert!(text(named("ViT-B-16-SigLIP", "siglip-b-16-256")).contains("vit_base_patch16_siglip_256"));
}

#[test]
fn transformers_defaults_fill_absent_fields() {
    let facts = hf(json!({ "model_type": "siglip", "text_config": {}, "vision_config": {} })).unwrap();
    for tower in [&facts.image, &facts.text] {
        assert_eq!((tower.activation, tower.norm_eps), (Some(Activation::GeluTanh), Some(1e-6)));
        assert_eq!(tower.heads, Some(Heads::Count(12)));
    }
    assert_eq!((facts.causal, facts.sigmoid), (Some(false), Some(true)));
    let so400m = json!({ "model_type": "siglip", "vision_config": {
        "hidden_size": 1152, "intermediate_size": 4304, "model_type": "siglip_vision_model",
        "num_attention_heads": 16, "num_hidden_layers": 27, "image_size": 384, "patch_size": 14,
        "hidden_act": "gelu", "layer_norm_eps": 1e-5
    }, "text_config": { "projection_size": 1152, "hidden_size": 1152 } });
    let facts = hf(so400m).unwrap();
    assert_eq!((facts.image.heads, facts.image.norm_eps), (Some(Heads::Count(16)), Some(1e-5)));
    assert_eq!((facts.image.activation, facts.image_size()), (Some(Activation::Gelu), Some(384)));
}

#[test]
fn naflex_and_unknown_fields_are_refused_by_name() {
    let error = text(hf(json!({ "model_type": "siglip2", "vision_config": {}, "text_config": {} })));
    assert!(error.contains("`model_type` is `siglip2`") && error.contains("NaFlex"), "{error}");
    for (config, field) in [
        (json!({ "vision_config": { "vision_use_head": false } }), "vision_config.vision_use_head"),
        (json!({ "vision_config": { "hidden_act": "relu" } }), "vision_config.hidden_act"),
        (json!({ "vision_config": { "num_channels": 1 } }), "vision_config.num_channels"),
        (json!({ "text_config": { "window": 3 } }), "text_config.window"),
        (json!({ "quantization_config": {} }), "quantization_config"),
    ] {
        let mut config = config;
        config["model_type"] = json!("siglip");
        let error = text(hf(config));
        assert!(error.contains(&format!("config.json: `{field}` is")), "{error}");
    }
}

#[test]
fn the_image_processor_resizes_to_a_square() {
    let siglip = |more: Value| {
        let mut config =
            json!({ "image_processor_type": "SiglipImageProcessor", "processor_class": "SiglipProcessor" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        image_processor(config)
    };
    let facts = siglip(json!({})).unwrap();
    assert_eq!(facts.image_size(), Some(224));
    let preprocess = facts.preprocess;
    assert_eq!((preprocess.resize, preprocess.mean), (Some(ResizeMode::Squash), Some([0.5; 3])));
    assert_eq!(preprocess.interpolation, Some(Interpolation::Bicubic));
    let facts = siglip(json!({ "resample": 2, "size": { "height": 512, "width": 512 } })).unwrap();
    assert_eq!((facts.image_size(), facts.preprocess.interpolation), (Some(512), Some(Interpolation::Bilinear)));
    for (bad, field) in [
        (json!({ "size": { "shortest_edge": 224 } }), "size"),
        (json!({ "size": { "height": 224, "width": 256 } }), "size"),
        (json!({ "do_center_crop": true }), "do_center_crop"),
        (json!({ "do_resize": false }), "do_resize"),
        (json!({ "resample": 0 }), "resample"),
        (json!({ "patch_size": 16 }), "patch_size"),
        (json!({ "image_processor_type": "Siglip2ImageProcessor" }), "image_processor_type"),
    ] {
        let error = text(siglip(bad));
        assert!(error.contains(&format!("`{field}` is")), "{error}");
    }
}

#[test]
fn open_clips_fields_are_obeyed_or_refused() {
    let config = |pointer: &str, value: Value| {
        let mut config = json!({
            "embed_dim": 768, "init_logit_bias": -10, "custom_text": true,
            "vision_cfg": {
                "image_size": 224, "timm_model_name": "vit_base_patch16_siglip_224", "timm_model_pretrained": false,
                "timm_pool": "map", "timm_proj": "none",
            },
            "text_cfg": {
                "context_length": 64, "vocab_size": 32000, "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
                "tokenizer_kwargs": { "clean": "canonicalize" }, "width": 768, "heads": 12, "layers": 12,
                "no_causal_mask": true, "proj_bias": true, "pool_type": "last", "norm_kwargs": { "eps": 1e-6 },
            },
        });
        if let Some((parent, name)) = pointer.rsplit_once('/') {
            config.pointer_mut(parent).unwrap()[name] = value;
        }
        oc(config)
    };
    let facts = config("", json!(null)).unwrap();
    assert_eq!((facts.image.activation, facts.text.activation), (Some(Activation::Gelu), Some(Activation::Gelu)));
    assert_eq!((facts.pooling, facts.causal), (Some(TextPooling::LastPosition), Some(false)));
    assert_eq!((facts.text.norm_eps, facts.clean), (Some(1e-6), Some(Clean::Canonicalize)));
    let tanh = config("/text_cfg/act_kwargs", json!({ "approximate": "tanh" })).unwrap();
    assert_eq!((tanh.image.activation, tanh.text.activation), (Some(Activation::Gelu), Some(Activation::GeluTanh)));
    // Absent, it is that of open_clip's class.
    assert_eq!(config("/text_cfg/norm_kwargs", json!(null)).unwrap().text.norm_eps, Some(1e-5));
    let checkpoint = listings::full_size("ViT-B-16-SigLIP");
    let draft = recipes::map(&checkpoint, &ConvertOptions::new()).unwrap().draft;
    assert!(facts.agrees(&draft) && !config("/text_cfg/proj_type", json!("none")).unwrap().agrees(&draft));
    for (pointer, value) in [
        ("/text_cfg/pool_type", json!("argmax")),
        ("/text_cfg/pool_type", json!(null)),
        ("/text_cfg/act_kwargs", json!({ "approximate": "sigmoid" })),
        ("/text_cfg/act_kwargs", json!({ "negative_slope": 1 })),
        ("/text_cfg/embed_cls", json!(true)),
        ("/vision_cfg/timm_proj", json!("linear")),
        ("/vision_cfg/timm_model_name", json!("vit_base_patch16_siglip_gap_224")),
        ("/vision_cfg/unknown", json!(1)),
    ] {
        let error = text(config(pointer, value.clone()));
        let field = pointer.trim_start_matches('/').replace('/', ".");
        assert!(error.contains(&format!("`{field}")), "{pointer} {value}: {error}");
    }
}
