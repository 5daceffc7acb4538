//! The fields of transformers' `config.json` of a `CLIPModel` and of a `MetaClip2Model`, and of their towers alone.

use super::Is::{Empty, Number, Text};
use super::Rule::{NoEffect, Obeyed, Only};
use super::{Rule, Table};

const TRAINING: &str = "used in training only";
const FILE: &str = "about the file, not the model";
const OUTPUT: &str = "what else the reference returns";
const TYPE: &str = "the type in which the reference computes";
const COMPUTE: &str = "how the reference computes the same";
const GENERATION: &str = "for models that write text";
const LABELS: &str = "for models with a classifier";
const UNUSED: &str = "CLIP's towers do not read it";
const NO_TOKEN: &str = "the tokenizer decides it; the towers do not read it";
const QUANTIZED: &str = "it asks for quantized weights";
const CODE: &str = "it asks for the code of its repository, which is never run";

pub(crate) const MODEL: Table = Table {
    fields: &[
        ("model_type", Only(&[Text("clip")], "it is the configuration of another kind of model")),
        ("projection_dim", Obeyed),
        ("text_config", Obeyed),
        ("vision_config", Obeyed),
        ("text_config_dict", Obeyed),
        ("vision_config_dict", Obeyed),
        ("logit_scale_init_value", NoEffect("the tensors hold the trained scale")),
    ],
    base: Some(&COMMON),
};

pub(crate) const TEXT: Table = Table {
    fields: &[
        ("model_type", Only(&[Text("clip_text_model")], "it is the configuration of another kind of tower")),
        ("eos_token_id", Obeyed),
        ("projection_dim", NoEffect("that of the model counts")),
    ],
    base: Some(&TEXT_TOWER),
};

pub(crate) const VISION: Table = Table {
    fields: &[
        ("model_type", Only(&[Text("clip_vision_model")], "it is the configuration of another kind of tower")),
        ("projection_dim", NoEffect("that of the model counts")),
    ],
    base: Some(&IMAGE_TOWER),
};

/// Fields of every text tower.
pub(crate) const TEXT_TOWER: Table = Table {
    fields: &[
        ("hidden_act", Obeyed),
        ("layer_norm_eps", Obeyed),
        ("num_attention_heads", Obeyed),
        ("max_position_embeddings", Obeyed),
        ("vocab_size", Obeyed),
        ("hidden_size", Obeyed),
        ("num_hidden_layers", Obeyed),
        ("intermediate_size", Obeyed),
    ],
    base: Some(&COMMON),
};

/// Fields of every image tower.
pub(crate) const IMAGE_TOWER: Table = Table {
    fields: &[
        ("hidden_act", Obeyed),
        ("layer_norm_eps", Obeyed),
        ("num_attention_heads", Obeyed),
        ("patch_size", Obeyed),
        ("image_size", Obeyed),
        ("hidden_size", Obeyed),
        ("num_hidden_layers", Obeyed),
        ("intermediate_size", Obeyed),
        ("num_channels", Only(&[Number(3.0)], "it asks for other channels than red, green and blue")),
    ],
    base: Some(&COMMON),
};

/// The file of a text tower alone.
pub(crate) const TEXT_ALONE: Table = Table { fields: &[("projection_dim", Obeyed)], base: Some(&TEXT) };
/// The file of an image tower alone.
pub(crate) const VISION_ALONE: Table = Table { fields: &[("projection_dim", Obeyed)], base: Some(&VISION) };

const OTHER_MODEL: &str = "it is the configuration of another kind of model";
const OTHER_TOWER: &str = "it is the configuration of another kind of tower";
const PIECES: Rule = NoEffect("the tokenizer's file beside the checkpoint decides it");

/// MetaCLIP 2, which has the fields of CLIP and another tokenizer.
pub(crate) const META_MODEL: Table = Table {
    fields: &[("model_type", Only(&[Text("metaclip_2")], OTHER_MODEL)), ("tokenizer_class", PIECES)],
    base: Some(&MODEL),
};
pub(crate) const META_TEXT: Table = Table {
    fields: &[("model_type", Only(&[Text("metaclip_2_text_model")], OTHER_TOWER)), ("tokenizer_class", PIECES)],
    base: Some(&TEXT),
};
pub(crate) const META_VISION: Table = Table {
    fields: &[("model_type", Only(&[Text("metaclip_2_vision_model")], OTHER_TOWER)), ("tokenizer_class", PIECES)],
    base: Some(&VISION),
};
pub(crate) const META_TEXT_ALONE: Table = Table { fields: &[("projection_dim", Obeyed)], base: Some(&META_TEXT) };
pub(crate) const META_VISION_ALONE: Table = Table { fields: &[("projection_dim", Obeyed)], base: Some(&META_VISION) };

