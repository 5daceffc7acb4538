//! Arguments of `tokenize`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::tokenizer::Clean;

/// Tokenize texts as CLIP models do
///
/// Prints one line of JSON per text: {"text":…,"ids":[…]}, from the start token to the end token, without padding.
/// Needs no model: all CLIP models share one vocabulary, and clean texts as OpenAI does. A model may ask for another
/// cleaning, which `clippie-rs info --json` shows: name it with -m to get its ids.
///
/// With --tokenizer, it is the tokenizer of a file, as it is published beside a checkpoint. A `tokenizer.json` says which
/// ids come before and after a text; a SentencePiece model does not, so that its ids are those of the text alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs tokenize \"a dog on a beach\"
  clippie-rs tokenize --tokenizer tokenizer.json --clean canonicalize \"A dog, on a beach!\"")]
pub(in crate::cli) struct Tokenize {
    /// Texts to tokenize
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// Read texts from a UTF-8 FILE, one per line; an empty line is an empty text; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub texts_from: Option<PathBuf>,
    /// Clean texts as this model does: a weights file, the name of an installed model, or hf-hub:ORG/REPO
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<OsString>,
    /// Use the tokenizer of FILE: a SentencePiece model (spiece.model, tokenizer.model) or a tokenizer.json
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub tokenizer: Option<PathBuf>,
    /// Clean texts like this before the tokenizer of FILE sees them
    #[arg(long, value_enum, value_name = "CLEANING", requires = "tokenizer", default_value = "none")]
    pub clean: Cleaning,
    /// Language of the texts, such as de or deu_Latn, for a tokenizer that has languages (NLLB) [default: English]
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
    /// Maximum number of tokens, including start and end; longer texts are truncated [default: that of the model; 77
    /// without one; none with --tokenizer]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=65_536))]
    pub context_length: Option<u32>,
    /// Reject longer texts instead of truncating them
    #[arg(long)]
    pub refuse_long: bool,
}

/// What is done to a text before it is split into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Cleaning {
    /// Nothing
    None,
    /// Lower case, each letter by itself, as SigLIP 2 in transformers
    LowerOnly,
    /// Lower case without punctuation, as SigLIP in transformers
    Punctuation,
    /// Repair, lower case without punctuation, as SigLIP in open_clip
    Canonicalize,
    /// Repair, single spaces, as XLM-RoBERTa in open_clip
    Whitespace,
    /// Repair, single spaces, lower case, as CLIP
    Lower,
}

impl From<Cleaning> for Clean {
    fn from(cleaning: Cleaning) -> Self {
        match cleaning {
            Cleaning::None => Clean::None,
            Cleaning::LowerOnly => Clean::LowerOnly,
            Cleaning::Punctuation => Clean::Punctuation,
            Cleaning::Canonicalize => Clean::Canonicalize,
            Cleaning::Whitespace => Clean::Whitespace,
            Cleaning::Lower => Clean::Lower,
        }
    }
}
