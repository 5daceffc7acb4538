//! The layout of Apple's `.pt` files: a state dict under the names of `ml-mobileclip`, with its `config.json`.
//!
//! For MobileCLIP S0, S1, S2 and B the names are Apple's own (`image_encoder.…`, `text_encoder.…`); later models use
//! open_clip's. Knows no containers.

use serde_json::{Value, json};

use super::super::mobileclip::{ImageTower, MciSize, MobileClipSize, TextTower};
use super::super::model::Model;
use super::super::tensor::{Element, Tensor};
use super::entry::Entry;

/// Stems of names within a block of a transformer: timm's, open_clip's and Apple's.
const BLOCK_STEMS: [(&str, &str, &str); 6] = [
    ("norm1.", "ln_1.", "pre_norm_mha.0."),
    ("attn.qkv.", "attn.in_proj_", "pre_norm_mha.1.qkv_proj."),
    ("attn.proj.", "attn.out_proj.", "pre_norm_mha.1.out_proj."),
    ("norm2.", "ln_2.", "pre_norm_ffn.0."),
    ("mlp.fc1.", "mlp.c_fc.", "pre_norm_ffn.1."),
    ("mlp.fc2.", "mlp.c_proj.", "pre_norm_ffn.4."),
];

/// The tensors of the trained form under Apple's own names.
pub fn entries(size: &MobileClipSize, tensors: &[Tensor]) -> Vec<Entry> {
    tensors.iter().filter_map(|tensor| translate(size, tensor)).collect()
}

/// A tensor under its name in Apple's files; the head's bias has none.
fn translate(size: &MobileClipSize, tensor: &Tensor) -> Option<Entry> {
    let name = tensor.name.as_str();
    if let Some(trunk) = name.strip_prefix("visual.trunk.") {
        let own = match &size.image {
            ImageTower::Mci(mci) => mci_name(mci, trunk),
            ImageTower::StemVit { .. } | ImageTower::Vit { .. } => stem_vit_name(trunk),
        }?;
        let own = format!("image_encoder.model.{own}");
        if trunk.starts_with("head.") {
            return Some(Entry::transposed(own, tensor));
        }
        // Positions have one more dimension.
        return Some(if trunk == "pos_embed" { unsqueezed(own, tensor, 1) } else { renamed(own, tensor) });
    }
    let Some(text) = name.strip_prefix("text.") else {
        return Some(renamed(name.to_owned(), tensor));
    };
    if text == "positional_embedding" {
        return Some(unsqueezed("text_encoder.positional_embedding.pos_embed.pos_embed".to_owned(), tensor, 2));
    }
    let own = match text {
        "text_projection" => "projection_layer".to_owned(),
        "token_embedding.weight" => "embedding_layer.weight".to_owned(),
        _ => match text.strip_prefix("ln_final.") {
            Some(parameter) => format!("final_layer_norm.{parameter}"),
            None => block_name(text.strip_prefix("transformer.resblocks.")?, |stems| stems.1)?,
        },
    };
    Some(renamed(format!("text_encoder.{own}"), tensor))
}

fn renamed(name: String, tensor: &Tensor) -> Entry {
    Entry::whole(tensor.clone(), Element::F32).renamed(name)
}

/// A tensor with leading dimensions of size 1.
fn unsqueezed(name: String, tensor: &Tensor, dimensions: usize) -> Entry {
    let mut entry = renamed(name, tensor);
    entry.shape.splice(..0, vec![1; dimensions]);
    entry
}

