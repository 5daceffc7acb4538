//! SigLIP in open_clip's and transformers' layouts: names and configuration files.
//!
//! `open_clip_config.json` is as in the repositories of timm; `config.json` and `preprocessor_config.json` are as in
//! Google's, which state what differs from the defaults of transformers' classes.

use serde_json::{Value, json};

use super::super::model::{Model, TowerSize};
use super::super::siglip::SiglipSize;
use super::super::tensor::Tensor;
use super::entry::Entry;
use super::huggingface;

/// Names of timm's pooling, of the text tower and of everything outside of the towers, canonical and transformers'. A
/// tensor in several parts has a name for each.
const STEMS: [(&str, &str); 17] = [
    ("visual.trunk.pos_embed", "vision_model.embeddings.position_embedding.weight"),
    ("visual.trunk.patch_embed.proj", "vision_model.embeddings.patch_embedding"),
    ("visual.trunk.norm", "vision_model.post_layernorm"),
    ("visual.trunk.attn_pool.latent", "vision_model.head.probe"),
    ("visual.trunk.attn_pool.proj", "vision_model.head.attention.out_proj"),
    ("visual.trunk.attn_pool.norm", "vision_model.head.layernorm"),
    ("visual.trunk.attn_pool.mlp", "vision_model.head.mlp"),
    ("text.positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("text.token_embedding", "text_model.embeddings.token_embedding"),
    ("text.ln_final", "text_model.final_layer_norm"),
    ("text.text_projection", "text_model.head"),
    ("logit_scale", "logit_scale"),
    ("logit_bias", "logit_bias"),
    ("norm1", "layer_norm1"),
    ("norm2", "layer_norm2"),
    ("attn.proj", "self_attn.out_proj"),
    ("mlp", "mlp"),
];
const TEXT_STEMS: [(&str, &str); 5] = [
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("attn.out_proj", "self_attn.out_proj"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
];

/// The tensors under transformers' names.
pub fn hugging_face(model: &Model) -> Vec<Entry> {
    let tensors = model.tensors();
    let find = |name: String| tensors.iter().find(|tensor| tensor.name == name);
    let mut all = Vec::new();
    for tensor in &tensors {
        // Queries stand before keys and values in one tensor.
        if let Some(kind) = tensor.name.strip_prefix("visual.trunk.attn_pool.q.") {
            let (stacked, kv) = (format!("in_proj_{kind}"), find(format!("visual.trunk.attn_pool.kv.{kind}")));
            let name = format!("vision_model.head.attention.{stacked}");
            all.extend(kv.map(|kv| Entry::stacked(name, &[tensor.clone(), kv.clone()])));
        } else if !tensor.name.starts_with("visual.trunk.attn_pool.kv.") {
            all.extend(translate(tensor));
        }
    }
    all
}

fn translate(tensor: &Tensor) -> Vec<Entry> {
    let name = tensor.name.as_str();
    let block = |start: &str, tower: &str| {
        let (index, inner) = name.strip_prefix(start)?.split_once('.')?;
        Some((format!("{tower}.encoder.layers.{index}."), inner.to_owned()))
    };
    let image = block("visual.trunk.blocks.", "vision_model");
    let text = block("text.transformer.resblocks.", "text_model");
    let stems = if text.is_some() { TEXT_STEMS.as_slice() } else { STEMS.as_slice() };
    let (prefix, inner) = image.or(text).unwrap_or_else(|| (String::new(), name.to_owned()));
    if let Some(kind) = inner.strip_prefix("attn.qkv.").or_else(|| inner.strip_prefix("attn.in_proj_")) {
        return huggingface::queries_keys_values(tensor, &prefix, kind);
    }
    let mut entry = huggingface::renamed(tensor, stems, &prefix, &inner);
    match name {
        "visual.trunk.pos_embed" => drop(entry.shape.remove(0)),
        "logit_scale" | "logit_bias" => entry.shape = vec![1],
        _ => {}
    }
    vec![entry]
}

/// The `model_cfg` of `open_clip_config.json`.
pub fn open_clip_config(size: &SiglipSize) -> Value {
    let mut text = json!({
        "context_length": size.context_length,
        "vocab_size": size.vocab_size,
        "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
        "tokenizer_kwargs": { "clean": "canonicalize" },
        "width": size.text.width,
        "heads": size.text.heads,
        "layers": size.text.layers,
        "no_causal_mask": true,
        "pool_type": "last",
        "norm_kwargs": { "eps": 1e-6 },
    });
    if size.projection {
        text["proj_bias"] = json!(true);
    } else {
        text["proj_type"] = json!("none");
    }
    if size.text.mlp_ratio != 4.0 {
        text["mlp_ratio"] = json!(size.text.mlp_ratio);
    }
    if size.text_tanh {
        text["act_kwargs"] = json!({ "approximate": "tanh" });
    }
    json!({
        "embed_dim": size.image.width,
        "init_logit_bias": -10,
        "custom_text": true,
        "vision_cfg": {
            "image_size": size.image_size,
            "timm_model_name": size.timm_name,
            "timm_model_pretrained": false,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": text,
    })
}

/// `config.json`: what differs from the defaults of transformers' `SiglipConfig`, which are those of ViT-B/16.
pub fn config(size: &SiglipSize) -> Value {
    let mut text = tower(&size.text, "siglip_text_model");
    set(&mut text, "vocab_size", size.vocab_size, 32_000);
    set(&mut text, "max_position_embeddings", size.context_length, 64);
    set(&mut text, "projection_size", size.image.width, size.text.width);
    let mut vision = tower(&size.image, "siglip_vision_model");
    set(&mut vision, "image_size", size.image_size, 224);
    set(&mut vision, "patch_size", size.patch_size, 16);
    json!({
        "architectures": ["SiglipModel"],
        "initializer_factor": 1.0,
        "model_type": "siglip",
        "text_config": text,
        "torch_dtype": "float32",
        "transformers_version": "4.37.0.dev0",
        "vision_config": vision,
    })
}

fn tower(size: &TowerSize, model_type: &str) -> Value {
    let mut config = json!({ "model_type": model_type });
    set(&mut config, "hidden_size", size.width, 768);
    set(&mut config, "intermediate_size", size.mlp_width(), 3072);
    set(&mut config, "num_attention_heads", size.heads, 12);
    set(&mut config, "num_hidden_layers", size.layers, 12);
    config
}

/// Sets a field that is not the default.
fn set(config: &mut Value, field: &str, value: usize, default: usize) {
    if value != default {
        config[field] = json!(value);
    }
}

/// `preprocessor_config.json`; that of SigLIP 2 asks for another filter.
pub fn preprocessor_config(model: &Model, size: &SiglipSize) -> Value {
    json!({
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": model.mean,
        "image_processor_type": "SiglipImageProcessor",
        "image_std": model.std,
        "processor_class": "SiglipProcessor",
        "resample": if size.has_gemma() { 2 } else { 3 },
        "rescale_factor": 0.00392156862745098,
        "size": { "height": size.image_size, "width": size.image_size },
    })
}
