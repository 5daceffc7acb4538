//! Arguments of `clippie-rs bench`.

use std::ffi::OsString;
#[cfg(feature = "library")]
use std::path::PathBuf;

use clap::Args;

use super::MAX_BATCH;
use super::values::{seconds, threads};

/// Measure the speed of models on this machine
///
/// Prints the instruction set in use, the measured peak of one core, and for each model the milliseconds per image and
/// per text: on one thread and on all threads, alone and in batches of eight, for texts of ten tokens (a short sentence
/// with its start and end) and of the model's full context length. By default all installed models are measured: the
/// compiled-in `demo` and those that were pulled (--json: `demo`).
///
/// Images are preprocessed pixels and texts are token ids: decoding photos, tokenizing and opening the model are not
/// measured. Each figure is the median of calls repeated for about --seconds, at least five times, divided by the batch
/// size. Other programs distort the times: run it on an idle machine.
///
/// The peak is the arithmetic throughput of one core on registers, in billions of float32 operations per second; a
/// multiply-add counts as two.
///
/// Precisions of one model among them, such as -m NAME -m NAME:f16, are also compared with the first of these: how many times
/// as fast they are, the mapped and the private memory (Linux), the cosines of embeddings of 40 drawn pictures and 40
/// sentences, and how alike the sentences rank the pictures.
///
/// With --scan and --queries, exact searches in vectors are measured instead: the ten rows with the largest products, as
/// a library's search finds them. Both are NumPy files of two dimensions, float32 or float16. Printed are the time to
/// prepare the vectors, the median time of a search for one query, and the time for each query of a batch of 32.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  clippie-rs bench
  clippie-rs bench -m ViT-B-32.clippie -m mobileclip2-s0
  clippie-rs bench -m mobileclip2-s0 -m mobileclip2-s0:f16
  clippie-rs bench --json -m ViT-B-32.clippie --threads 1 --batch 8
  CLIPPIE_ISA=avx2 clippie-rs bench -m ViT-B-32.clippie
  clippie-rs bench --scan photos.npy --queries texts.npy --threads 1 --json")]
pub(in crate::cli) struct Bench {
    /// Weights file, name of an installed model, or `demo`; repeatable
    #[arg(short, long = "model", value_name = "MODEL", env = "CLIPPIE_MODEL", hide_env_values = true)]
    pub models: Vec<OsString>,
    /// Measure one model, or several precisions of it, with one number of threads (by default all) and one batch size (by
    /// default 1) and print one JSON object; values of a tower that the model lacks are null
    #[arg(long)]
    pub json: bool,
    /// Number of threads, instead of one and all
    #[arg(long, value_name = "N", env = "CLIPPIE_THREADS", hide_env_values = true, value_parser = threads)]
    pub threads: Option<usize>,
    /// Batch size, instead of 1 and 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub batch: Option<u32>,
    /// Tokens per text, including start and end, instead of 10 and the full context length (--json: 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=65_536))]
    pub text_tokens: Option<u32>,
    /// Approximate duration of each measurement, in seconds
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub seconds: f64,
    /// Measure exact searches in these vectors, an .npy file [rows, values]
    #[cfg(feature = "library")]
    #[arg(long, value_name = "FILE", requires = "queries", conflicts_with_all = ["batch", "text_tokens"])]
    pub scan: Option<PathBuf>,
    /// Queries of --scan, an .npy file [queries, values]
    #[cfg(feature = "library")]
    #[arg(long, value_name = "FILE", requires = "scan")]
    pub queries: Option<PathBuf>,
}
