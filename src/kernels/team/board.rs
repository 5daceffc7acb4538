//! What the members of a team share: the open operation and who takes which of its tasks.
//!
//! Every member has a share of the tasks of an operation, the same part of every one: what a thread wrote is read by
//! it again where that can be, as what another core wrote costs ten nanoseconds a cache line. Who has done his share
//! takes from the ends of those of others.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Looks at what a thread waits for before it lets others have its core: some microseconds.
const LOOKS: usize = 100;

/// Where the leader posts operations and all take tasks.
#[derive(Debug)]
pub(super) struct Board {
    /// The number of the operation that was posted last; or [`CLOSED`].
    posted: Line<AtomicU64>,
    /// Tasks of that operation that are not done.
    unfinished: Line<AtomicUsize>,
    /// What is left of the share of each member; the leader's comes first.
    shares: Box<[Line<AtomicU64>]>,
    job: UnsafeCell<Option<*const Work<'static>>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whether a helper has come.
    helped: AtomicBool,
}

/// Tasks that an operation may have.
pub(super) const MOST_TASKS: usize = (1 << Share::BITS) - 1;

/// What follows the last operation: the pass is over.
const CLOSED: u64 = u64::MAX;

/// A value on cache lines of its own, of which some processors fetch two at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

/// What an operation calls with the numbers of a task and of the member that does it.
type Work<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// The tasks that a member does if all are equally fast.
pub(in super::super) fn share_of(member: usize, members: usize, tasks: usize) -> Range<usize> {
    tasks * member / members..tasks * (member + 1) / members
}

/// Tasks of an operation that nobody has taken: the operation's number, the first of them and the one behind the
/// last, in one word that is exchanged as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Share(u64);

impl Share {
    /// Bits of the number of a task.
    const BITS: u32 = 20;

    fn new(operation: u64, begin: usize, end: usize) -> Share {
        Share(operation << (2 * Share::BITS) | (begin << Share::BITS | end) as u64)
    }

    fn begin(self) -> usize {
        (self.0 >> Share::BITS) as usize & MOST_TASKS
    }

    fn end(self) -> usize {
        self.0 as usize & MOST_TASKS
    }

    /// The first task, and the share without it.
    fn first(self) -> Option<(usize, Share)> {
        (self.begin() < self.end()).then(|| (self.begin(), Share(self.0 + (1 << Share::BITS))))
    }

    /// The last task, and the share without it.
    fn last(self) -> Option<(usize, Share)> {
        (self.begin() < self.end()).then(|| (self.end() - 1, Share(self.0 - 1)))
    }
}

// SAFETY: `job` is written by the leader while no operation is open, and read only by threads that have taken a task
// of the open one: `take_part` orders these, and the operation ends after all its tasks. What it points to is `Sync`.
unsafe impl Sync for Board {}
// SAFETY: as above; the pointer is not used where a board is dropped.
unsafe impl Send for Board {}

impl Board {
    pub(super) fn new(members: usize) -> Board {
        Board {
            posted: Line::default(),
            unfinished: Line::default(),
            shares: (0..members).map(|_| Line::default()).collect(),
            job: UnsafeCell::new(None),
            helped: AtomicBool::new(false),
            panic: Mutex::new(None),
        }
    }

    /// Runs an operation to its end. Only the leader calls this, for one operation at a time (see [`super::Team`]);
    /// `between` its own tasks it does something else.
    pub(super) fn run(&self, tasks: usize, work: &Work<'_>, between: impl FnMut()) {
        // SAFETY: only the lifetime changes. The reference is used by those who have taken a task, and this function
        // returns, or unwinds, after all tasks are done.
        let work = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: no operation is open, so nobody else reads or writes the job.
        unsafe { *self.job.get() = Some(work) };
        self.unfinished.0.store(tasks, Ordering::Relaxed);
        let operation = self.posted.0.load(Ordering::Relaxed) + 1;
        let members = self.shares.len();
        for (i, share) in self.shares.iter().enumerate() {
            let tasks = share_of(i, members, tasks);
            share.0.store(Share::new(operation, tasks.start, tasks.end).0, Ordering::Release);
        }
        self.posted.0.store(operation, Ordering::Release);
        self.take_part(0, between);
        wait(|| self.unfinished.0.load(Ordering::Acquire) == 0);
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Does the tasks of a member of the team from the first on, then those of others from the last on, until none is
    /// left to take.
    fn take_part(&self, member: usize, mut between: impl FnMut()) {
        let members = self.shares.len();
        let mut done = 0;
        for i in 0..members {
            let share = &self.shares[(member + i) % members].0;
            let mut seen = share.load(Ordering::Acquire);
            loop {
                let next = if i == 0 { Share(seen).first() } else { Share(seen).last() };
                let Some((task, rest)) = next else { break };
                // The number of the operation is part of what is compared: a task is taken of the one that was seen.
                if let Err(now) = share.compare_exchange_weak(seen, rest.0, Ordering::Acquire, Ordering::Acquire) {
                    seen = now;
                    continue;
                }
                // SAFETY: a task of this operation is taken and not yet counted as done, so it is open and its job
                // stands; the exchange read what the leader released after writing it.
                let job = unsafe { *self.job.get() };
                if let Some(work) = job {
                    // SAFETY: as above, the leader's reference is alive.
                    let work = unsafe { &*work };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(task, member))) {
                        *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                    }
                }
                done += 1;
                between();
                seen = share.load(Ordering::Acquire);
            }
        }
        // All were tasks of one operation, as it could not end before this.
        if done > 0 {
            self.unfinished.0.fetch_sub(done, Ordering::Release);
        }
    }

    /// Takes part in whatever operations come, until the pass is over.
    pub(super) fn help(&self, member: usize) {
        self.helped.store(true, Ordering::Relaxed);
        let mut last = 0;
        while !self.is_closed() {
            wait(|| self.posted.0.load(Ordering::Relaxed) != last);
            last = self.posted.0.load(Ordering::Acquire);
            self.take_part(member, || {});
        }
    }

    /// Tells the helpers that the pass is over.
    pub(super) fn close(&self) {
        self.posted.0.store(CLOSED, Ordering::Release);
    }

    pub(super) fn was_helped(&self) -> bool {
        self.helped.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.posted.0.load(Ordering::Relaxed) == CLOSED
    }
}

/// Waits for what another thread is about to do: awake, but it lets others go first when that takes long.
fn wait(ready: impl Fn() -> bool) {
    for _ in 0..LOOKS {
        if ready() {
            return;
        }
        std::hint::spin_loop();
    }
    while !ready() {
        std::thread::yield_now();
    }
}
