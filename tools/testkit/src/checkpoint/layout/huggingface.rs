//! The layout of Hugging Face transformers' `CLIPModel`: other names, separate q, k and v, projections as linear
//! layers, and two configuration files.
//!
//! Names are those of transformers' `modeling_clip.py`; the configuration files hold what
//! `openai/clip-vit-base-patch32` publishes.

use serde_json::{Value, json};

use super::super::model::{Model, OPENAI_MEAN, TowerSize, VitSize};
use super::super::tensor::{Element, Tensor};
use super::entry::Entry;

/// Stems of names outside the blocks, canonical and transformers'.
const STEMS: [(&str, &str); 9] = [
    ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
    ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    ("visual.conv1", "vision_model.embeddings.patch_embedding"),
    // Spelled this way in transformers.
    ("visual.ln_pre", "vision_model.pre_layrnorm"),
    ("visual.ln_post", "vision_model.post_layernorm"),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("token_embedding", "text_model.embeddings.token_embedding"),
    ("ln_final", "text_model.final_layer_norm"),
    ("logit_scale", "logit_scale"),
];

/// Stems of names within a block.
const BLOCK_STEMS: [(&str, &str); 5] = [
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("attn.out_proj", "self_attn.out_proj"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
];

/// The tensors under transformers' names.
pub fn entries(model: &Model) -> Vec<Entry> {
    model.tensors().iter().flat_map(translate).collect()
}

fn translate(tensor: &Tensor) -> Vec<Entry> {
    let name = tensor.name.as_str();
    match name {
        "visual.proj" => return vec![Entry::transposed("visual_projection.weight".into(), tensor)],
        "text_projection" => {
            return vec![Entry::transposed("text_projection.weight".into(), tensor)];
        }
        _ => {}
    }

    let (prefix, stems, inner) = match block(name) {
        Some((prefix, inner)) => (prefix, BLOCK_STEMS.as_slice(), inner),
        None => (String::new(), STEMS.as_slice(), name),
    };
    if let Some(kind) = inner.strip_prefix("attn.in_proj_") {
        return queries_keys_values(tensor, &prefix, kind);
    }
    vec![renamed(tensor, stems, &prefix, inner)]
}

/// The three tensors that are one in ours.
pub(super) fn queries_keys_values(tensor: &Tensor, prefix: &str, kind: &str) -> Vec<Entry> {
    let parts = ["q", "k", "v"].iter().enumerate();
    parts.map(|(i, part)| Entry::part(format!("{prefix}self_attn.{part}_proj.{kind}"), tensor, i, 3)).collect()
}

/// The tensor under transformers' name: `stems` has ours and theirs of what a name begins with after the prefix.
pub(super) fn renamed(tensor: &Tensor, stems: &[(&str, &str)], prefix: &str, inner: &str) -> Entry {
    let (ours, theirs) = stems
        .iter()
        .find(|(ours, _)| inner == *ours || inner.starts_with(&format!("{ours}.")))
        .unwrap_or_else(|| panic!("transformers has no name for {}", tensor.name));
    let mut entry = Entry::whole(tensor.clone(), Element::F32);
    entry.name = format!("{prefix}{}", inner.replacen(ours, theirs, 1));
    entry
}

/// Splits the name of a block's tensor into transformers' prefix and the name within the block.
fn block(name: &str) -> Option<(String, &str)> {
    let (tower, rest) = name.split_once("transformer.resblocks.")?;
    let (index, inner) = rest.split_once('.')?;
    let tower = if tower == "visual." { "vision_model" } else { "text_model" };
    Some((format!("{tower}.encoder.layers.{index}."), inner))
}

/// `config.json`.
pub fn config(model: &Model) -> Value {
    model.vit().map_or(Value::Null, |size| of_size(model, size))
}

/// `config.json` of a model with these towers.
pub(super) fn of_size(model: &Model, size: &VitSize) -> Value {
    let mut text = tower(model, &size.text);
    text["model_type"] = json!("clip_text_model");
    text["vocab_size"] = json!(size.vocab_size);
    text["max_position_embeddings"] = json!(size.context_length);
    // As published: these are not token ids; 2 selects pooling at the largest id.
    text["bos_token_id"] = json!(0);
    text["eos_token_id"] = json!(2);

    let mut vision = tower(model, &size.image);
    vision["model_type"] = json!("clip_vision_model");
    vision["image_size"] = json!(size.image_size);
    vision["patch_size"] = json!(size.patch_size);

    json!({
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "projection_dim": size.embed_dim,
        "text_config": text,
        "vision_config": vision,
        "torch_dtype": "float32",
    })
}

fn tower(model: &Model, size: &TowerSize) -> Value {
    json!({
        "hidden_act": if model.quick_gelu { "quick_gelu" } else { "gelu" },
        "hidden_size": size.width,
        "intermediate_size": size.mlp_width(),
        "layer_norm_eps": 1e-5,
        "num_attention_heads": size.heads,
        "num_hidden_layers": size.layers,
        "projection_dim": model.embed_dim(),
    })
}

/// `preprocessor_config.json`: OpenAI's older form for OpenAI's statistics, the newer one otherwise.
pub fn preprocessor_config(model: &Model) -> Value {
    let side = model.image_size();
    let mut config = json!({
        "do_center_crop": true,
        "do_normalize": true,
        "do_resize": true,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": model.mean,
        "image_std": model.std,
        "resample": 3,
        "crop_size": side,
        "size": side,
    });
    if model.mean != OPENAI_MEAN {
        config["do_convert_rgb"] = json!(true);
        config["do_rescale"] = json!(true);
        config["rescale_factor"] = json!(1.0 / 255.0);
        config["image_processor_type"] = json!("CLIPImageProcessor");
        config["crop_size"] = json!({ "height": side, "width": side });
        config["size"] = json!({ "shortest_edge": side });
    }
    config
}
