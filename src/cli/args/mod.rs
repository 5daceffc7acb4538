//! What can be asked on the command line. Parses and describes; carries nothing out.

mod bench;
mod models;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub(super) use bench::Bench;
pub(super) use models::Models;
#[cfg(feature = "hub")]
pub(super) use models::Pull;
use values::{mean, std, threads};

use crate::models::config;
use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// Most images or texts of a pass that can be asked for.
const MAX_BATCH: i64 = 1024;

/// Turn photos and sentences into CLIP embeddings, on this computer's CPU.
///
/// An embedding is a list of numbers that says what a photo shows or a sentence means; photos and sentences that
/// belong together have embeddings that point the same way. So a photo is found by describing it.
#[derive(Debug, Parser)]
#[command(
    name = "clippie-rs",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
First steps:
  clippie-rs encode -m mobileclip2-s2 photos/        one line of JSON for each photo
  clippie-rs encode -m mobileclip2-s2 --text \"a dog on a beach\"
  clippie-rs models                                  the names of models; one is fetched at its first use
  clippie-rs convert ViT-B-32.pt                     a checkpoint that lies here, to ViT-B-32.clippie

Exit codes: 0 all done, 1 failed, 2 wrong usage, 3 done with some inputs failed."
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Say nothing but errors
    #[arg(short, long, global = true, display_order = 900, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, display_order = 901, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Encode(Encode),
    Convert(Convert),
    Info(Info),
    Models(Models),
    #[cfg(feature = "hub")]
    Pull(Pull),
    Tokenize(Tokenize),
    Preprocess(Preprocess),
    Bench(Bench),
}

/// Photos and sentences to embeddings
///
/// Rows come in this order: each INPUT as given, the photos of --files-from, each --text as given, the lines of
/// --texts-from. A photo that cannot be read is reported, all others go on, and the exit code is 3.
///
/// A folder stands for the photos in it and in all its folders, in the order of their paths' bytes: files ending in
/// jpg, jpeg, jpe, jfif, png, webp, gif, bmp, dib, tif or tiff (in any case), without hidden files and folders.
/// Other files are read if they are named themselves: content, not name, says what a file is. `-` is one photo from
/// standard input.
///
/// jsonl, the default, writes a line for each row as soon as it is ready: {"path":…,"embedding":[…],"fingerprint":…},
/// {"text":…,"embedding":[…],"fingerprint":…} or {"path":…,"error":"…"}. A path that is not UTF-8 is shown with
/// replacement characters and again, in hexadecimal, as "path_bytes". json is one object with the model's name, the
/// fingerprint and all rows. csv has a column for the path or the text (both, if there are both), the fingerprint and
/// a column for each number; failed inputs have no row.
///
/// npy is a float32 array [rows, length] for NumPy; what its rows are stands in OUT.jsonl beside it (photos.npy.jsonl
/// for -o photos.npy), a line for each row. If inputs fail, nothing is written unless --skip-errors is given.
///
/// The fingerprint names everything that determines an embedding: weights, preparation of photos, orientation,
/// length. Only embeddings of equal fingerprints can be compared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs encode -m ViT-B-32.clippie beach.jpg photos/ > embeddings.jsonl
  clippie-rs encode -m ViT-B-32.clippie --text \"a dog\" --text \"a cat\" --format csv
  clippie-rs encode -m ViT-B-32.clippie photos/ --format npy -o photos.npy
  find photos -newer photos.npy -print0 | clippie-rs encode -m ViT-B-32.clippie --files-from -")]
pub(super) struct Encode {
    /// Photos, or folders of photos; `-` for a photo from standard input
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// A sentence; can be given many times
    #[arg(long = "text", value_name = "TEXT", allow_hyphen_values = true)]
    pub texts: Vec<String>,
    /// A file with a photo or folder on each line (or separated by NUL bytes); `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// A file with a sentence on each line, UTF-8; an empty line is an empty sentence; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub texts_from: Option<PathBuf>,
    #[command(flatten)]
    pub model: Model,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub format: Format,
    /// File to write, in place of one that is there, once it is complete; standard output without
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Give embeddings as the model makes them instead of scaled to length one
    #[arg(long)]
    pub raw: bool,
    /// Most photos or sentences that go through the model together: speed against memory; never changes results
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub batch_size: u32,
    /// Threads to use, one for each core without; never changes results
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub photos: Photos,
    /// Leave failed inputs out of the output; they are still reported, and the exit code is still 3
    #[arg(long)]
    pub skip_errors: bool,
}

