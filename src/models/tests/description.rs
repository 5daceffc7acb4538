//! Descriptions: the walk over a model's layers equals the file's table; unknown or contradictory settings are
//! refused.

use serde_json::{Value, json};

use super::*;
use crate::models::config::TextPooling;
use crate::models::layers;
use crate::weights::{Meta, TensorSpec, Writer};

fn model(name: &str) -> Model {
    golden::models().into_iter().chain(golden::mobileclip_models()).find(|model| model.name == name).unwrap()
}

/// One model of each architecture.
fn configs() -> Vec<(WeightsFile, ModelConfig)> {
    let mut configs = vec![open(&model("tiny-openai")), open(&model("tiny-bidirectional"))];
    for (name, layout) in [
        ("tiny-mci", Layout::OpenClip),
        ("tiny-mci-deep", Layout::OpenClip),
        ("tiny-stem", Layout::OpenClip),
        ("tiny-hybrid", Layout::Apple),
    ] {
        configs.push(mobileclip::open_layout(&model(name), layout));
    }
    configs
}

#[test]
fn the_walk_over_the_layers_is_the_table_of_the_file() {
    for (weights, config) in configs() {
        let listed: Vec<TensorSpec> = layers(&config).unwrap().iter().flat_map(|layer| layer.tensors()).collect();
        let mut found: Vec<TensorSpec> = weights.header().tensors.iter().map(|entry| entry.spec.clone()).collect();
        // The token table may have a narrower type if that is lossless.
        found.iter_mut().for_each(|spec| spec.dtype = crate::weights::Dtype::F32);
        assert_eq!(listed, found);
    }
}

/// Every object of a JSON value, by pointer.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.push(at.to_owned());
            fields.iter().for_each(|(name, value)| objects(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| objects(value, &format!("{at}/{i}"), found));
        }
        _ => {}
    }
}

#[test]
fn an_unknown_field_is_refused_by_name_at_every_depth() {
    for (weights, _) in configs() {
        let json = weights.header().meta.model.clone();
        let mut pointers = Vec::new();
        objects(&json, "", &mut pointers);
        assert!(pointers.len() >= 5, "{pointers:?}");
        for pointer in pointers {
            let mut changed = json.clone();
            changed.pointer_mut(&pointer).unwrap()["fancy_pooling"] = json!("map");
            let error = serde_json::from_value::<ModelConfig>(changed).unwrap_err().to_string();
            assert!(error.contains("fancy_pooling"), "{pointer}: {error}");
        }
    }
}

#[test]
fn contradictions_and_what_no_engine_runs_are_refused_by_name() {
    let (vit, mci) = ("tiny-openai", "tiny-mci");
    for (name, pointer, value, hint) in [
        (vit, "/image/class_token", json!(false), "class token"),
        (vit, "/image/pooling", json!("mean"), "mean"),
        (vit, "/image/blocks/heads", json!(7), "heads 7"),
        (vit, "/image/blocks/activation", json!("silu"), "silu"),
        (vit, "/text/mask_padding", json!(true), "masks padding"),
        (vit, "/text/pooling", json!({ "id": 1_000_000 }), "id of the pooled token"),
        (vit, "/text/pad_id", json!(1_000_000), "pad_id"),
        (vit, "/logit_scale", json!(1e300), "logit_scale"),
        // Other spellings of the same model would have another content hash.
        (vit, "/text/mask_padding", json!(false), "model.text.mask_padding"),
        (vit, "/logit_bias", json!(null), "model.logit_bias"),
        (vit, "/text/pooling", json!({ "largest_id": null }), "model.text.pooling"),
        (vit, "/logit_scale", json!(2.000_000_000_001), "model.logit_scale"),
        (vit, "/image/blocks", json!([96, 3, 2, 100, "quick_gelu", 1e-5]), "model.image.blocks"),
        (mci, "/image/stages/0/heads", json!(2), "heads of a stage without attention"),
        (mci, "/image/stages/0/attention_norm", json!(true), "attention_norm"),
        (mci, "/image/stages/0/squeeze_width", json!(8), "squeeze_width"),
        (mci, "/image/stages/1/channels", json!(3), "twice the channels"),
    ] {
        let (weights, _) =
            if name == vit { open(&model(name)) } else { mobileclip::open_layout(&model(name), Layout::OpenClip) };
        let mut changed = weights.header().meta.model.clone();
        let (object, field) = pointer.rsplit_once('/').unwrap();
        changed.pointer_mut(object).unwrap_or_else(|| panic!("{pointer}"))[field] = value;
        let refused = ModelConfig::from_json(&changed).unwrap_err().to_string();
        assert!(refused.contains(hint), "{pointer}: {refused}");
    }
}

