//! Arguments that several commands share: which photos they take, and how the model runs.

use std::path::PathBuf;

use clap::Args;

use super::values::threads;
use super::{MAX_BATCH, Model, Photos};

/// The photos of a call.
#[derive(Debug, Args)]
pub(in crate::cli) struct Inputs {
    /// Photos, folders of photos, or tar archives of photos, also compressed by gzip; `-` reads one photo from standard input
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Read photos and folders from FILE, one per line or separated by NUL bytes; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<PathBuf>,
    /// Skip files and folders of the given folders that match GLOB; repeatable
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// Respect .gitignore, .ignore and .ppignore in the given folders, and skip subfolders with .nomedia or .noimage
    #[arg(long)]
    pub ignore_files: bool,
}

impl Inputs {
    /// Whether no photos are named.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.files_from.is_none()
    }
}

/// The model, and what it runs with.
#[derive(Debug, Args)]
pub(in crate::cli) struct Running {
    #[command(flatten)]
    pub model: Model,
    /// Maximum number of photos or texts per batch: trades memory for speed, never changes results
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub batch_size: u32,
    /// Number of threads, by default one per core; never changes results
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
    /// Language of texts, such as de or deu_Latn, for a model whose texts have one (NLLB) [default: English]
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
    #[command(flatten)]
    pub photos: Photos,
}
