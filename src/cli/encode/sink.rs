//! Writes and counts rows as they arrive, and prints a summary at the end.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::args::{Encode, Format};
use crate::cli::messages::{Failure, Messages, Outcome, one_line};
use crate::cli::output::{self, Destination, Head, Row, RowWriter, Source, cannot_write};
use crate::cli::passed_over;
use crate::cli::report::{Passed, Report};
use crate::cli::tally::Tally;
use crate::walk::PassedOver;

/// The report, apart from the list of failures. Fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Summary<'a> {
    version: &'static str,
    model: &'a str,
    fingerprint: &'a str,
    /// Number of inputs that have an embedding.
    encoded: usize,
    /// Number of inputs that failed.
    failed: usize,
    /// Files of the named folders that are not among the inputs.
    passed_over: Passed<'a>,
    /// From the first input to the last.
    seconds: f64,
    /// Why the command failed; null if it did not.
    error: Option<&'a str>,
}

pub(super) struct Sink<'a> {
    rows: Box<dyn RowWriter>,
    format: Format,
    skip_errors: bool,
    /// The output file, if there is one.
    path: Option<PathBuf>,
    /// Whether rows go straight to a reader, so that they cannot be taken back.
    streams: bool,
    report: Option<Report>,
    messages: &'a Messages,
    tally: Tally<'a>,
}

impl<'a> Sink<'a> {
    /// Starts the output of `total` inputs, if their number is known.
    pub fn start(
        args: &Encode,
        format: Format,
        head: &Head<'_>,
        out: Destination,
        report: Option<Report>,
        messages: &'a Messages,
        total: Option<usize>,
    ) -> Result<Self, Failure> {
        let path = args.output.clone();
        let hidden = total.is_none() || out.is_terminal();
        let tally = Tally::start("encoded", total.unwrap_or(0), hidden, messages);
        let streams = out.is_stream() && format != Format::Npy;
        let rows = output::start(format, head, out).map_err(|error| cannot_write(path.as_deref(), &error))?;
        Ok(Sink { rows, format, skip_errors: args.skip_errors, path, streams, report, messages, tally })
    }

    /// Writes the next row, or its error.
    pub fn add(&mut self, source: Source<'_>, outcome: Result<&[f32], &str>) -> Result<(), Failure> {
        let reason = outcome.err().map(one_line);
        let outcome = outcome.map_err(|_| reason.as_deref().unwrap_or_default());
        match outcome {
            Ok(_) => self.tally.done(),
            Err(error) => {
                self.tally.failed(error);
                if let Some(report) = &mut self.report {
                    report.failure(source, error)?;
                }
                // At once, since nothing that is encoded after it could be written.
                if self.format == Format::Npy && !self.skip_errors {
                    return Err(Failure::Error(
                        "nothing was written: npy has no place for inputs that failed; give --skip-errors to leave them out"
                            .into(),
                    ));
                }
            }
        }
        if outcome.is_ok() || (self.format.has_errors() && !self.skip_errors) {
            self.rows.write(&Row { source, outcome }).map_err(|error| self.broken(&error))?;
        }
        Ok(())
    }

    /// Passes complete rows on to the reader.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.rows.flush().map_err(|error| self.broken(&error))
    }

    /// Completes the output and the report, and prints the result: `result` says whether all inputs were handled.
    pub fn finish(self, result: Result<(), Failure>, head: &Head<'_>, passed: &PassedOver) -> Result<Outcome, Failure> {
        let Sink { rows, path, streams, report, messages, tally, .. } = self;
        let tally = tally.stop();
        let complete = || rows.finish().map_err(|error| cannot_write(path.as_deref(), &error));
        let outcome = tally.outcome(result, streams, complete);
        if let Some(report) = report {
            let (model, fingerprint, version) = (head.model, head.fingerprint, env!("CARGO_PKG_VERSION"));
            let error = outcome.as_ref().err().map(Failure::text);
            let (encoded, failed, seconds) = (tally.done, tally.failed, tally.seconds);
            let passed_over = passed.into();
            let summary = Summary { version, model, fingerprint, encoded, failed, passed_over, seconds, error };
            report.finish(&summary)?;
        }
        passed_over::report(passed, "encoded", messages);
        tally.announce(&outcome, messages);
        outcome
    }

    fn broken(&self, error: &io::Error) -> Failure {
        cannot_write(self.path.as_deref(), error)
    }
}
