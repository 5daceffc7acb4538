//! Threads that work together on the operations of one pass.
//!
//! A pass is some hundred operations of ten to a thousand microseconds, one after the other. Handing each of them to
//! a thread pool costs more than many of them: between two operations its threads fall asleep, and waking one takes
//! some thirty microseconds. So a pass gathers a team once. Its helpers are threads of the rayon pool; they take
//! tasks of whatever operation the leader has open and wait for the next one awake, until the pass ends.
//!
//! The leader never waits for a helper to come: tasks that nobody else takes are its own. So passes that run at once
//! in one pool share its threads in whatever way these become free, and none waits for another.

mod board;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use board::share_of;
use board::{Board, MOST_TASKS};

/// Tasks for each thread that an operation is cut into: enough to even out what other work takes from a core.
const TASKS_PER_THREAD: usize = 8;

/// Rows for which a group of threads reads weights of its own: enough that arithmetic takes longer. Threads that have
/// the same rows in all operations find most of what they read in their own caches.
const GROUP_ROWS: usize = 96;

/// How long a pass runs on the calling thread alone: one that is over by then had waited longer for a thread to wake.
const PATIENCE: Duration = Duration::from_micros(50);

/// Threads of the current rayon pool at the disposal of one pass. They are let go when this is dropped.
#[derive(Debug)]
pub(crate) struct Crew {
    board: Arc<Board>,
    threads: usize,
    begin: Instant,
    patience: Duration,
    called: Cell<bool>,
}

impl Crew {
    /// All threads of the current pool shall help the calling one, if the pass is not over at once.
    pub(crate) fn gather() -> Crew {
        Crew::of(rayon::current_num_threads(), PATIENCE)
    }

    fn of(threads: usize, patience: Duration) -> Crew {
        Crew {
            board: Arc::new(Board::new(threads)),
            threads,
            begin: Instant::now(),
            patience,
            called: Cell::new(false),
        }
    }

    /// The same, but they are called with the first operation.
    #[cfg(test)]
    pub(crate) fn eager() -> Crew {
        Crew::of(rayon::current_num_threads(), Duration::ZERO)
    }

    /// As many members, of whom none but the leader comes.
    #[cfg(test)]
    pub(crate) fn idle(threads: usize) -> Crew {
        Crew::of(threads, Duration::MAX)
    }

    /// The calling thread and those that help it.
    pub(crate) fn team(&mut self) -> Team<'_> {
        Team { crew: (self.threads > 1).then_some(self), threads: self.threads }
    }

    fn call_when_due(&self) {
        if !self.called.get() && self.begin.elapsed() >= self.patience {
            self.called.set(true);
            call_helper(&self.board, 1, self.threads);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.board.close();
        if self.called.get() && !self.board.was_helped() {
            // The call for helpers is what this thread queued last: taking it back keeps calls that nobody answered
            // from piling up behind a long job. Had a thread taken it just now, it would have taken all before it, too.
            rayon::yield_local();
        }
    }
}

/// Puts helper number `index` in the queue of the pool. A helper that starts calls two more, so that the leader
/// does not spend its time on waking many threads.
fn call_helper(board: &Arc<Board>, index: usize, threads: usize) {
    if index < threads {
        let board = Arc::clone(board);
        rayon::spawn(move || {
            if !board.is_closed() {
                call_helper(&board, 2 * index, threads);
                call_helper(&board, 2 * index + 1, threads);
                board.help(index);
            }
        });
    }
}

/// What the operations of a pass run on: the calling thread, alone or with the helpers of a [`Crew`].
///
/// Only the leader opens operations: a crew has a cell in it, so that a team cannot leave its thread and tasks, which
/// may run on any, cannot hold one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Team<'a> {
    crew: Option<&'a Crew>,
    threads: usize,
}

