//! Waits for a server without being at its mercy: a wait can be cancelled, and a server that sends next to nothing is
//! given up.
//!
//! Each call of the network runs on a thread of its own. While it blocks, the caller reports [`Event::Idle`] a few
//! times a second. A caller that gives up leaves the thread behind; it ends with its next byte or timeout.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Body;

use super::error::Error;
use super::progress::{Event, Reporter};

/// Interval between two events while waiting.
const POLL: Duration = Duration::from_millis(200);
/// Size of the pieces of a body.
const PIECE: usize = 1 << 18;
/// Pieces that wait to be written.
const PIECES: usize = 2;
/// Bytes a second below which a transfer is given up: a checkpoint of 350 MB would take four days.
const MIN_RATE: f64 = 1000.0;

/// Runs `call` on another thread and waits for it.
///
/// # Errors
/// The callback cancels. The call then goes on without anyone.
pub(super) fn wait<T: Send + 'static>(
    reporter: &mut Reporter<'_>,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let send = move || {
        // The receiver is gone if the caller gave up.
        let _ = sender.send(call());
    };
    if let Some(send) = spawn(send) {
        send();
    }
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Timeout) => reporter.report(Event::Idle)?,
            // The call panicked. That is no answer, and a hub that causes it is not one.
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Protocol {
                    url: "the hub".into(),
                    reason: "answers with what ends its reader".into(),
                });
            }
        }
    }
}

/// Runs `work` on another thread; returns it if there can be no other thread.
fn spawn<F: FnOnce() + Send + 'static>(work: F) -> Option<F> {
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<F>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let shared = work.clone();
    let spawned = thread::Builder::new().name("hub".into()).spawn(move || {
        if let Some(work) = take(&shared) {
            work();
        }
    });
    spawned.is_err().then(|| take(&work)).flatten()
}

/// Watches how fast bytes arrive. Only waiting for them counts, not what is done with them.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time over which the rate is averaged.
    window: Duration,
    waited: Duration,
    bytes: u64,
    /// Wait left for the whole transfer, if it has a limit.
    left: Option<Duration>,
}

impl Pace {
    pub(super) fn new(window: Duration) -> Pace {
        Pace { window, waited: Duration::ZERO, bytes: 0, left: None }
    }

    /// For an answer that is a page and not a file.
    pub(super) fn of_page(window: Duration) -> Pace {
        const WINDOWS: u32 = 4;
        Pace { left: Some(window.saturating_mul(WINDOWS)), ..Pace::new(window) }
    }

    /// Bytes that a window must have.
    pub(super) fn quota(&self) -> u64 {
        (self.window.as_secs_f64() * MIN_RATE) as u64
    }

    /// Adds a wait and the bytes that it gave. Returns whether that is fast enough.
    fn add(&mut self, waited: Duration, bytes: usize) -> bool {
        self.waited += waited;
        self.bytes += bytes as u64;
        let in_time = self.left.is_none_or(|left| left > waited);
        self.left = self.left.map(|left| left.saturating_sub(waited));
        if self.waited < self.window {
            return in_time;
        }
        let fast = self.bytes as f64 >= self.waited.as_secs_f64() * MIN_RATE;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        in_time && fast
    }
}

/// Why the next piece of a body does not come.
pub(super) enum Stop {
    /// The callback cancelled.
    Cancelled(Error),
    /// The connection broke.
    Broken(io::Error),
    /// Too little arrives.
    TooSlow,
}

type Bytes = Box<dyn Read + Send>;

/// The body of a response, piece by piece.
pub(super) struct Incoming {
    source: Source,
    pace: Pace,
}

enum Source {
    Thread(Receiver<io::Result<Vec<u8>>>),
    /// There can be no other thread.
    Inline(Bytes),
}

impl Incoming {
    pub(super) fn new(body: Body, pace: Pace) -> Incoming {
        Incoming::of(Box::new(body.into_with_config().limit(u64::MAX).reader()), pace)
    }

