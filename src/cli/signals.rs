//! Ctrl-C and termination: unfinished files are removed, then the signal ends the process as if nobody had caught it.
//!
//! A thread of its own waits for signals, so that it does not matter what the others do: a long computation, a read
//! that does not return. What was downloaded of a model is kept, to be resumed; files under their final names are
//! complete. A command that calls [`stop`] ends early by itself first, with what it has done. A second signal ends the
//! process at once. Windows ends the process without asking; there and after
//! SIGKILL the next process removes what is left.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::CancelToken;

/// Interval at which the thread looks for a signal. The usual ways to wake it need a socket, and a command that does
/// not use the network opens none.
#[cfg(unix)]
const POLL: Duration = Duration::from_millis(50);

/// Longest wait for a command that ends early.
const PATIENCE: Duration = Duration::from_secs(30);

/// Handles the signals from here on.
#[cfg(unix)]
pub(super) fn handle() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    let ignored = ignored();
    // Number of the signal that came.
    let received = Arc::new(AtomicUsize::new(0));
    // Whether a signal ends the process at once: the second one does.
    let at_once = Arc::new(AtomicBool::new(false));
    let wait = {
        let (received, at_once) = (received.clone(), at_once.clone());
        move || {
            let signal = loop {
                thread::sleep(POLL);
                match received.load(Ordering::SeqCst) {
                    0 => {}
                    signal => break signal as i32,
                }
            };
            at_once.store(true, Ordering::SeqCst);
            wait_for_command();
            // From here on no file is begun or completed.
            let _closed = crate::files::close();
            if std::process::id() != 1 {
                let _ = low_level::emulate_default_handler(signal);
            }
            // The first process of a container is immune to what its signals usually do.
            low_level::exit(128 + signal);
        }
    };
    if thread::Builder::new().name("signals".into()).spawn(wait).is_err() {
        return;
    }
    for signal in [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|&signal| !ignored(signal)) {
        let _ = flag::register_conditional_default(signal, at_once.clone());
        let _ = flag::register_usize(signal, received.clone(), signal as usize);
    }
}

/// The command that ends early when a signal comes.
static RUNNING: Mutex<Option<CancelToken>> = Mutex::new(None);

/// A command that ends early with what it has done, instead of at once.
#[cfg(any(feature = "library", feature = "serve"))]
pub(super) struct Stop(CancelToken);

/// From here on the first signal cancels the returned token; the process ends once it is dropped, at [`Stop::end`], or
/// after [`PATIENCE`].
#[cfg(any(feature = "library", feature = "serve"))]
pub(super) fn stop() -> Stop {
    let token = CancelToken::new();
    *running() = Some(token.clone());
    Stop(token)
}

fn running() -> MutexGuard<'static, Option<CancelToken>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(any(feature = "library", feature = "serve"))]
impl Stop {
    /// Set by a signal.
    pub fn token(&self) -> &CancelToken {
        &self.0
    }

    /// From here on the signal that came does not end the process, which ends by itself at once.
    #[cfg(feature = "serve")]
    pub fn finish(self) {
        std::mem::forget(self);
    }

    /// Waits for the end of the process that a signal has announced.
    #[cfg(feature = "library")]
    pub fn end(self) {
        drop(self);
        std::thread::sleep(PATIENCE);
    }
}

#[cfg(any(feature = "library", feature = "serve"))]
impl Drop for Stop {
    fn drop(&mut self) {
        *running() = None;
    }
}

/// Cancels the command, if it is one that ends early, and waits for it.
#[cfg(unix)]
fn wait_for_command() {
    let started = std::time::Instant::now();
    while started.elapsed() < PATIENCE {
        match &*running() {
            Some(token) => token.cancel(),
            None => return,
        }
        std::thread::sleep(POLL);
    }
}

/// Returns whether a signal was ignored when the process started, as under `nohup` and in the background of a script:
/// it is to stay so.
#[cfg(unix)]
fn ignored() -> impl Fn(i32) -> bool {
    // Only Linux tells without system calls that this crate does not make.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    move |signal| match mask {
        Some(mask) => (mask >> (signal - 1)) & 1 == 1,
        // Elsewhere, SIGHUP does what it would have done: nothing under `nohup`.
        None => signal == signal_hook::consts::SIGHUP,
    }
}

/// This system ends the process by itself.
#[cfg(not(unix))]
pub(super) fn handle() {}
