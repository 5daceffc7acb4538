//! Configurations of MobileCLIPs, SigLIPs, Perception Encoders and multilingual models with unpublished sizes.
//!
//! The generator names a tiny image tower after the published one that it imitates. The importer rightly rejects that
//! name, because the shapes differ, so it is removed here.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checkpoint::Model;

/// Removes the name of the image tower of a tiny MobileCLIP, SigLIP or Perception Encoder from the configuration in `folder` and returns its path;
/// removes the whole configuration of a tiny XLM-RoBERTa or NLLB.
pub fn without_tower_name(model: &Model, folder: &Path) -> Option<PathBuf> {
    if model.multilingual().is_some_and(|size| !size.is_worldwide()) && model.name.starts_with("tiny-") {
        // The name of a published text tower states its sizes; without it, nothing is left to say.
        let path = folder.join("open_clip_config.json");
        std::fs::remove_file(&path).unwrap();
        return None;
    }
    let is_named = model.mobileclip().is_some() || model.siglip().is_some() || model.perception().is_some();
    if !is_named || !model.name.starts_with("tiny-") {
        return None;
    }
    let path = ["open_clip_config.json", "config.json"].map(|name| folder.join(name)).into_iter().find(|p| p.exists());
    // Meta's layout has no configuration.
    let path = path?;
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (pointer, field) in
        [("/model_cfg/vision_cfg", "timm_model_name"), ("/vision_cfg", "timm_model_name"), ("/image_cfg", "model_name")]
    {
        if let Some(Value::Object(tower)) = config.pointer_mut(pointer) {
            tower.remove(field).unwrap();
            if model.perception().is_some() {
                // Without a name, this pooling is SigLIP's.
                tower.remove("timm_pool").unwrap();
            }
        }
    }
    std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    Some(path)
}
