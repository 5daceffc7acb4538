//! Arguments of the commands about published models.

use clap::{Args, ValueEnum};

#[cfg(feature = "hub")]
use super::{Precision, TokenTable};

/// List the known models and the installed ones
///
/// Prints for each model: the image size in pixels, the length of the embeddings, millions of parameters of the image
/// and the text tower as published (before folding of training-time branches), GFLOP per photo (a multiply-add counts
/// as two), the license of the weights, and the repository on Hugging Face. Below the table: the installed models with
/// their sizes and files. Uses no network.
///
/// `recall` is how often the right photo of COCO's 5,000 comes first for its English caption, in percent, as published (see
/// `recall` in the documentation of the library for sources); `docs/choosing-a-model.md` says which model to take for what.
///
/// A license marked * is not confirmed. The text in the repository is binding.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs models
  clippie-rs models --for-language de --license permissive --max-gflop 40 --sort recall
  clippie-rs models --json
  clippie-rs models --remove mobileclip2-s2")]
pub(in crate::cli) struct Models {
    /// Print a JSON array with one object per model
    #[arg(long)]
    pub json: bool,
    /// Only models that were trained for texts in this language, such as `de` or `ja`
    #[arg(long, value_name = "CODE", value_parser = language)]
    pub for_language: Option<String>,
    /// Only models whose image tower needs at most this many GFLOP per photo
    #[arg(long, value_name = "N", value_parser = gflop)]
    pub max_gflop: Option<f64>,
    /// Only models with this license, such as `mit`, or with one that allows commercial use: `permissive`
    #[arg(long, value_name = "ID")]
    pub license: Option<String>,
    /// Order of the models; those without the figure come last
    #[arg(long, value_enum, value_name = "BY", default_value = "family")]
    pub sort: Sort,
    /// Remove an installed model and the rest of its download; repeatable
    #[cfg(feature = "hub")]
    #[arg(long, value_name = "MODEL", conflicts_with = "json")]
    pub remove: Vec<String>,
}

/// What models are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Sort {
    /// Family, then size
    Family,
    /// Operations per photo, the fewest first
    Gflop,
    /// Recall on COCO, the best first
    Recall,
    /// Parameters, the fewest first
    Size,
}

/// A code of ISO 639-1.
fn language(text: &str) -> Result<String, String> {
    match text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        true => Ok(text.to_owned()),
        false => Err("give a code of two lower-case letters, such as en, de or ja (ISO 639-1)".to_owned()),
    }
}

/// A positive number.
fn gflop(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("give a positive number, such as 40".to_owned()),
    }
}

/// Download and convert a published model, for use by name
///
/// `-m NAME` does the same on first use. The checkpoint is downloaded from Hugging Face, verified against its published
/// size and checksum, converted, and deleted. An interrupted download resumes the next time. A checkpoint in Hugging
/// Face's own cache is used directly. Once a model is installed, no command uses the network for it.
///
/// MODEL is a name listed by `clippie-rs models`, or hf-hub:ORG/REPO (with @REVISION, if not main) for any repository
/// with a checkpoint that `clippie-rs convert` reads.
///
/// Models are stored in CLIPPIE_HOME (by default in clippie-rs in XDG_CACHE_HOME or the system's cache folder). These
/// variables apply too: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT (seconds
/// that a server may be silent or send less than 1 kB a second; 30), HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE. The token
/// is sent to the host of HF_ENDPOINT only, and only over https or within this computer.
#[cfg(feature = "hub")]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs pull mobileclip2-s2
  clippie-rs pull hf-hub:laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K
  clippie-rs pull mobileclip2-s2 --precision f16      # then -m mobileclip2-s2:f16
  clippie-rs pull metaclip2-b-32 --token-table int8
  clippie-rs pull vit-b-32-laion2b --keep-original")]
pub(in crate::cli) struct Pull {
    /// Name of a known model, or hf-hub:ORG/REPO[@REVISION]
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// How the token table of the text tower is stored: `exact`, or `int8` for a quarter to half of its size. Embeddings of
    /// texts then differ a little, and the fingerprint does too
    /// [default: exact, and int8 with --precision int8]
    #[arg(long, value_enum, value_name = "FORM")]
    pub token_table: Option<TokenTable>,
    /// Element type of matrices and tables, the same as `:f16` or `:int8` after the name: f32; f16 for half of the size, with
    /// embeddings that differ by up to 0.0003 in a component; or int8 for a quarter, with products of 8-bit integers in the
    /// layers of blocks, and embeddings that differ more. The fingerprint differs too. int8 includes --token-table int8
    #[arg(long, value_enum, value_name = "TYPE")]
    pub precision: Option<Precision>,
    /// Keep the downloaded checkpoint
    #[arg(long)]
    pub keep_original: bool,
    /// Download and convert again, even if the model is installed
    #[arg(long)]
    pub force: bool,
}
