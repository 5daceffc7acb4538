//! The fields of `open_clip_config.json`.

use super::Is::{Empty, No, Number, Text, Yes};
use super::Rule::{NoEffect, Obeyed, Only};
use super::{Rule, Table};

const TRAINING: &str = "used in training only";
const OUTPUT: &str = "what else the reference returns";
const TIMM: &str = "`timm_model_name` decides it";
const NO_TIMM: &str = "used with `timm_model_name` only";
const NO_HF: &str = "used with `hf_model_name` only";
const TOKENS: &str = "the tokenizer's file beside the checkpoint counts";
const HF: &str = "`hf_model_name` decides it";
const BLOCK: &str = "it asks for attention blocks of another kind";

pub(crate) const FILE: Table = Table::new(&[("model_cfg", Obeyed), ("preprocess_cfg", Obeyed)]);

/// `model_cfg`, or a file of its own.
pub(crate) const MODEL: Table = Table::new(&[
    ("embed_dim", Obeyed),
    ("quick_gelu", Obeyed),
    ("vision_cfg", Obeyed),
    ("text_cfg", Obeyed),
    ("custom_text", NoEffect("the names of the tensors tell it")),
    ("init_logit_scale", NoEffect("the tensors hold the trained scale")),
    ("init_logit_bias", Only(&[], "the model was trained with a sigmoid loss")),
    ("nonscalar_logit_scale", NoEffect("the shape of a tensor with one value")),
    ("cast_dtype", NoEffect("the type in which the reference computes")),
    ("output_dict", NoEffect(OUTPUT)),
    ("multimodal_cfg", Only(&[], "it asks for a captioning model")),
]);

/// `model_cfg` of SigLIP.
pub(crate) const MODEL_SIGLIP: Table =
    Table { fields: &[("init_logit_bias", NoEffect("the tensors hold the trained bias"))], base: Some(&MODEL) };

/// `vision_cfg` of open_clip's own image towers.
pub(crate) const VISION: Table = Table {
    fields: &[
        ("layers", Obeyed),
        ("width", Obeyed),
        ("head_width", Obeyed),
        ("mlp_ratio", Obeyed),
        ("patch_size", Obeyed),
        ("image_size", Obeyed),
        ("norm_kwargs", Obeyed),
        ("patch_dropout", NoEffect(TRAINING)),
        ("attentional_pool", Only(&[No], "it asks for pooling by attention")),
        ("attn_pooler_queries", NoEffect("used with `attentional_pool` only, which is refused")),
        ("attn_pooler_heads", NoEffect("used with `attentional_pool` only, which is refused")),
        ("n_queries", NoEffect("used with `attentional_pool` only, which is refused")),
        ("no_ln_pre", Only(&[No], "it asks for a tower without the first LayerNorm")),
        ("pos_embed_type", Only(&[Text("learnable")], "it asks for other positions")),
        ("pool_type", Only(&[Text("tok")], "it asks for another pooling")),
        ("global_average_pool", Only(&[No], "it asks for another pooling")),
        ("input_patchnorm", Only(&[No], "it asks for another first layer")),
        ("timm_model_name", Only(&[Text("")], "it has a table of its own")),
        ("timm_pool", NoEffect(NO_TIMM)),
        ("timm_proj", NoEffect(NO_TIMM)),
        ("timm_proj_bias", NoEffect(NO_TIMM)),
        ("timm_model_pretrained", NoEffect(NO_TIMM)),
        ("timm_drop", NoEffect(NO_TIMM)),
        ("timm_drop_path", NoEffect(NO_TIMM)),
    ],
    base: Some(&TOWER),
};

