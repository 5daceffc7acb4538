//! What can be asked of `clippie-rs bench`.

use std::ffi::OsString;

use clap::Args;

use super::MAX_BATCH;
use super::values::{seconds, threads};

/// How fast models run on this machine
///
/// Prints the instruction set in use, the measured peak of one core, and for each model the milliseconds that an
/// image and a text take: on one thread and on all, alone and in batches of eight, texts of ten tokens (a short
/// sentence with its start and end) and of the model's whole context. Without a model it takes all that are here: the
/// compiled-in `demo` and those that were pulled (--json: `demo`).
///
/// Images are prepared pixels and texts are token ids: decoding photos and tokenizing are not counted, opening the
/// model neither. Each figure is the median of calls that are repeated for about --seconds, at least five times,
/// divided by the images or texts of a call. Times say nothing of other programs' share of the machine: let it rest.
///
/// The peak is what one core computes on registers alone: billions of float32 operations a second, a multiply-add
/// counting two.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs bench
  clippie-rs bench -m ViT-B-32.clippie -m mobileclip2-s0
  clippie-rs bench --json -m ViT-B-32.clippie --threads 1 --batch 8
  CLIPPIE_ISA=avx2 clippie-rs bench -m ViT-B-32.clippie")]
pub(in crate::cli) struct Bench {
    /// Weights file, name of a model that was pulled, or `demo`; can be given many times
    #[arg(short, long = "model", value_name = "MODEL", env = "CLIPPIE_MODEL", hide_env_values = true)]
    pub models: Vec<OsString>,
    /// Measure one model, one number of threads and one batch size (all threads and 1 without) and write one JSON
    /// object; a tower that the model lacks is null
    #[arg(long)]
    pub json: bool,
    /// Threads to use, instead of one and all
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
    /// Images or texts of a call, instead of 1 and 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub batch: Option<u32>,
    /// Tokens of a text, start and end included, instead of 10 and the model's whole context (--json: 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=65_536))]
    pub text_tokens: Option<u32>,
    /// About how long each figure is measured
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub seconds: f64,
}
