//! Writes and counts rows as they arrive, and prints a summary at the end.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::cli::args::{Encode, Format};
use crate::cli::messages::{Failure, Messages, Outcome, Progress, count, one_line};
use crate::cli::output::{self, Destination, Head, Row, RowWriter, Source, cannot_write};
use crate::cli::passed_over;
use crate::cli::report::{Passed, Report};
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
    progress: Progress<'a>,
    started: Instant,
    encoded: usize,
    failed: usize,
}

impl<'a> Sink<'a> {
    /// Starts the output of `total` inputs.
    pub fn start(
        args: &Encode,
        head: &Head<'_>,
        out: Destination,
        report: Option<Report>,
        messages: &'a Messages,
        total: usize,
    ) -> Result<Self, Failure> {
        let path = args.output.clone();
        let progress = messages.progress(total as u64, "inputs", out.is_terminal());
        let streams = !out.is_file() && args.format != Format::Npy;
        let rows = output::start(args.format, head, out).map_err(|error| cannot_write(path.as_deref(), &error))?;
        let (format, skip_errors, started) = (args.format, args.skip_errors, Instant::now());
        Ok(Sink {
            rows,
            format,
            skip_errors,
            path,
            streams,
            report,
            messages,
            progress,
            started,
            encoded: 0,
            failed: 0,
        })
    }

    /// Writes the next row, or its error.
    pub fn add(&mut self, source: Source<'_>, outcome: Result<&[f32], &str>) -> Result<(), Failure> {
        self.progress.advance(1);
        let reason = outcome.err().map(one_line);
        let outcome = outcome.map_err(|_| reason.as_deref().unwrap_or_default());
        match outcome {
            Ok(_) => self.encoded += 1,
            Err(error) => {
                self.failed += 1;
                self.messages.error(error);
                if let Some(report) = &mut self.report {
                    report.failure(source, error)?;
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
        if self.failed > 0 && self.format == Format::Npy && !self.skip_errors {
            return Err(Failure::Error(
                "nothing was written: npy has no place for inputs that failed; give --skip-errors to leave them out"
                    .into(),
            ));
        }
        self.rows.flush().map_err(|error| self.broken(&error))
    }

    /// Completes the output and the report, and prints the result: `result` says whether all inputs were handled.
    pub fn finish(self, result: Result<(), Failure>, head: &Head<'_>, passed: &PassedOver) -> Result<Outcome, Failure> {
        let Sink { rows, path, streams, report, messages, progress, started, encoded, failed, .. } = self;
        drop(progress);
        let seconds = started.elapsed().as_secs_f64();
        let complete = || {
            result?;
            // If all inputs failed, no file remains, but a stream has to end well-formed.
            if encoded > 0 || failed == 0 || streams {
                rows.finish().map_err(|error| cannot_write(path.as_deref(), &error))?;
            }
            Ok(())
        };
        let verdict = format!("encoded {encoded} of {}; {failed} failed", count(encoded + failed, "input"));
        let outcome = match complete() {
            Err(failure) => Err(failure),
            Ok(()) if encoded == 0 && failed > 0 => Err(Failure::Error(verdict.clone())),
            Ok(()) if failed > 0 => Ok(Outcome::Partial),
            Ok(()) => Ok(Outcome::Complete),
        };
        if let Some(report) = report {
            let (model, fingerprint, version) = (head.model, head.fingerprint, env!("CARGO_PKG_VERSION"));
            let error = outcome.as_ref().err().map(Failure::text);
            let passed_over = passed.into();
            let summary = Summary { version, model, fingerprint, encoded, failed, passed_over, seconds, error };
            report.finish(&summary)?;
        }
        passed_over::report(passed, messages);
        match outcome {
            Ok(Outcome::Partial) => messages.partial_failure(&verdict),
            Ok(Outcome::Complete) => {
                messages.summary(&format!("encoded {} in {seconds:.1} s", count(encoded, "input")));
            }
            Err(_) => {}
        }
        outcome
    }

    fn broken(&self, error: &io::Error) -> Failure {
        cannot_write(self.path.as_deref(), error)
    }
}
