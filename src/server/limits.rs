//! How much is taken on at once: requests that are worked on, requests that wait, and the bytes of their bodies and answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
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
    /// Memory of the begin of bodies, and of any part of them.
    small_bodies: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    most_answers: usize,
    patience: Duration,
}

/// A request that is worked on, until it is dropped.
pub(super) type Admitted = OwnedSemaphorePermit;

/// Bytes of a body up to which a part of the memory is kept for it: large bodies that arrive slowly, or no further, do not
/// keep small ones out.
const SMALL: usize = 1 << 20;

/// Bytes of a body that are held, until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: usize,
    /// Of the memory that is kept for small bodies, and of that of all.
    small: Option<OwnedSemaphorePermit>,
    any: Option<OwnedSemaphorePermit>,
}

/// Memory of an answer, from before it is written until its client has it.
#[derive(Debug)]
pub(super) struct Reserved(OwnedSemaphorePermit);

impl Reserved {
    /// The answer, which counts with its own length until the connection has sent it or is closed.
    pub fn bytes(mut self, answer: Vec<u8>) -> Bytes {
        let unused = self.0.num_permits().saturating_sub(answer.len());
        drop(self.0.split(unused));
        Bytes::from_owner(Counted { answer, _reserved: self })
    }
}

/// An answer and what it counts. The connection drops a body as soon as it has its last bytes, and those when they are
/// sent: so they count, not the body.
struct Counted {
    answer: Vec<u8>,
    _reserved: Reserved,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl Admission {
    pub fn new(limits: &Limits) -> Admission {
        let permits = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Admission {
            requests: permits(limits.requests),
            waiting: AtomicUsize::new(0),
            queue: limits.queue,
            longest: limits.total,
            small_bodies: permits(limits.bodies / 4),
            bodies: permits((limits.bodies - limits.bodies / 4).max(limits.body)),
            answers: permits(limits.answers),
            most_answers: limits.answers.clamp(1, Semaphore::MAX_PERMITS),
            patience: limits.patience,
        }
    }

    /// Waits until there is room to work on a request whose body has arrived.
    pub async fn enter(&self) -> Result<Admitted, Refusal> {
        self.wait(&self.requests).await
    }

    /// Waits in the queue for one of other places than those of requests that are worked on here.
    pub async fn wait(&self, places: &Arc<Semaphore>) -> Result<Admitted, Refusal> {
        if let Ok(admitted) = Arc::clone(places).try_acquire_owned() {
            return Ok(admitted);
        }
        let _waiting = Waiting::begin(&self.waiting, self.queue)?;
        match timeout(self.longest, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(admitted)) => Ok(admitted),
            _ => Err(Refusal::busy("the request waited too long")),
        }
    }

    /// Adds `bytes` that have arrived to what a body holds.
    pub fn hold(&self, held: &mut Held, bytes: usize) -> Result<(), Refusal> {
        let busy = || Refusal::busy("too many large requests arrive");
        let count = u32::try_from(bytes).map_err(|_| busy())?;
        held.bytes = held.bytes.saturating_add(bytes);
        let of = |memory: &Arc<Semaphore>| Arc::clone(memory).try_acquire_many_owned(count).ok();
        let small = if held.bytes <= SMALL { of(&self.small_bodies) } else { None };
        let (more, all) = match small {
            Some(more) => (more, &mut held.small),
            None => (of(&self.bodies).ok_or_else(busy)?, &mut held.any),
        };
        match all {
            Some(all) => all.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// Waits until there is memory for an answer of about so many bytes: for as long as a client has to take the next part
    /// of its answer.
    pub async fn reserve(&self, bytes: usize) -> Result<Reserved, Refusal> {
        let busy = || Refusal::busy("too many answers are not taken by their clients");
        // An answer that is larger than all may be is sent alone.
        let count = u32::try_from(bytes.min(self.most_answers)).map_err(|_| busy())?;
        match timeout(self.patience, Arc::clone(&self.answers).acquire_many_owned(count)).await {
            Ok(Ok(reserved)) => Ok(Reserved(reserved)),
            _ => Err(busy()),
        }
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
    fn answers_count_until_they_are_sent() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let patience = Duration::from_millis(20);
            let admission = Admission::new(&Limits { answers: 100, patience, ..Limits::default() });
            let sent = admission.reserve(90).await.unwrap().bytes(vec![7; 60]);
            assert_eq!(sent[..], [7; 60]);
            // A part that the connection keeps is the whole to memory.
            let part = sent.slice(..1);
            drop(sent);
            let other = admission.reserve(40).await.unwrap();
            let refused = admission.reserve(1).await.unwrap_err();
            assert_eq!(refused.status.as_u16(), 503);
            assert!(refused.message.contains("answers"), "{}", refused.message);
            drop((part, other));
            // What is larger than all may be goes alone.
            drop(admission.reserve(1000).await.unwrap().bytes(vec![0; 1000]));
            admission.reserve(100).await.unwrap();
        });
    }

    #[test]
    fn bodies_share_their_memory() {
        let admission = Admission::new(&Limits { body: 10 << 20, bodies: 40 << 20, ..Limits::default() });
        let hold = |held: &mut Held, bytes| admission.hold(held, bytes).map_err(|refusal| refusal.status.as_u16());
        let large = || {
            let mut held = Held::default();
            (0..10).try_for_each(|_| hold(&mut held, 1 << 20)).map(|()| held)
        };
        // The first MiB of each is of the memory for small bodies.
        let mut all = vec![large().unwrap(), large().unwrap(), large().unwrap()];
        let mut more = Held::default();
        (0..4).for_each(|_| hold(&mut more, 1 << 20).unwrap());
        assert_eq!(hold(&mut more, 1), Err(503));
        // Large bodies that go no further leave room for small ones.
        let mut small: Vec<Held> = (0..6).map(|_| Held::default()).collect();
        small.iter_mut().for_each(|held| hold(held, 1 << 20).unwrap());
        assert_eq!(hold(&mut Held::default(), 1), Err(503));
        small.pop();
        hold(&mut Held::default(), 1 << 20).unwrap();
        // These take the memory of all where that of small ones is used up.
        all.pop();
        hold(&mut more, 6 << 20).unwrap();
        (0..6).for_each(|_| small.push(Held::default()));
        small[5..].iter_mut().for_each(|held| hold(held, 1 << 19).unwrap());
        drop((all, more, small));
        assert_eq!(admission.bodies.available_permits() + admission.small_bodies.available_permits(), 40 << 20);
    }
}