/// The name of a FastViT tower's tensor.
fn mci_name(mci: &MciSize, name: &str) -> Option<String> {
    let name = match name {
        "head.fc.weight" => return Some("head.proj".to_owned()),
        "head.fc.bias" => return None,
        _ => match name.strip_prefix("final_conv.") {
            Some(rest) => format!("conv_exp.{}", rest.replace("se.fc1", "se.reduce").replace("se.fc2", "se.expand")),
            None => stage_name(mci, name)?,
        },
    };
    let name = name
        .replace(".conv_kxk.", ".rbr_conv.")
        .replace(".conv_scale.", ".rbr_scale.")
        .replace(".identity.", ".rbr_skip.")
        .replace(".large_conv.", ".lkb_origin.")
        .replace(".mlp.", ".convffn.");
    Some(name.strip_suffix(".gamma").map_or(name.clone(), str::to_owned))
}

/// The name of a stem's or stage's tensor: stages, downsamplings and positions share one numbering.
fn stage_name(mci: &MciSize, name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("stem.") {
        return Some(format!("patch_embed.{rest}"));
    }
    let (stage, rest) = name.strip_prefix("stages.")?.split_once('.')?;
    let stage: usize = stage.parse().ok()?;
    let positions = mci.stages.iter().take(stage + 1).filter(|stage| stage.position).count();
    let blocks = 2 * stage + positions;
    let has_position = mci.stages.get(stage)?.position;
    if let Some(rest) = rest.strip_prefix("blocks.") {
        Some(format!("network.{blocks}.{rest}"))
    } else if let Some(rest) = rest.strip_prefix("pos_emb.pos_enc.") {
        Some(format!("network.{}.pe.{rest}", blocks - 1))
    } else {
        let downsample = blocks - 1 - usize::from(has_position);
        Some(format!("network.{downsample}.{}", rest.strip_prefix("downsample.")?))
    }
}

/// The name of a tensor of the vision transformer after the convolutions.
fn stem_vit_name(name: &str) -> Option<String> {
    match name {
        "head.weight" => return Some("classifier.proj".to_owned()),
        "head.bias" => return None,
        "cls_token" => return Some(name.to_owned()),
        "pos_embed" => return Some("pos_embed.pos_embed.pos_embed".to_owned()),
        _ => {}
    }
    if let Some(rest) = name.strip_prefix("patch_embed.backbone.") {
        let (convolution, rest) = rest.split_once('.')?;
        return Some(format!("patch_emb.{convolution}.block.{}", rest.replace("bn.", "norm.")));
    }
    if let Some(parameter) = name.strip_prefix("norm.") {
        return Some(format!("post_transformer_norm.{parameter}"));
    }
    block_name(name.strip_prefix("blocks.")?, |stems| stems.0)
}

/// `transformer.{i}.…` for a name that starts with the block's number.
fn block_name(
    name: &str,
    theirs: impl Fn(&(&'static str, &'static str, &'static str)) -> &'static str,
) -> Option<String> {
    let (block, inner) = name.split_once('.')?;
    BLOCK_STEMS.iter().find_map(|stems| {
        let parameter = inner.strip_prefix(theirs(stems))?;
        Some(format!("transformer.{block}.{}{parameter}", stems.2))
    })
}

/// `config.json` of the models under Apple's own names.
pub fn config(model: &Model, size: &MobileClipSize) -> Value {
    let image = match &size.image {
        ImageTower::Mci(_) => size.timm_name.strip_prefix("fastvit_").unwrap_or(size.timm_name),
        ImageTower::StemVit { .. } | ImageTower::Vit { .. } => "vit_b16",
    };
    let blocks = size.text_blocks();
    json!({
        "embed_dim": size.embed_dim,
        "image_cfg": { "image_size": size.image_size, "model_name": image },
        "text_cfg": {
            "context_length": size.context_length,
            "vocab_size": size.vocab_size,
            "dim": blocks.width,
            "ffn_multiplier_per_layer": blocks.mlp_ratio,
            "n_heads_per_layer": blocks.heads,
            "n_transformer_layers": blocks.layers,
            "norm_layer": "layer_norm_fp32",
            "causal_masking": model.causal(),
            "model_name": if matches!(size.text, TextTower::Hybrid { .. }) { "mct" } else { "base" },
        },
    })
}
