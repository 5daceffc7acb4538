//! Reads ahead: threads open and read files before they are needed, so that a disk or a server that takes long to answer
//! is asked for several at once. Knows no file format, and what is read only by its number of bytes.
//!
//! A reading that nobody has begun when its result is wanted is done by the thread that wants it, and one that is wanted
//! waits for no room. So neither the limit of bytes nor a file that never answers can hold up more than those who want
//! that very file.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Threads that read. They hardly compute: with eight, a server that takes 20 ms for a file gives 400 files a second.
const MOST_READERS: usize = 8;

/// Bytes that are read at a time, between two looks at whether the result is still wanted.
const PIECE: usize = 1 << 20;

/// The work of a reading: `None` if it was stopped.
type Work<T> = Box<dyn FnOnce(&Room<'_>) -> Option<T> + Send>;

/// Threads that read files, and the limit of the bytes that wait to be taken. Dropping it stops them.
pub(crate) struct ReadAhead {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// New jobs.
    jobs: Condvar,
    /// Room for bytes. Threads wait for it rarely, and nobody is woken in vain: that cost a twentieth of a folder of photos.
    room: Condvar,
    /// The limit of bytes that were read or are being read, and not taken.
    most: u64,
    /// The process that started the threads, 0 if there are none: in a child process that forked they do not exist, and
    /// what they hold is locked for ever.
    process: AtomicU32,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Arc<dyn Job>>,
    /// Threads that wait for jobs.
    idle: usize,
    /// Threads that wait for room.
    short: usize,
    bytes: u64,
    stopped: bool,
}

/// A reading, whatever it reads.
trait Job: Send + Sync {
    fn run(&self, shared: &Shared);
}

/// What is going to be read. Dropping it gives up the result.
pub(crate) struct Reading<T> {
    slot: Arc<Slot<T>>,
    shared: Arc<Shared>,
}

struct Slot<T> {
    step: Mutex<Step<T>>,
    done: Condvar,
    /// Whether somebody waits for the result, or nobody ever will.
    wanted: AtomicBool,
}

enum Step<T> {
    Waiting(Work<T>),
    Running,
    /// The result, and the bytes that it takes.
    Done(T, u64),
    /// Taken, given up, or lost with the thread that read.
    Gone,
}

/// Room for the bytes of a reading.
pub(crate) struct Room<'a> {
    /// `None` on the thread that needs the bytes, which has as much room as it wants.
    of: Option<(&'a Shared, &'a AtomicBool)>,
    reserved: std::cell::Cell<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only whole values are written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReadAhead {
    /// Reads up to `most` bytes ahead, and larger files one at a time. Threads start with the first readings.
    pub fn new(most: u64) -> ReadAhead {
        let (state, jobs, room) = Default::default();
        let shared = Shared { state, jobs, room, most, process: AtomicU32::new(0) };
        ReadAhead { shared: Arc::new(shared), threads: Vec::new() }
    }

    /// Begins `work` as soon as a thread is free, in the order of the calls. `work` asks for [`Room`] for the bytes that
    /// it is going to read. `None` where no thread can be started.
    pub fn begin<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Room<'_>) -> Option<T> + Send + 'static,
    ) -> Option<Reading<T>> {
        if self.shared.is_lost() {
            return None;
        }
        let step = Mutex::new(Step::Waiting(Box::new(work)));
        let slot = Arc::new(Slot { step, done: Condvar::new(), wanted: AtomicBool::new(false) });
        let mut state = lock(&self.shared.state);
        if state.idle <= state.jobs.len() && self.threads.len() < MOST_READERS {
            drop(state);
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name("clippie-read".into()).spawn(move || shared.serve());
            match thread {
                Ok(thread) => {
                    self.shared.process.store(process::id(), Ordering::Relaxed);
                    self.threads.push(thread);
                }
                // Those that there are read, or whoever needs the bytes.
                Err(_) if self.threads.is_empty() => return None,
                Err(_) => {}
            }
            state = lock(&self.shared.state);
        }
        state.jobs.push_back(Arc::clone(&slot) as Arc<dyn Job>);
        drop(state);
        self.shared.jobs.notify_one();
        Some(Reading { slot, shared: Arc::clone(&self.shared) })
    }

    /// Ends the readings soon; those that have not begun are left to whoever takes them.
    pub fn stop(&self) {
        if !self.shared.is_lost() {
            let mut state = lock(&self.shared.state);
            state.stopped = true;
            state.jobs.clear();
            drop(state);
            self.shared.jobs.notify_all();
            self.shared.room.notify_all();
        }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        let threads = std::mem::take(&mut self.threads);
        if self.shared.is_lost() {
            return std::mem::forget(threads);
        }
        self.stop();
        for thread in threads {
            // A reading that panicked is gone, which whoever takes it sees.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Whether this is a copy in a child process.
    fn is_lost(&self) -> bool {
        let process = self.process.load(Ordering::Relaxed);
        process != 0 && process != process::id()
    }

    /// Runs jobs until it is stopped.
    fn serve(&self) {
        let mut state = lock(&self.state);
        while !state.stopped {
            match state.jobs.pop_front() {
                Some(job) => {
                    drop(state);
                    job.run(self);
                    state = lock(&self.state);
                }
                None => {
                    state.idle += 1;
                    state = self.jobs.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.idle -= 1;
                }
            }
        }
    }

    /// Wakes the threads that wait for room, if there are any.
    fn tell_of_room(&self, state: MutexGuard<'_, State>) {
        let short = state.short;
        drop(state);
        if short > 0 {
            self.room.notify_all();
        }
    }

    fn release(&self, bytes: u64) {
        if bytes > 0 {
            let mut state = lock(&self.state);
            state.bytes = state.bytes.saturating_sub(bytes);
            self.tell_of_room(state);
        }
    }
}

impl<T: Send> Job for Slot<T> {
    fn run(&self, shared: &Shared) {
        /// Puts the result in its place; none after a panic.
        struct Ended<'a, T> {
            slot: &'a Slot<T>,
            shared: &'a Shared,
            room: &'a Room<'a>,
            result: Option<T>,
        }
        impl<T> Drop for Ended<'_, T> {
            fn drop(&mut self) {
                let bytes = self.room.reserved.get();
                let mut step = lock(&self.slot.step);
                match (&*step, self.result.take()) {
                    (Step::Running, Some(result)) => *step = Step::Done(result, bytes),
                    // Lost, or given up meanwhile.
                    _ => {
                        *step = Step::Gone;
                        self.shared.release(bytes);
                    }
                }
                drop(step);
                self.slot.done.notify_all();
            }
        }
        let work = {
            let mut step = lock(&self.step);
            match std::mem::replace(&mut *step, Step::Running) {
                Step::Waiting(work) => work,
                // Somebody was faster, or does not want it any more.
                other => return *step = other,
            }
        };
        let room = Room { of: Some((shared, &self.wanted)), reserved: Default::default() };
        let mut ended = Ended { slot: self, shared, room: &room, result: None };
        ended.result = work(&room);
    }
}

