//! Arguments of `clippie-rs convert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{mean, std};
use super::{Filter, Resize, Rgb};
use crate::import;
use crate::models::config;
use crate::weights;

/// Convert a published checkpoint to a weights file
///
/// Reads checkpoints of OpenAI's CLIP (vision transformers and ResNets), open_clip, Hugging Face transformers and Apple's
/// MobileCLIP, SigLIP's in the layouts of open_clip and transformers, and Perception Encoder's of open_clip and Meta:
/// safetensors files, and PyTorch files, whose code is never executed. The configuration is taken from the files in the checkpoint's folder, from the checkpoint's layout,
/// or from --model; if a value is missing, the message names the option that sets it. Every field of these files is obeyed, known to change no embedding, or refused by name, and so is a vocabulary that
/// is not CLIP's. Prefixes before all names (`module.`, `_orig_mod.`) are found by themselves. A checkpoint of one tower
/// gives a file that encodes images alone or texts alone. Weights are folded and packed once, so a weights file is ready
/// as soon as it is opened.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs convert ViT-B-32.pt
  clippie-rs convert open_clip_model.safetensors --model vit-b-32-laion2b
  clippie-rs convert downloads/clip-vit-base-patch32/ models/vit-b-32.clippie")]
pub(in crate::cli) struct Convert {
    /// Checkpoint (.safetensors, .pt, .pth, .bin), the index or a part of one in several files, or a folder as downloaded
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// File or folder to write to; by default the current folder, with the name of the model or the checkpoint
    #[arg(value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// Known name of the model, such as vit-b-32-laion2b
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Configuration file that takes the place of the one of its kind (of the model, the image processor or the
    /// tokenizer) in the checkpoint's folder, the file of its pieces (tokenizer.json, tokenizer.model, spiece.model,
    /// sentencepiece.bpe.model), or a folder to read the files from in place of that one
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Activation of both towers
    #[arg(long, value_enum, value_name = "NAME")]
    pub activation: Option<Activation>,
    /// Attention heads of the image tower
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub image_heads: Option<u32>,
    /// Attention heads of the text tower
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub text_heads: Option<u32>,
    /// Zero padding in the stem of MobileCLIP-B: 0 as timm defines it, 1 as Apple does; by default derived from the
    /// checkpoint's tensor names
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1))]
    pub stem_padding: Option<u32>,
    /// Epsilon of the image tower's LayerNorms
    #[arg(long, value_name = "EPS")]
    pub norm_eps: Option<f64>,
    /// How a photo becomes square: `shortest` scales and crops, `squash` distorts
    #[arg(long, value_enum, value_name = "MODE")]
    pub resize: Option<Resize>,
    /// Resampling filter
    #[arg(long, value_enum, value_name = "FILTER")]
    pub interpolation: Option<Filter>,
    /// Mean of red, green and blue, for values from 0 to 1
    #[arg(long, value_name = "R,G,B", value_parser = mean, allow_hyphen_values = true)]
    pub mean: Option<Rgb>,
    /// Standard deviation of red, green and blue
    #[arg(long, value_name = "R,G,B", value_parser = std, allow_hyphen_values = true)]
    pub std: Option<Rgb>,
    /// What precedes the names of the model's tensors, such as `ema_model.`, if the checkpoint holds several models;
    /// tensors without it are left out
    #[arg(long, value_name = "P")]
    pub prefix: Option<String>,
    /// Leave out tensors that belong to no tower of the model, such as those of a classifier; without this, they are an
    /// error
    #[arg(long)]
    pub ignore_extra: bool,
    /// Convert a model whose vocabulary is not CLIP's without its tokenizer, which otherwise must lie beside the checkpoint;
    /// it then takes photos, and ids that a program gives, but no text
    #[arg(long)]
    pub without_tokenizer: bool,
    /// How the token table of the text tower is stored: `exact`, or `int8` for a quarter to half of its size. Embeddings of
    /// texts then differ a little, and the fingerprint does too
    /// [default: exact, and int8 with --precision int8]
    #[arg(long, value_enum, value_name = "FORM")]
    pub token_table: Option<TokenTable>,
    /// Element type of matrices and tables: f32; f16 for half of the size, with embeddings that differ by up to 0.0003 in a
    /// component; or int8 for a quarter, with products of 8-bit integers in the layers of blocks, and embeddings that differ
    /// more. The fingerprint differs too. int8 includes --token-table int8
    #[arg(long, value_enum, value_name = "TYPE", default_value = "f32")]
    pub precision: Precision,
    /// Replace OUT if it exists
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Activation {
    /// GELU, defined with erf
    #[value(name = "gelu")]
    Gelu,
    /// GELU, approximated with tanh
    #[value(name = "gelu_tanh", alias = "gelu-tanh")]
    GeluTanh,
    /// OpenAI's approximation with a sigmoid
    #[value(name = "quick_gelu", alias = "quick-gelu")]
    QuickGelu,
}

/// Element type of matrices and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Precision {
    /// Without loss
    F32,
    /// Half of the size
    F16,
    /// A quarter of the size
    Int8,
}

impl From<Precision> for weights::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => weights::Precision::F32,
            Precision::F16 => weights::Precision::F16,
            Precision::Int8 => weights::Precision::Int8,
        }
    }
}

/// The precisions of `--allow-precision`.
#[cfg(feature = "library")]
pub(in crate::cli) fn precisions(given: &[Precision]) -> Vec<weights::Precision> {
    given.iter().copied().map(Into::into).collect()
}

/// How a token table is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TokenTable {
    /// Without loss, in 16 or 32 bits
    Exact,
    /// In 8 bits, with a scale for each row
    Int8,
}

impl TokenTable {
    /// How a token table is stored in a file of this precision: as asked for, else exactly where there is a choice.
    pub fn chosen(asked: Option<TokenTable>, precision: weights::Precision) -> Result<TokenTable, String> {
        match (asked, precision) {
            (Some(TokenTable::Exact), weights::Precision::Int8) => Err(
                "files of int8 store the token table in 8 bits too, so --token-table exact cannot be obeyed; leave it out, or \
                 take --precision f16 or f32"
                    .into(),
            ),
            (asked, _) => Ok(asked.unwrap_or(TokenTable::Exact)),
        }
    }
}

impl From<TokenTable> for import::TokenTable {
    fn from(table: TokenTable) -> Self {
        match table {
            TokenTable::Exact => import::TokenTable::Exact,
            TokenTable::Int8 => import::TokenTable::Int8,
        }
    }
}

impl From<Activation> for config::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => config::Activation::Gelu,
            Activation::GeluTanh => config::Activation::GeluTanh,
            Activation::QuickGelu => config::Activation::QuickGelu,
        }
    }
}
