//! Arguments of the commands that find photos in a library.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{cosine, results, threads};
use super::{Library, Limits, Model, Precision};
use crate::cli::preview::Protocol;

/// Find photos by descriptions and by other photos
///
/// The words of QUERY describe what to find; no quotation marks are needed. `+` and `-` between terms add and subtract
/// what they mean, and a factor before a colon weighs a term: a dog + 0.5:./beach.jpg - people. All of it may stand in
/// quotation marks; only `+` and `-` with spaces around them are operators. A term that begins with ./ ../ or / or names an
/// existing photo file is a photo, which need not be in the library. --add and --subtract take terms too, also such that
/// begin with a hyphen.
///
/// Results end where photos stop fitting the query, which is often before -n and may be at once; --all shows the rest,
/// and --min-score ends results at a cosine instead. `fit` says how well a photo fits, and means the same for every query
/// and model: from 1 on it fits. `score` is the cosine. Photos that are part of the query are left out.
///
/// A date is 2024, 2024-05, 2024-05-06 or 2024-05-06T07:08, in the local time of the photo; a photo without a date
/// counts with the time of its file. Several --in and --name mean one of them.
///
/// table shows a line per photo, with the date in brackets if it is that of the file, and the number of its copies with the
/// same bytes; jsonl writes
/// {"path":…,"score":…,"fit":…,"taken":…,"dated":…,"width":…,"height":…,"bytes":…} per photo, with latitude, longitude
/// and the paths of copies where there are some: dated says whether the photo states the date, and a path that is not
/// UTF-8 has its bytes in hexadecimal as path_bytes; paths writes one path of each photo and none of its copies, separated
/// by NUL bytes with -0.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs search a dog on a beach
  clippie-rs search -n 50 --after 2024-06 --before 2024-09 a dog on a beach
  clippie-rs search ./beach.jpg + at night - people
  clippie-rs search --in ~/Pictures/2023 --format paths -0 receipts | xargs -0 cp -t receipts/
  clippie-rs search --html sheet.html -n 100 a dog on a beach
  clippie-rs search --near 48.85,2.35 --radius 10 a tower")]
pub(in crate::cli) struct Search {
    /// Description, photos, or a sum of them
    #[arg(value_name = "QUERY")]
    pub query: Vec<String>,
    /// Add a term to the query; repeatable
    #[arg(long, value_name = "TERM", allow_hyphen_values = true)]
    pub add: Vec<String>,
    /// Subtract a term from the query; repeatable
    #[arg(long, value_name = "TERM", allow_hyphen_values = true)]
    pub subtract: Vec<String>,
    #[command(flatten)]
    pub results: Results,
}

/// Find photos that are similar to a photo
///
/// PHOTO may be any file, in the library or not; `-` reads one from standard input. It is left out of the results, and so
/// are its copies. Results end where photos stop being similar; --all shows the rest. See `search` for scores, filters and
/// formats.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs similar beach.jpg
  clippie-rs similar -n 100 --all --format jsonl beach.jpg
  clippie-rs similar - < beach.jpg")]
pub(in crate::cli) struct Similar {
    /// Photo; `-` reads standard input
    #[arg(value_name = "PHOTO")]
    pub photo: PathBuf,
    #[command(flatten)]
    pub results: Results,
}

/// Which photos are results, and how they are shown.
#[derive(Debug, Args)]
pub(in crate::cli) struct Results {
    #[command(flatten)]
    pub library: Library,
    #[command(flatten)]
    pub model: Model,
    /// Where the library has embeddings of the model in another precision only, compare them with those of a model in
    /// these precisions; scores differ a little, and a warning says so
    #[arg(long, value_enum, value_name = "TYPE,TYPE", value_delimiter = ',')]
    pub allow_precision: Vec<Precision>,
    /// Language of the sentences of `search`, such as de or deu_Latn, for a model whose texts have one (NLLB) [default:
    /// English]
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
    /// Maximum number of photos
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = results)]
    pub limit: u32,
    /// Show photos that do not fit, too
    #[arg(long, conflicts_with = "min_score")]
    pub all: bool,
    /// Show photos with at least this cosine, whether they fit or not
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true, value_parser = cosine)]
    pub min_score: Option<f32>,
    /// Only photos in this folder and its subfolders; repeatable
    #[arg(long = "in", value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Only photos whose whole name matches GLOB, such as 'DSC*', or whose path does if GLOB has a slash; repeatable
    #[arg(long, value_name = "GLOB")]
    pub name: Vec<String>,
    /// Only photos taken on this date or later
    #[arg(long, value_name = "DATE")]
    pub after: Option<String>,
    /// Only photos taken before this date
    #[arg(long, value_name = "DATE")]
    pub before: Option<String>,
    /// Only photos taken near this place, in degrees north and east
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    pub near: Option<String>,
    /// Distance from the place of --near in kilometres
    #[arg(long, value_name = "KM", default_value_t = 5.0, requires = "near")]
    pub radius: f64,
    /// Output format
    #[arg(long, value_enum, default_value_t = ResultFormat::Table)]
    pub format: ResultFormat,
    /// Separate paths by NUL bytes instead of line ends; implies --format paths, and goes with no other
    #[arg(short = '0', long)]
    pub null: bool,
    /// Write to OUT instead of standard output; an existing file is replaced when the output is complete
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Write a contact sheet to OUT instead: one HTML file with thumbnails, for a browser
    #[arg(long, value_name = "OUT", conflicts_with_all = ["output", "format", "null", "preview"])]
    pub html: Option<PathBuf>,
    /// Show the photos in the terminal, by PROTOCOL or as the terminal is known to do it
    #[arg(long, value_name = "PROTOCOL", num_args = 0..=1, require_equals = true, conflicts_with_all = ["format", "null"])]
    pub preview: Option<Option<Protocol>>,
    /// Number of threads, by default one per core; never changes results
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ResultFormat {
    /// A table for people
    Table,
    /// One path per line, without those of copies
    Paths,
    /// One line of JSON per photo
    Jsonl,
}
