//! How much is taken on at once: requests that are worked on, requests that wait, and the bytes of their bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::config::Limits;
use super::refusal::Refusal;

/// Counts what is taken on.
#[derive(Debug)]
pub(super) struct Admission {
    requests: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    longest: Duration,
    bodies: Arc<Semaphore>,
}

/// A request that is worked on, until it is dropped.
pub(super) type Admitted = OwnedSemaphorePermit;

/// Bytes of bodies that are held, until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Admission {
    pub fn new(limits: &Limits) -> Admission {
        let permits = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Admission {
            requests: permits(limits.requests),
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
            longest: limits.total,
            bodies: permits(limits.bodies.max(limits.body)),
        }
    }

    /// Waits until there is room to work on a request whose body has arrived.
    pub async fn enter(&self) -> Result<Admitted, Refusal> {
        if let Ok(admitted) = Arc::clone(&self.requests).try_acquire_owned() {
            return Ok(admitted);
        }
        let _waiting = Waiting::begin(&self.waiting, self.queue)?;
        match timeout(self.longest, Arc::clone(&self.requests).acquire_owned()).await {
            Ok(Ok(admitted)) => Ok(admitted),
            _ => Err(Refusal::busy("the request waited too long")),
        }
    }

    /// Adds `bytes` to what a body holds.
    pub fn hold(&self, held: &mut Held, bytes: usize) -> Result<(), Refusal> {
        let busy = || Refusal::busy("too many large requests arrive");
        let count = u32::try_from(bytes).map_err(|_| busy())?;
        let more = Arc::clone(&self.bodies).try_acquire_many_owned(count).map_err(|_| busy())?;
        match &mut held.0 {
            Some(all) => all.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// Number of requests that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// A request in the queue, until it is dropped: also if its client goes away.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, queue: usize) -> Result<Self, Refusal> {
        let place = Waiting(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) < queue {
            Ok(place)
        } else {
            Err(Refusal::busy("its queue is full"))
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn beyond_the_queue_requests_are_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let limits = Limits { requests: 1, queue: 1, total: Duration::from_millis(50), ..Limits::default() };
            let admission = Admission::new(&limits);
            let first = admission.enter().await.unwrap();
            {
                let mut second = pin!(admission.enter());
                let mut context = Context::from_waker(Waker::noop());
                assert!(second.as_mut().poll(&mut context).is_pending());
                assert_eq!(admission.waiting(), 1);
                let refused = admission.enter().await.unwrap_err();
                assert_eq!(refused.status.as_u16(), 503);
                assert!(refused.message.contains("queue is full"), "{}", refused.message);
            }
            // The client of the second request went away.
            assert_eq!(admission.waiting(), 0);
            assert!(admission.enter().await.unwrap_err().message.contains("waited too long"));
            drop(first);
            drop(admission.enter().await.unwrap());
        });
    }

    #[test]
    fn bodies_share_their_memory() {
        let admission = Admission::new(&Limits { body: 10, bodies: 25, ..Limits::default() });
        let (mut first, mut second) = (Held::default(), Held::default());
        admission.hold(&mut first, 10).unwrap();
        admission.hold(&mut first, 5).unwrap();
        admission.hold(&mut second, 10).unwrap();
        assert_eq!(admission.hold(&mut second, 1).unwrap_err().status.as_u16(), 503);
        drop(first);
        admission.hold(&mut second, 15).unwrap();
    }
}
