//! Multilingual models in open_clip's layout and MetaCLIP 2 in transformers': configuration files and index tensors.

use serde_json::{Value, json};

use super::super::model::{Model, VitSize};
use super::super::multilingual::{Image, MultilingualSize, Text};
use super::entry::Entry;
use super::{huggingface, siglip};

/// Adds the indices of positions that published files of XLM-RoBERTa hold.
pub fn with_position_ids(model: &Model, mut entries: Vec<Entry>) -> Vec<Entry> {
    if model.multilingual().is_some_and(|size| matches!(size.text, Text::XlmRoberta { .. })) {
        entries.push(Entry::integer("text.transformer.embeddings.position_ids", 0));
    }
    entries
}

/// The `model_cfg` of `open_clip_config.json`. `vit` makes that of a model with these sizes.
pub fn open_clip_config(size: &MultilingualSize, mut vit: impl FnMut(&VitSize) -> Value) -> Value {
    let mut config = match &size.image {
        Image::Vit(size) => vit(size),
        Image::Siglip(size) => siglip::open_clip_config(size),
    };
    let large = size.blocks().layers > 12;
    let text = match size.text {
        Text::XlmRoberta { .. } => {
            let name = if large { "xlm-roberta-large" } else { "xlm-roberta-base" };
            json!({ "hf_model_name": name, "hf_tokenizer_name": name, "hf_pooler_type": "mean_pooler" })
        }
        Text::Nllb => {
            let name = if large { "facebook/nllb-200-distilled-1.3B" } else { "facebook/nllb-200-distilled-600M" };
            json!({
                "hf_model_name": name,
                "hf_tokenizer_name": name,
                "hf_proj_type": "linear",
                "hf_pooler_type": "cls_pooler",
            })
        }
        Text::Worldwide { end, starts } => {
            let mut text = config["text_cfg"].take();
            text["hf_tokenizer_name"] = json!(if starts { "facebook/xlm-v-base" } else { "google/mt5-base" });
            text["pool_type"] = json!("eos");
            text["eos_id"] = json!(end);
            if !starts {
                text["tokenizer_kwargs"] = json!({ "clean": "canonicalize" });
            }
            text
        }
    };
    config["text_cfg"] = text;
    config
}

/// transformers' `config.json` of a `MetaClip2Model`: what differs from the defaults, as published.
pub fn config(model: &Model, vit: &VitSize, end: u32) -> Value {
    let mut config = huggingface::of_size(model, vit);
    config["architectures"] = json!(["MetaClip2Model"]);
    config["model_type"] = json!("metaclip_2");
    let text = &mut config["text_config"];
    text["model_type"] = json!("metaclip_2_text_model");
    text["bos_token_id"] = Value::Null;
    text["pad_token_id"] = Value::Null;
    text["eos_token_id"] = json!(end);
    config["vision_config"]["model_type"] = json!("metaclip_2_vision_model");
    config
}

/// `preprocessor_config.json`, with both sides in `size` where photos become squares.
pub fn preprocessor_config(model: &Model, size: &MultilingualSize) -> Value {
    let mut config = huggingface::preprocessor_config(model);
    if size.resize == "squash" {
        let side = model.image_size();
        config["size"] = json!({ "height": side, "width": side });
        config["crop_size"] = json!({ "height": side, "width": side });
    }
    config
}
