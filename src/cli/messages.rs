//! Messages to the user: errors, warnings, progress and results; and how a command ends.
//!
//! All messages go to standard error. Control characters from files and texts are escaped, so no message can change
//! the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::error::Error;

/// Interval at which a progress bar moves, and the time before it is shown.
const TICK: Duration = Duration::from_millis(500);

/// Outcome of a command that ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All inputs succeeded.
    Complete,
    /// Some inputs failed; each was reported.
    Partial,
}

/// Reason why a command stopped.
#[derive(Debug)]
pub(super) enum Failure {
    /// The arguments are invalid or contradict each other.
    Usage(String),
    /// An error, to be reported.
    Error(String),
    /// An error that was already reported.
    Reported,
    /// The reader of standard output closed it, which is not an error.
    ClosedPipe,
}

impl Failure {
    /// The message, without the remedy of the command's usage.
    pub fn text(&self) -> &str {
        match self {
            Failure::Usage(message) | Failure::Error(message) => message,
            Failure::Reported => "it was reported",
            Failure::ClosedPipe => "the reader of standard output closed it",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error.to_string())
    }
}

#[cfg(feature = "library")]
impl From<crate::library::Error> for Failure {
    fn from(error: crate::library::Error) -> Self {
        match error {
            crate::library::Error::Query(message) => Failure::Usage(message),
            error => Failure::Error(error.to_string()),
        }
    }
}

#[cfg(feature = "serve")]
impl From<crate::server::Error> for Failure {
    fn from(error: crate::server::Error) -> Self {
        match error {
            crate::server::Error::Upstream(message) => Failure::Usage(message),
            error => Failure::Error(error.to_string()),
        }
    }
}

#[cfg(feature = "parquet")]
impl From<crate::tables::Error> for Failure {
    fn from(error: crate::tables::Error) -> Self {
        Failure::Error(error.to_string())
    }
}

/// Prints messages to standard error.
pub(super) struct Messages {
    quiet: bool,
    verbose: bool,
    screen: Arc<Screen>,
}

impl Messages {
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Messages { quiet, verbose, screen: Arc::default() }
    }

    /// Where the messages go, for messages of other threads.
    pub fn screen(&self) -> Arc<Screen> {
        Arc::clone(&self.screen)
    }

    /// Prints an error.
    pub fn error(&self, message: &str) {
        self.print("error: ", message);
    }

    /// Prints a warning, unless `-q` is given.
    pub fn warning(&self, message: &str) {
        if !self.quiet {
            self.print("warning: ", message);
        }
    }

    /// Prints a detail with `-v`.
    pub fn detail(&self, message: &str) {
        if self.verbose {
            self.print("", message);
        }
    }

    /// Prints how many inputs failed, after each was reported.
    pub fn partial_failure(&self, message: &str) {
        self.print("", message);
    }

    /// Prints the summary of a successful command on a terminal or with `-v`, unless `-q` is given.
    pub fn summary(&self, message: &str) {
        if self.verbose || (!self.quiet && io::stderr().is_terminal()) {
            self.print("", message);
        }
    }

    /// Prints the result of a command that has no other output, unless `-q` is given.
    pub fn result(&self, message: &str) {
        if !self.quiet {
            self.print("", message);
        }
    }

    /// Shows a progress bar over `total` steps until it is dropped. Hidden unless standard error is a terminal, and
    /// where data goes to the same terminal.
    pub fn progress(&self, total: u64, unit: &'static str, data_on_terminal: bool) -> Progress<'_> {
        // Without colours, so that NO_COLOR needs no second form.
        let template = format!("{{bar:30}} {{human_pos}} of {{human_len}} {unit}, {{rate}}, {{eta}} left");
        self.bar(total, &template, data_on_terminal)
    }

    /// Shows a progress bar with a label over photos; [`Progress::set`] sets the total.
    #[cfg(feature = "library")]
    pub fn progress_photos(&self) -> Progress<'_> {
        self.bar(0, "{msg:9} {bar:30} {human_pos} of {human_len} photos, {rate}, {eta} left", false)
    }

    /// Shows a progress bar over bytes; [`Progress::set`] sets the total.
    pub fn progress_bytes(&self) -> Progress<'_> {
        self.bar(0, "{msg:10} {bar:30} {bytes} of {total_bytes}, {eta} left", false)
    }

    fn bar(&self, total: u64, template: &str, data_on_terminal: bool) -> Progress<'_> {
        let hidden = self.quiet || self.verbose || data_on_terminal || !io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // Writing to a line in memory cannot fail.
                let _ = out.write_str(&rate(state.per_sec()));
            }));
        }
        if !hidden {
            let shown = bar.clone();
            let show = move || {
                std::thread::sleep(TICK);
                // What is done by now needs no bar.
                if !shown.is_finished() {
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                    if can_start_threads() {
                        shown.enable_steady_tick(TICK);
                    }
                }
            };
            // Where no thread can be started, the bar moves with the work only; indicatif would panic.
            if std::thread::Builder::new().spawn(show).is_err() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
        }
        *self.screen.bar() = Some(bar);
        Progress(&self.screen)
    }

    fn print(&self, prefix: &str, message: &str) {
        self.screen.print(prefix, message);
    }
}

fn can_start_threads() -> bool {
    std::thread::Builder::new().spawn(|| ()).is_ok()
}

/// A number of inputs per second: digits that change all the time tell nothing.
fn rate(per_second: f64) -> String {
    if per_second < 9.95 { format!("{per_second:.1}/s") } else { format!("{per_second:.0}/s") }
}

