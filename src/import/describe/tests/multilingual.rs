//! Multilingual models: what names, configuration files and layouts say of them.

use super::*;
use crate::import::recipes;
use crate::import::recipes::tests::multilingual as listings;
use crate::models::tests::checkpoint::{Layout, Model, multilingual};

fn described(name: &str, layout: Layout, folder: Option<&Path>, options: &ConvertOptions) -> Result<Described, Error> {
    let checkpoint = listings::full_size(name, layout);
    let mapped = recipes::map(&checkpoint, options).unwrap();
    let bias = mapped.sigmoid.then_some(0.0);
    // There are only names and shapes, no tokenizer.
    describe(&checkpoint, &mapped, (0.0, bias), folder, &options.clone().without_tokenizer(true))
}

/// The name suffices: heads of ViT-H and ViT-bigG, epsilons, pooling and preprocessing follow from it and the layout.
#[test]
fn a_name_gives_the_model_of_its_row() {
    for generated in multilingual::published() {
        let row = catalog::find(&generated.name).unwrap();
        let preferred = if row.file == "model.safetensors" { Layout::HuggingFace } else { Layout::OpenClip };
        let described = described(row.name, preferred, None, &ConvertOptions::new().model(row.name)).unwrap();
        assert_eq!(described.config, row.config(), "{}", row.name);
        assert_eq!(described.preprocess, row.preprocess(), "{}", row.name);
        let resize = if generated.multilingual().unwrap().resize == "squash" {
            ResizeMode::Squash
        } else {
            ResizeMode::Shortest
        };
        assert_eq!((row.preprocess().resize, row.preprocess().mean), (resize, generated.mean), "{}", row.name);
        assert_eq!(row.total_parameters(), parameters(&generated), "{}", row.name);
    }
}

/// Without what the towers do not use.
fn parameters(model: &Model) -> u64 {
    let used = model.tensors().into_iter().filter(|tensor| !tensor.name.contains(".pooler."));
    used.map(|tensor| tensor.elements() as u64).sum()
}

