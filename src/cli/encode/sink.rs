//! Writes and counts rows as they arrive, and prints a summary at the end.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use crate::cli::args::{Encode, Format};
use crate::cli::messages::{Failure, Messages, Outcome, Progress, count, one_line};
use crate::cli::output::{self, Destination, Head, Row, RowWriter, Source, cannot_write};

pub(super) struct Sink<'a> {
    rows: Box<dyn RowWriter>,
    format: Format,
    skip_errors: bool,
    /// The output file, if there is one.
    path: Option<PathBuf>,
    /// Whether rows go straight to a reader, so that they cannot be taken back.
    streams: bool,
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
        messages: &'a Messages,
        total: usize,
    ) -> Result<Self, Failure> {
        let path = args.output.clone();
        let progress = messages.progress(total as u64, "inputs", out.is_terminal());
        let streams = !out.is_file() && args.format != Format::Npy;
        let rows = output::start(args.format, head, out).map_err(|error| cannot_write(path.as_deref(), &error))?;
        let (format, skip_errors, started) = (args.format, args.skip_errors, Instant::now());
        Ok(Sink { rows, format, skip_errors, path, streams, messages, progress, started, encoded: 0, failed: 0 })
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

    /// Completes the output and reports the result.
    pub fn finish(self) -> Result<Outcome, Failure> {
        let Sink { rows, path, messages, progress, encoded, failed, .. } = self;
        drop(progress);
        let verdict = format!("encoded {encoded} of {}; {failed} failed", count(encoded + failed, "input"));
        if encoded == 0 && failed > 0 {
            // A failed call leaves no file, but a stream has to end well-formed.
            if self.streams {
                rows.finish().map_err(|error| cannot_write(path.as_deref(), &error))?;
            }
            return Err(Failure::Error(verdict));
        }
        rows.finish().map_err(|error| cannot_write(path.as_deref(), &error))?;
        if failed > 0 {
            messages.partial_failure(&verdict);
            return Ok(Outcome::Partial);
        }
        let seconds = self.started.elapsed().as_secs_f64();
        messages.summary(&format!("encoded {} in {seconds:.1} s", count(encoded, "input")));
        Ok(Outcome::Complete)
    }

    fn broken(&self, error: &io::Error) -> Failure {
        cannot_write(self.path.as_deref(), error)
    }
}
