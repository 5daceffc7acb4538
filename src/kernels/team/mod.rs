//! Threads that share the operations of one forward pass.
//!
//! A pass is some hundred operations of ten to a thousand microseconds, one after the other. Dispatching each of them
//! to a thread pool costs more than many of them take: between two operations the threads of the pool fall asleep, and
//! waking one takes about thirty microseconds. So a pass recruits its workers once. They are threads of the rayon
//! pool; they take tasks of the current operation and spin until the next one, until the pass ends.
//!
//! The leader, the thread that runs the pass, never waits for a worker to arrive: it runs the tasks that no worker has
//! taken. So concurrent passes share the threads of one pool as these become free, and no pass waits for another.

mod queue;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::output::Shared;
use crate::threads;
pub(super) use queue::share_of;
use queue::{MAX_TASKS, TaskQueue};

/// Tasks per thread in an operation: enough to balance the load when other programs take time from a core.
const TASKS_PER_THREAD: usize = 8;

/// Rows for which a group of threads reads the weights separately: enough that arithmetic takes longer than reading.
/// Threads that have the same rows in all operations find most of what they read in their own caches.
const GROUP_ROWS: usize = 96;

/// Time that a pass runs on the leader only. Waking a thread would take longer than such a pass.
const WAKE_DELAY: Duration = Duration::from_micros(50);

/// The threads of one pass: the leader and workers from the current rayon pool, which are released on drop.
#[derive(Debug)]
pub(crate) struct Workers {
    queue: Arc<TaskQueue>,
    threads: usize,
    /// When the pass began. One thread has nobody to wake and reads no clock, which wasm32 lacks.
    begin: Option<Instant>,
    wake_delay: Duration,
    /// Whether the workers were woken.
    woken: Cell<bool>,
    /// Whether an operation is running.
    running: Cell<bool>,
}

impl Workers {
    /// Prepares all threads of the current pool to work with the calling one. They are woken only if the pass takes
    /// longer than [`WAKE_DELAY`].
    pub(crate) fn gather() -> Workers {
        Workers::new(threads::here(), WAKE_DELAY)
    }

    fn new(threads: usize, wake_delay: Duration) -> Workers {
        Workers {
            queue: Arc::new(TaskQueue::new(threads)),
            threads,
            begin: (threads > 1).then(Instant::now),
            wake_delay,
            woken: Cell::new(false),
            running: Cell::new(false),
        }
    }

    /// Like [`Workers::gather`], but the first operation wakes the threads.
    #[cfg(test)]
    pub(crate) fn without_delay() -> Workers {
        Workers::new(threads::here(), Duration::ZERO)
    }

    /// A team of this size in which only the leader works.
    #[cfg(test)]
    pub(crate) fn leader_only(threads: usize) -> Workers {
        Workers::new(threads, Duration::MAX)
    }

    /// The team of the leader and the workers.
    pub(crate) fn team(&mut self) -> Team<'_> {
        Team { workers: (self.threads > 1).then_some(self), threads: self.threads }
    }

    fn wake_when_due(&self) {
        if !self.woken.get() && self.begin.is_some_and(|begin| begin.elapsed() >= self.wake_delay) {
            self.woken.set(true);
            // SAFETY: the first call for this queue, as `woken` was false.
            unsafe { spawn_worker(&self.queue, 1, self.threads) };
        }
    }

    /// Runs an operation and returns true, or returns false if one is running, which calls this from a task.
    fn run(&self, tasks: usize, work: &(dyn Fn(usize, usize) + Sync)) -> bool {
        /// Ends the operation, also when a task panics.
        struct Running<'a>(&'a Cell<bool>);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        if self.running.replace(true) {
            return false;
        }
        let _running = Running(&self.running);
        self.wake_when_due();
        // SAFETY: `Workers` is not `Sync`, so only this thread calls this, and `running` was false, so no operation is
        // open.
        unsafe { self.queue.run(tasks, work, || self.wake_when_due()) };
        true
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.close();
        if self.woken.get() && !self.queue.was_joined() {
            // The job that starts the workers is the last that this thread queued. Running it now, when it returns at
            // once, keeps jobs that no thread took from piling up behind a long one. If another thread took it
            // meanwhile, it also took all jobs before it.
            rayon::yield_local();
        }
    }
}

/// Queues worker `index` in the pool. A worker that starts queues two more, so that the leader does not spend its time
/// on waking many threads.
///
/// # Safety
/// At most one call for a queue, with index 1; the workers make the others.
unsafe fn spawn_worker(queue: &Arc<TaskQueue>, index: usize, threads: usize) {
    if index < threads {
        let queue = Arc::clone(queue);
        rayon::spawn(move || {
            if !queue.is_closed() {
                // SAFETY: from 2 on, every index is spawned once, by its half, so each is that of one thread; 0 is the
                // leader's.
                unsafe {
                    spawn_worker(&queue, 2 * index, threads);
                    spawn_worker(&queue, 2 * index + 1, threads);
                    queue.work(index);
                }
            }
        });
    }
}

