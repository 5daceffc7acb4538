//! The threads of one process and of those that fork from it.

use std::sync::{Arc, OnceLock};

use rayon::ThreadPool;

use super::own::OwnPool;
use super::{alone, is_on_a_pool, start};

/// The number of this process. WebAssembly has no processes, and its standard library panics when asked for one.
fn process_id() -> u32 {
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

/// What work runs on.
#[derive(Debug)]
pub(super) enum Threads {
    /// Rayon's global pool, which runs in this process.
    Global,
    /// A pool of the caller.
    Given(Arc<ThreadPool>),
    Own(OwnPool),
    /// The calling thread: one was wanted, or no other could be started.
    Caller,
}

impl Threads {
    /// The pool, if it is a known one.
    fn pool(&self) -> Option<&ThreadPool> {
        match self {
            Threads::Given(pool) => Some(pool),
            Threads::Own(own) => own.pool(),
            Threads::Global | Threads::Caller => None,
        }
    }
}

/// The threads of one process. `fork` copies this and the state of its pool into the child, but not the threads.
#[derive(Debug)]
pub(super) struct Generation {
    process: u32,
    /// `None` only while it is dropped.
    threads: Option<Threads>,
    /// Number of threads wanted; zero means one per core.
    wanted: usize,
    /// Set in a child process.
    next: OnceLock<Box<Generation>>,
}

impl Generation {
    fn new(threads: Threads, wanted: usize) -> Generation {
        Generation { process: process_id(), threads: Some(threads), wanted, next: OnceLock::new() }
    }

    /// Uses rayon's global pool, or one like it.
    pub fn global() -> Generation {
        match start::global() {
            Threads::Global => Generation::new(Threads::Global, rayon::current_num_threads()),
            threads => Generation::new(threads, 0),
        }
    }

    pub fn with_pool(pool: Arc<ThreadPool>) -> Generation {
        let threads = pool.current_num_threads();
        Generation::new(Threads::Given(pool), threads)
    }

    /// Starts a pool of this many threads, or of those that can be started; zero means one per core.
    pub fn with_threads(threads: usize) -> Generation {
        Generation::new(start::pool(threads), threads)
    }

    /// Returns the threads of this process; starts them in a child process that has none.
    pub fn current(&self) -> &Generation {
        let process = process_id();
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        if last.process == process {
            return last;
        }
        last.next.get_or_init(|| Box::new(Generation::with_threads(last.wanted)))
    }

    /// The pool, if it is a known one.
    fn pool(&self) -> Option<&ThreadPool> {
        self.threads.as_ref()?.pool()
    }

    fn is_global(&self) -> bool {
        matches!(self.threads, Some(Threads::Global))
    }

    /// Runs `work` on these threads.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.pool() {
            Some(pool) => pool.install(work),
            // Moves to a thread of the pool.
            None if self.is_global() && !is_on_a_pool() => rayon::scope(|_| work()),
            None if self.is_global() => work(),
            None => alone(work),
        }
    }

    pub fn is_caller(&self) -> bool {
        matches!(self.threads, Some(Threads::Caller))
    }

    pub fn threads(&self) -> usize {
        match self.pool() {
            Some(pool) => pool.current_num_threads(),
            None if self.is_global() => self.wanted,
            None => 1,
        }
    }

    pub fn has_current_thread(&self) -> bool {
        match self.pool() {
            Some(pool) => pool.current_thread_index().is_some(),
            None => self.is_global() && is_on_a_pool(),
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if self.process != process_id() {
            // The threads are not there to be told to end, and locks of the pool may be held by one of them for ever.
            std::mem::forget(self.threads.take());
        }
    }
}
