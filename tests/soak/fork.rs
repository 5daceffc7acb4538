//! A child process that forks from a host with running pools has none of their threads.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, abort};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clippie_rs::{Clip, Options};

use crate::alone::alone;
use crate::{PHOTO, embeddings, open};

/// Seconds after which a child process is ended.
const DEADLINE: u64 = 30;

/// Runs `work` in a forked child process; whether it succeeded.
#[allow(unsafe_code)] // `fork` is unsafe: see below.
fn in_a_fork(mut work: impl FnMut() -> bool + Send + Sync + 'static) -> bool {
    let mut command = Command::new("true");
    let run = move || {
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(DEADLINE));
            abort();
        });
        if work() { Ok(()) } else { Err(io::Error::other("the work failed")) }
    };
    // SAFETY: between `fork` and `exec` the C library supports only functions that are safe in signal handlers, and more
    // in practice: allocation and new threads. That the library needs no more than these is what the tests show.
    unsafe { command.pre_exec(run) };
    let begin = Instant::now();
    let status = command.status();
    assert!(begin.elapsed() < Duration::from_secs(DEADLINE), "the child did not come to an end: {status:?}");
    status.is_ok_and(|status| status.success())
}

/// Uses `clip` here, then in a child process and in a child of that, where it is dropped.
fn survives_fork(clip: Clip) {
    let expected = embeddings(&clip);
    let mut clip = Some(clip);
    let work = move || {
        let Some(clip) = clip.take() else { return false };
        let (expected, grandchild) = (expected.clone(), clip.clone());
        let same = embeddings(&clip) == expected && clip.image().stream([PHOTO; 40]).all(|(_, row)| row.is_ok());
        drop(clip);
        same && in_a_fork(move || embeddings(&grandchild) == expected)
    };
    assert!(in_a_fork(work));
}

#[test]
fn the_default_pool_is_replaced() {
    alone("fork::the_default_pool_is_replaced", &[("RAYON_NUM_THREADS", "3")], 100, || {
        let clip = open(Options::new());
        survives_fork(clip.clone());
        // The parent's threads are still there.
        assert_eq!(embeddings(&clip), embeddings(&clip));
    });
}

#[test]
fn the_pool_of_a_model_is_replaced() {
    alone("fork::the_pool_of_a_model_is_replaced", &[], 100, || survives_fork(open(Options::new().threads(2))));
}

#[test]
fn the_pool_of_the_host_is_replaced() {
    alone("fork::the_pool_of_the_host_is_replaced", &[], 100, || {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
        survives_fork(open(Options::new().pool(pool)));
    });
}

/// The library sees the global pool of the host for the first time in the child, where it has no threads.
#[test]
fn a_global_pool_of_the_parent_is_not_used() {
    alone("fork::a_global_pool_of_the_parent_is_not_used", &[], 100, || {
        rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
        assert_eq!(rayon::broadcast(|_| ()).len(), 2);
        assert!(in_a_fork(|| embeddings(&open(Options::new())).len() > 70));
        assert!(embeddings(&open(Options::new())).len() > 70);
    });
}

#[test]
fn a_stream_ends_in_the_child() {
    alone("fork::a_stream_ends_in_the_child", &[], 100, || {
        let clip = open(Options::new().threads(2));
        let mut stream = clip.image().stream([PHOTO; 200]).chunk(2);
        assert_eq!(stream.by_ref().take(3).count(), 3);
        // In the child, the stream is used and dropped.
        let stream = Arc::new(std::sync::Mutex::new(Some(stream)));
        let copy = Arc::clone(&stream);
        assert!(in_a_fork(move || {
            let Some(mut stream) = copy.lock().unwrap().take() else { return false };
            // At most what had been encoded before.
            let ended = stream.by_ref().count() <= 16;
            drop(stream);
            ended
        }));
        assert_eq!(stream.lock().unwrap().take().unwrap().count(), 197);
    });
}

/// The thread that forks belongs to a pool whose other threads the child does not have.
#[test]
fn a_task_of_a_pool_may_fork() {
    alone("fork::a_task_of_a_pool_may_fork", &[], 100, || {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap());
        for options in [Options::new(), Options::new().threads(2), Options::new().pool(Arc::clone(&pool))] {
            let clip = open(options);
            let expected = embeddings(&clip);
            assert!(pool.install(move || in_a_fork(move || embeddings(&clip) == expected)));
        }
    });
}
