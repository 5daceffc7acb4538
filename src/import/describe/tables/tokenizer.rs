//! The fields of transformers' `tokenizer_config.json` and `special_tokens_map.json`.

use super::Is::{Empty, No, Text, Yes};
use super::Rule::{NoEffect, Obeyed, Only};
use super::Table;

pub(super) const OTHER: &str = "it asks for another tokenizer than CLIP's";
pub(super) const FILE: &str = "about the file, not the texts";
pub(super) const DECODING: &str = "for turning ids into text";
const PADDING: &str = "padding stands after the end of the text, where a causal tower does not look";
const CUT: &str = "it asks for another way to cut long texts";

pub(crate) const FIELDS: Table = Table {
    fields: &[
        ("tokenizer_class", Only(&[Text("CLIPTokenizer"), Text("CLIPTokenizerFast")], OTHER)),
        ("processor_class", Only(&[Text("CLIPProcessor")], OTHER)),
        ("bos_token", Obeyed),
        ("additional_special_tokens", Obeyed),
        ("extra_special_tokens", Obeyed),
        ("added_tokens_decoder", Obeyed),
        ("do_lower_case", Only(&[Yes], "it asks for texts with capitals")),
        ("add_prefix_space", Only(&[No], "it asks for a space before each text")),
        ("add_bos_token", Only(&[Yes], "it asks for texts without start")),
        ("add_eos_token", Only(&[Yes], "it asks for texts without end")),
        ("unk_token", NoEffect("every byte has a token, so that none is unknown")),
        ("pad_token", NoEffect(PADDING)),
        ("pad_to_multiple_of", NoEffect(PADDING)),
        ("pad_token_type_id", NoEffect(PADDING)),
        ("errors", NoEffect(DECODING)),
        ("cls_token", NoEffect("CLIP's tokenizer does not use it")),
        ("sep_token", NoEffect("CLIP's tokenizer does not use it")),
        ("mask_token", NoEffect("CLIP's tokenizer does not use it")),
        ("merges_file", NoEffect(FILE)),
    ],
    base: Some(&COMMON),
};

/// What every kind of tokenizer of transformers has.
pub(super) const COMMON: Table = Table::new(&[
    ("auto_map", Only(&[Empty], "it asks for the code of its repository, which is never run")),
    ("eos_token", Obeyed),
    ("model_max_length", Obeyed),
    ("max_len", Obeyed),
    ("max_length", Obeyed),
    ("padding_side", Only(&[Text("right")], "it asks for padding before the text")),
    ("truncation_side", Only(&[Text("right")], CUT)),
    ("truncation_strategy", NoEffect("for pairs of texts")),
    ("stride", NoEffect("for texts that are returned in parts")),
    ("split_special_tokens", NoEffect("special tokens in a text are always ordinary characters here")),
    ("clean_up_tokenization_spaces", NoEffect(DECODING)),
    ("chat_template", NoEffect("for models that write text")),
    ("model_input_names", NoEffect(FILE)),
    ("name_or_path", NoEffect(FILE)),
    ("_commit_hash", NoEffect(FILE)),
    ("special_tokens_map_file", NoEffect(FILE)),
    ("tokenizer_file", NoEffect(FILE)),
    ("vocab_file", NoEffect(FILE)),
    ("init_inputs", NoEffect(FILE)),
    ("use_fast", NoEffect(FILE)),
    ("from_slow", NoEffect(FILE)),
    ("backend", NoEffect(FILE)),
    ("is_local", NoEffect(FILE)),
    ("local_files_only", NoEffect(FILE)),
    ("transformers_version", NoEffect(FILE)),
]);

/// A token as an object. How it is found in a text does not matter: special tokens in a text are ordinary characters.
pub(crate) const TOKEN: Table = Table::new(&[
    ("content", Obeyed),
    ("lstrip", NoEffect(FOUND)),
    ("rstrip", NoEffect(FOUND)),
    ("normalized", NoEffect(FOUND)),
    ("single_word", NoEffect(FOUND)),
    ("special", NoEffect(FOUND)),
    ("id", NoEffect(FOUND)),
    ("__type", NoEffect(FILE)),
]);
pub(super) const FOUND: &str = "special tokens in a text are always ordinary characters here";
