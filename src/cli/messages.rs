//! What a user is told besides the data: errors, warnings, progress, and how a command ended.
//!
//! Everything goes to standard error. No message can write control characters to a terminal, whatever a file or
//! text in it contains.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Error;

/// How a command ended that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// All of it.
    All,
    /// Without some inputs, each of which was reported.
    Some,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub(super) enum Stop {
    /// The arguments contradict each other.
    Usage(String),
    /// Something failed.
    Failed(String),
    /// Something failed and was reported.
    Told,
    /// Whoever read standard output wants no more.
    Pipe,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// Where messages go.
pub(super) struct Messages {
    quiet: bool,
    verbose: bool,
    bar: std::cell::RefCell<Option<ProgressBar>>,
}

impl Messages {
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Messages { quiet, verbose, bar: Default::default() }
    }

    /// Something that failed.
    pub fn error(&self, message: &str) {
        self.print("error: ", message);
    }

    /// Something that may not be meant; silenced by `-q`.
    pub fn warning(&self, message: &str) {
        if !self.quiet {
            self.print("warning: ", message);
        }
    }

    /// How something ended that did not go well in all.
    pub fn verdict(&self, message: &str) {
        self.print("", message);
    }

    /// How something ended well, for someone who watches; silenced by `-q`.
    pub fn summary(&self, message: &str) {
        if self.verbose || (!self.quiet && io::stderr().is_terminal()) {
            self.print("", message);
        }
    }

    /// The result of a command that has no other output; silenced by `-q`.
    pub fn result(&self, message: &str) {
        if !self.quiet {
            self.print("", message);
        }
    }

    /// A bar over `total` steps, which ends when it is dropped. Shown on terminals alone, and not where data
    /// appears on the same one.
    pub fn progress(&self, total: u64, unit: &'static str, data_on_terminal: bool) -> Progress<'_> {
        // Without colours, so that NO_COLOR needs no second form.
        let template = format!("{{bar:30}} {{human_pos}} of {{human_len}} {unit}, {{per_sec}}, {{eta}} left");
        self.bar(total, &template, data_on_terminal)
    }

    /// A bar over bytes, whose number is told later.
    pub fn progress_bytes(&self) -> Progress<'_> {
        self.bar(0, "{msg:10} {bar:30} {bytes} of {total_bytes}, {eta} left", false)
    }

    fn bar(&self, total: u64, template: &str, data_on_terminal: bool) -> Progress<'_> {
        let hidden = self.quiet || self.verbose || data_on_terminal || !io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !hidden {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        self.bar.replace(Some(bar));
        Progress(self)
    }

    fn print(&self, prefix: &str, message: &str) {
        let line = format!("{prefix}{}\n", one_line(message));
        let print = || {
            // Nobody is left to be told when standard error is closed.
            let _ = io::stderr().write_all(line.as_bytes());
        };
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// A bar on the terminal while it lives.
pub(super) struct Progress<'a>(&'a Messages);

impl Progress<'_> {
    /// `steps` more are done.
    pub fn advance(&self, steps: u64) {
        if let Some(bar) = &*self.0.bar.borrow() {
            bar.inc(steps);
        }
    }

    /// `done` of `total` are done of what is being `doing`.
    pub fn set(&self, doing: &'static str, done: u64, total: u64) {
        if let Some(bar) = &*self.0.bar.borrow() {
            bar.set_message(doing);
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.0.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// `text` with control characters spelled out, so that it stays in its line and changes no terminal.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

/// What the last panic said.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Notes what a panic says instead of printing it: the library catches those of decoders and makes errors of them.
pub(super) fn note_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let what = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it stopped without a reason");
    let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = format!("{what}{place}");
}

/// What to say of a panic that nobody expected.
pub(super) fn defect() -> String {
    let noted = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
    format!("defect in clippie-rs: {noted}; please report it")
}

/// Bytes for people: `337.2 MB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let (mut value, mut unit) = (bytes as f64 / 1e3, UNITS[0]);
    for next in &UNITS[1..] {
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1e3, next);
    }
    format!("{value:.1} {unit}")
}

/// `1 input`, `2 inputs`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_in_one_line() {
        assert_eq!(one_line("a beach.jpg"), "a beach.jpg");
        assert_eq!(one_line("a\nb\u{1b}[31m\u{9b}\té"), "a\\nb\\u{1b}[31m\\u{9b}\\té");
    }

    #[test]
    fn sizes_are_for_people() {
        let sizes = [0, 999, 1000, 999_949, 999_950, 353_000_000, 1 << 40, u64::MAX].map(size);
        assert_eq!(
            sizes,
            ["0 bytes", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "353.0 MB", "1.1 TB", "18446744.1 TB"]
        );
        assert_eq!((count(1, "input"), count(0, "input")), ("1 input".into(), "0 inputs".into()));
    }
}
