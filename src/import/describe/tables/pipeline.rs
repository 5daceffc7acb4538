//! The fields of transformers' `tokenizer.json`, which describes a whole tokenizer as steps around a model.
//!
//! Source: tokenizers 0.13 to 0.23. The tables of steps are by their `type`.

use super::Is::{Empty, No, Number, Text, Yes};
use super::Rule::{NoEffect, Obeyed, Only};
use super::Table;
use super::tokenizer::{FOUND, OTHER};

const CALL: &str = "each call of transformers sets it anew";
const PLACES: &str = "about the place of a token in the text";
const SPACE: &str = "white space has no token";
const UNKNOWN: &str = "every byte has a token, so that none is unknown";

pub(crate) const FILE: Table = Table::new(&[
    ("version", Only(&[Text("1.0")], "it is of another version")),
    ("truncation", NoEffect(CALL)),
    ("padding", NoEffect(CALL)),
    ("added_tokens", Obeyed),
    ("normalizer", Obeyed),
    ("pre_tokenizer", Obeyed),
    ("post_processor", Obeyed),
    ("decoder", NoEffect("for turning ids into text")),
    ("model", Obeyed),
]);

/// The model without `vocab` and `merges`, which are compared while they are parsed.
pub(crate) const MODEL: Table = Table::new(&[
    ("type", Only(&[Text("BPE")], OTHER)),
    ("dropout", Only(&[Number(0.0)], "it asks for random tokens")),
    ("unk_token", NoEffect(UNKNOWN)),
    ("fuse_unk", NoEffect(UNKNOWN)),
    ("byte_fallback", NoEffect(UNKNOWN)),
    ("continuing_subword_prefix", Only(&[Empty], OTHER)),
    ("end_of_word_suffix", Obeyed),
    ("ignore_merges", Only(&[No], OTHER)),
    ("cache_capacity", NoEffect("about the time that it takes")),
]);

pub(crate) const ADDED: Table = Table::new(&[
    ("id", Obeyed),
    ("content", Obeyed),
    ("lstrip", NoEffect(FOUND)),
    ("rstrip", NoEffect(FOUND)),
    ("normalized", NoEffect(FOUND)),
    ("single_word", NoEffect(FOUND)),
    ("special", NoEffect(FOUND)),
]);

/// Steps that clean a text.
pub(crate) const NORMALIZERS: &[(&str, Table)] = &[
    ("Sequence", Table::new(&[("type", Obeyed), ("normalizers", Obeyed)])),
    ("NFC", Table::new(&[("type", Obeyed)])),
    ("Lowercase", Table::new(&[("type", Obeyed)])),
    ("Strip", Table::new(&[("type", Obeyed), ("strip_left", NoEffect(SPACE)), ("strip_right", NoEffect(SPACE))])),
    ("Replace", Table::new(&[("type", Obeyed), ("pattern", Obeyed), ("content", Only(&[Text(" ")], OTHER))])),
];

/// Steps that split a text.
pub(crate) const PRE_TOKENIZERS: &[(&str, Table)] = &[
    ("Sequence", Table::new(&[("type", Obeyed), ("pretokenizers", Obeyed)])),
    (
        "Split",
        Table::new(&[
            ("type", Obeyed),
            ("pattern", Obeyed),
            ("behavior", Only(&[Text("Removed")], OTHER)),
            ("invert", Only(&[Yes], OTHER)),
        ]),
    ),
    (
        "ByteLevel",
        Table::new(&[
            ("type", Obeyed),
            ("add_prefix_space", Only(&[No], "it asks for a space before each piece")),
            ("trim_offsets", NoEffect(PLACES)),
            ("use_regex", NoEffect("what it would split is split before")),
        ]),
    ),
];

/// Steps that put the first and the last token around a text.
pub(crate) const POST_PROCESSORS: &[(&str, Table)] = &[
    ("RobertaProcessing", AROUND),
    ("BertProcessing", AROUND),
    (
        "TemplateProcessing",
        Table::new(&[
            ("type", Obeyed),
            ("single", Obeyed),
            ("special_tokens", Obeyed),
            ("pair", NoEffect("for pairs of texts")),
        ]),
    ),
];

const AROUND: Table = Table::new(&[
    ("type", Obeyed),
    ("cls", Obeyed),
    ("sep", Obeyed),
    ("trim_offsets", NoEffect(PLACES)),
    ("add_prefix_space", NoEffect(PLACES)),
]);

pub(crate) const PATTERN: Table = Table::new(&[("Regex", Obeyed), ("String", Only(&[], OTHER))]);
