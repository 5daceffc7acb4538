//! `tokenizer_config.json` and `special_tokens_map.json` of a SentencePiece tokenizer.

use super::Is::{Empty, No, Text};
use super::Rule::{NoEffect, Obeyed, Only};
use super::Table;
use super::tokenizer::{COMMON, DECODING, FILE, FOUND};

const CLASSES: &[super::Is] = &[
    Text("T5Tokenizer"),
    Text("T5TokenizerFast"),
    Text("SiglipTokenizer"),
    Text("Siglip2Tokenizer"),
    Text("GemmaTokenizer"),
    Text("GemmaTokenizerFast"),
    Text("XLMRobertaTokenizer"),
    Text("XLMRobertaTokenizerFast"),
    Text("NllbTokenizer"),
    Text("NllbTokenizerFast"),
    Text("TokenizersBackend"),
    Text("PreTrainedTokenizerFast"),
];
const PIECES: &str = "the file of the pieces tells it";

pub(crate) const FIELDS: Table = Table {
    fields: &[
        ("tokenizer_class", Only(CLASSES, "it asks for a tokenizer that is not supported")),
        ("pad_token", Obeyed),
        ("sp_model_kwargs", Only(&[Empty], "it asks for pieces at random")),
        ("do_lower_case", Obeyed),
        ("add_prefix_space", Obeyed),
        ("add_bos_token", Obeyed),
        ("add_eos_token", Obeyed),
        ("src_lang", Obeyed),
        ("tgt_lang", NoEffect("for models that write text")),
        ("legacy_behaviour", Only(&[No], "it asks for the language after a text")),
        ("pad_to_multiple_of", NoEffect("texts are padded to the length that the model has")),
        ("pad_token_type_id", NoEffect("for models with several kinds of tokens")),
        ("legacy", NoEffect("about the space after a special token; in a text, these are ordinary characters")),
        ("bos_token", NoEffect("no text begins with it")),
        ("unk_token", NoEffect(PIECES)),
        ("extra_ids", NoEffect(FOUND)),
        ("additional_special_tokens", NoEffect(FOUND)),
        ("extra_special_tokens", NoEffect(FOUND)),
        ("added_tokens_decoder", NoEffect(PIECES)),
        ("cls_token", NoEffect(FOUND)),
        ("sep_token", NoEffect(FOUND)),
        ("mask_token", NoEffect(FOUND)),
        ("spaces_between_special_tokens", NoEffect(DECODING)),
        ("use_default_system_prompt", NoEffect("for models that write text")),
        ("processor_class", NoEffect(FILE)),
    ],
    base: Some(&COMMON),
};