impl<T> Reading<T> {
    /// Waits for the result and takes it; reads on the calling thread if no other has begun. `None` if it was taken
    /// before, or the threads were stopped meanwhile.
    pub fn take(&self) -> Option<T> {
        if self.shared.is_lost() {
            return None;
        }
        self.want();
        let mut step = lock(&self.slot.step);
        loop {
            match std::mem::replace(&mut *step, Step::Gone) {
                Step::Waiting(work) => {
                    drop(step);
                    return work(&Room::unlimited());
                }
                Step::Running => {
                    *step = Step::Running;
                    step = self.slot.done.wait(step).unwrap_or_else(PoisonError::into_inner);
                }
                Step::Done(result, bytes) => {
                    drop(step);
                    self.shared.release(bytes);
                    return Some(result);
                }
                Step::Gone => return None,
            }
        }
    }

    /// Waits for the end of the reading, at most so long; whether [`take`](Self::take) would not wait for it.
    #[cfg_attr(not(any(test, feature = "library")), expect(dead_code, reason = "streams take in order"))]
    pub fn ends_within(&self, patience: Duration) -> bool {
        let runs = |step: &mut Step<T>| !matches!(step, Step::Done(..) | Step::Gone);
        self.shared.is_lost() || {
            let step = lock(&self.slot.step);
            let (mut step, _) =
                self.slot.done.wait_timeout_while(step, patience, runs).unwrap_or_else(PoisonError::into_inner);
            !runs(&mut step)
        }
    }