/// Standard error, shared by all threads that print messages, and the progress bar on it.
#[derive(Default)]
pub(super) struct Screen {
    bar: Mutex<Option<ProgressBar>>,
    /// Takes the messages in tests.
    #[cfg(test)]
    record: Option<Mutex<String>>,
}

impl Screen {
    /// Prints a message on a line of its own, above the progress bar.
    pub fn print(&self, prefix: &str, message: &str) {
        let line = format!("{prefix}{}\n", one_line(message));
        #[cfg(test)]
        if let Some(record) = &self.record {
            record.lock().unwrap().push_str(&line);
            return;
        }
        let print = || {
            // A failed write to standard error cannot be reported.
            let _ = io::stderr().write_all(line.as_bytes());
        };
        match &*self.bar() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn bar(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A screen that keeps what is printed.
    #[cfg(test)]
    pub fn recorded() -> Self {
        Screen { bar: Mutex::default(), record: Some(Mutex::default()) }
    }

    #[cfg(test)]
    pub fn recorded_text(&self) -> String {
        self.record.as_ref().unwrap().lock().unwrap().clone()
    }
}

/// A progress bar, removed from the terminal when it is dropped.
pub(super) struct Progress<'a>(&'a Screen);

impl Progress<'_> {
    /// Advances the bar by `steps`.
    pub fn advance(&self, steps: u64) {
        if let Some(bar) = &*self.0.bar() {
            bar.inc(steps);
        }
    }

    /// Sets the label and position of the bar.
    pub fn set(&self, label: &'static str, done: u64, total: u64) {
        if let Some(bar) = &*self.0.bar() {
            bar.set_message(label);
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.0.bar().take() {
            bar.finish_and_clear();
        }
    }
}

/// Whether a character could change the terminal, break the line, or is not seen itself but hides text or changes the
/// order in which others are shown: a name could look like another one.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Marks, embeddings and isolates of writing direction; ends of lines and paragraphs.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}'
            // Tags, which spell out text that nobody sees.
            | '\u{e0000}'..='\u{e007f}'
        )
}

/// Escapes the control characters of `text`, also those of writing direction, and tags. It then fits on one line and cannot change
/// the terminal.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

/// The bytes of a path, for an output that may be a terminal: there control characters are escaped.
pub(super) fn path_bytes(path: &Path, terminal: bool) -> Cow<'_, [u8]> {
    if terminal {
        text_bytes(&path.to_string_lossy(), true).into_owned().into()
    } else {
        path.as_os_str().as_encoded_bytes().into()
    }
}

/// The bytes of a text, for an output that may be a terminal: there control characters are escaped.
pub(super) fn text_bytes(text: &str, terminal: bool) -> Cow<'_, [u8]> {
    match terminal.then(|| one_line(text)) {
        Some(Cow::Owned(line)) => Cow::Owned(line.into_bytes()),
        _ => Cow::Borrowed(text.as_bytes()),
    }
}

/// Message of the last panic.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Records the message of a panic instead of printing it, because the library converts panics of decoders to errors.
pub(super) fn record_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let what = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it stopped without a reason");
    let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = format!("{what}{place}");
}

/// Returns the message for the last panic.
pub(super) fn panic_message() -> String {
    let recorded = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
    format!("defect in clippie-rs: {recorded}; please report it")
}

/// Formats a number of bytes: `337.2 MB`.
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

/// A cosine that may be close to one, with the digits that tell it from one: `0.99999942`.
pub(super) fn close_cosine(cosine: f64) -> String {
    if cosine.is_nan() { "-".into() } else { format!("{cosine:.8}") }
}

/// Formats a count with its noun: `1 input`, `2 inputs`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_gets_other_bytes() {
        let path = Path::new("a\u{1b}[2J\n\u{202e}é.jpg");
        assert_eq!(&*path_bytes(path, false), "a\u{1b}[2J\n\u{202e}é.jpg".as_bytes());
        assert_eq!(&*path_bytes(path, true), "a\\u{1b}[2J\\n\\u{202e}é.jpg".as_bytes());
        assert_eq!((&*text_bytes("\u{2069}", true), &*text_bytes("é", true)), (&b"\\u{2069}"[..], "é".as_bytes()));
    }

    #[test]
    fn messages_fit_on_one_line() {
        assert_eq!(one_line("a beach.jpg"), "a beach.jpg");
        assert_eq!(one_line("a\nb\u{1b}[31m\u{9b}\té"), "a\\nb\\u{1b}[31m\\u{9b}\\té");
        let hidden = "gnp.\u{61c}exe\u{200f}\u{2028}\u{2029}\u{e0041}";
        assert_eq!(one_line(hidden), "gnp.\\u{61c}exe\\u{200f}\\u{2028}\\u{2029}\\u{e0041}");
    }

    #[test]
    fn rates_are_readable() {
        assert_eq!(
            [0.0, 0.04, 9.949, 9.95, 12.6, 1234.5].map(rate),
            ["0.0/s", "0.0/s", "9.9/s", "10/s", "13/s", "1234/s"]
        );
    }

    #[test]
    fn sizes_are_readable() {
        let sizes = [0, 999, 1000, 999_949, 999_950, 353_000_000, 1 << 40, u64::MAX].map(size);
        assert_eq!(
            sizes,
            ["0 bytes", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "353.0 MB", "1.1 TB", "18446744.1 TB"]
        );
        assert_eq!((count(1, "input"), count(0, "input")), ("1 input".into(), "0 inputs".into()));
    }
}
