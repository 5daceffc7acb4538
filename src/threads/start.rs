//! Starts pools with as many threads as the system permits.
//!
//! Threads are started before the pool that they become part of: rayon's global pool can be built only once, and one
//! that could not be built would make every later use of it panic, also those of the host.

use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use rayon::{ThreadBuilder, ThreadPoolBuildError, ThreadPoolBuilder};

use super::own::OwnPool;
use super::process::Threads;

/// Threads of a pool for each core beyond which more only cost memory.
const MOST_PER_CORE: usize = 4;

/// Threads that a pool may have on any machine.
const MOST_ANYWHERE: usize = 64;

/// Time in which a thread of the global pool must answer. Those of a process that has forked from the one that built
/// the pool never do; busy ones may not either, and then we use threads of our own.
const ANSWER: Duration = Duration::from_secs(1);

/// Bytes that must be free after the start of a thread, for the work: the stacks of a pool can take all that a process
/// may have, and an allocation that fails then ends it.
const HEADROOM: usize = 64 << 20;

/// Bounds a number of threads for a pool.
pub(super) fn limited(threads: usize) -> usize {
    let most = MOST_ANYWHERE.max(MOST_PER_CORE * cores());
    if threads > most {
        tracing::warn!("{threads} threads are more than this processor can use; working with {most}");
    }
    threads.min(most)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Number of threads for a pool of `threads`, where zero means one per core, or what rayon's variable says.
fn number(threads: usize) -> usize {
    let by_variable = || std::env::var("RAYON_NUM_THREADS").ok()?.parse().ok().filter(|&threads: &usize| threads > 0);
    if threads > 0 { threads } else { by_variable().map_or_else(cores, limited) }
}

/// Builds a pool of this many threads, or of fewer. For one, the caller is as good.
pub(super) fn pool(threads: usize) -> Threads {
    let wanted = number(threads);
    if wanted == 1 {
        return Threads::Caller;
    }
    let (started, failed) = start(wanted, |index| Builder::new().name(format!("clippie-{index}")));
    match failed {
        Some(error) => fewer(started, wanted, &error),
        None => build(started).unwrap_or_else(|error| fewer(Vec::new(), wanted, &error)),
    }
}

/// Builds rayon's global pool if the host has not done so. Where it cannot be used, builds a pool of our own.
pub(super) fn global() -> Threads {
    let wanted = number(0);
    let (started, failed) = start(wanted, |_| Builder::new());
    if let Some(error) = failed {
        // The host may have built the global pool, but there is no way to know that without building it.
        return fewer(started, wanted, &error);
    }
    let (seats, _) = places(started);
    match ThreadPoolBuilder::new().num_threads(wanted).spawn_handler(seat(seats)).build_global() {
        Ok(()) => Threads::Global,
        Err(_) if answers() => Threads::Global,
        Err(_) => pool(0),
    }
}

/// A thread that waits for its place in a pool, and ends if this is dropped.
struct Started {
    seat: Sender<ThreadBuilder>,
    thread: JoinHandle<()>,
}

/// Starts threads until one cannot be started.
fn start(threads: usize, builder: impl Fn(usize) -> Builder) -> (Vec<Started>, Option<io::Error>) {
    let mut started = Vec::with_capacity(threads);
    for index in 0..threads {
        let (send, receive) = mpsc::channel::<ThreadBuilder>();
        let run = move || {
            if let Ok(thread) = receive.recv() {
                thread.run();
            }
        };
        match builder(index).spawn(run).and_then(|thread| has_headroom().map(|()| thread)) {
            Ok(thread) => started.push(Started { seat: send, thread }),
            Err(error) => return (started, Some(error)),
        }
    }
    (started, None)
}

fn has_headroom() -> io::Result<()> {
    let mut room = Vec::<u8>::new();
    room.try_reserve_exact(HEADROOM).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    // Otherwise the compiler may leave out the allocation. No page of it is touched.
    std::hint::black_box(room.as_ptr());
    Ok(())
}

/// The places that threads wait for, and the threads.
fn places(started: Vec<Started>) -> (Vec<Sender<ThreadBuilder>>, Vec<JoinHandle<()>>) {
    started.into_iter().map(|Started { seat, thread }| (seat, thread)).unzip()
}

/// Ends threads that get no place.
fn end(started: Vec<Started>) {
    let (seats, threads) = places(started);
    drop(seats);
    OwnPool::join(threads);
}

/// Gives each of these threads its place in a pool.
fn seat(seats: Vec<Sender<ThreadBuilder>>) -> impl FnMut(ThreadBuilder) -> io::Result<()> {
    let mut seats = seats.into_iter();
    move |thread| {
        let seat = seats.next().ok_or_else(|| io::Error::other("the pool has more threads than were started"))?;
        seat.send(thread).map_err(|error| io::Error::other(error.to_string()))
    }
}

fn build(started: Vec<Started>) -> Result<Threads, ThreadPoolBuildError> {
    let (seats, threads) = places(started);
    let pool = ThreadPoolBuilder::new().num_threads(threads.len()).spawn_handler(seat(seats)).build()?;
    Ok(Threads::Own(OwnPool::new(pool, threads)))
}

/// Builds a pool of some of the threads that could be started: the host may need some itself. With one thread, the
/// caller is as good.
fn fewer(mut started: Vec<Started>, wanted: usize, error: &dyn Display) -> Threads {
    end(started.split_off(started.len().div_ceil(2)));
    let threads = started.len();
    if threads < 2 {
        end(started);
    } else if let Ok(pool) = build(started) {
        tracing::warn!("cannot start {wanted} threads ({error}); working with {threads}");
        return pool;
    }
    tracing::warn!("cannot start {wanted} threads ({error}); working on the calling thread alone");
    Threads::Caller
}

/// Whether the global pool, which exists, has a thread in this process.
fn answers() -> bool {
    let (send, receive) = mpsc::channel();
    // Panics if the host tried to build the pool and could not.
    catch_unwind(AssertUnwindSafe(|| rayon::spawn(move || _ = send.send(())))).is_ok()
        && receive.recv_timeout(ANSWER).is_ok()
}