    /// Lets the reading have room.
    fn want(&self) {
        self.slot.wanted.store(true, Ordering::SeqCst);
        // Whoever waits for room has looked before, and sleeps, or looks after this.
        self.shared.tell_of_room(lock(&self.shared.state));
    }
}

impl<T> Drop for Reading<T> {
    fn drop(&mut self) {
        if self.shared.is_lost() {
            return;
        }
        let mut step = lock(&self.slot.step);
        match std::mem::replace(&mut *step, Step::Gone) {
            // Its bytes are given back when it ends.
            Step::Running => {
                drop(step);
                self.want();
            }
            Step::Done(_, bytes) => {
                drop(step);
                self.shared.release(bytes);
            }
            Step::Waiting(_) | Step::Gone => {}
        }
    }
}

impl Room<'_> {
    /// Room for whoever needs the bytes now.
    pub fn unlimited() -> Room<'static> {
        Room { of: None, reserved: Default::default() }
    }

    /// Waits until so many bytes may be read. `false` if the threads were stopped.
    pub fn reserve(&self, bytes: u64) -> bool {
        let Some((shared, wanted)) = self.of else { return true };
        let mut state = lock(&shared.state);
        while !state.stopped
            && state.bytes > 0
            && state.bytes.saturating_add(bytes) > shared.most
            && !wanted.load(Ordering::SeqCst)
        {
            state.short += 1;
            state = shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.short -= 1;
        }
        state.bytes = state.bytes.saturating_add(bytes);
        self.reserved.set(self.reserved.get() + bytes);
        !state.stopped
    }

    /// The content of a file, which ends where the threads are stopped: see [`is_stopped`](Self::is_stopped).
    pub fn reads<'r>(&'r self, file: &'r File) -> impl Read + 'r {
        Pieces { file, room: self }
    }

    /// Whether the threads were stopped, and what was read is not whole.
    pub fn is_stopped(&self) -> bool {
        self.of.is_some_and(|(shared, _)| lock(&shared.state).stopped)
    }
}

