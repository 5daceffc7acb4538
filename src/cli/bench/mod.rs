//! `clippie-rs bench`: what models cost on this machine.

mod measure;
mod table;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::thread;

use serde::Serialize;

use super::args::Bench;
use super::messages::{Done, Stop};
use super::output::{Destination, cannot_write};
use super::{model, named};
use crate::{Error, Isa};
use measure::{Subject, Timing};

/// Tokens of a text where nothing is asked for: a short sentence with its start and end.
const SHORT_TEXT: usize = 10;

/// Images or texts of a call in the second column, as large as the library's own batches.
const LARGE_BATCH: usize = 8;

/// The answer of `--json`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    isa: &'static str,
    /// Of one core.
    peak_gflops: f64,
    threads: usize,
    /// Images or texts of a call.
    batch: usize,
    /// Tokens of a text, start and end included.
    text_tokens: Option<usize>,
    /// Median of calls, divided by the batch; null without the tower.
    image_ms: Option<f64>,
    text_ms: Option<f64>,
    /// Calls that were timed.
    repeats: Repeats,
}

#[derive(Serialize)]
struct Repeats {
    image: Option<usize>,
    text: Option<usize>,
}

pub(super) fn run(args: &Bench) -> Result<Done, Stop> {
    let isa = Isa::detect().map_err(Error::from)?;
    let subjects = subjects(args)?;
    let threads = args.threads.filter(|&threads| threads > 0);
    let all_threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    if args.json {
        let [subject] = &subjects[..] else {
            return Err(Stop::Usage("--json measures one model; give one -m".into()));
        };
        json(args, isa, subject, all_threads)?;
    } else {
        let threads = if threads.is_none() && all_threads > 1 { vec![1, all_threads] } else { vec![all_threads] };
        table::run(args, isa, &subjects, &threads)?;
    }
    Ok(Done::All)
}

/// The models that were asked for, or all that are at hand: the compiled-in one and, for a table, those that are here
/// by name.
fn subjects(args: &Bench) -> Result<Vec<Subject>, Stop> {
    let mut names: Vec<OsString> = args.models.iter().filter(|name| !name.is_empty()).cloned().collect();
    if names.is_empty() {
        if cfg!(feature = "demo") {
            names.push("demo".into());
        }
        if !args.json {
            names.extend(named::all().into_iter().map(PathBuf::into_os_string));
        }
    }
    if names.is_empty() {
        // Says what to do about it.
        model::open(None)?;
    }
    let subject = |name: OsString| {
        let tokens = args.text_tokens.map(|tokens| tokens as usize);
        Subject::new(model::open(Some(&name))?, tokens)
    };
    names.into_iter().map(subject).collect()
}

fn json(args: &Bench, isa: Isa, subject: &Subject, threads: usize) -> Result<(), Stop> {
    let batch = args.batch.unwrap_or(1) as usize;
    let text_tokens = subject.text_lengths(args.text_tokens).first().copied();
    let before = isa.peak_gflops();
    let image = subject.image(threads, batch, args.seconds)?;
    let text = text_tokens.map(|tokens| subject.text(threads, batch, tokens, args.seconds)).transpose()?;
    let report = Report {
        model: &subject.name,
        isa: isa.name(),
        // Twice, for a machine that was not at rest at first.
        peak_gflops: before.max(isa.peak_gflops()),
        threads,
        batch,
        text_tokens,
        image_ms: image.as_ref().map(Timing::milliseconds),
        text_ms: text.as_ref().map(Timing::milliseconds),
        repeats: Repeats { image: image.map(|timing| timing.repeats), text: text.map(|timing| timing.repeats) },
    };
    let json = serde_json::to_string(&report).map_err(|error| Stop::Failed(error.to_string()))?;
    let print = || {
        let mut out = Destination::open(None)?;
        writeln!(out, "{json}")?;
        out.commit()
    };
    print().map_err(|error| cannot_write(None, &error))
}
