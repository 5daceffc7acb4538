//! Measures the time that an input takes, for all threads that work on it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::limits::nanoseconds;

/// What counts at most between two looks at the clock. A process may be stopped for hours, or its machine asleep; no
/// decoder works for longer between two looks, apart from codecs that cannot be interrupted anyway.
const LONGEST_STEP: u64 = 5_000_000_000;

/// The time of an input and its limit, in nanoseconds.
#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    limit: Duration,
    /// The last look, since the start.
    last: AtomicU64,
    spent: AtomicU64,
    is_over: AtomicBool,
}

impl Clock {
    /// Starts the clock; `None` where there is none.
    pub fn start(limit: Duration) -> Option<Clock> {
        // WebAssembly without an operating system has no time, and asking for it panics.
        let is_there = !cfg!(all(target_family = "wasm", target_os = "unknown"));
        is_there.then(|| Clock {
            started: Instant::now(),
            limit,
            last: AtomicU64::new(0),
            spent: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Whether the time was over at the last look.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Looks at the clock.
    pub fn look(&self) {
        self.step(nanoseconds(self.started.elapsed()));
    }

    fn step(&self, now: u64) {
        let step = now.saturating_sub(self.last.swap(now, Ordering::Relaxed)).min(LONGEST_STEP);
        let spent = self.spent.fetch_add(step, Ordering::Relaxed).saturating_add(step);
        if spent > nanoseconds(self.limit) {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_adds_up_and_a_pause_counts_little() {
        let second = 1_000_000_000;
        let clock = Clock::start(Duration::from_secs(20)).unwrap();
        for now in 1..=10 {
            clock.step(now * second);
        }
        // Stopped for an hour.
        clock.step(3610 * second);
        assert!(!clock.is_over());
        clock.step(3615 * second);
        assert!(!clock.is_over());
        clock.step(3616 * second);
        assert!(clock.is_over());
        // Another thread's look that was taken before.
        clock.step(0);
        assert!(clock.is_over());
    }
}