struct Pieces<'a> {
    file: &'a File,
    room: &'a Room<'a>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.room.is_stopped() {
            return Ok(0);
        }
        let len = out.len().min(PIECE);
        self.file.read(&mut out[..len])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(20);

    /// A file of `bytes` bytes on a server that takes a while to answer.
    fn slow(number: usize, bytes: u64) -> impl FnOnce(&Room<'_>) -> Option<usize> + Send + 'static {
        move |room| {
            thread::sleep(PAUSE);
            room.reserve(bytes).then_some(number)
        }
    }

    #[test]
    fn answers_are_waited_for_together() {
        let mut ahead = ReadAhead::new(1000);
        let started = Instant::now();
        let readings: Vec<_> = (0..40).map(|number| ahead.begin(slow(number, 1)).unwrap()).collect();
        for (number, reading) in readings.iter().enumerate() {
            assert_eq!(reading.take(), Some(number));
            assert!(reading.ends_within(Duration::ZERO) && reading.take().is_none(), "taken");
        }
        // One after the other takes 40 pauses, here it is 5 (or 6, if the last ones are read here).
        assert!(started.elapsed() < 20 * PAUSE, "{:?}", started.elapsed());
        assert_eq!(ahead.threads.len(), MOST_READERS);
        assert_eq!(lock(&ahead.shared.state).bytes, 0);
    }

    #[test]
    fn bytes_that_wait_are_bounded_and_whoever_needs_more_gets_it() {
        let held = Arc::new(AtomicU64::new(0));
        let mut ahead = ReadAhead::new(100);
        let readings: Vec<_> = (0..60u64)
            .map(|number| {
                let (held, bytes) = (Arc::clone(&held), if number % 20 == 13 { 250 } else { 30 });
                let work = move |room: &Room<'_>| {
                    assert!(room.reserve(bytes));
                    held.fetch_add(bytes, Ordering::SeqCst);
                    Some((number, bytes))
                };
                ahead.begin(work).unwrap()
            })
            .collect();
        thread::sleep(PAUSE);
        assert!(held.load(Ordering::SeqCst) <= 100, "{held:?}");
        // From the last one: what comes first holds all the room.
        for (number, reading) in (0u64..).zip(&readings).collect::<Vec<_>>().into_iter().rev() {
            let (found, bytes) = reading.take().unwrap();
            assert_eq!(found, number);
            held.fetch_sub(bytes, Ordering::SeqCst);
            assert!(held.load(Ordering::SeqCst) <= 100 + 250, "{held:?}");
        }
        assert_eq!(lock(&ahead.shared.state).bytes, 0);
    }

    #[test]
    fn what_is_given_up_leaves_no_bytes_behind() {
        let mut ahead = ReadAhead::new(3);
        let readings: Vec<_> = (0..30).map(|number| ahead.begin(slow(number, 1)).unwrap()).collect();
        thread::sleep(PAUSE / 2);
        drop(readings);
        assert_eq!(ahead.begin(slow(7, 3)).unwrap().take(), Some(7));
        let panics = ahead.begin(|room: &Room<'_>| -> Option<usize> {
            assert!(!room.reserve(2), "of a reading; part of a test");
            None
        });
        let panics = panics.unwrap();
        while !panics.ends_within(PAUSE) {}
        assert!(panics.take().is_none());
        let started = Instant::now();
        while lock(&ahead.shared.state).bytes > 0 {
            assert!(started.elapsed() < Duration::from_secs(10));
            thread::sleep(PAUSE / 10);
        }
    }

    #[test]
    fn stopped_threads_leave_the_rest_to_whoever_takes_it() {
        let mut ahead = ReadAhead::new(10);
        let (go, wait) = mpsc::channel::<()>();
        let blocked = ahead.begin(move |room| {
            let _ = wait.recv();
            room.reserve(1).then_some(0)
        });
        let full = ahead.begin(slow(1, 10)).unwrap();
        while !full.ends_within(PAUSE) {}
        let others: Vec<_> = (2..40).map(|number| ahead.begin(slow(number, 5)).unwrap()).collect();
        thread::sleep(2 * PAUSE);
        ahead.stop();
        // Read to its end before; begun and stopped, or not begun.
        assert_eq!(full.take(), Some(1));
        let taken: Vec<_> = others.iter().map(Reading::take).collect();
        assert!(taken.iter().zip(2..).all(|(taken, number)| taken.is_none_or(|taken| taken == number)), "{taken:?}");
        assert!(taken.iter().filter(|taken| taken.is_none()).count() < MOST_READERS, "{taken:?}");
        drop(go);
        assert_eq!(blocked.unwrap().take(), None);
        let started = Instant::now();
        drop(ahead);
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn files_end_where_the_threads_are_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 3 * PIECE]).unwrap();
        let mut ahead = ReadAhead::new(1 << 30);
        let (sent, seen) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let reading = ahead.begin(move |room| {
            let (file, mut bytes) = (File::open(path).unwrap(), vec![0; 4 * PIECE]);
            let mut read = room.reads(&file);
            let first = read.read(&mut bytes).unwrap();
            sent.send(first).unwrap();
            let _ = wait.recv();
            let rest = read.read_to_end(&mut bytes).unwrap();
            Some((rest, room.is_stopped()))
        });
        assert_eq!(seen.recv().unwrap(), PIECE);
        ahead.stop();
        drop(go);
        assert_eq!(reading.unwrap().take(), Some((0, true)));
    }
}
