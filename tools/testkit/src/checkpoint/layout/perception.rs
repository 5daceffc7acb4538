//! Perception Encoder in open_clip's and Meta's layouts: configuration and names.
//!
//! `open_clip_config.json` is as in the repositories of timm; the names of `perception_models` are those of its `pe.py`.

use serde_json::{Value, json};

use super::super::model::Model;
use super::super::perception::PerceptionSize;
use super::super::tensor::Element;
use super::entry::Entry;

/// Parts of names, canonical and Meta's. The first that is found is replaced.
const STEMS: [(&str, &str); 17] = [
    ("visual.trunk.patch_embed.proj.", "visual.conv1."),
    ("visual.trunk.norm_pre.", "visual.ln_pre."),
    ("visual.trunk.norm.", "visual.ln_post."),
    ("visual.trunk.cls_token", "visual.class_embedding"),
    ("visual.trunk.pos_embed", "visual.positional_embedding"),
    ("visual.trunk.attn_pool.latent", "visual.attn_pool.probe"),
    ("visual.trunk.attn_pool.proj.", "visual.attn_pool.attn.out_proj."),
    ("visual.trunk.attn_pool.norm.", "visual.attn_pool.layernorm."),
    ("visual.trunk.attn_pool.mlp.fc1.", "visual.attn_pool.mlp.c_fc."),
    ("visual.trunk.attn_pool.mlp.fc2.", "visual.attn_pool.mlp.c_proj."),
    ("text.", ""),
    (".norm1.", ".ln_1."),
    (".norm2.", ".ln_2."),
    (".attn.qkv.", ".attn.in_proj_"),
    (".attn.proj.", ".attn.out_proj."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
];

/// The tensors under Meta's names.
pub fn meta(model: &Model) -> Vec<Entry> {
    let tensors = model.tensors();
    let mut all = Vec::new();
    for tensor in &tensors {
        let name = tensor.name.as_str();
        if let Some(kind) = name.strip_prefix("visual.trunk.attn_pool.q.") {
            // Queries stand before keys and values in one tensor.
            let kv = tensors.iter().find(|other| other.name == format!("visual.trunk.attn_pool.kv.{kind}"));
            let name = format!("visual.attn_pool.attn.in_proj_{kind}");
            all.extend(kv.map(|kv| Entry::stacked(name, &[tensor.clone(), kv.clone()])));
        } else if name == "visual.trunk.head.weight" {
            all.push(Entry::transposed("visual.proj".to_owned(), tensor));
        } else if name != "visual.trunk.head.bias" && !name.starts_with("visual.trunk.attn_pool.kv.") {
            let stem = STEMS.iter().find(|(ours, _)| name.contains(ours));
            let renamed = stem.map_or(name.to_owned(), |(ours, theirs)| name.replacen(ours, theirs, 1));
            let renamed = renamed.replacen("visual.trunk.blocks.", "visual.transformer.resblocks.", 1);
            let mut entry = Entry::whole(tensor.clone(), Element::F32).renamed(renamed);
            match name {
                "visual.trunk.cls_token" => drop(entry.shape.drain(..2)),
                "visual.trunk.pos_embed" => drop(entry.shape.remove(0)),
                _ => {}
            }
            all.push(entry);
        }
    }
    all
}

/// The `model_cfg` of `open_clip_config.json`.
pub fn open_clip_config(size: &PerceptionSize) -> Value {
    let mut text = json!({
        "context_length": size.context_length,
        "vocab_size": size.vocab_size,
        "width": size.text.width,
        "heads": size.text.heads,
        "layers": size.text.layers,
    });
    if size.text.mlp_ratio != 4.0 {
        text["mlp_ratio"] = json!(size.text.mlp_ratio);
    }
    json!({
        "embed_dim": size.embed_dim,
        "vision_cfg": {
            "image_size": size.image_size,
            "timm_model_name": size.timm_name,
            "timm_model_pretrained": false,
            "timm_pool": "map",
            "timm_proj": null,
        },
        "text_cfg": text,
        "custom_text": true,
    })
}