#[derive(Debug, Args)]
pub(super) struct Model {
    /// Weights file, as `clippie-rs convert` writes it; or a name of `clippie-rs models` or hf-hub:ORG/REPO, which is
    /// pulled at its first use
    #[arg(short, long, value_name = "MODEL", env = "CLIPPIE_MODEL", hide_env_values = true)]
    pub model: Option<OsString>,
}

/// How photos are prepared, where it shall differ from what the model was trained with.
#[derive(Debug, Args)]
pub(super) struct Photos {
    /// Take photos as they are stored, without turning them as the camera noted, like the reference libraries
    #[arg(long)]
    pub no_orient: bool,
    /// How a photo becomes square, instead of what the model states: `shortest` scales and crops, `squash` distorts
    #[arg(long, value_enum, value_name = "MODE")]
    pub resize: Option<Resize>,
    /// How photos are scaled, instead of what the model states
    #[arg(long, value_enum, value_name = "FILTER")]
    pub interpolation: Option<Filter>,
    /// Mean of red, green and blue that is subtracted, instead of the model's; in 0 to 1
    #[arg(long, value_name = "R,G,B", value_parser = mean, allow_hyphen_values = true)]
    pub mean: Option<Rgb>,
    /// Standard deviation of red, green and blue that divides, instead of the model's
    #[arg(long, value_name = "R,G,B", value_parser = std, allow_hyphen_values = true)]
    pub std: Option<Rgb>,
}

/// A number for each of red, green and blue.
pub(super) type Rgb = [f64; 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line of JSON for each row
    Jsonl,
    /// One JSON object
    Json,
    /// A NumPy array
    Npy,
    /// Comma-separated values
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Resize {
    /// The shorter side gets the model's size, the middle is cut out
    Shortest,
    /// Both sides get the model's size
    Squash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Filter {
    Bilinear,
    Bicubic,
}

/// A published checkpoint to a weights file
///
/// Reads checkpoints of OpenAI's CLIP, open_clip and Hugging Face transformers: safetensors, and PyTorch's files
/// without running anything in them. The model is described by the configuration files beside the checkpoint, by its
/// layout, or by --model; when something is still open, the message says which option settles it. Everything that can
/// be computed once is computed here, so that a weights file is ready as soon as it is opened.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs convert ViT-B-32.pt
  clippie-rs convert open_clip_model.safetensors --model vit-b-32-laion2b
  clippie-rs convert downloads/clip-vit-base-patch32/ models/vit-b-32.clippie")]
pub(super) struct Convert {
    /// Checkpoint (.safetensors, .pt, .pth, .bin), or a folder as downloaded
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// File to write, or a folder for it; by default in the current folder, called as the model or the checkpoint
    #[arg(value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// Known name of the model, such as vit-b-32-laion2b
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Configuration file to use instead of those beside the checkpoint
    #[arg(long, value_name = "FILE")]
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
    /// Zeros around the image in the stem of MobileCLIP-B: 0 as timm defines it, 1 as Apple does; by default as the
    /// checkpoint's names tell
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1))]
    pub stem_padding: Option<u32>,
    /// Epsilon of the image tower's LayerNorms
    #[arg(long, value_name = "EPS")]
    pub norm_eps: Option<f64>,
    /// How photos become square: `shortest` scales and crops, `squash` distorts
    #[arg(long, value_enum, value_name = "MODE")]
    pub resize: Option<Resize>,
    /// How photos are scaled
    #[arg(long, value_enum, value_name = "FILTER")]
    pub interpolation: Option<Filter>,
    /// Mean of red, green and blue that is subtracted; in 0 to 1
    #[arg(long, value_name = "R,G,B", value_parser = mean, allow_hyphen_values = true)]
    pub mean: Option<Rgb>,
    /// Standard deviation of red, green and blue that divides
    #[arg(long, value_name = "R,G,B", value_parser = std, allow_hyphen_values = true)]
    pub std: Option<Rgb>,
    /// Replace OUT if it exists
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Activation {
    /// With erf
    #[value(name = "gelu")]
    Gelu,
    /// OpenAI's, with a sigmoid
    #[value(name = "quick_gelu", alias = "quick-gelu")]
    QuickGelu,
}

