//! Command-line arguments: definitions, help texts and parsing. Runs nothing.

mod bench;
mod classify;
mod convert;
#[cfg(feature = "library")]
mod duplicates;
mod encode;
#[cfg(feature = "library")]
mod evaluate;
#[cfg(feature = "library")]
mod export;
mod inputs;
#[cfg(feature = "library")]
mod library;
mod limits;
mod models;
#[cfg(feature = "library")]
mod search;
#[cfg(feature = "serve")]
mod serve;
mod system;
mod tokenize;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub(super) use bench::Bench;
pub(super) use classify::{Classify, Sentences, TableFormat, TemplateSet};
pub(super) use convert::Convert;
#[cfg(any(feature = "hub", feature = "library"))]
pub(super) use convert::Precision;
pub(super) use convert::TokenTable;
#[cfg(feature = "library")]
pub(super) use convert::precisions;
#[cfg(feature = "library")]
pub(super) use duplicates::{Class, Duplicates, GroupFormat};
pub(super) use encode::{Encode, Format};
#[cfg(feature = "library")]
pub(super) use evaluate::Evaluate;
#[cfg(feature = "library")]
pub(super) use export::{Export, ExportFormat, ImportVectors};
pub(super) use inputs::{Inputs, Running};
#[cfg(feature = "library")]
pub(super) use library::{Index, Library, Status};
pub(super) use limits::Limits;
#[cfg(feature = "hub")]
pub(super) use models::Pull;
pub(super) use models::{Models, Sort};
#[cfg(feature = "library")]
pub(super) use search::{ResultFormat, Results, Search, Similar};
#[cfg(feature = "serve")]
pub(super) use serve::{Compat, Serve};
pub(super) use system::{Completions, Man};
pub(super) use tokenize::Tokenize;
pub(super) use values::Partition;
use values::{mean, std};

use crate::preprocess::{Interpolation, PreprocessConfig, ResizeMode};

/// Maximum batch size.
const MAX_BATCH: i64 = 1024;

#[cfg(feature = "library")]
const FIRST_STEPS: &str = "\
First steps:
  clippie-rs index -m mobileclip2-s2 ~/Pictures      read folders of photos, once
  clippie-rs search a dog on a beach                 find photos
  clippie-rs encode -m mobileclip2-s2 photos/        print one line of JSON per photo
  clippie-rs classify -m mobileclip2-s2 photos/ --label dog --label cat
  clippie-rs models                                  list models; each is downloaded on first use
  clippie-rs convert ViT-B-32.pt                     convert a local checkpoint to ViT-B-32.clippie

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 some inputs failed, but not all.";
#[cfg(not(feature = "library"))]
const FIRST_STEPS: &str = "\
First steps:
  clippie-rs encode -m mobileclip2-s2 photos/        print one line of JSON per photo
  clippie-rs encode -m mobileclip2-s2 --text \"a dog on a beach\"
  clippie-rs classify -m mobileclip2-s2 photos/ --label dog --label cat
  clippie-rs models                                  list models; each is downloaded on first use
  clippie-rs convert ViT-B-32.pt                     convert a local checkpoint to ViT-B-32.clippie

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 some inputs failed, but not all.";

/// Find photos by describing them: CLIP models on the CPU.
///
/// An embedding is a vector that represents the content of a photo or the meaning of a text. A photo and a text that
/// match have similar embeddings, so a photo is found by describing it.
#[derive(Debug, Parser)]
#[command(
    name = "clippie-rs",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = FIRST_STEPS
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
pub(super) struct Common {
    /// Print only errors
    #[arg(short, long, global = true, display_order = 900, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print details; -vv prints everything
    #[arg(short, long, global = true, display_order = 901, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Encode(Encode),
    Classify(Classify),
    #[cfg(feature = "library")]
    Evaluate(Evaluate),
    Convert(Convert),
    Info(Info),
    Models(Models),
    #[cfg(feature = "hub")]
    Pull(Pull),
    Tokenize(Tokenize),
    Preprocess(Preprocess),
    #[cfg(feature = "library")]
    Index(Index),
    #[cfg(feature = "library")]
    Search(Search),
    #[cfg(feature = "library")]
    Similar(Similar),
    #[cfg(feature = "library")]
    Duplicates(Duplicates),
    #[cfg(feature = "library")]
    Status(Status),
    #[cfg(feature = "library")]
    Export(Export),
    #[cfg(feature = "library")]
    ImportVectors(ImportVectors),
    #[cfg(feature = "serve")]
    Serve(Serve),
    Bench(Bench),
    Completions(Completions),
    Man(Man),
}