/// `vision_cfg` with an image tower of timm.
pub(crate) const VISION_TIMM: Table = Table::new(&[
    ("timm_model_name", Obeyed),
    ("timm_pool", Obeyed),
    ("image_size", Obeyed),
    ("timm_proj", Only(&[Empty], "it asks for a projection beside the tower's own")),
    ("timm_proj_bias", NoEffect("used with `timm_proj` only, which is refused")),
    ("timm_model_pretrained", NoEffect("the checkpoint holds the weights")),
    ("timm_drop", NoEffect(TRAINING)),
    ("timm_drop_path", NoEffect(TRAINING)),
    ("patch_dropout", NoEffect(TRAINING)),
    ("layers", NoEffect(TIMM)),
    ("width", NoEffect(TIMM)),
    ("head_width", NoEffect(TIMM)),
    ("mlp_ratio", NoEffect(TIMM)),
    ("patch_size", NoEffect(TIMM)),
    ("norm_kwargs", NoEffect(TIMM)),
    ("act_kwargs", NoEffect(TIMM)),
    ("ls_init_value", NoEffect(TIMM)),
    ("attentional_pool", NoEffect(TIMM)),
    ("attn_pooler_queries", NoEffect(TIMM)),
    ("attn_pooler_heads", NoEffect(TIMM)),
    ("n_queries", NoEffect(TIMM)),
    ("no_ln_pre", NoEffect(TIMM)),
    ("pos_embed_type", NoEffect(TIMM)),
    ("pool_type", NoEffect(TIMM)),
    ("global_average_pool", NoEffect(TIMM)),
    ("input_patchnorm", NoEffect(TIMM)),
    ("final_ln_after_pool", NoEffect(TIMM)),
    ("output_tokens", NoEffect(TIMM)),
    ("block_type", NoEffect(TIMM)),
    ("qk_norm", NoEffect(TIMM)),
    ("scaled_cosine_attn", NoEffect(TIMM)),
    ("scale_heads", NoEffect(TIMM)),
    ("scale_attn_inner", NoEffect(TIMM)),
    ("scale_attn", NoEffect(TIMM)),
    ("scale_fc", NoEffect(TIMM)),
]);

/// `vision_cfg` of SigLIP, whose pooled tokens are the embedding.
pub(crate) const VISION_SIGLIP: Table = Table {
    fields: &[("timm_proj", Only(&[Text("none"), Empty], "it asks for a projection beside the tower's own"))],
    base: Some(&VISION_TIMM),
};

pub(crate) const TEXT: Table = Table {
    fields: &[
        ("context_length", Obeyed),
        ("vocab_size", Obeyed),
        ("width", Obeyed),
        ("heads", Obeyed),
        ("layers", Obeyed),
        ("mlp_ratio", Obeyed),
        ("norm_kwargs", Obeyed),
        ("no_causal_mask", Obeyed),
        ("pool_type", Obeyed),
        ("eos_id", Obeyed),
        ("tokenizer_kwargs", Obeyed),
        ("hf_tokenizer_name", Only(&[Empty], "it asks for another tokenizer than CLIP's")),
        ("tokenizer_mode", Only(&[Empty], "it asks for another tokenizer than CLIP's")),
        ("text_mask", Only(&[Text("first")], "it asks for another way to cut long texts")),
        ("embed_cls", Only(&[No], "it asks for a class token after the text")),
        ("pad_id", NoEffect("used with `embed_cls` only, which is refused; CLIP's tokenizer pads with 0")),
        ("proj_bias", Only(&[No], "it asks for a projection with a bias")),
        ("proj_type", Only(&[Text("linear")], "it asks for a tower without projection")),
        ("hf_model_name", Only(&[Empty], "it asks for a text tower of transformers")),
        ("hf_model_pretrained", NoEffect(NO_HF)),
        ("hf_proj_type", NoEffect(NO_HF)),
        ("hf_pooler_type", NoEffect(NO_HF)),
        ("proj", NoEffect(NO_HF)),
        ("pooler_type", NoEffect(NO_HF)),
    ],
    base: Some(&TOWER),
};

/// `text_cfg` of SigLIP.
pub(crate) const TEXT_SIGLIP: Table = Table {
    fields: &[
        ("hf_tokenizer_name", Obeyed),
        ("act_kwargs", Obeyed),
        ("proj_bias", NoEffect("the names of the tensors tell it")),
        ("proj_type", Obeyed),
    ],
    base: Some(&TEXT),
};

/// `text_cfg` of MetaCLIP 2: a causal tower of open_clip's own with another tokenizer than CLIP's.
pub(crate) const TEXT_PIECES: Table = Table { fields: &[("hf_tokenizer_name", NoEffect(TOKENS))], base: Some(&TEXT) };