/// The threads on which the operations of a pass run: the calling thread, with or without [`Workers`].
///
/// Only the leader starts operations: `Workers` contains a cell, so a team cannot move to another thread, and tasks,
/// which may run on any thread, cannot capture one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Team<'a> {
    workers: Option<&'a Workers>,
    threads: usize,
}

impl Team<'_> {
    /// Only the calling thread, while other threads work on other inputs.
    pub(crate) const SERIAL: Team<'static> = Team { workers: None, threads: 1 };

    /// Threads that may take part, the leader included: [`Team::run_by_worker`] numbers them.
    pub(crate) fn threads(self) -> usize {
        self.threads
    }

    /// Tasks that an operation should be split into.
    pub(crate) fn tasks(self) -> usize {
        if self.threads == 1 { 1 } else { self.threads * TASKS_PER_THREAD }
    }

    /// Like [`Team::tasks`], for an operation with at most `most` tasks of a useful size: an equal number for every
    /// thread.
    pub(crate) fn tasks_of(self, most: usize) -> usize {
        match most.min(self.tasks()) {
            0 => 1,
            tasks if tasks < self.threads => tasks,
            tasks => tasks - tasks % self.threads,
        }
    }

    /// Number of groups of threads that `rows` are split into: as many as are worthwhile, all of the same size.
    pub(crate) fn row_groups(self, rows: usize) -> usize {
        let fits = |groups: &usize| self.threads.is_multiple_of(*groups) && rows / groups >= GROUP_ROWS;
        (1..=self.threads).rev().find(fits).unwrap_or(1)
    }

    /// Calls `work` once for every task in `0..tasks`. The tasks must not depend on each other.
    pub(crate) fn run(self, tasks: usize, work: impl Fn(usize) + Sync) {
        self.run_by_worker(tasks, |task, _| work(task));
    }

    /// Calls `work(task, worker)` once for every task in `0..tasks`. Workers are numbered below [`Team::threads`]; each
    /// runs one task at a time, those of its share in ascending order.
    pub(crate) fn run_by_worker(self, tasks: usize, work: impl Fn(usize, usize) + Sync) {
        if let Some(workers) = self.workers
            && (2..=MAX_TASKS).contains(&tasks)
            && workers.run(tasks, &work)
        {
            return;
        }
        (0..tasks).for_each(|task| work(task, 0));
    }

    /// Calls `work(task, worker, scratch)` once for every task, with `len` floats of `scratch` for every worker. The
    /// next task of the same worker finds what a task left there, in the cache of its core.
    pub(crate) fn run_with_scratch(
        self,
        tasks: usize,
        (scratch, len): (&mut [f32], usize),
        work: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        assert!(scratch.len() >= self.threads() * len, "scratch shorter than planned");
        let scratch = Shared::new(scratch);
        self.run_by_worker(tasks, |task, worker| {
            // SAFETY: workers have disjoint ranges and run one task at a time.
            let scratch = unsafe { scratch.slice(worker * len..(worker + 1) * len) };
            work(task, worker, scratch);
        });
    }

    /// Calls `work(row, slice)` for every row of `stride` floats in `data`, of which the last may be shorter. A task
    /// has at least `grain` rows.
    pub(crate) fn rows(self, data: &mut [f32], stride: usize, grain: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        let len = data.len();
        let rows = if stride == 0 { 0 } else { len.div_ceil(stride) };
        let tasks = self.tasks_of(rows / grain);
        let shared = Shared::new(data);
        self.run(tasks, |task| {
            for row in rows * task / tasks..rows * (task + 1) / tasks {
                let begin = row * stride;
                // SAFETY: a row belongs to one task, and rows do not overlap.
                let slice = unsafe { shared.slice(begin..begin + stride.min(len - begin)) };
                work(row, slice);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    /// Runs `work` in a pool of two whose other thread is busy.
    fn with_a_busy_thread(work: impl FnOnce() + Send) {
        let pool = pool(2);
        let (go, wait) = mpsc::channel::<()>();
        pool.spawn(move || wait.recv().unwrap());
        pool.install(work);
        go.send(()).unwrap();
    }

    /// Waits up to a minute until `what` is true.
    fn becomes_true(what: impl Fn() -> bool) -> bool {
        let begin = Instant::now();
        while !what() {
            if begin.elapsed() > Duration::from_secs(60) {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    fn each_once(team: Team<'_>, tasks: usize) {
        let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        team.run(tasks, |task| {
            counts[task].fetch_add(1, Ordering::Relaxed);
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{tasks}");
    }

    #[test]
    fn every_task_is_done_once() {
        for threads in [1, 2, 3, 8] {
            pool(threads).install(|| {
                let mut workers = Workers::without_delay();
                for tasks in [0, 1, 2, 3, 7, 64, 1000].into_iter().cycle().take(700) {
                    each_once(workers.team(), tasks);
                }
                each_once(workers.team(), MAX_TASKS);
                each_once(workers.team(), MAX_TASKS + 1);
                each_once(Team::SERIAL, 5);
            });
        }
    }

    #[test]
    fn every_row_is_visited_once() {
        pool(3).install(|| {
            let mut workers = Workers::without_delay();
            for (len, stride) in [(0, 0), (0, 4), (3, 4), (4, 4), (9, 4), (400, 4), (1, 1)] {
                for grain in [1, 4] {
                    let mut data = vec![0.0f32; len];
                    workers.team().rows(&mut data, stride, grain, |row, slice| {
                        slice.iter_mut().for_each(|value| *value += 1.0 + row as f32);
                    });
                    assert!(data.iter().enumerate().all(|(i, &value)| value == 1.0 + (i / stride) as f32));
                }
            }
        });
    }

    #[test]
    fn scratch_belongs_to_one_task_at_a_time() {
        for threads in [1, 2, 3, 8] {
            pool(threads).install(|| {
                let mut workers = Workers::without_delay();
                let team = workers.team();
                let mut scratch = vec![0.0; 4 * team.threads()];
                for _ in 0..50 {
                    let counts: Vec<AtomicUsize> = (0..team.threads()).map(|_| AtomicUsize::new(0)).collect();
                    team.run_with_scratch(40, (&mut scratch, 4), |task, worker, scratch| {
                        scratch.fill(task as f32);
                        std::hint::spin_loop();
                        assert_eq!(scratch, [task as f32; 4]);
                        counts[worker].fetch_add(1, Ordering::Relaxed);
                    });
                    assert_eq!(counts.into_iter().map(AtomicUsize::into_inner).sum::<usize>(), 40);
                }
            });
        }
    }

    /// Two tasks that wait for each other need two threads.
    #[test]
    fn workers_join_and_stay_awake() {
        pool(2).install(|| {
            let mut workers = Workers::without_delay();
            for _ in 0..1000 {
                let begun = AtomicUsize::new(0);
                workers.team().run(2, |_| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    assert!(becomes_true(|| begun.load(Ordering::SeqCst) == 2), "no worker came");
                });
            }
        });
    }

    #[test]
    fn a_leader_needs_no_worker() {
        with_a_busy_thread(|| each_once(Workers::without_delay().team(), 100));
    }

    #[test]
    fn many_leaders_share_a_pool() {
        let pool = pool(2);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        pool.install(|| {
                            let mut workers = Workers::without_delay();
                            (0..20).for_each(|tasks| each_once(workers.team(), tasks));
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_leader_after_all_tasks() {
        pool(2).install(|| {
            let mut workers = Workers::without_delay();
            for bad in 0..20 {
                let done = AtomicUsize::new(0);
                let team = workers.team();
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    team.run(20, |task| {
                        done.fetch_add(1, Ordering::Relaxed);
                        assert!(task != bad, "task {task}");
                    });
                }));
                let message = caught.unwrap_err().downcast::<String>().unwrap();
                assert_eq!((*message, done.into_inner()), (format!("task {bad}"), 20));
                each_once(workers.team(), 20);
            }
        });
    }

    /// A task can reach a team through a thread-local variable; its operation must not replace the open one.
    #[test]
    fn an_operation_inside_of_a_task_runs_serially() {
        thread_local! {
            static TEAM: Cell<Option<Team<'static>>> = const { Cell::new(None) };
        }
        let workers = Box::into_raw(Box::new(Workers::leader_only(2)));
        // SAFETY: `workers` lives until the end of this test, and only `team` borrows it.
        let team = unsafe { (*workers).team() };
        TEAM.set(Some(team));
        let (outer, inner) = (AtomicUsize::new(0), AtomicUsize::new(0));
        team.run(10, |_| {
            outer.fetch_add(1, Ordering::Relaxed);
            TEAM.get().unwrap().run(10, |_| _ = inner.fetch_add(1, Ordering::Relaxed));
        });
        assert_eq!((outer.into_inner(), inner.into_inner()), (10, 100));
        each_once(team, 10);
        TEAM.set(None);
        // SAFETY: `workers` is from `Box::into_raw`, and its borrow is not used any more.
        drop(unsafe { Box::from_raw(workers) });
    }

    #[test]
    fn a_short_pass_wakes_no_thread() {
        pool(2).install(|| {
            let mut workers = Workers::leader_only(2);
            (0..100).for_each(|tasks| each_once(workers.team(), tasks));
            assert_eq!((Arc::strong_count(&workers.queue), workers.woken.get()), (1, false));
        });
    }

    #[test]
    fn jobs_that_no_thread_took_are_removed() {
        with_a_busy_thread(|| {
            for _ in 0..10 {
                let mut workers = Workers::without_delay();
                each_once(workers.team(), 10);
                assert!(workers.woken.get() && !workers.queue.was_joined());
                let queue = Arc::downgrade(&workers.queue);
                drop(workers);
                assert_eq!(queue.strong_count(), 0);
            }
        });
    }

    #[test]
    fn workers_leave_when_dropped() {
        let pool = pool(3);
        let workers = pool.install(|| {
            let mut workers = Workers::without_delay();
            each_once(workers.team(), 100);
            workers
        });
        let queue = Arc::downgrade(&workers.queue);
        drop(workers);
        assert!(becomes_true(|| queue.strong_count() == 0), "a worker stayed");
    }
}
