//! The threads that work is done on, so that the one of the connections never waits.
//!
//! Their number is fixed and all of them begin with the server: under load it has as many threads as at rest, and each has
//! what it needs of memory. What waits for other servers has threads of its own, since these may be silent for minutes.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::refusal::Refusal;
use super::state::cores;

/// Threads beside those that decode photos, one per core: for bodies and answers, libraries, files that are slow to read.
/// One at rest has 35 KB.
const OTHERS: usize = 8;

/// Time after which a thread without work would end: never.
const KEPT: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A runtime for connections on the calling thread, with all threads for work begun.
///
/// # Errors
/// The system gives no poll or no thread.
pub(super) fn runtime() -> io::Result<Runtime> {
    let threads = cores() + OTHERS;
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(threads)
        .thread_keep_alive(KEPT)
        .thread_name("work")
        .build()?;
    // A thread is begun for work that finds none free: so none is free until the last one has been asked for.
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    for _ in 0..threads {
        let gate = Arc::clone(&gate);
        runtime.spawn_blocking(move || drop(gate.lock()));
    }
    drop(closed);
    Ok(runtime)
}

/// Runs work that computes or reads files on one of the threads. A panic is an answer.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(Refusal::internal)
}

/// Runs work that waits for another server on a thread of its own, which ends with it. The caller bounds their number.
///
/// # Errors
/// The system gives no thread.
pub(super) fn waiting(work: impl FnOnce() + Send + 'static) -> Result<(), Refusal> {
    thread::Builder::new().name("waiting".into()).spawn(work).map(drop).map_err(Refusal::internal)
}