/// What a weights file holds, and whether it is intact
///
/// With --verify every byte is held against the file's checksums: exit code 0 if all is intact, 1 with the names of
/// the damaged tensors if not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs info ViT-B-32.clippie
  clippie-rs info --json ViT-B-32.clippie
  clippie-rs info --verify ViT-B-32.clippie")]
pub(super) struct Info {
    /// The weights file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write one JSON object
    #[arg(long)]
    pub json: bool,
    /// Read the whole file and check it
    #[arg(long)]
    pub verify: bool,
}

/// Sentences to token ids, as CLIP models get them
///
/// Writes a line of JSON for each sentence: {"text":…,"ids":[…]}, from the start token to the end token, without
/// padding. Needs no model: all CLIP models share one vocabulary.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  clippie-rs tokenize \"a dog on a beach\"")]
pub(super) struct Tokenize {
    /// Sentences
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
    /// A file with a sentence on each line, UTF-8; an empty line is an empty sentence; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub texts_from: Option<PathBuf>,
    /// Most tokens of a sentence, start and end included; what is longer is cut
    #[arg(long, value_name = "N", default_value_t = 77, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    pub context_length: u32,
    /// Refuse sentences that are longer instead of cutting them
    #[arg(long)]
    pub refuse_long: bool,
}

/// The pixels that a model gets of a photo
///
/// Writes a float32 array [3, height, width] for NumPy: red, green and blue, rows from the top, scaled, cropped and
/// normalised.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  clippie-rs preprocess beach.jpg -m ViT-B-32.clippie -o beach.npy")]
pub(super) struct Preprocess {
    /// The photo; `-` for standard input
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    #[command(flatten)]
    pub model: Model,
    /// File to write, in place of one that is there; standard output without
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub photos: Photos,
}

impl Photos {
    /// Puts what was asked for in place of what the model states.
    pub fn apply(&self, config: &mut PreprocessConfig) {
        if let Some(resize) = self.resize {
            config.resize = resize.into();
        }
        if let Some(filter) = self.interpolation {
            config.interpolation = filter.into();
        }
        config.mean = self.mean.unwrap_or(config.mean);
        config.std = self.std.unwrap_or(config.std);
    }
}

impl From<Resize> for ResizeMode {
    fn from(resize: Resize) -> Self {
        match resize {
            Resize::Shortest => ResizeMode::Shortest,
            Resize::Squash => ResizeMode::Squash,
        }
    }
}

impl From<Filter> for Interpolation {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::Bilinear => Interpolation::Bilinear,
            Filter::Bicubic => Interpolation::Bicubic,
        }
    }
}

impl From<Activation> for config::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => config::Activation::Gelu,
            Activation::QuickGelu => config::Activation::QuickGelu,
        }
    }
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Encode(_) => "encode",
            Command::Convert(_) => "convert",
            Command::Info(_) => "info",
            Command::Models(_) => "models",
            #[cfg(feature = "hub")]
            Command::Pull(_) => "pull",
            Command::Tokenize(_) => "tokenize",
            Command::Preprocess(_) => "preprocess",
            Command::Bench(_) => "bench",
        }
    }
}

/// Prints what is wrong with the arguments of `command` as the parser itself would.
pub(super) fn print_usage_error(command: &Command, message: &str) {
    let mut cli = Cli::command();
    cli.build();
    let cli = match cli.find_subcommand_mut(command.name()) {
        Some(command) => command,
        None => &mut cli,
    };
    let _ = cli.error(ErrorKind::ValueValidation, message).print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