impl Team<'_> {
    /// The calling thread; other threads work on other inputs.
    pub(crate) const ALONE: Team<'static> = Team { crew: None, threads: 1 };

    /// Threads that may take part: what [`Team::run_by_members`] numbers.
    pub(crate) fn members(self) -> usize {
        self.threads
    }

    /// Tasks that an operation should be cut into.
    pub(crate) fn tasks(self) -> usize {
        if self.threads == 1 { 1 } else { self.threads * TASKS_PER_THREAD }
    }

    /// The same for an operation that has at most `most` tasks of a useful size: as many for each thread.
    pub(crate) fn tasks_of(self, most: usize) -> usize {
        match most.min(self.tasks()) {
            0 => 1,
            tasks if tasks < self.threads => tasks,
            tasks => tasks - tasks % self.threads,
        }
    }

    /// Groups of threads that `rows` are cut into: as many as are worth it, and all of the same size.
    pub(crate) fn row_groups(self, rows: usize) -> usize {
        let fits = |groups: &usize| self.threads.is_multiple_of(*groups) && rows / groups >= GROUP_ROWS;
        (1..=self.threads).rev().find(fits).unwrap_or(1)
    }

    /// Calls `work` once for every task in `0..tasks`. The tasks must not depend on each other.
    pub(crate) fn run(self, tasks: usize, work: impl Fn(usize) + Sync) {
        self.run_by_members(tasks, |task, _| work(task));
    }

    /// Calls `work(task, member)` once for every task in `0..tasks`. A member of the team, of whom there are
    /// [`Team::members`], does one task at a time, those of its share in ascending order.
    pub(crate) fn run_by_members(self, tasks: usize, work: impl Fn(usize, usize) + Sync) {
        match self.crew {
            Some(crew) if (2..=MOST_TASKS).contains(&tasks) => {
                crew.call_when_due();
                crew.board.run(tasks, &work, || crew.call_when_due());
            }
            _ => (0..tasks).for_each(|task| work(task, 0)),
        }
    }

    /// The same, with `len` floats of `scratch` for every member: what one task leaves there, the next of the same
    /// member finds, in its core's cache.
    pub(crate) fn run_with_scratch(
        self,
        tasks: usize,
        (scratch, len): (&mut [f32], usize),
        work: impl Fn(usize, usize, &mut [f32]) + Sync,
    ) {
        assert!(scratch.len() >= self.members() * len, "scratch shorter than planned");
        let scratch = Shared::new(scratch);
        self.run_by_members(tasks, |task, member| {
            // SAFETY: members have disjoint pieces inside the slice (asserted), and do one task at a time.
            let scratch = unsafe { std::slice::from_raw_parts_mut(scratch.get().add(member * len), len) };
            work(task, member, scratch);
        });
    }

    /// Calls `work(row, slice)` for every row of `stride` floats in `data`, of which the last may be shorter; at
    /// least `grain` rows a task.
    pub(crate) fn rows(self, data: &mut [f32], stride: usize, grain: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
        let len = data.len();
        let rows = if stride == 0 { 0 } else { len.div_ceil(stride) };
        let tasks = self.tasks_of(rows / grain);
        let shared = Shared::new(data);
        self.run(tasks, |task| {
            for row in rows * task / tasks..rows * (task + 1) / tasks {
                let begin = row * stride;
                // SAFETY: the row lies within the slice, and no other task has it.
                let slice = unsafe { std::slice::from_raw_parts_mut(shared.get().add(begin), stride.min(len - begin)) };
                work(row, slice);
            }
        });
    }
}

/// An output or scratch of which every task or member writes its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: only a pointer; who writes through it shows that tasks have disjoint parts.
unsafe impl Sync for Shared {}

impl Shared {
    /// The slice must not be used otherwise until the operation is over.
    pub(crate) fn new(data: &mut [f32]) -> Shared {
        Shared(data.as_mut_ptr())
    }

