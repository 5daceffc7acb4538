//! The fields of Apple's `config.json`.

use super::Is::{No, Text};
use super::Rule::{NoEffect, Obeyed, Only};
use super::Table;

pub(crate) const FILE: Table = Table::new(&[("embed_dim", Obeyed), ("image_cfg", Obeyed), ("text_cfg", Obeyed)]);

pub(crate) const IMAGE: Table = Table::new(&[("image_size", Obeyed), ("model_name", Obeyed)]);

pub(crate) const TEXT: Table = Table::new(&[
    ("context_length", Obeyed),
    ("vocab_size", Obeyed),
    ("dim", Obeyed),
    ("ffn_multiplier_per_layer", Obeyed),
    ("n_heads_per_layer", Obeyed),
    ("n_transformer_layers", Obeyed),
    ("causal_masking", Obeyed),
    ("model_name", Obeyed),
    ("norm_layer", Only(&[Text("layer_norm_fp32"), Text("layer_norm")], "it asks for other norms")),
    ("no_scale_embedding", NoEffect("Apple's code computes the scale and does not use it")),
    ("no_pos_embedding", Only(&[No], "it asks for a tower without positions")),
    ("embed_dropout", NoEffect("used in training only")),
]);