    fn of(body: Bytes, pace: Pace) -> Incoming {
        let (sender, receiver) = mpsc::sync_channel(PIECES);
        let body = Arc::new(Mutex::new(Some(body)));
        let take = |body: &Mutex<Option<Bytes>>| body.lock().unwrap_or_else(PoisonError::into_inner).take();
        let shared = body.clone();
        let left = spawn(move || {
            let Some(mut body) = take(&shared) else { return };
            let mut buffer = vec![0; PIECE];
            loop {
                let piece = read_piece(&mut body, &mut buffer);
                let last = !matches!(&piece, Ok(bytes) if !bytes.is_empty());
                if sender.send(piece).is_err() || last {
                    return;
                }
            }
        });
        let source = match left.and_then(|_| take(&body)) {
            Some(body) => Source::Inline(body),
            None => Source::Thread(receiver),
        };
        Incoming { source, pace }
    }

    /// The next piece; empty at the end.
    pub(super) fn next(&mut self, reporter: &mut Reporter<'_>) -> Result<Vec<u8>, Stop> {
        let receiver = match &mut self.source {
            Source::Inline(body) => return read_piece(body, &mut vec![0; PIECE]).map_err(Stop::Broken),
            Source::Thread(receiver) => receiver,
        };
        loop {
            let started = Instant::now();
            let received = receiver.recv_timeout(POLL);
            let bytes = received.as_ref().ok().and_then(|piece| piece.as_ref().ok()).map_or(0, Vec::len);
            let fast = self.pace.add(started.elapsed(), bytes);
            match received {
                Ok(Ok(bytes)) if bytes.is_empty() || fast => return Ok(bytes),
                Ok(Err(error)) => return Err(Stop::Broken(error)),
                Err(RecvTimeoutError::Disconnected) => return Err(Stop::Broken(io::ErrorKind::BrokenPipe.into())),
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) if !fast => return Err(Stop::TooSlow),
                Ok(Ok(_)) | Err(RecvTimeoutError::Timeout) => reporter.report(Event::Idle).map_err(Stop::Cancelled)?,
            }
        }
    }
}

fn read_piece(body: &mut Bytes, buffer: &mut [u8]) -> io::Result<Vec<u8>> {
    loop {
        match body.read(buffer) {
            Ok(read) => return Ok(buffer.get(..read).unwrap_or_default().to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_pace_is_an_average_over_a_window() {
        let mut pace = Pace::new(10 * SECOND);
        assert_eq!(pace.quota(), 10_000);
        // A pause is made up for within the window.
        assert!(pace.add(9 * SECOND, 0) && pace.add(SECOND, 10_000));
        // The next window begins empty.
        assert!(pace.add(9 * SECOND, 9_000) && !pace.add(SECOND, 900));
        assert!(pace.add(SECOND, 1_000_000) && pace.add(10 * SECOND, 0) && !pace.add(10 * SECOND, 9_999));
        // A page has a limit in all, however fast it is.
        let mut page = Pace::of_page(10 * SECOND);
        assert!((0..7).all(|_| page.add(5 * SECOND, 1_000_000)) && !page.add(5 * SECOND, 1_000_000));
    }

    /// A server that sends a byte, then waits.
    struct Drip(Duration);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            thread::sleep(self.0);
            buffer[0] = b'x';
            Ok(1)
        }
    }

    #[test]
    fn a_dripping_server_is_given_up() {
        let mut pieces = Incoming::of(Box::new(Drip(Duration::from_millis(20))), Pace::new(Duration::from_millis(300)));
        let mut callback = |_: Event<'_>| ControlFlow::Continue(());
        let mut reporter = Reporter(&mut callback);
        let mut received = 0;
        let stop = loop {
            match pieces.next(&mut reporter) {
                Ok(bytes) => received += bytes.len(),
                Err(stop) => break stop,
            }
        };
        assert!(matches!(stop, Stop::TooSlow));
        assert!((1..300).contains(&received), "{received}");
    }

    #[test]
    fn waits_can_be_cancelled() {
        let mut pieces = Incoming::of(Box::new(Drip(60 * SECOND)), Pace::new(60 * SECOND));
        let mut callback = |event: Event<'_>| {
            assert!(matches!(event, Event::Idle));
            ControlFlow::Break(())
        };
        let mut reporter = Reporter(&mut callback);
        assert!(matches!(pieces.next(&mut reporter), Err(Stop::Cancelled(Error::Cancelled))));
        assert!(matches!(wait(&mut reporter, || thread::sleep(60 * SECOND)), Err(Error::Cancelled)));
        assert_eq!(wait(&mut reporter, || 7).unwrap(), 7);
    }
}
