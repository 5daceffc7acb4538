//! open_clip's layout: canonical names in single precision, and `open_clip_config.json`.
//!
//! File and key names are those of open_clip's hub repositories and of its `CLIPVisionCfg`, `CLIPTextCfg`
//! and `PreprocessCfg`.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::super::mobileclip::{MobileClipSize, TextTower};
use super::super::model::{Architecture, Model, TowerSize, VitSize};
use super::super::resnet::ResnetSize;
use super::super::tensor::Element;
use super::entry::Entry;
use super::torch_zip::TorchZip;
use super::{multilingual, perception, pickle, siglip};

/// The tensors, in the order of the state dict.
pub fn entries(model: &Model) -> Vec<Entry> {
    model.tensors().into_iter().map(|tensor| Entry::whole(tensor, Element::F32)).collect()
}

/// Writes the state dict as `torch.save` does, into an archive whose top folder is `folder`.
pub fn write_bin(out: &mut impl Write, entries: &[Entry], seed: u64, folder: &str) -> io::Result<()> {
    let mut zip = TorchZip::new(out, folder);
    zip.store("data.pkl", &pickle::state_dict(entries))?;
    zip.store(".format_version", b"1")?;
    zip.store(".storage_alignment", b"64")?;
    zip.store("byteorder", b"little")?;
    for (key, entry) in entries.iter().enumerate() {
        zip.store(&format!("data/{key}"), &entry.bytes(seed))?;
    }
    zip.store("version", b"3\n")?;
    // PyTorch puts a hash of the content here, 40 decimal digits that readers never check.
    zip.store(".data/serialization_id", format!("{seed:040}").as_bytes())?;
    zip.finish()
}

/// `open_clip_config.json`.
pub fn config(model: &Model) -> Value {
    json!({
        "model_cfg": model_config(model),
        "preprocess_cfg": {
            "mean": model.mean,
            "std": model.std,
            "interpolation": model.interpolation,
            "resize_mode": model.resize(),
        },
    })
}

/// The `model_cfg` of `open_clip_config.json`: open_clip's defaults are left out, as in published files.
pub fn model_config(model: &Model) -> Value {
    match &model.architecture {
        Architecture::Vit(size) => vit_config(size, model.quick_gelu),
        Architecture::MobileClip(size) => mobileclip_config(size),
        Architecture::Siglip(size) => siglip::open_clip_config(size),
        Architecture::Perception(size) => perception::open_clip_config(size),
        Architecture::Resnet(size) => resnet_config(size, model.quick_gelu),
        Architecture::Multilingual(size) => {
            multilingual::open_clip_config(size, |size| vit_config(size, model.quick_gelu))
        }
    }
}

fn vit_config(size: &VitSize, quick_gelu: bool) -> Value {
    let mut vision = tower(&size.image);
    vision.insert("image_size".to_owned(), json!(size.image_size));
    vision.insert("patch_size".to_owned(), json!(size.patch_size));
    if size.image.head_width() != 64 {
        vision.insert("head_width".to_owned(), json!(size.image.head_width()));
    }

    let mut text = tower(&size.text);
    text.insert("context_length".to_owned(), json!(size.context_length));
    text.insert("vocab_size".to_owned(), json!(size.vocab_size));
    text.insert("heads".to_owned(), json!(size.text.heads));
    if !size.causal {
        text.insert("no_causal_mask".to_owned(), json!(true));
    }

    let mut config = Map::new();
    config.insert("embed_dim".to_owned(), json!(size.embed_dim));
    if quick_gelu {
        config.insert("quick_gelu".to_owned(), json!(true));
    }
    config.insert("vision_cfg".to_owned(), Value::Object(vision));
    config.insert("text_cfg".to_owned(), Value::Object(text));
    Value::Object(config)
}

/// As open_clip's `RN*-quickgelu.json`: a list of layers, and a patch size of null.
fn resnet_config(size: &ResnetSize, quick_gelu: bool) -> Value {
    let mut text = tower(&size.text);
    text.insert("context_length".to_owned(), json!(size.context_length));
    text.insert("vocab_size".to_owned(), json!(size.vocab_size));
    text.insert("heads".to_owned(), json!(size.text.heads));
    json!({
        "embed_dim": size.embed_dim,
        "quick_gelu": quick_gelu,
        "vision_cfg": {
            "image_size": size.image_size, "layers": size.layers, "width": size.width, "patch_size": null,
        },
        "text_cfg": text,
    })
}

/// As open_clip's `MobileCLIP*.json` have it: the image tower is timm's, named.
fn mobileclip_config(size: &MobileClipSize) -> Value {
    let pool = if size.timm_name.starts_with("vit") { "token" } else { "avg" };
    let mut text = tower(size.text_blocks());
    text.insert("context_length".to_owned(), json!(size.context_length));
    text.insert("vocab_size".to_owned(), json!(size.vocab_size));
    text.insert("heads".to_owned(), json!(size.text_blocks().heads));
    let causal = matches!(size.text, TextTower::Transformer { causal: true, .. });
    text.insert("no_causal_mask".to_owned(), json!(!causal));
    json!({
        "embed_dim": size.embed_dim,
        "vision_cfg": {
            "timm_model_name": size.timm_name,
            "timm_model_pretrained": false,
            "timm_pool": pool,
            "timm_proj": null,
            "timm_drop": 0.0,
            "timm_drop_path": if size.timm_name.starts_with("vit_large") { 0.1 } else { 0.0 },
            "image_size": size.image_size,
        },
        "text_cfg": text,
        "custom_text": true,
    })
}

fn tower(size: &TowerSize) -> Map<String, Value> {
    let mut config = Map::new();
    config.insert("width".to_owned(), json!(size.width));
    config.insert("layers".to_owned(), json!(size.layers));
    if size.mlp_ratio != 4.0 {
        config.insert("mlp_ratio".to_owned(), json!(size.mlp_ratio));
    }
    config
}
