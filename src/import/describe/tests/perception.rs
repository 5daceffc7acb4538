//! Perception Encoder's configurations: the settings by layout, by open_clip's file and by name, and what is refused.

use super::*;
use crate::import::recipes;
use crate::import::recipes::tests::perception as listings;

fn described(repository: &str, folder: Option<&Path>, options: &ConvertOptions) -> Result<Described, Error> {
    let checkpoint = listings::full_size(repository);
    let mapped = recipes::map(&checkpoint, options).unwrap();
    describe(&checkpoint, &mapped, (4.6, None), folder, options)
}

/// Without any configuration, as Meta publishes them.
#[test]
fn every_size_is_described_by_its_layout() {
    for model in crate::catalog::models().iter().filter(|model| model.name.starts_with("pe-core")) {
        for repository in [model.repository, model.other_repositories[0]] {
            for options in [ConvertOptions::new(), ConvertOptions::new().model(model.name)] {
                let Described { config, preprocess, model_name, .. } = described(repository, None, &options).unwrap();
                assert_eq!(config, ModelConfig { logit_scale: 4.6, ..model.config() }, "{repository}");
                assert_eq!(preprocess, model.preprocess(), "{repository}");
                let named = repository.starts_with("timm/") || options.model.is_some();
                assert_eq!(model_name.as_deref(), named.then_some(model.name), "{repository}");
            }
        }
    }
}

#[test]
fn the_preparation_is_metas() {
    let preprocess = crate::catalog::find("pe-core-l-14-336").unwrap().preprocess();
    let expected = PreprocessConfig {
        image_size: 336,
        resize: ResizeMode::Squash,
        interpolation: Interpolation::Bilinear,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    assert_eq!(preprocess, expected);
}

#[test]
fn open_clips_file_is_read_and_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    let write = |timm_name: &str, pool: &str, heads: usize| {
        let config = serde_json::json!({
            "model_cfg": {
                "embed_dim": 1024,
                "vision_cfg": {
                    "image_size": 224, "timm_model_name": timm_name, "timm_model_pretrained": false,
                    "timm_pool": pool, "timm_proj": null,
                },
                "text_cfg": { "context_length": 32, "vocab_size": 49408, "width": 1024, "heads": heads, "layers": 24 },
                "custom_text": true,
            },
            "preprocess_cfg": {
                "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "resize_mode": "squash",
            },
        });
        std::fs::write(folder.path().join("open_clip_config.json"), config.to_string()).unwrap();
    };
    let read = || described("timm/PE-Core-B-16", Some(folder.path()), &ConvertOptions::new());
    let base = "vit_pe_core_base_patch16_224";
    write(base, "map", 16);
    assert_eq!(read().unwrap().model_name.as_deref(), Some("pe-core-b-16-224"));
    // Half as many heads are a statement that no tensor denies.
    write(base, "map", 8);
    let Some(TextConfig::Transformer(text)) = read().unwrap().config.text else { panic!() };
    assert_eq!(text.blocks.heads, 8);
    for (name, pool, hints) in [
        (base, "token", ["timm_pool", "`map`"]),
        ("vit_pe_core_large_patch14_336", "map", ["vit_pe_core_large_patch14_336", "vit_pe_core_base_patch16_224"]),
        ("vit_base_patch16_siglip_224", "map", ["pool_type", "SigLIP"]),
        ("vit_pe_spatial_base_patch16_512", "map", ["vit_pe_spatial_base_patch16_512", "not supported"]),
    ] {
        write(name, pool, 16);
        let error = read().unwrap_err().to_string();
        assert!(hints.iter().all(|hint| error.contains(hint)), "{name}: {error}");
    }
}
