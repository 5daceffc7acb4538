//! Arguments of `clippie-rs evaluate`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Running, Sentences};
use crate::library::evaluate::Split;

/// Measure how well models, templates and labels classify or find your photos
///
/// DATASET has photos with known answers. A folder of folders: each is a class and named like it. A folder with
/// CIFAR-10's binary batches or MNIST's files (idx, also .gz), as they are published. A .csv file with the columns path
/// and caption, for retrieval; paths are relative to its folder, and a photo may have several captions.
///
/// For classes, prints the accuracy (of the best label, and among five where there are more), each class with what it is
/// taken for, the expected calibration error (Guo et al. 2017, 15 bins) with the temperature at which it is lowest, for
/// `classify --temperature`, each template and each wording of a label alone, and how similar photos are within and between
/// classes. For captions, prints the recall at 1, 5 and 10 in both directions.
///
/// A file of --labels-from has a line for each class, `class` or `class: wording | wording`. With --models, prints one
/// line for each model, with the milliseconds that a photo takes on --threads threads (median, decoding not included, as
/// `bench` measures it), the private memory that this takes (Linux), and the size of the weights file. Precisions of one
/// model among them, such as --models NAME,NAME:f16, are also compared with the first of these: cosines of the embeddings,
/// photos that are taken for the same class, and the ten best photos of each label or caption.
///
/// --html writes all figures to a page as well, with heat maps of confusions and similarities and the calibration error
/// over temperatures: one HTML file that needs no server.
///
/// Photos that cannot be read are reported and count in no figure; the exit code is then 3.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs evaluate -m mobileclip2-s2 photos-by-class/
  clippie-rs evaluate -m mobileclip2-s2 cifar-10-batches-bin/ --limit 100 --templates general
  clippie-rs evaluate -m mobileclip2-s2 photos-by-class/ --html report.html
  clippie-rs evaluate captions.csv --models mobileclip2-s0,mobileclip2-s2 --json -o report.json")]
pub(in crate::cli) struct Evaluate {
    /// Folder of classes, folder of CIFAR-10 or MNIST, or CSV file of captions
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// Models to compare, instead of -m
    #[arg(long, value_name = "MODEL,MODEL", value_delimiter = ',')]
    pub models: Vec<OsString>,
    /// Read labels of the classes from a UTF-8 FILE; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub labels_from: Option<PathBuf>,
    #[command(flatten)]
    pub sentences: Sentences,
    /// Part of CIFAR-10 or MNIST
    #[arg(long, value_enum, value_name = "PART", default_value_t = Part::Test)]
    pub split: Part,
    /// Use the first N photos of each class, or the first N photos with captions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    #[command(flatten)]
    pub running: Running,
    /// Print one JSON object with all figures
    #[arg(long)]
    pub json: bool,
    /// Write a page with all figures to OUT, too: one HTML file, for a browser
    #[arg(long, value_name = "OUT")]
    pub html: Option<PathBuf>,
    /// Write to OUT instead of standard output; an existing file is replaced when the output is complete
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Part {
    /// Photos for testing, or those for training if there are no others
    Test,
    /// Photos for training
    Train,
    /// All photos
    All,
}

impl From<Part> for Split {
    fn from(part: Part) -> Self {
        match part {
            Part::Test => Split::Test,
            Part::Train => Split::Train,
            Part::All => Split::All,
        }
    }
}
