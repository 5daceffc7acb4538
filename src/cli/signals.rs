//! Ctrl-C and termination: unfinished files are removed, then the signal ends the process as if nobody had caught it.
//!
//! A thread of its own waits for signals, so that it does not matter what the others do: a long computation, a read
//! that does not return. What was downloaded of a model is kept, to be resumed; files under their final names are
//! complete. A second signal ends the process at once. Windows ends the process without asking; there and after
//! SIGKILL the next process removes what is left.

/// Handles the signals from here on.
#[cfg(unix)]
pub(super) fn handle() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::{flag, low_level};

    let ignored = ignored();
    let wanted: Vec<i32> = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|&signal| !ignored(signal)).collect();
    // A signal runs these in the order of their registration, so the first one does not see that it has been noticed.
    let started = Arc::new(AtomicBool::new(false));
    for &signal in &wanted {
        let _ = flag::register_conditional_default(signal, started.clone());
    }
    let Ok(mut signals) = Signals::new(&wanted) else {
        started.store(true, Ordering::SeqCst);
        return;
    };
    let wait = {
        let started = started.clone();
        move || {
            let Some(signal) = signals.forever().next() else { return };
            started.store(true, Ordering::SeqCst);
            // From here on no file is begun or completed.
            let _closed = crate::files::close();
            if std::process::id() != 1 {
                let _ = low_level::emulate_default_handler(signal);
            }
            // The first process of a container is immune to what its signals usually do.
            low_level::exit(128 + signal);
        }
    };
    let spawned = std::thread::Builder::new().name("signals".into()).spawn(wait);
    if spawned.is_err() {
        // Nobody waits for the first signal: let it be the one that ends the process at once.
        started.store(true, Ordering::SeqCst);
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
        Some(mask) => mask >> (signal - 1) & 1 == 1,
        // Elsewhere, SIGHUP does what it would have done: nothing under `nohup`.
        None => signal == signal_hook::consts::SIGHUP,
    }
}

/// This system ends the process by itself.
#[cfg(not(unix))]
pub(super) fn handle() {}
