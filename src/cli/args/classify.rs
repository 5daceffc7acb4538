//! Arguments of `clippie-rs classify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[cfg(feature = "library")]
use super::Precision;
use super::{Inputs, Running};

/// Tell which of several labels each photo shows
///
/// Zero-shot: the labels are words of your own, and nothing is trained. Each label is put into a sentence (a template),
/// the sentence is encoded, and each photo gets the label whose sentence is most similar. The probability is the softmax
/// over all labels of the cosine times the model's scale, so it says how the labels compare, not whether the best one is
/// right: name also what else the photos may show, or set --min-probability or --min-margin.
///
/// Inputs are those of `clippie-rs encode`: see `clippie-rs encode --help` for folders, --exclude and formats. A file
/// of --labels-from has a label on each line, or `label: wording | wording` for other words than the label itself;
/// white space around them and empty lines are ignored. With several templates or wordings, their embeddings are
/// averaged. `--templates general` is a built-in set for photos: usually more accurate, and ten sentences per label.
///
/// With --library nothing is decoded or encoded but the labels: the photos are those of the library, sorted by path, and
/// the model is the library's unless -m names another one that it has embeddings of.
///
/// The table is cut to the width of a terminal. jsonl writes one line per photo: {"path":…,"label":…,"probability":…,
/// "margin":…,"top":[{"label":…,"probability":…,"cosine":…},…],"fingerprint":…}, or {"path":…,"error":"…"}; the label is
/// null if it is none of these, and path_bytes is as in `encode`. csv writes path, label (empty if none of these),
/// probability, margin and fingerprint, and with --top the columns label1, probability1 and so on; failed photos have no
/// row. The margin is the probability of the best label minus that of the next one.
///
/// A photo that cannot be read is reported, and the others are classified. The exit code is 3 if some photos failed, and
/// 1 if all did.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs classify -m mobileclip2-s2 photos/ --label dog --label cat --label \"something else\"
  clippie-rs classify -m mobileclip2-s2 photos/ --labels-from labels.txt --templates general --format csv -o out.csv
  clippie-rs classify --library --in ~/Pictures/2023 --label receipt --label photo --format csv
  clippie-rs classify -m mobileclip2-s2 a.jpg --label beach --label forest --top 2 --min-probability 0.6")]
pub(in crate::cli) struct Classify {
    #[command(flatten)]
    pub inputs: Inputs,
    /// Classify the photos of the library instead of inputs, by their stored embeddings; FILE as in `index`, by default
    /// the default library
    #[cfg(feature = "library")]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[arg(conflicts_with_all = ["inputs", "files_from", "exclude", "ignore_files"])]
    pub library: Option<Option<PathBuf>>,
    /// Only photos of the library in this folder and its subfolders; repeatable
    #[cfg(feature = "library")]
    #[arg(long = "in", value_name = "DIR", requires = "library")]
    pub folders: Vec<PathBuf>,
    /// Where the library has embeddings of the model in another precision only, compare them with those of a model in
    /// these precisions; scores differ a little, and a warning says so
    #[cfg(feature = "library")]
    #[arg(long, value_enum, value_name = "TYPE,TYPE", value_delimiter = ',', requires = "library")]
    #[arg(conflicts_with_all = ["inputs", "files_from"])]
    pub allow_precision: Vec<Precision>,
    /// What photos may show; repeatable
    #[arg(long = "label", value_name = "LABEL", allow_hyphen_values = true)]
    pub labels: Vec<String>,
    /// Read labels from a UTF-8 FILE, one per line; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub labels_from: Option<PathBuf>,
    #[command(flatten)]
    pub sentences: Sentences,
    /// Divide the model's logits by X: above 1 for lower probabilities, below 1 for higher ones; `clippie-rs evaluate`
    /// finds the best
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub temperature: f32,
    /// Judge each label by itself, for models that were trained with a sigmoid
    #[arg(long)]
    pub sigmoid: bool,
    /// List the K most probable labels
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub top: u32,
    /// Call a photo none of these if its best label has a lower probability
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub min_probability: f32,
    /// Call a photo none of these if its margin is lower
    #[arg(long, value_name = "M", default_value_t = 0.0)]
    pub min_margin: f32,
    #[command(flatten)]
    pub running: Running,
    /// Output format
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    pub format: TableFormat,
    /// Write to OUT instead of standard output; an existing file is replaced when the output is complete
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

/// The sentences around labels.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sentences {
    /// Sentence with {} where the label belongs; repeatable [default: \"a photo of a {}.\"]
    #[arg(long = "template", value_name = "TEMPLATE", conflicts_with_all = ["templates_from", "templates"])]
    pub template: Vec<String>,
    /// Read templates from a UTF-8 FILE, one per line; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "templates")]
    pub templates_from: Option<PathBuf>,
    /// Use a built-in set of templates
    #[arg(long, value_enum, value_name = "SET")]
    pub templates: Option<TemplateSet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TemplateSet {
    /// Ten sentences for photos of any kind
    General,
    /// The label alone, for labels that are sentences
    Bare,
}

/// Formats of results that are no embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TableFormat {
    /// A table for people
    Table,
    /// One line of JSON per row
    Jsonl,
    /// Comma-separated values
    Csv,
}