/// `text_cfg` with a text tower of transformers.
pub(crate) const TEXT_TRANSFORMERS: Table = Table::new(&[
    ("hf_model_name", Obeyed),
    ("hf_proj_type", Obeyed),
    ("hf_pooler_type", Obeyed),
    ("proj", Obeyed),
    ("pooler_type", Obeyed),
    ("tokenizer_kwargs", Obeyed),
    ("hf_model_pretrained", NoEffect("the checkpoint holds the weights")),
    ("hf_tokenizer_name", NoEffect(TOKENS)),
    ("tokenizer_mode", Only(&[Empty], "it asks for another tokenizer than the tower's own")),
    ("text_mask", Only(&[Text("first")], "it asks for another way to cut long texts")),
    ("output_tokens", NoEffect(OUTPUT)),
    ("context_length", Only(&[Number(77.0)], "it asks for another length of texts")),
    ("vocab_size", NoEffect(HF)),
    ("width", NoEffect(HF)),
    ("heads", NoEffect(HF)),
    ("layers", NoEffect(HF)),
    ("mlp_ratio", NoEffect(HF)),
    ("ls_init_value", NoEffect(HF)),
    ("act_kwargs", NoEffect(HF)),
    ("norm_kwargs", NoEffect(HF)),
    ("no_causal_mask", NoEffect(HF)),
    ("final_ln_after_pool", NoEffect(HF)),
    ("pool_type", NoEffect(HF)),
    ("eos_id", NoEffect(HF)),
    ("pad_id", NoEffect(HF)),
    ("embed_cls", NoEffect(HF)),
    ("proj_bias", NoEffect(HF)),
    ("proj_type", NoEffect(HF)),
    ("block_type", NoEffect(HF)),
    ("qk_norm", NoEffect(HF)),
    ("scaled_cosine_attn", NoEffect(HF)),
    ("scale_heads", NoEffect(HF)),
    ("scale_attn_inner", NoEffect(HF)),
    ("scale_attn", NoEffect(HF)),
    ("scale_fc", NoEffect(HF)),
]);

/// `act_kwargs`, the arguments of the activation's class.
pub(crate) const ACTIVATION: Table = Table::new(&[("approximate", Obeyed)]);

/// What both towers of open_clip have.
const TOWER: Table = Table::new(&[
    ("ls_init_value", Only(&[], "it asks for scaled branches")),
    ("act_kwargs", Only(&[Empty], "it asks for another activation")),
    ("final_ln_after_pool", Only(&[No], "it asks for a LayerNorm after pooling")),
    ("output_tokens", NoEffect(OUTPUT)),
    ("block_type", Only(&[Text("default")], BLOCK)),
    ("qk_norm", ONLY_OFF),
    ("scaled_cosine_attn", ONLY_OFF),
    ("scale_heads", ONLY_OFF),
    ("scale_attn_inner", ONLY_OFF),
    ("scale_attn", ONLY_OFF),
    ("scale_fc", ONLY_OFF),
]);
const ONLY_OFF: Rule = Only(&[No], BLOCK);

pub(crate) const NORM: Table = Table::new(&[
    ("eps", Obeyed),
    ("elementwise_affine", Only(&[Yes], "it asks for LayerNorms without scale")),
    ("bias", Only(&[Yes], "it asks for LayerNorms without bias")),
]);

/// `tokenizer_kwargs`, the arguments of the tokenizer's class.
pub(crate) const TOKENIZER: Table = Table::new(&[
    ("clean", Obeyed),
    ("context_length", Only(&[], "`text_cfg.context_length` states it")),
    ("strip_sep_token", Only(&[No], "it asks for another tokenizer than CLIP's")),
    ("reduction_mask", Only(&[Empty], "it asks for texts that are cut at random")),
    ("additional_special_tokens", Only(&[Empty], "it asks for tokens that CLIP's tokenizer does not have")),
    ("bpe_path", Only(&[], "it asks for another vocabulary than CLIP's")),
]);

pub(crate) const PREPROCESS: Table = Table::new(&[
    ("size", Obeyed),
    ("mode", Only(&[Text("RGB")], "it asks for other channels")),
    ("mean", Obeyed),
    ("std", Obeyed),
    ("interpolation", Obeyed),
    ("resize_mode", Obeyed),
    ("fill_color", NoEffect("used with the resize mode `longest` only, which is refused")),
]);
