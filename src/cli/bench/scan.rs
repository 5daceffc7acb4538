//! `bench --scan`: times exact searches in vectors of a file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::super::args::Bench;
use super::super::messages::{Failure, Outcome, count};
use super::measure::Timing;
use super::print_json;
use crate::Isa;
use crate::cli::output::print;
use crate::library::npy;
use crate::library::scan::{Options, Quantised, Threads};

/// Rows that a search finds.
const BEST: usize = 10;

/// Queries of a batch.
const BATCH: usize = 32;

/// Output of `--json`. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Report {
    rows: usize,
    dim: usize,
    queries: usize,
    threads: usize,
    isa: &'static str,
    /// Time to prepare the vectors for searches.
    build_ms: f64,
    /// Median time of a search for one query; null without queries.
    scan_ms: Option<f64>,
    /// Queries of the batch, and the median time for each.
    batch: usize,
    batch_ms: Option<f64>,
    /// Number of timed searches of one query.
    repeats: usize,
    /// Rows whose exact scores were computed, for each query on average.
    rescored: f64,
    /// Row numbers of the best of each query, best first.
    top: Vec<Vec<usize>>,
}

pub(super) fn run(
    args: &Bench,
    isa: Isa,
    (vectors, queries): (&PathBuf, &PathBuf),
    threads: usize,
) -> Result<Outcome, Failure> {
    let rows = read(vectors)?;
    let asked = read(queries)?;
    if asked.dim != rows.dim {
        let (queries, vectors) = (queries.display(), vectors.display());
        let message = format!(
            "{queries} has queries of {} values and {vectors} vectors of {}; give both of one model",
            asked.dim, rows.dim
        );
        return Err(Failure::Error(message));
    }
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| Failure::Error(format!("{path}: {error}"))
    };
    let options = Options::new().threads(&Threads::new(threads));
    let start = Instant::now();
    let quantised = Quantised::new(&rows.values, rows.dim, &options).map_err(failed(vectors))?;
    let build_ms = start.elapsed().as_secs_f64() * 1e3;
    let found = quantised.rows().search(&asked.values, BEST, &options).map_err(failed(queries))?;
    let rescored = found.iter().map(|scan| scan.rescored as f64).sum::<f64>() / found.len().max(1) as f64;

    // One query after the other, so that no time is that of an easy one alone.
    let mut each = asked.values.chunks_exact(asked.dim).cycle();
    let one = (!found.is_empty())
        .then(|| Timing::of(args.seconds, 1, || quantised.rows().search(each.next().unwrap_or(&[]), BEST, &options)))
        .transpose()
        .map_err(failed(queries))?;
    let batch = found.len().min(BATCH);
    let several = &asked.values[..batch * asked.dim];
    let many = (!found.is_empty())
        .then(|| Timing::of(args.seconds, batch, || quantised.rows().search(several, BEST, &options)))
        .transpose()
        .map_err(failed(queries))?;
    let report = Report {
        rows: rows.rows,
        dim: rows.dim,
        queries: asked.rows,
        threads,
        isa: isa.name(),
        build_ms,
        scan_ms: one.as_ref().map(Timing::milliseconds),
        batch,
        batch_ms: many.as_ref().map(Timing::milliseconds),
        repeats: one.map_or(0, |timing| timing.repeats),
        rescored,
        top: found.into_iter().map(|scan| scan.hits.into_iter().map(|hit| hit.row).collect()).collect(),
    };
    if args.json {
        print_json(&report)?;
    } else {
        print(&(report.text() + "\n"))?;
    }
    Ok(Outcome::Complete)
}

fn read(path: &Path) -> Result<npy::Vectors, Failure> {
    npy::read(path).map_err(|error| Failure::Error(error.to_string()))
}

impl Report {
    fn text(&self) -> String {
        let figure = |time: Option<f64>| time.map_or("-".to_owned(), |ms| format!("{ms:.2}"));
        format!(
            "{} of {}, {}, instruction set {}\n\n{:<28}{:>10}\n{:<28}{:>10}\n{:<28}{:>10}\n{:<28}{:>10}",
            count(self.rows, "vector"),
            count(self.dim, "value"),
            count(self.threads, "thread"),
            self.isa,
            "milliseconds",
            "",
            "  preparing the vectors",
            figure(Some(self.build_ms)),
            "  a search for one query",
            figure(self.scan_ms),
            format!("  a query of a batch of {}", self.batch),
            figure(self.batch_ms),
        )
    }
}
