//! The threads that encode the chunks of a stream. In a child process that forked meanwhile they do not exist.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::{Ahead, CancelToken, Encoded};
use crate::threads::Pool;

/// Number of chunks that are encoded at the same time. With two, threads are idle for about 1 % of the time (200
/// photos, ViT-B/32, 2 threads).
pub(super) const WORKERS: usize = 2;

/// A chunk that was encoded.
pub(super) struct Done<T> {
    pub inputs: Vec<T>,
    /// The embeddings, or the payload of a panic.
    pub outcome: Result<Encoded, Box<dyn Any + Send>>,
}

/// A chunk to encode.
struct Job<T> {
    inputs: Vec<T>,
    /// What is read of the inputs meanwhile.
    ahead: Vec<Option<Ahead>>,
    cancel: CancelToken,
    done: Sender<Done<T>>,
}

/// Encodes a chunk, of which some inputs may have been read.
type Work<T> = dyn Fn(&[T], &[Option<Ahead>], &CancelToken) -> Encoded + Send + Sync;

impl<T> Job<T> {
    fn run(self, work: &Work<T>) {
        let Job { inputs, ahead, cancel, done } = self;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&inputs, &ahead, &cancel)));
        // Fails if the stream was dropped.
        let _ = done.send(Done { inputs, outcome });
    }
}

/// Threads that encode chunks. They start with the first chunks and end when this is dropped.
pub(super) struct Workers<T> {
    work: Arc<Work<T>>,
    /// The threads that the work runs on.
    pool: Arc<Pool>,
    /// `None` once the threads must end.
    jobs: Option<Sender<Job<T>>>,
    queue: Arc<Mutex<Receiver<Job<T>>>>,
    threads: Vec<JoinHandle<()>>,
    /// The process that started them.
    process: u32,
    /// Whether no thread can be started, or none may be: the work is for the calling thread alone.
    alone: bool,
}

impl<T> Workers<T> {
    pub fn new(
        pool: Arc<Pool>,
        work: impl Fn(&[T], &[Option<Ahead>], &CancelToken) -> Encoded + Send + Sync + 'static,
    ) -> Self {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let (threads, alone) = (Vec::new(), pool.is_caller());
        Workers { work: Arc::new(work), pool, jobs: Some(jobs), queue, threads, process: 0, alone }
    }

    /// Whether this is a copy in a child process, without the threads and their chunks.
    pub fn are_lost(&self) -> bool {
        !self.threads.is_empty() && self.process != process::id()
    }

    pub fn submit(&mut self, inputs: Vec<T>, ahead: Vec<Option<Ahead>>, cancel: &CancelToken) -> Receiver<Done<T>>
    where
        T: Send + 'static,
    {
        let (done, receive) = mpsc::channel();
        let job = Job { inputs, ahead, cancel: cancel.clone(), done };
        if self.pool.is_current() {
            // The work may need this very thread. Waiting for workers would mean to run other tasks of the pool here, and
            // those may consume streams, too, without end.
            job.run(&*self.work);
            return receive;
        }
        if self.threads.len() < WORKERS && !self.alone {
            let (work, queue) = (Arc::clone(&self.work), Arc::clone(&self.queue));
            let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let run = move || {
                while let Ok(job) = next() {
                    job.run(&*work);
                }
            };
            match thread::Builder::new().name("clippie-stream".into()).spawn(run) {
                Ok(thread) => {
                    self.process = process::id();
                    self.threads.push(thread);
                }
                // One worker is enough; without any, the caller encodes the chunks.
                Err(error) => {
                    let with = if self.threads.is_empty() { "the calling thread" } else { "one thread" };
                    tracing::warn!("cannot start a thread for a stream ({error}); {with} encodes its inputs");
                    self.alone = true;
                }
            }
        }
        match &self.jobs {
            Some(jobs) if !self.threads.is_empty() => {
                if let Err(mpsc::SendError(job)) = jobs.send(job) {
                    job.run(&*self.work);
                }
            }
            _ => job.run(&*self.work),
        }
        receive
    }

    /// Waits for a chunk. If this stream came to a thread of the pool with chunks at work, the thread runs tasks of its
    /// pool meanwhile, because the chunks may need it.
    pub fn wait(&self, chunk: &Receiver<Done<T>>) -> Option<Done<T>> {
        /// Interval of the checks for tasks of the pool.
        const PAUSE: Duration = Duration::from_micros(100);
        if let Ok(done) = chunk.try_recv() {
            return Some(done);
        }
        if self.are_lost() {
            return None;
        }
        while self.pool.is_current() {
            let pause = if rayon::yield_now() == Some(rayon::Yield::Executed) { Duration::ZERO } else { PAUSE };
            match chunk.recv_timeout(pause) {
                Ok(done) => return Some(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        chunk.recv().ok()
    }
}

impl<T> Drop for Workers<T> {
    fn drop(&mut self) {
        if self.are_lost() {
            // Nobody is there to join, and a lost thread may hold locks of the queue for ever.
            mem::forget((self.jobs.take(), mem::take(&mut self.threads)));
            return;
        }
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Panics are caught where they happen.
            let _ = thread.join();
        }
    }
}