    pub(crate) fn get(self) -> *mut f32 {
        self.0
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

    /// Runs `work` in a pool whose other thread has no time.
    fn beside_a_busy_thread(work: impl FnOnce() + Send) {
        let pool = pool(2);
        let (go, wait) = mpsc::channel::<()>();
        pool.spawn(move || wait.recv().unwrap());
        pool.install(work);
        go.send(()).unwrap();
    }

    /// Waits for something that must come, but not for ever.
    fn comes(what: impl Fn() -> bool) -> bool {
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
                let mut crew = Crew::eager();
                for tasks in [0, 1, 2, 3, 7, 64, 1000].into_iter().cycle().take(700) {
                    each_once(crew.team(), tasks);
                }
                each_once(crew.team(), MOST_TASKS);
                each_once(crew.team(), MOST_TASKS + 1);
                each_once(Team::ALONE, 5);
            });
        }
    }

    #[test]
    fn every_row_is_visited_once() {
        pool(3).install(|| {
            let mut crew = Crew::eager();
            for (len, stride) in [(0, 0), (0, 4), (3, 4), (4, 4), (9, 4), (400, 4), (1, 1)] {
                for grain in [1, 4] {
                    let mut data = vec![0.0f32; len];
                    crew.team().rows(&mut data, stride, grain, |row, slice| {
                        slice.iter_mut().for_each(|value| *value += 1.0 + row as f32);
                    });
                    assert!(data.iter().enumerate().all(|(i, &value)| value == 1.0 + (i / stride) as f32));
                }
            }
        });
    }

    #[test]
    fn scratch_is_that_of_one_task_at_a_time() {
        for threads in [1, 2, 3, 8] {
            pool(threads).install(|| {
                let mut crew = Crew::eager();
                let team = crew.team();
                let mut scratch = vec![0.0; 4 * team.members()];
                for _ in 0..50 {
                    let counts: Vec<AtomicUsize> = (0..team.members()).map(|_| AtomicUsize::new(0)).collect();
                    team.run_with_scratch(40, (&mut scratch, 4), |task, member, scratch| {
                        scratch.fill(task as f32);
                        std::hint::spin_loop();
                        assert_eq!(scratch, [task as f32; 4]);
                        counts[member].fetch_add(1, Ordering::Relaxed);
                    });
                    assert_eq!(counts.into_iter().map(AtomicUsize::into_inner).sum::<usize>(), 40);
                }
            });
        }
    }

    /// Two tasks that wait for each other need two threads.
    #[test]
    fn helpers_come_and_stay() {
        pool(2).install(|| {
            let mut crew = Crew::eager();
            for _ in 0..1000 {
                let begun = AtomicUsize::new(0);
                crew.team().run(2, |_| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    assert!(comes(|| begun.load(Ordering::SeqCst) == 2), "no helper came");
                });
            }
        });
    }

    #[test]
    fn a_leader_needs_no_helper() {
        beside_a_busy_thread(|| each_once(Crew::eager().team(), 100));
    }

    #[test]
    fn many_leaders_share_a_pool() {
        let pool = pool(2);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        pool.install(|| {
                            let mut crew = Crew::eager();
                            (0..20).for_each(|tasks| each_once(crew.team(), tasks));
                        });
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_leader_after_all_tasks() {
        pool(2).install(|| {
            let mut crew = Crew::eager();
            for bad in 0..20 {
                let done = AtomicUsize::new(0);
                let team = crew.team();
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    team.run(20, |task| {
                        done.fetch_add(1, Ordering::Relaxed);
                        assert!(task != bad, "task {task}");
                    });
                }));
                let message = caught.unwrap_err().downcast::<String>().unwrap();
                assert_eq!((*message, done.into_inner()), (format!("task {bad}"), 20));
                each_once(crew.team(), 20);
            }
        });
    }

    #[test]
    fn a_short_pass_wakes_nobody() {
        pool(2).install(|| {
            let mut crew = Crew::idle(2);
            (0..100).for_each(|tasks| each_once(crew.team(), tasks));
            assert_eq!((Arc::strong_count(&crew.board), crew.called.get()), (1, false));
        });
    }

    #[test]
    fn calls_that_nobody_answered_are_taken_back() {
        beside_a_busy_thread(|| {
            for _ in 0..10 {
                let mut crew = Crew::eager();
                each_once(crew.team(), 10);
                assert!(crew.called.get() && !crew.board.was_helped());
                let board = Arc::downgrade(&crew.board);
                drop(crew);
                assert_eq!(board.strong_count(), 0);
            }
        });
    }

    #[test]
    fn helpers_leave_with_the_crew() {
        let pool = pool(3);
        let crew = pool.install(|| {
            let mut crew = Crew::eager();
            each_once(crew.team(), 100);
            crew
        });
        let board = Arc::downgrade(&crew.board);
        drop(crew);
        assert!(comes(|| board.strong_count() == 0), "a helper stayed");
    }
}