#[derive(Debug, Args)]
pub(super) struct Model {
    /// Weights file written by `clippie-rs convert`, name listed by `clippie-rs models`, or hf-hub:ORG/REPO; a model
    /// given by name is pulled on first use. With a photo library also a name or fingerprint that `status` shows
    #[arg(short, long, value_name = "MODEL", env = "CLIPPIE_MODEL", hide_env_values = true)]
    pub model: Option<OsString>,
}

/// Overrides of the model's preprocessing.
#[derive(Debug, Default, Args)]
pub(super) struct Photos {
    /// Ignore the EXIF orientation of photos, as the reference libraries do
    #[arg(long)]
    pub no_orient: bool,
    /// Decode JPEG photos that are far larger than the model needs to 1/2, 1/4 or 1/8 of their size, never below twice
    /// what it needs: takes about two thirds of the time; embeddings differ a little, and their fingerprint does
    #[arg(long)]
    pub fast_decode: bool,
    /// Convert the colours of photos to sRGB that have an ICC profile, such as Display P3 or Adobe RGB, or code points of
    /// H.273 (PNG, HEIC, AVIF, JPEG XL), also HDR ones; embeddings of such photos differ a little, and the fingerprint does
    #[arg(long)]
    pub icc: bool,
    /// Override how a photo becomes square: `shortest` scales and crops, `squash` distorts
    #[arg(long, value_enum, value_name = "MODE")]
    pub resize: Option<Resize>,
    /// Override the resampling filter
    #[arg(long, value_enum, value_name = "FILTER")]
    pub interpolation: Option<Filter>,
    /// Override the mean of red, green and blue, for values from 0 to 1
    #[arg(long, value_name = "R,G,B", value_parser = mean, allow_hyphen_values = true)]
    pub mean: Option<Rgb>,
    /// Override the standard deviation of red, green and blue
    #[arg(long, value_name = "R,G,B", value_parser = std, allow_hyphen_values = true)]
    pub std: Option<Rgb>,
    #[command(flatten)]
    pub limits: Limits,
}

