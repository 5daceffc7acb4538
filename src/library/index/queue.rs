//! A queue of photos between the thread that reads and those that encode, bounded by bytes and number. Knows no photo.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest wait for a chunk to become full: a slow disk must not keep what was read from being encoded. Encoding a chunk
/// takes longer.
const LINGER: Duration = Duration::from_millis(20);
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    most: u64,
    most_items: usize,
}

struct State<T> {
    items: VecDeque<T>,
    /// Items that were reserved and not released.
    flying: usize,
    /// Bytes that were reserved and not released, by items here and by those that were taken.
    bytes: u64,
    /// Whether somebody waits for room.
    full: bool,
    closed: bool,
    stopped: bool,
}

impl<T> Queue<T> {
    /// A queue whose items, and those that were taken from it, are at most `most_items` of `most` bytes together. A larger
    /// item passes alone.
    pub fn new(most: u64, most_items: usize) -> Self {
        let state = State { items: VecDeque::new(), flying: 0, bytes: 0, full: false, closed: false, stopped: false };
        Queue { state: Mutex::new(state), changed: Condvar::new(), most, most_items }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>, patience: Duration) -> MutexGuard<'a, State<T>> {
        self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until an item of this many bytes may be read. `false` if the queue was stopped.
    pub fn reserve(&self, bytes: u64) -> bool {
        let mut state = self.state();
        while !state.stopped && state.flying > 0 && (state.bytes + bytes > self.most || state.flying >= self.most_items)
        {
            state.full = true;
            self.changed.notify_all();
            state = self.wait(state, Duration::from_secs(1));
        }
        state.full = false;
        state.bytes += bytes;
        state.flying += 1;
        !state.stopped
    }

    /// Gives back what was reserved for an item of this many bytes.
    pub fn release(&self, bytes: u64) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.flying = state.flying.saturating_sub(1);
        self.changed.notify_all();
    }

    pub fn push(&self, item: T) {
        self.state().items.push_back(item);
        self.changed.notify_all();
    }

    /// No more items will come.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Drops all items; nothing can be taken or reserved any more.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.items.clear();
        self.changed.notify_all();
    }

    /// Takes at most `most` items; fewer if no more come soon or the queue is full. Empty at the end.
    pub fn take(&self, most: usize) -> Vec<T> {
        let mut state = self.state();
        let mut first = None;
        loop {
            let ready = state.items.len();
            let ends = state.closed || state.stopped;
            if ready >= most || ends || (ready > 0 && state.full) {
                break;
            }
            let patience = match ready {
                0 => Duration::from_secs(1),
                _ => LINGER.saturating_sub(first.get_or_insert_with(Instant::now).elapsed()),
            };
            if patience.is_zero() {
                break;
            }
            state = self.wait(state, patience);
        }
        let ready = state.items.len().min(most);
        state.items.drain(..ready).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn chunks_are_full_unless_the_queue_is() {
        let queue = Queue::new(1 << 20, 100);
        for item in 0..10 {
            assert!(queue.reserve(1));
            queue.push(item);
        }
        assert_eq!(queue.take(4), [0, 1, 2, 3]);
        // No more come.
        let started = Instant::now();
        assert_eq!(queue.take(7), [4, 5, 6, 7, 8, 9]);
        assert!(started.elapsed() >= LINGER);
        queue.push(10);
        queue.close();
        assert_eq!(queue.take(7), [10]);
        assert_eq!(queue.take(7), [0; 0]);
    }

    #[test]
    fn bytes_in_flight_are_bounded_and_a_large_item_passes() {
        const MOST: u64 = 100_000;
        let queue = Queue::new(MOST, 40);
        let (flying, peak, number) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for item in 0..300u64 {
                    let bytes = if item % 50 == 7 { 3 * MOST } else { 100 * (item % 90) };
                    assert!(queue.reserve(bytes));
                    let now = flying.fetch_add(bytes, Ordering::SeqCst) + bytes;
                    peak.fetch_max(now, Ordering::SeqCst);
                    assert!(now <= MOST || now == bytes);
                    assert!(number.fetch_add(1, Ordering::SeqCst) < 40);
                    queue.push((item, bytes));
                }
                queue.close();
            });
            let mut next = 0;
            loop {
                // More than fits.
                let items = queue.take(1000);
                if items.is_empty() {
                    break;
                }
                for (item, bytes) in items {
                    assert_eq!(item, next);
                    next += 1;
                    flying.fetch_sub(bytes, Ordering::SeqCst);
                    number.fetch_sub(1, Ordering::SeqCst);
                    queue.release(bytes);
                }
            }
            assert_eq!(next, 300);
        });
        assert_eq!(peak.into_inner(), 3 * MOST);
    }

    #[test]
    fn a_stopped_queue_holds_nobody() {
        let queue = Queue::new(10_000, 100);
        assert!(queue.reserve(9_000));
        queue.push(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.reserve(9_000));
            std::thread::sleep(Duration::from_millis(5));
            queue.stop();
            assert!(!waiting.join().unwrap());
        });
        assert_eq!(queue.take(1), [0; 0]);
    }
}
