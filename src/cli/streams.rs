//! The standard streams: which of them were closed when the command started.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// The standard streams that were closed when the process started, as a shell does with `>&-`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClosedStreams {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
}

static STDIN_CLOSED: AtomicBool = AtomicBool::new(false);
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Remembers the closed streams.
pub(super) fn init(closed: ClosedStreams) {
    STDIN_CLOSED.store(closed.stdin, Ordering::Relaxed);
    STDOUT_CLOSED.store(closed.stdout, Ordering::Relaxed);
}

/// Standard input.
///
/// # Errors
/// It is closed.
pub(super) fn stdin() -> io::Result<io::StdinLock<'static>> {
    if STDIN_CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed; redirect a file or a pipe to it"));
    }
    Ok(io::stdin().lock())
}

/// Standard output.
///
/// # Errors
/// It is closed. What is written to it would be lost without an error.
pub(super) fn stdout() -> io::Result<io::Stdout> {
    if STDOUT_CLOSED.load(Ordering::Relaxed) {
        return Err(io::Error::other("it is closed; redirect it to a file or a pipe"));
    }
    Ok(io::stdout())
}