/// One value each for red, green and blue.
pub(super) type Rgb = [f64; 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Resize {
    /// Scale the shorter side to the model's size and crop the centre
    Shortest,
    /// Scale both sides to the model's size
    Squash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Filter {
    Bilinear,
    Bicubic,
}

/// Show the contents of a weights file, and verify it; or what a photo is
///
/// Of a photo: its format, the decoder that read it and the time that took, its size, orientation, date, camera, place, and
/// the colour space that it states; an error says why it cannot be read. With -o OUT.png, what the model of -m sees of it,
/// resized and cropped.
///
/// MODEL may be a file or the name of an installed model, as `clippie-rs models` lists them; nothing is downloaded.
///
/// With --verify, every byte is compared with the file's checksums: the exit code is 0 if the file is intact, else 1
/// with the names of the damaged tensors.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs info ViT-B-32.clippie
  clippie-rs info mobileclip2-s2
  clippie-rs info --json ViT-B-32.clippie
  clippie-rs info --verify ViT-B-32.clippie
  clippie-rs info IMG_1.HEIC -m mobileclip2-s2 -o seen.png")]
pub(super) struct Info {
    /// Weights file, name of an installed model, hf-hub:ORG/REPO, or a photo
    #[arg(value_name = "MODEL|PHOTO")]
    pub what: OsString,
    #[command(flatten)]
    pub model: Model,
    /// Write what the model sees of the photo to FILE, as PNG
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub limits: Limits,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Read the whole file and verify its checksums
    #[arg(long)]
    pub verify: bool,
}

/// Preprocess a photo and write the pixels that the model receives
///
/// Writes a float32 array [3, height, width] for NumPy: red, green and blue, rows from the top, resized, cropped and
/// normalised.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  clippie-rs preprocess beach.jpg -m ViT-B-32.clippie -o beach.npy")]
pub(super) struct Preprocess {
    /// Photo; `-` reads standard input
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    #[command(flatten)]
    pub model: Model,
    /// Write to OUT instead of standard output; an existing file is replaced
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub photos: Photos,
}

impl Photos {
    /// Applies the overrides to the model's preprocessing.
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

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Command::Encode(_) => "encode",
            Command::Classify(_) => "classify",
            #[cfg(feature = "library")]
            Command::Evaluate(_) => "evaluate",
            Command::Convert(_) => "convert",
            Command::Info(_) => "info",
            Command::Models(_) => "models",
            #[cfg(feature = "hub")]
            Command::Pull(_) => "pull",
            Command::Tokenize(_) => "tokenize",
            Command::Preprocess(_) => "preprocess",
            #[cfg(feature = "library")]
            Command::Index(_) => "index",
            #[cfg(feature = "library")]
            Command::Search(_) => "search",
            #[cfg(feature = "library")]
            Command::Similar(_) => "similar",
            #[cfg(feature = "library")]
            Command::Duplicates(_) => "duplicates",
            #[cfg(feature = "library")]
            Command::Status(_) => "status",
            #[cfg(feature = "library")]
            Command::Export(_) => "export",
            #[cfg(feature = "library")]
            Command::ImportVectors(_) => "import-vectors",
            #[cfg(feature = "serve")]
            Command::Serve(_) => "serve",
            Command::Bench(_) => "bench",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }
}

/// The definition of all arguments.
pub(super) fn command() -> clap::Command {
    Cli::command()
}

/// Prints an error about the arguments of `command` in the parser's format.
pub(super) fn print_usage_error(command: &Command, message: &str) {
    let mut cli = Cli::command();
    cli.build();
    let cli = match cli.find_subcommand_mut(command.name()) {
        Some(command) => command,
        None => &mut cli,
    };
    let _ = cli.error(ErrorKind::ValueValidation, message).print();
}

/// Adds to an error of the parser how `search` subtracts a word, where one follows a hyphen: the parser takes it for
/// options, and its own hint leads to a term that is searched for with the hyphen.
#[cfg_attr(not(feature = "library"), allow(unused_mut, reason = "without searches there is nothing to add"))]
pub(super) fn with_hint(mut error: clap::Error) -> clap::Error {
    #[cfg(feature = "library")]
    {
        use clap::builder::StyledStr;
        use clap::error::{ContextKind, ContextValue};
        let mut args = std::env::args_os().skip(1).skip_while(|arg| arg.as_encoded_bytes().starts_with(b"-"));
        if args.next().is_some_and(|command| command == "search")
            && let Some(word) = hyphenated(&error, args)
        {
            let hint = format!("to subtract `{word}`, write `- {word}` with a space, or `--subtract {word}`");
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
        }
    }
    error
}

/// The word of a query that the parser took for options it does not know, without its hyphen.
#[cfg(feature = "library")]
fn hyphenated(error: &clap::Error, mut args: impl Iterator<Item = OsString>) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(unknown))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    // The unknown letter may be inside of the word: `-0ring`.
    let letter = unknown.strip_prefix('-').filter(|letter| letter.chars().count() == 1)?;
    args.find_map(|arg| {
        let word = arg.to_str()?.strip_prefix('-')?;
        (word.chars().count() > 1 && !word.starts_with('-') && word.contains(letter))
            .then(|| word.escape_debug().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
