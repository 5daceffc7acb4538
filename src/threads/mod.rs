//! The threads that work runs on: a pool in this process, with as many threads as can be started.
//!
//! Rayon panics where its global pool cannot be built, and a pool that was built before a `fork` has no threads in the
//! child process, where work would wait for them for ever. So nothing else in this crate uses a pool that it has not
//! got from here: [`Pool`] runs the work of a model; [`for_each`], [`try_for_each`], [`map`] and [`join`] run loops on
//! the pool of the calling thread, on the shared pool, or, where no thread can be started, on the calling thread. Work
//! for one thread is done by the calling thread, which may be one of a pool of the host, and uses no other.
//!
//! Knows nothing about the work.

mod own;
mod process;
mod serial;
mod start;

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::thread::LocalKey;

use process::Generation;
#[cfg(feature = "import")]
pub(crate) use serial::try_for_each;
pub(crate) use serial::{for_each, join, map};

/// The threads of a model. A child process gets its own, as many as the parent has. A pool that was started here has
/// ended when this has been dropped, except on one of its own threads.
#[derive(Debug)]
pub(crate) struct Pool(Option<Generation>);

impl Pool {
    /// The pool of the calling thread, or rayon's global pool.
    pub(crate) fn shared() -> Pool {
        Pool(None)
    }

    /// A new pool; zero threads mean one per core, and one is the calling thread.
    pub(crate) fn new(threads: usize) -> Pool {
        Pool(Some(Generation::with_threads(start::limited(threads))))
    }

    /// A pool of the caller.
    pub(crate) fn given(pool: Arc<rayon::ThreadPool>) -> Pool {
        Pool(Some(Generation::with_pool(pool)))
    }

    /// Runs `work` on a thread of the pool, or on the calling thread if none could be started.
    pub(crate) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Some(generation) => generation.current().install(work),
            None => on_shared_threads(work),
        }
    }

    /// Number of threads of the pool.
    pub(crate) fn threads(&self) -> usize {
        match &self.0 {
            Some(generation) => generation.current().threads(),
            None if is_on_a_pool() => rayon::current_num_threads(),
            None if IS_ALONE.get() => 1,
            None => shared().current().threads(),
        }
    }

    /// Whether the work runs on the calling thread and on no other.
    pub(crate) fn is_caller(&self) -> bool {
        self.0.as_ref().is_some_and(|generation| generation.current().is_caller())
    }

    /// Whether the calling thread is one of those that the work runs on.
    pub(crate) fn is_current(&self) -> bool {
        match &self.0 {
            Some(generation) => generation.current().has_current_thread(),
            None => is_on_a_pool(),
        }
    }
}

/// Number of threads that share work with the calling one: those of its pool.
pub(crate) fn here() -> usize {
    if is_on_a_pool() { rayon::current_num_threads() } else { 1 }
}

thread_local! {
    /// Whether the calling thread does the work of a model without any other.
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

thread_local! {
    /// Whether other threads of the pool have nothing to do but what the calling thread shares with them.
    static HAS_IDLE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, in which [`idle`] counts the threads of the pool if `are`: if there is less to do than there are threads.
pub(crate) fn with_idle<R>(are: bool, work: impl FnOnce() -> R) -> R {
    let _before = Before(&HAS_IDLE, HAS_IDLE.replace(are));
    work()
}

/// Number of threads that can share what one thread could do alone, with the calling one: 1 if the others are not idle.
#[cfg_attr(not(feature = "decode"), allow(dead_code))]
pub(crate) fn idle() -> usize {
    if HAS_IDLE.get() { here() } else { 1 }
}

/// Sets a mark back, also after a panic.
struct Before(&'static LocalKey<Cell<bool>>, bool);

impl Drop for Before {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Runs `work` on the calling thread alone: loops in it use no pool.
fn alone<R>(work: impl FnOnce() -> R) -> R {
    let _before = Before(&IS_ALONE, IS_ALONE.replace(true));
    work()
}

/// Whether loops can be shared with other threads of the pool that the calling thread belongs to.
fn is_on_a_pool() -> bool {
    // Unlike most functions of rayon, this does not build the global pool.
    !IS_ALONE.get() && rayon::current_thread_index().is_some()
}

/// Runs `work` on the pool of the calling thread or on the shared one, or on the calling thread if there is neither.
fn on_shared_threads<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if is_on_a_pool() || IS_ALONE.get() { work() } else { shared().current().install(work) }
}

/// The pool of all work that has no other: rayon's global pool if that can be used.
fn shared() -> &'static Generation {
    static SHARED: OnceLock<Generation> = OnceLock::new();
    SHARED.get_or_init(Generation::global)
}

#[cfg(test)]
mod tests;