/// Fields of every configuration of transformers. Old versions wrote them all, new ones those that differ.
pub(crate) const COMMON: Table = Table::new(&[
    ("_name_or_path", NoEffect(FILE)),
    ("name_or_path", NoEffect(FILE)),
    ("_commit_hash", NoEffect(FILE)),
    ("_configuration_file", NoEffect(FILE)),
    ("architectures", NoEffect(FILE)),
    ("transformers_version", NoEffect(FILE)),
    ("transformers.js_config", NoEffect(FILE)),
    ("auto_map", Only(&[Empty], CODE)),
    ("quantization_config", Only(&[], QUANTIZED)),
    ("pruned_heads", Only(&[Empty], "it asks for attention with fewer heads")),
    ("tokenizer_class", Only(&[Text("CLIPTokenizer"), Text("CLIPTokenizerFast")], super::tokenizer::OTHER)),
    ("dtype", NoEffect(TYPE)),
    ("torch_dtype", NoEffect(TYPE)),
    ("use_bfloat16", NoEffect(TYPE)),
    ("attn_implementation", NoEffect(COMPUTE)),
    ("_attn_implementation", NoEffect(COMPUTE)),
    ("_attn_implementation_autoset", NoEffect(COMPUTE)),
    ("_attn_implementation_internal", NoEffect(COMPUTE)),
    ("_experts_implementation", NoEffect(COMPUTE)),
    ("_flash_attn_2_enabled", NoEffect(COMPUTE)),
    ("chunk_size_feed_forward", NoEffect(COMPUTE)),
    ("torchscript", NoEffect(COMPUTE)),
    ("xla_device", NoEffect(COMPUTE)),
    ("use_cache", NoEffect(COMPUTE)),
    ("output_attentions", NoEffect(OUTPUT)),
    ("_output_attentions", NoEffect(OUTPUT)),
    ("output_hidden_states", NoEffect(OUTPUT)),
    ("return_dict", NoEffect(OUTPUT)),
    ("use_return_dict", NoEffect(OUTPUT)),
    ("attention_dropout", NoEffect(TRAINING)),
    ("dropout", NoEffect(TRAINING)),
    ("gradient_checkpointing", NoEffect(TRAINING)),
    ("initializer_factor", NoEffect(TRAINING)),
    ("initializer_range", NoEffect(TRAINING)),
    ("tf_legacy_loss", NoEffect(TRAINING)),
    ("finetuning_task", NoEffect(LABELS)),
    ("id2label", NoEffect(LABELS)),
    ("label2id", NoEffect(LABELS)),
    ("num_labels", NoEffect(LABELS)),
    ("problem_type", NoEffect(LABELS)),
    ("bos_token_id", NoEffect(NO_TOKEN)),
    ("pad_token_id", NoEffect(NO_TOKEN)),
    ("sep_token_id", NoEffect(NO_TOKEN)),
    ("eos_token_id", NoEffect("that of the text tower counts")),
    ("prefix", NoEffect(UNUSED)),
    ("is_composition", NoEffect(UNUSED)),
    ("is_decoder", NoEffect(UNUSED)),
    ("is_encoder_decoder", NoEffect(UNUSED)),
    ("add_cross_attention", NoEffect(UNUSED)),
    ("cross_attention_hidden_size", NoEffect(UNUSED)),
    ("tie_encoder_decoder", NoEffect(UNUSED)),
    ("tie_word_embeddings", NoEffect(UNUSED)),
    ("task_specific_params", NoEffect(UNUSED)),
    ("bad_words_ids", NoEffect(GENERATION)),
    ("begin_suppress_tokens", NoEffect(GENERATION)),
    ("decoder_start_token_id", NoEffect(GENERATION)),
    ("diversity_penalty", NoEffect(GENERATION)),
    ("do_sample", NoEffect(GENERATION)),
    ("early_stopping", NoEffect(GENERATION)),
    ("encoder_no_repeat_ngram_size", NoEffect(GENERATION)),
    ("exponential_decay_length_penalty", NoEffect(GENERATION)),
    ("forced_bos_token_id", NoEffect(GENERATION)),
    ("forced_eos_token_id", NoEffect(GENERATION)),
    ("length_penalty", NoEffect(GENERATION)),
    ("max_length", NoEffect(GENERATION)),
    ("min_length", NoEffect(GENERATION)),
    ("no_repeat_ngram_size", NoEffect(GENERATION)),
    ("num_beam_groups", NoEffect(GENERATION)),
    ("num_beams", NoEffect(GENERATION)),
    ("num_return_sequences", NoEffect(GENERATION)),
    ("output_scores", NoEffect(GENERATION)),
    ("remove_invalid_values", NoEffect(GENERATION)),
    ("repetition_penalty", NoEffect(GENERATION)),
    ("return_dict_in_generate", NoEffect(GENERATION)),
    ("suppress_tokens", NoEffect(GENERATION)),
    ("temperature", NoEffect(GENERATION)),
    ("top_k", NoEffect(GENERATION)),
    ("top_p", NoEffect(GENERATION)),
    ("typical_p", NoEffect(GENERATION)),
]);
