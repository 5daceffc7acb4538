//! The places of connections. When all are taken, the connection that has done nothing for longest makes room.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Interval at which a new connection looks for one that can be closed.
const POLL: Duration = Duration::from_millis(20);

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Mutex<BTreeMap<u64, Arc<Use>>>,
}

/// What a connection does.
#[derive(Debug)]
pub(super) struct Use {
    /// Requests without an answer, and answers that are not complete.
    requests: AtomicUsize,
    /// Whether the client has something to take.
    pub writing: AtomicBool,
    since: Mutex<Instant>,
    /// Told to close, if it is idle.
    pub close: Notify,
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    pub used: Arc<Use>,
    places: Arc<Places>,
    _free: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub fn new(count: usize) -> Places {
        Places { free: Arc::new(Semaphore::new(count)), taken: Mutex::default() }
    }

    /// Waits for a place; closes an idle connection if there is none.
    pub async fn take(self: &Arc<Self>) -> Place {
        let free = loop {
            if self.free.available_permits() == 0 {
                self.close_one();
            }
            // The semaphore is never closed.
            if let Ok(free) = timeout(POLL, Arc::clone(&self.free).acquire_owned()).await {
                break free.ok();
            }
        };
        let used = Arc::new(Use {
            requests: AtomicUsize::new(0),
            writing: AtomicBool::new(false),
            since: Mutex::new(Instant::now()),
            close: Notify::new(),
        });
        let mut taken = lock(&self.taken);
        let number = taken.last_key_value().map_or(0, |(last, _)| last + 1);
        taken.insert(number, Arc::clone(&used));
        Place { number, used, places: Arc::clone(self), _free: free }
    }

    fn close_one(&self) {
        let taken = lock(&self.taken);
        let idle = taken.values().filter(|used| used.is_idle());
        if let Some(oldest) = idle.min_by_key(|used| *lock(&used.since)) {
            oldest.close.notify_one();
        }
    }

    /// Waits until all places are free.
    pub async fn all_free(&self, count: usize) {
        let _ = self.free.acquire_many(u32::try_from(count).unwrap_or(u32::MAX)).await;
    }

    pub fn taken(&self) -> usize {
        lock(&self.taken).len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken).remove(&self.number);
    }
}

impl Use {
    /// Whether nobody waits for anything. A head of which a part has come is nothing yet.
    pub fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && !self.writing.load(Ordering::Relaxed)
    }

    /// Counts a request.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }
}

/// A request and its answer, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Use>);

impl Busy {
    /// The body of the answer.
    pub fn body(self, body: Body) -> Answer {
        Answer { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *lock(&self.0.since) = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body during which its connection is not idle.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Nothing that can panic runs while a lock is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_that_was_idle_for_longest_makes_room() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let places = Arc::new(Places::new(3));
            let (first, second, third) = (places.take().await, places.take().await, places.take().await);
            let busy = first.used.begin();
            third.used.writing.store(true, Ordering::Relaxed);
            let closed = tokio::spawn(async move {
                second.used.close.notified().await;
                assert!(second.used.is_idle());
            });
            let fourth = timeout(Duration::from_secs(60), places.take()).await.unwrap();
            closed.await.unwrap();
            assert_eq!(places.taken(), 3);
            // An answer is a use until its body is gone.
            let answer = busy.body(Body::from("a"));
            assert!(!first.used.is_idle());
            drop(answer);
            assert!(first.used.is_idle());
            drop((first, third, fourth));
            places.all_free(3).await;
            assert_eq!(places.taken(), 0);
        });
    }
}
