//! Counts inputs as they are done, shows progress, and says at the end how many failed.

use std::time::Instant;

use super::messages::{Failure, Messages, Outcome, Progress, count};

/// Counts of a run that goes on.
pub(super) struct Tally<'a> {
    /// What is done with inputs: `encoded`.
    verb: &'static str,
    messages: &'a Messages,
    progress: Progress<'a>,
    started: Instant,
    done: usize,
    failed: usize,
}

/// Counts of a run that ended.
pub(super) struct Final {
    verb: &'static str,
    pub done: usize,
    pub failed: usize,
    pub seconds: f64,
}

impl<'a> Tally<'a> {
    /// Starts counting `total` inputs.
    pub fn start(verb: &'static str, total: usize, data_on_terminal: bool, messages: &'a Messages) -> Self {
        let progress = messages.progress(total as u64, "inputs", data_on_terminal);
        Tally { verb, messages, progress, started: Instant::now(), done: 0, failed: 0 }
    }

    /// Counts an input.
    pub fn done(&mut self) {
        self.progress.advance(1);
        self.done += 1;
    }

    /// Counts and reports an input that failed.
    pub fn failed(&mut self, error: &str) {
        self.progress.advance(1);
        self.failed += 1;
        self.messages.error(error);
    }

    /// Removes the progress bar and stops the clock.
    pub fn stop(self) -> Final {
        let seconds = self.started.elapsed().as_secs_f64();
        Final { verb: self.verb, done: self.done, failed: self.failed, seconds }
    }
}

impl Final {
    /// Whether there were inputs and none is done.
    fn all_failed(&self) -> bool {
        self.done == 0 && self.failed > 0
    }

    /// Completes the output and says how the command ends: `result` says whether all inputs were handled. If all inputs
    /// failed, no file remains, but a stream has to end well-formed.
    pub fn outcome(
        &self,
        result: Result<(), Failure>,
        streams: bool,
        complete: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Outcome, Failure> {
        let complete = || if streams || !self.all_failed() { complete() } else { Ok(()) };
        match result.and_then(|()| complete()) {
            Err(failure) => Err(failure),
            Ok(()) if self.all_failed() => Err(Failure::Error(self.verdict())),
            Ok(()) if self.failed > 0 => Ok(Outcome::Partial),
            Ok(()) => Ok(Outcome::Complete),
        }
    }

    /// Prints the counts, unless they are the error of the command.
    pub fn announce(&self, outcome: &Result<Outcome, Failure>, messages: &Messages) {
        match outcome {
            Ok(Outcome::Partial) => messages.partial_failure(&self.verdict()),
            Ok(Outcome::Complete) => {
                let inputs = count(self.done, "input");
                messages.summary(&format!("{} {inputs} in {:.1} s", self.verb, self.seconds));
            }
            Err(_) => {}
        }
    }

    fn verdict(&self) -> String {
        let inputs = count(self.done + self.failed, "input");
        format!("{} {} of {inputs}; {} failed", self.verb, self.done, self.failed)
    }
}