/// The files as published describe the same models.
#[test]
fn configuration_files_give_the_model_of_their_row() {
    for name in ["xlm-r-base-vit-b-32", "nllb-clip-large-siglip", "metaclip2-h-14", "metaclip2-mt5-s-16"] {
        let (row, model) = (catalog::find(name).unwrap(), Model::named(name).unwrap());
        for layout in [Layout::OpenClip, Layout::HuggingFace] {
            if layout.supports(&model).is_err() {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            for (file, config) in layout.configs(&model) {
                std::fs::write(folder.path().join(file), config.to_string()).unwrap();
            }
            let described = described(name, layout, Some(folder.path()), &ConvertOptions::new()).unwrap();
            assert_eq!((&described.config, &described.preprocess), (&row.config(), &row.preprocess()), "{name}");
        }
    }
}

/// transformers pools MetaCLIP 2 at the first `eos_token_id`; open_clip as `pool_type` says; the size of the table tells it
/// where no file does.
#[test]
fn the_pooled_token_of_metaclip_2_is_never_that_of_clip() {
    let pooling = |value| hf(value).unwrap().pooling;
    let text = |end: u32| json!({ "model_type": "metaclip_2", "text_config": { "eos_token_id": end } });
    assert_eq!(pooling(text(2)), Some(TextPooling::Id(2)));
    assert_eq!(pooling(text(1)), Some(TextPooling::Id(1)));
    assert_eq!(pooling(json!({ "model_type": "metaclip_2", "text_config": {} })), Some(TextPooling::Id(49407)));
    let several = json!({ "model_type": "metaclip_2", "text_config": { "eos_token_id": [1, 2] } });
    assert!(self::text(hf(several)).contains("eos_token_id"));
    // CLIP's own configuration means the largest id by 2.
    assert_eq!(pooling(json!({ "model_type": "clip", "text_config": { "eos_token_id": 2 } })), None);

    let of = |fields: Value| {
        let mut text = json!({ "hf_tokenizer_name": "facebook/xlm-v-base", "vocab_size": 901_629 });
        text.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        oc(json!({ "embed_dim": 512, "vision_cfg": {}, "text_cfg": text }))
    };
    let eos = of(json!({ "pool_type": "eos", "eos_id": 1, "tokenizer_kwargs": { "clean": "canonicalize" } })).unwrap();
    assert_eq!((eos.pooling, eos.clean), (Some(TextPooling::Id(1)), Some(Clean::Canonicalize)));
    let eos = of(json!({ "pool_type": "eos" })).unwrap();
    assert_eq!((eos.pooling, eos.clean), (Some(TextPooling::Id(2)), Some(Clean::Whitespace)));
    assert_eq!(of(json!({})).unwrap().pooling, Some(TextPooling::LargestId));
    // With CLIP's vocabulary, another tokenizer is still refused.
    let clip = oc(json!({ "vision_cfg": {}, "text_cfg": { "hf_tokenizer_name": "facebook/xlm-v-base" } }));
    assert!(self::text(clip).contains("another tokenizer than CLIP's"));

    for (name, end) in [("metaclip2-b-32", 2), ("metaclip2-mt5-b-32", 1)] {
        let options = ConvertOptions::new().activation(Activation::Gelu).mean([0.5; 3]).std([0.5; 3]);
        let options = options.interpolation(Interpolation::Bicubic).resize(ResizeMode::Squash);
        let described = described(name, Layout::OpenClip, None, &options).unwrap();
        let Some(TextConfig::Transformer(words)) = &described.config.text else { panic!() };
        assert_eq!((words.pooling, words.causal), (TextPooling::Id(end), true), "{name}");
    }
}

/// The flag is about the image tower: a text tower of transformers has the activation of its family.
#[test]
fn an_activation_is_that_of_the_image_tower() {
    let options = ConvertOptions::new().model("nllb-clip-base").activation(Activation::QuickGelu);
    let described = described("nllb-clip-base", Layout::OpenClip, None, &options).unwrap();
    let Some(ImageConfig::Vit(image)) = &described.config.image else { panic!() };
    let Some(TextConfig::Transformer(words)) = &described.config.text else { panic!() };
    assert_eq!((image.blocks.activation, words.blocks.activation), (Activation::QuickGelu, Activation::Relu));
    // Without a name, the layout does not tell that of the image tower.
    let error = text(self::described("nllb-clip-base", Layout::OpenClip, None, &ConvertOptions::new()));
    assert!(error.contains("activation") && error.contains("xlm-r-base-vit-b-32"), "{error}");
}

#[test]
fn a_text_tower_of_transformers_is_known_by_its_name() {
    let of = |text: Value| oc(json!({ "embed_dim": 512, "vision_cfg": { "width": 768 }, "text_cfg": text }));
    let mean = json!({ "hf_model_name": "xlm-roberta-base", "hf_pooler_type": "mean_pooler" });
    let facts = of(mean).unwrap();
    assert_eq!((facts.clean, facts.text.activation), (Some(Clean::Whitespace), None));
    // Older names of the fields.
    let older = json!({ "hf_model_name": "xlm-roberta-large", "proj": "mlp", "pooler_type": "mean_pooler" });
    assert!(of(older).is_ok());
    let nllb = json!({
        "hf_model_name": "facebook/nllb-200-distilled-600M", "proj": "linear", "pooler_type": "cls_pooler", "width": 5
    });
    assert!(of(nllb).is_ok());
    for (config, parts) in [
        (json!({ "hf_model_name": "google/mt5-base" }), ["hf_model_name", "not supported"]),
        (
            json!({ "hf_model_name": "xlm-roberta-base", "hf_pooler_type": "cls_pooler" }),
            ["hf_pooler_type", "mean_pooler"],
        ),
        (json!({ "hf_model_name": "xlm-roberta-base", "proj": "linear" }), ["proj", "mlp"]),
        (json!({ "hf_model_name": "facebook/nllb-200-distilled-600M" }), ["hf_proj_type", "absent"]),
        (json!({ "hf_model_name": "xlm-roberta-base", "context_length": 64 }), ["context_length", "length of texts"]),
        (json!({ "hf_model_name": "xlm-roberta-base", "else": 1 }), ["text_cfg.else", "does not know"]),
    ] {
        let error = text(of(config));
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    // Its sizes are claims.
    let folder = tempfile::tempdir().unwrap();
    let large = json!({
        "embed_dim": 512, "vision_cfg": { "width": 768 }, "text_cfg": { "hf_model_name": "xlm-roberta-large" }
    });
    std::fs::write(folder.path().join("open_clip_config.json"), large.to_string()).unwrap();
    let name = "xlm-r-base-vit-b-32";
    let error = text(described(name, Layout::OpenClip, Some(folder.path()), &ConvertOptions::new()));
    assert!(error.contains("hf_model_name is 1024") && error.contains("768"), "{error}");
}

#[test]
fn shapes_recognise_the_models_that_are_alone_with_them() {
    for model in multilingual::published() {
        for layout in [Layout::OpenClip, Layout::HuggingFace] {
            if layout.supports(&model).is_err() {
                continue;
            }
            let checkpoint = listings::full_size(&model.name, layout);
            let mapped = recipes::map(&checkpoint, &ConvertOptions::new()).unwrap();
            let row = catalog::find(&model.name).unwrap();
            let alone = row.is_unique_in(mapped.layout.as_str());
            let found = recognise(mapped.layout, &mapped.draft);
            assert!(!alone || found == Some(row.name), "{} {found:?}", row.name);
        }
    }
}
