//! The library's trace events: warnings as messages, and everything with `-v`.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
#[cfg(feature = "serve")]
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "serve")]
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
#[cfg(feature = "serve")]
use std::thread;
#[cfg(feature = "serve")]
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::messages::{Messages, Screen};

/// Number of different warnings that are remembered, so that each is printed once.
const MAX_REMEMBERED: usize = 10_000;

/// Prints events from now on: warnings, unless `-q` is given; more with `-v`, in the form of a log.
pub(super) fn init(quiet: bool, verbose: u8, messages: &Messages) {
    let level = match verbose {
        0 if quiet => return,
        0 => {
            let warnings = Warnings { screen: messages.screen(), printed: Mutex::default() };
            // Fails only if a subscriber is already set.
            let _ = tracing::subscriber::set_global_default(warnings);
            return;
        }
        1 => Level::INFO,
        _ => Level::TRACE,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(|| Log);
    let _ = log.with_ansi(has_colours()).without_time().try_init();
}

/// Lines of a server's log that wait to be written; more are lost.
#[cfg(feature = "serve")]
const MOST_LINES: usize = 4096;

/// Time for which [`finish`] waits for whoever reads the log.
#[cfg(feature = "serve")]
const LAST_LINES: Duration = Duration::from_secs(1);

/// Lines that are not yet written, and those that were lost since the last one was.
#[cfg(feature = "serve")]
static UNWRITTEN: AtomicUsize = AtomicUsize::new(0);
#[cfg(feature = "serve")]
static LOST: AtomicUsize = AtomicUsize::new(0);

/// Prints a log with times from now on: that of a server, whose events happen again and again. With or without a line of
/// each request. A thread of its own writes it: one that waited for a full pipe would answer nobody meanwhile.
#[cfg(feature = "serve")]
pub(super) fn log(level: Level, requests: bool) {
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let of_requests =
        if requests { LevelFilter::from_level(level) } else { LevelFilter::from_level(level).min(LevelFilter::WARN) };
    let shown = Targets::new().with_default(level).with_target("clippie_rs::server::guard", of_requests);
    let (lines, waiting) = sync_channel(MOST_LINES);
    let is_begun = thread::Builder::new().name("log".into()).spawn(move || write_lines(&waiting)).is_ok();
    let writer = move || -> Box<dyn Write> { if is_begun { Box::new(Lines(lines.clone())) } else { Box::new(Log) } };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_ansi(has_colours());
    let _ = log.finish().with(shown).try_init();
}

/// Waits until a server's log is written, unless nobody reads it.
#[cfg(feature = "serve")]
pub(super) fn finish() {
    let begun = Instant::now();
    while UNWRITTEN.load(Ordering::Acquire) > 0 && begun.elapsed() < LAST_LINES {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Writes lines as they come, and how many did not.
#[cfg(feature = "serve")]
fn write_lines(waiting: &Receiver<Vec<u8>>) {
    for line in waiting {
        let lost = LOST.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(io::stderr(), "{lost} lines of the log were lost, since it was not read");
        }
        let _ = io::stderr().write_all(&line);
        UNWRITTEN.fetch_sub(1, Ordering::Release);
    }
}

/// Hands lines to the thread that writes them.
#[cfg(feature = "serve")]
struct Lines(SyncSender<Vec<u8>>);

#[cfg(feature = "serve")]
impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        UNWRITTEN.fetch_add(1, Ordering::Relaxed);
        if self.0.try_send(bytes.to_vec()).is_err() {
            UNWRITTEN.fetch_sub(1, Ordering::Relaxed);
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn has_colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Standard error for the log of `-v`, which a full disk or a closed stream must not stop.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What cannot be written cannot be reported either.
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints the library's warnings as messages.
struct Warnings {
    screen: Arc<Screen>,
    printed: Mutex<HashSet<String>>,
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Not those of other crates, whose words are for their authors.
        let own = metadata.target().split("::").next() == module_path!().split("::").next();
        own && metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let text = text.sentence();
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.contains(&text) {
            return;
        }
        if printed.len() < MAX_REMEMBERED {
            printed.insert(text.clone());
        }
        drop(printed);
        self.screen.print("warning: ", &text);
    }

    // Spans are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The text of an event: its message, and its other fields, if it has any.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn sentence(self) -> String {
        match (self.message.is_empty(), self.fields.is_empty()) {
            (_, true) => self.message,
            (true, false) => self.fields,
            (false, false) => format!("{} ({})", self.message, self.fields),
        }
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let separator = if self.fields.is_empty() { "" } else { ", " };
            let _ = write!(self.fields, "{separator}{}: {value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_the_crate_are_printed_once() {
        let screen = Arc::new(Screen::recorded());
        let warnings = Warnings { screen: Arc::clone(&screen), printed: Mutex::default() };
        tracing::subscriber::with_default(warnings, || {
            for _ in 0..3 {
                tracing::warn!("a.png is grey\u{1b}");
            }
            tracing::warn!(path = %"a b", number = 3, text = "x", "this file system has no locks");
            tracing::warn!(number = 4);
            tracing::warn!(target: "clippie_rs_other", "not ours");
            tracing::warn!(target: "ureq", "not ours");
            tracing::info!("no warning");
            let _span = tracing::warn_span!("span").entered();
        });
        assert_eq!(
            screen.recorded_text(),
            "warning: a.png is grey\\u{1b}\n\
             warning: this file system has no locks (path: a b, number: 3, text: x)\n\
             warning: number: 4\n"
        );
    }
}
