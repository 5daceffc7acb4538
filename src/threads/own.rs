//! A pool whose threads have ended when it has been dropped.

use std::thread::JoinHandle;

use rayon::ThreadPool;

/// A pool of rayon and the threads that run it.
///
/// A pool of rayon alone only tells its threads to end, and they may still run when the library that holds their code is
/// unloaded.
#[derive(Debug)]
pub(super) struct OwnPool {
    /// `None` only while this is dropped.
    pool: Option<ThreadPool>,
    threads: Vec<JoinHandle<()>>,
}

impl OwnPool {
    /// Takes a pool and all of its threads.
    pub fn new(pool: ThreadPool, threads: Vec<JoinHandle<()>>) -> OwnPool {
        OwnPool { pool: Some(pool), threads }
    }

    pub fn pool(&self) -> Option<&ThreadPool> {
        self.pool.as_ref()
    }

    /// Waits until threads have ended that were told to.
    ///
    /// Not on Windows: there the destructor of a thread local, which may own a model, must wait for no thread.
    pub fn join(threads: Vec<JoinHandle<()>>) {
        if cfg!(windows) {
            return;
        }
        for thread in threads {
            // A panic of a thread is reported where its work was asked for.
            _ = thread.join();
        }
    }
}

impl Drop for OwnPool {
    fn drop(&mut self) {
        let Some(pool) = self.pool.take() else { return };
        // A task of a pool may be the last user of a model, and a thread cannot wait for itself.
        let inside = pool.current_thread_index().is_some();
        drop(pool);
        if !inside {
            OwnPool::join(std::mem::take(&mut self.threads));
        }
    }
}

#[cfg(all(test, not(windows)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use super::super::Pool;

    /// Counts the threads on which it was made and that have not ended.
    struct Alive(Arc<AtomicUsize>);

    impl Drop for Alive {
        fn drop(&mut self) {
            // A thread that only had been told to end would still be counted when the pool is gone.
            std::thread::sleep(Duration::from_millis(20));
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    thread_local! {
        static ALIVE: std::cell::RefCell<Option<Alive>> = const { std::cell::RefCell::new(None) };
    }

    #[test]
    fn a_dropped_pool_has_no_threads() {
        for threads in [2, 3] {
            let alive = Arc::new(AtomicUsize::new(0));
            let pool = Pool::new(threads);
            let note = |_: rayon::BroadcastContext<'_>| {
                alive.fetch_add(1, Ordering::SeqCst);
                ALIVE.set(Some(Alive(Arc::clone(&alive))));
            };
            pool.install(|| rayon::broadcast(note));
            assert_eq!(alive.load(Ordering::SeqCst), threads);
            drop(pool);
            assert_eq!(alive.load(Ordering::SeqCst), 0);
        }
    }

    #[test]
    fn a_task_may_drop_its_pool() {
        let pool = Arc::new(Pool::new(2));
        let (send, receive) = mpsc::channel();
        let (last, done) = (Arc::clone(&pool), mpsc::channel::<()>());
        pool.install(|| {
            rayon::spawn(move || {
                _ = done.1.recv();
                drop(last);
                _ = send.send(());
            })
        });
        drop(pool);
        drop(done.0);
        receive.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}
