//! `tokenizer_config.json` and `special_tokens_map.json` of a SentencePiece tokenizer.

use super::Is::{Empty, No, Text};
use super::Rule::{NoEffect, Obeyed, Only};
use super::Table;
use super::tokenizer::FOUND;

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
const FILE: &str = "about the file, not the texts";
const DECODING: &str = "for turning ids into text";
const PIECES: &str = "the file of the pieces tells it";
const CUT: &str = "it asks for another way to cut long texts";

pub(crate) const FIELDS: Table = Table::new(&[
    ("tokenizer_class", Only(CLASSES, "it asks for a tokenizer that is not supported")),
    ("auto_map", Only(&[Empty], "it asks for the code of its repository, which is never run")),
    ("eos_token", Obeyed),
    ("pad_token", Obeyed),
    ("model_max_length", Obeyed),
    ("max_len", Obeyed),
    ("max_length", Obeyed),
    ("sp_model_kwargs", Only(&[Empty], "it asks for pieces at random")),
    ("do_lower_case", Obeyed),
    ("add_prefix_space", Obeyed),
    ("add_bos_token", Obeyed),
    ("add_eos_token", Obeyed),
    ("src_lang", Obeyed),
    ("tgt_lang", NoEffect("for models that write text")),
    ("legacy_behaviour", Only(&[No], "it asks for the language after a text")),
    ("padding_side", Only(&[Text("right")], "it asks for padding before the text")),
    ("truncation_side", Only(&[Text("right")], CUT)),
    ("truncation_strategy", NoEffect("for pairs of texts")),
    ("stride", NoEffect("for texts that are returned in parts")),
    ("pad_to_multiple_of", NoEffect("texts are padded to the length that the model has")),
    ("pad_token_type_id", NoEffect("for models with several kinds of tokens")),
    ("legacy", NoEffect("about the space after a special token; in a text, these are ordinary characters")),
    ("bos_token", NoEffect("no text begins with it")),
    ("unk_token", NoEffect(PIECES)),
    ("extra_ids", NoEffect(FOUND)),
    ("additional_special_tokens", NoEffect(FOUND)),
    ("extra_special_tokens", NoEffect(FOUND)),
    ("added_tokens_decoder", NoEffect(PIECES)),
    ("split_special_tokens", NoEffect(FOUND)),
    ("cls_token", NoEffect(FOUND)),
    ("sep_token", NoEffect(FOUND)),
    ("mask_token", NoEffect(FOUND)),
    ("clean_up_tokenization_spaces", NoEffect(DECODING)),
    ("spaces_between_special_tokens", NoEffect(DECODING)),
    ("chat_template", NoEffect("for models that write text")),
    ("use_default_system_prompt", NoEffect("for models that write text")),
    ("processor_class", NoEffect(FILE)),
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
