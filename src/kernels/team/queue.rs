//! The queue of a team: the open operation and which worker takes which of its tasks.
//!
//! Every worker has a share of the tasks of an operation, the same part of every operation, so that a thread reads
//! what it wrote itself where possible: a cache line that another core wrote costs ten nanoseconds. A worker that has
//! finished its share steals from the ends of the others'.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Spins before a waiting thread yields its core: some microseconds.
const SPINS: usize = 100;

/// The leader posts operations here; all threads of the team take tasks.
#[derive(Debug)]
pub(super) struct TaskQueue {
    /// Number of the last posted operation, or [`CLOSED`].
    posted: CacheLine<AtomicU64>,
    /// Unfinished tasks of that operation.
    unfinished: CacheLine<AtomicUsize>,
    /// The rest of each worker's share; the leader's is the first.
    shares: Box<[CacheLine<AtomicU64>]>,
    job: UnsafeCell<Option<*const Work<'static>>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whether any worker has joined.
    joined: AtomicBool,
}

/// Largest number of tasks of an operation.
pub(super) const MAX_TASKS: usize = (1 << Share::BITS) - 1;

/// Marks the end of the pass, after the last operation.
const CLOSED: u64 = u64::MAX;

/// A value that shares no cache line with another. Some processors fetch lines in pairs, hence 128.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CacheLine<T>(T);

/// The function of an operation, called with the numbers of a task and of the worker that runs it.
type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// The tasks that a worker runs if all workers are equally fast.
pub(in super::super) fn share_of(worker: usize, workers: usize, tasks: usize) -> Range<usize> {
    tasks * worker / workers..tasks * (worker + 1) / workers
}

/// The tasks of a share that are not taken: the number of the operation and the range of tasks, in one word that is
/// exchanged atomically.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Share(u64);

impl Share {
    /// Bits of the number of a task.
    const BITS: u32 = 20;

    fn new(operation: u64, begin: usize, end: usize) -> Share {
        Share(operation << (2 * Share::BITS) | (begin << Share::BITS | end) as u64)
    }

    fn begin(self) -> usize {
        (self.0 >> Share::BITS) as usize & MAX_TASKS
    }

    fn end(self) -> usize {
        self.0 as usize & MAX_TASKS
    }

    /// Takes the first task: its number and the rest of the share.
    fn first(self) -> Option<(usize, Share)> {
        (self.begin() < self.end()).then(|| (self.begin(), Share(self.0 + (1 << Share::BITS))))
    }

    /// Takes the last task: its number and the rest of the share.
    fn last(self) -> Option<(usize, Share)> {
        (self.begin() < self.end()).then(|| (self.end() - 1, Share(self.0 - 1)))
    }
}

// SAFETY: the leader writes `job` while no operation is open; only threads that have taken a task of the open operation
// read it. `run_tasks` orders these accesses, and the operation ends after all its tasks. The function is `Sync`.
unsafe impl Sync for TaskQueue {}
// SAFETY: as above; dropping a queue does not use the pointer.
unsafe impl Send for TaskQueue {}

impl TaskQueue {
    pub(super) fn new(workers: usize) -> TaskQueue {
        TaskQueue {
            posted: CacheLine::default(),
            unfinished: CacheLine::default(),
            shares: (0..workers).map(|_| CacheLine::default()).collect(),
            job: UnsafeCell::new(None),
            joined: AtomicBool::new(false),
            panic: Mutex::new(None),
        }
    }

    /// Runs an operation to its end, and `after_task` after each task of the leader.
    ///
    /// # Safety
    /// Only the leader may call this, and not while an operation is open.
    pub(super) unsafe fn run(&self, tasks: usize, work: &Work<'_>, after_task: impl FnMut()) {
        assert!(tasks <= MAX_TASKS);
        // SAFETY: only the lifetime changes. Only threads that have taken a task use the reference, and this function
        // returns, or unwinds, after all tasks are done.
        let work = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: no operation is open, so no other thread accesses the job.
        unsafe { *self.job.get() = Some(work) };
        self.unfinished.0.store(tasks, Ordering::Relaxed);
        let operation = self.posted.0.load(Ordering::Relaxed) + 1;
        let workers = self.shares.len();
        for (i, share) in self.shares.iter().enumerate() {
            let tasks = share_of(i, workers, tasks);
            share.0.store(Share::new(operation, tasks.start, tasks.end).0, Ordering::Release);
        }
        self.posted.0.store(operation, Ordering::Release);
        // SAFETY: number 0 is the leader's.
        unsafe { self.run_tasks(0, after_task) };
        wait(|| self.unfinished.0.load(Ordering::Acquire) == 0);
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Keeps the first panic for the leader. Later ones are leaked: dropping a payload runs code that may panic.
    fn record(&self, panic: Box<dyn Any + Send>) {
        let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        match &*first {
            None => *first = Some(panic),
            Some(_) => std::mem::forget(panic),
        }
    }

    /// Runs the tasks of a worker's share from the first on, then those of other shares from the last on, until no task
    /// is left.
    ///
    /// # Safety
    /// No other thread may work under the same number.
    unsafe fn run_tasks(&self, worker: usize, mut after_task: impl FnMut()) {
        let workers = self.shares.len();
        let mut done = 0;
        for i in 0..workers {
            let share = &self.shares[(worker + i) % workers].0;
            let mut seen = share.load(Ordering::Acquire);
            loop {
                let next = if i == 0 { Share(seen).first() } else { Share(seen).last() };
                let Some((task, rest)) = next else { break };
                // The number of the operation is compared, too: the task is one of the operation that was seen.
                if let Err(now) = share.compare_exchange_weak(seen, rest.0, Ordering::Acquire, Ordering::Acquire) {
                    seen = now;
                    continue;
                }
                // SAFETY: a task of this operation is taken and not yet counted as done, so it is open and its job is
                // valid; the exchange read what the leader released after writing it.
                let job = unsafe { *self.job.get() };
                if let Some(work) = job {
                    // SAFETY: as above, the leader's reference is alive.
                    let work = unsafe { &*work };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(task, worker))) {
                        self.record(panic);
                    }
                }
                done += 1;
                // Unwinding from here would leave other threads with a job that is gone.
                if let Err(panic) = catch_unwind(AssertUnwindSafe(&mut after_task)) {
                    self.record(panic);
                }
                seen = share.load(Ordering::Acquire);
            }
        }
        // All were tasks of one operation, which could not end before this.
        if done > 0 {
            self.unfinished.0.fetch_sub(done, Ordering::Release);
        }
    }

    /// Runs tasks of all operations until the pass is over.
    ///
    /// # Safety
    /// No other thread may work under the same number; 0 is the leader's.
    pub(super) unsafe fn work(&self, worker: usize) {
        self.joined.store(true, Ordering::Relaxed);
        let mut last = 0;
        while !self.is_closed() {
            wait(|| self.posted.0.load(Ordering::Relaxed) != last);
            last = self.posted.0.load(Ordering::Acquire);
            // SAFETY: the caller's promise.
            unsafe { self.run_tasks(worker, || {}) };
        }
    }

    /// Ends the pass: workers return.
    pub(super) fn close(&self) {
        self.posted.0.store(CLOSED, Ordering::Release);
    }

    pub(super) fn was_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.posted.0.load(Ordering::Relaxed) == CLOSED
    }
}

/// Waits for another thread: spins first, then yields the core.
fn wait(ready: impl Fn() -> bool) {
    for _ in 0..SPINS {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
    while !ready() {
        std::thread::yield_now();
    }
}
