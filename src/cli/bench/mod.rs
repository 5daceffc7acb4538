//! `clippie-rs bench`: measures the speed of models, and of searches in vectors, on this machine.

mod compare;
pub(super) mod measure;
mod samples;
#[cfg(feature = "library")]
mod scan;
mod table;

use std::thread;

use serde::Serialize;

use super::args::Bench;
use super::messages::{Failure, Outcome};
use super::output::{plain_json, print};
use super::{model, named};
use crate::weights::WeightsFile;
use crate::{Error, Isa};
use compare::Compared;
use measure::{Subject, Timing};

/// Default number of tokens per text: a short sentence with its start and end.
const SHORT_TEXT: usize = 10;

/// Batch size of the second column, the library's default.
const LARGE_BATCH: usize = 8;

/// Output of `--json`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    isa: &'static str,
    /// Of one core.
    peak_gflops: f64,
    threads: usize,
    /// Images or texts per call.
    batch: usize,
    /// Tokens per text, including start and end.
    text_tokens: Option<usize>,
    /// Median time of a call divided by the batch size; null without the tower.
    image_ms: Option<f64>,
    text_ms: Option<f64>,
    /// Number of timed calls.
    repeats: Repeats,
}

/// Output of `--json` for several precisions of a model. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Precisions<'a> {
    precisions: Vec<OfPrecision<'a>>,
}

#[derive(Serialize)]
struct OfPrecision<'a> {
    #[serde(flatten)]
    report: Report<'a>,
    #[serde(flatten)]
    compared: Compared,
    /// How many times as fast as the first precision; null without the tower.
    image_speed: Option<f64>,
    text_speed: Option<f64>,
}

#[derive(Serialize)]
struct Repeats {
    image: Option<usize>,
    text: Option<usize>,
}

pub(super) fn run(args: &Bench) -> Result<Outcome, Failure> {
    let isa = Isa::detect().map_err(Error::from)?;
    let threads = args.threads.filter(|&threads| threads > 0);
    let all_threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into));
    #[cfg(feature = "library")]
    if let (Some(vectors), Some(queries)) = (&args.scan, &args.queries) {
        return scan::run(args, isa, (vectors, queries), all_threads);
    }
    let subjects = subjects(args)?;
    if args.json {
        json(args, isa, &subjects, all_threads)?;
    } else {
        let threads = if threads.is_none() && all_threads > 1 { vec![1, all_threads] } else { vec![all_threads] };
        table::run(args, isa, &subjects, &threads)?;
    }
    Ok(Outcome::Complete)
}

/// Opens the models of the arguments; without any, the compiled-in model and, for the table, all installed models.
fn subjects(args: &Bench) -> Result<Vec<Subject>, Failure> {
    let names = args.models.iter().filter(|name| !name.is_empty());
    let mut models = names.map(|name| model::open(Some(name))).collect::<Result<Vec<_>, _>>()?;
    if models.is_empty() {
        if cfg!(feature = "demo") {
            models.push(model::open(Some("demo".as_ref()))?);
        }
        if !args.json {
            models.extend(installed());
        }
    }
    if models.is_empty() {
        // Fails with the message for a missing model.
        model::open(None)?;
    }
    let tokens = args.text_tokens.map(|tokens| tokens as usize);
    models.into_iter().map(|weights| Subject::new(weights, tokens)).collect()
}

/// All installed models that can be opened.
fn installed() -> impl Iterator<Item = WeightsFile> {
    named::all().into_iter().filter_map(|path| {
        let opened = model::open(Some(path.as_os_str()));
        opened.inspect_err(|failure| tracing::warn!("left out: {}", failure.text())).ok()
    })
}

/// Prints the figures of one model, or of several precisions of one.
fn json(args: &Bench, isa: Isa, subjects: &[Subject], threads: usize) -> Result<(), Failure> {
    if let [subject] = subjects {
        return print_json(&report(args, isa, subject, threads)?);
    }
    if compare::precisions(subjects).iter().all(|places| places.len() != subjects.len()) {
        let reason =
            "--json measures one model, or several precisions of it; give one -m, or files made of one checkpoint";
        return Err(Failure::Usage(reason.into()));
    }
    let reports = subjects.iter().map(|subject| report(args, isa, subject, threads)).collect::<Result<Vec<_>, _>>()?;
    let compared = compare::compare(&subjects.iter().collect::<Vec<_>>(), threads)?;
    let times = |report: &Report<'_>| (report.image_ms, report.text_ms);
    let first = reports.first().map_or((None, None), times);
    let speed = |first: Option<f64>, ms: Option<f64>| first.zip(ms).map(|(first, ms)| first / ms);
    let row = |(report, compared): (_, _)| {
        let (image_ms, text_ms) = times(&report);
        let (image_speed, text_speed) = (speed(first.0, image_ms), speed(first.1, text_ms));
        OfPrecision { report, compared, image_speed, text_speed }
    };
    print_json(&Precisions { precisions: reports.into_iter().zip(compared).map(row).collect() })
}

fn report<'a>(args: &Bench, isa: Isa, subject: &'a Subject, threads: usize) -> Result<Report<'a>, Failure> {
    let batch = args.batch.unwrap_or(1) as usize;
    let text_tokens = subject.text_lengths(args.text_tokens).first().copied();
    let before = isa.peak_gflops();
    let image = subject.image(threads, batch, args.seconds)?;
    let text = text_tokens.map(|tokens| subject.text(threads, batch, tokens, args.seconds)).transpose()?;
    Ok(Report {
        model: &subject.name,
        isa: subject.isa()?.full_name(),
        // Measured twice, in case the machine was busy the first time.
        peak_gflops: before.max(isa.peak_gflops()),
        threads,
        batch,
        text_tokens,
        image_ms: image.as_ref().map(Timing::milliseconds),
        text_ms: text.as_ref().map(Timing::milliseconds),
        repeats: Repeats { image: image.map(|timing| timing.repeats), text: text.map(|timing| timing.repeats) },
    })
}

/// Prints one line.
fn print_json(report: &impl Serialize) -> Result<(), Failure> {
    let json = plain_json::compact(report).map_err(|error| Failure::Error(error.to_string()))?;
    print(&(json + "\n"))
}