#[test]
fn a_file_with_more_tensors_than_its_model_has_is_refused() {
    let (weights, config) = open(&model("tiny-openai"));
    let header = weights.header();
    let mut specs: Vec<TensorSpec> = header.tensors.iter().map(|entry| entry.spec.clone()).collect();
    let mut extra = specs.last().unwrap().clone();
    extra.name = "text.adapter".into();
    specs.push(extra);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.clippie");
    let meta = Meta { model: header.meta.model.clone(), ..header.meta.clone() };
    let mut writer = Writer::create(&path, meta, specs.clone()).unwrap();
    for spec in &specs {
        writer.write(&spec.name, &vec![0.0; spec.stored_len().unwrap()]).unwrap();
    }
    writer.finish().unwrap();
    let weights = WeightsFile::open(&path).unwrap();
    let error = load(&weights, &config, None).err().unwrap().to_string();
    assert!(error.contains("text.adapter"), "{error}");
    // A tower that the description does not have.
    let without = ModelConfig { text: None, ..config };
    let error = load(&weights, &without, None).err().unwrap().to_string();
    assert!(error.contains("text.token_embedding"), "{error}");
}

/// Runs a text tower with a padding id and a pooling that may differ from the file's.
fn with(weights: &WeightsFile, config: &ModelConfig, pad_id: u32, pooling: TextPooling, ids: &[Vec<u32>]) -> Vec<f32> {
    let mut config = config.clone();
    let Some(TextConfig::Transformer(transformer)) = &mut config.text else { panic!("not a transformer") };
    (transformer.pad_id, transformer.pooling) = (pad_id, pooling);
    let tower = text_tower(weights, &config);
    let mut out = vec![0.0; ids.len() * config.embed_dim];
    tower.forward(Exec::new(Isa::detect().unwrap(), Team::SERIAL), ids, &mut Arena::default(), &mut out).unwrap();
    out
}

#[test]
fn texts_are_padded_and_pooled_as_the_configuration_says() {
    for name in ["tiny-openai", "tiny-bidirectional"] {
        let (weights, config) = open(&model(name));
        let text = config.text.as_ref().unwrap();
        let (context, end) = (text.context_length(), text.vocab_size() as u32 - 1);
        let ids = vec![vec![1, 5, 3, end], vec![1, end]];
        let padded = |pad: u32| -> Vec<Vec<u32>> {
            ids.iter().map(|ids| ids.iter().copied().chain(std::iter::repeat(pad)).take(context).collect()).collect()
        };
        let plain = with(&weights, &config, 0, TextPooling::LargestId, &ids);
        assert_eq!(plain, with(&weights, &config, 0, TextPooling::Id(end), &ids), "{name}");
        let other = with(&weights, &config, 2, TextPooling::LargestId, &ids);
        assert_eq!(other, with(&weights, &config, 0, TextPooling::LargestId, &padded(2)), "{name}");
        // Padding reaches the pooled token only where attention is not causal.
        assert_eq!(other == plain, name == "tiny-openai");
        let last = with(&weights, &config, 2, TextPooling::LastPosition, &ids);
        assert!(last != plain);
        assert_eq!(last, with(&weights, &config, 0, TextPooling::LastPosition, &padded(2)), "{name}");
    }
}
