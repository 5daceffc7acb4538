//! Streams any number of inputs through an encoder: in order, with bounded memory, cancellable.
//!
//! Inputs are pulled on the caller's thread and go to two workers in chunks, each a batch for the encoder. Threads that
//! are idle during the last passes of one chunk work on the other. Independent of the kind of input.

mod workers;

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::session::Session;
use super::{Ahead, CancelToken, Encoded};
use crate::error::Error;
use crate::threads::Pool;
use workers::{Done, WORKERS, Workers};

/// Limit of chunks that are pulled and not yet handed out: two more than are encoded, so that no worker waits for the
/// caller.
const MOST_CHUNKS: usize = 2 * WORKERS;

/// The inputs of an iterator with their embeddings, in the same order: see
/// [`ImageEncoder::stream`](super::ImageEncoder::stream) and [`TextEncoder::stream`](super::TextEncoder::stream).
///
/// Each item is an input and its embedding or error. Errors count inputs from the start of the stream
/// ([`Error::index`]). Settings must come before the first item:
///
/// ```no_run
/// use clippie_rs::{CancelToken, ImageEncoder};
///
/// let encoder = ImageEncoder::open("mobileclip2-s2.clippie")?;
/// let (send, receive) = std::sync::mpsc::channel::<Vec<u8>>(); // photos from another thread
/// # drop(send);
/// let cancel = CancelToken::new(); // give a clone to the button that cancels
/// for (_photo, embedding) in encoder.stream(receive).cancel(&cancel).progress(|p| println!("{} done", p.done)) {
///     match embedding {
///         Ok(embedding) => println!("{} numbers", embedding.len()),
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// # Ok::<(), clippie_rs::Error>(())
/// ```
///
/// Memory is bounded: a few [chunks](Stream::chunk) of inputs and embeddings at a time. Photos in files are read ahead of
/// their decoding, by up to eight threads that do nothing else, so that a disk or a server that takes long to answer is asked
/// for several at once; 32 MiB of them wait at most, or one larger file. A model of one thread, which is the calling one,
/// reads each when it is decoded. Inputs are pulled in
/// [`Iterator::next`], on the calling thread, so the iterator need not be [`Send`]; while it blocks, finished
/// embeddings wait, unless [`at_hand`](Stream::at_hand) says when it would.
///
/// Once [cancelled](Stream::cancel), the stream pulls no more inputs, hands out those it has (with their embedding if
/// it was done, else with [`Error::Cancelled`]) and ends. Dropping it stops the work within about the time of one pass
/// and leaves no thread behind. A panic of the inputs' iterator reaches the caller and ends the stream. In a child
/// process that forks while inputs are encoded, the stream ends: they are encoded in the parent.
#[must_use = "streams do nothing unless they are consumed"]
pub struct Stream<'a, I: Iterator> {
    /// `None` once they are exhausted.
    inputs: Option<I>,
    pulled: Vec<I::Item>,
    /// What is read of `pulled` meanwhile.
    ahead: Vec<Option<Ahead>>,
    /// Begins to read what the work on an input will need.
    reader: Option<Box<Reader<I::Item>>>,
    /// Chunks in progress, in order.
    chunks: VecDeque<Receiver<Done<I::Item>>>,
    /// Rows of the chunk that is being handed out.
    rows: std::vec::IntoIter<Row<I::Item>>,
    workers: Workers<I::Item>,
    chunk: usize,
    /// Tokens that stop this stream.
    tokens: Vec<CancelToken>,
    cancel: CancelToken,
    progress: Progress,
    report: Option<Box<dyn FnMut(Progress) + Send + 'a>>,
    /// Whether the next input would come without waiting; `None` if that does not matter.
    at_hand: Option<Box<dyn FnMut() -> bool + Send + 'a>>,
}

type Reader<T> = dyn FnMut(&T) -> Option<Ahead> + Send;

/// An input and its embedding or error.
type Row<T> = (T, Result<Vec<f32>, Error>);

/// Progress of a [`Stream`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Inputs that were handed out, with an embedding or an error.
    pub done: usize,
    /// Number of them with an error.
    pub failed: usize,
    /// Total number of inputs, if their iterator knows it.
    pub total: Option<usize>,
}

impl<'a, I: Iterator> Stream<'a, I>
where
    I::Item: Send + 'static,
{
    /// Creates a stream with chunks sized for `session`, stopped by `cancel`; `work` encodes a chunk.
    pub(super) fn new(
        inputs: I,
        session: &Session,
        cancel: &CancelToken,
        work: impl Fn(&[I::Item], &[Option<Ahead>], &CancelToken) -> Encoded + Send + Sync + 'static,
    ) -> Self {
        // A pass for each thread, with enough inputs that threads do not share passes.
        let chunk = session.options.batch_size.max(2) * session.pool().threads();
        Stream::with(inputs, chunk, Arc::clone(session.pool()), cancel, work)
    }

    fn with(
        inputs: I,
        chunk: usize,
        pool: Arc<Pool>,
        cancel: &CancelToken,
        work: impl Fn(&[I::Item], &[Option<Ahead>], &CancelToken) -> Encoded + Send + Sync + 'static,
    ) -> Self {
        let total = match inputs.size_hint() {
            (least, Some(most)) if least == most => Some(most),
            _ => None,
        };
        Stream {
            inputs: Some(inputs),
            pulled: Vec::new(),
            ahead: Vec::new(),
            reader: None,
            chunks: VecDeque::new(),
            rows: Vec::new().into_iter(),
            workers: Workers::new(pool, work),
            chunk,
            tokens: vec![cancel.clone()],
            cancel: cancel.child(),
            progress: Progress { total, ..Progress::default() },
            report: None,
            at_hand: None,
        }
    }

    /// Calls `reader` for each input that is pulled; what it begins to read goes to the work with the input.
    #[cfg(feature = "decode")]
    pub(super) fn reading(mut self, reader: impl FnMut(&I::Item) -> Option<Ahead> + Send + 'static) -> Self {
        self.reader = Some(Box::new(reader));
        self
    }

    /// Sets the number of inputs that are encoded together, at least one. Larger chunks cost memory and latency; fewer
    /// than two inputs per thread cost speed. The default is a pass of
    /// [`Options::batch_size`](super::Options::batch_size) per thread. Never changes results.
    pub fn chunk(mut self, inputs: usize) -> Self {
        self.chunk = inputs.max(1);
        self
    }

    /// Stops the stream when `token` is cancelled.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.tokens.push(token.clone());
        self.cancel = CancelToken::linked(&self.tokens);
        self
    }

    /// Calls `report` on the calling thread for every input that is handed out.
    pub fn progress(mut self, report: impl FnMut(Progress) + Send + 'a) -> Self {
        self.report = Some(Box::new(report));
        self
    }

    /// Asks before each input whether it is at hand: `at_hand` says whether the inputs' iterator would return without
    /// waiting, be it with an input or because they are exhausted. Where it would wait, the inputs that were pulled are
    /// encoded and handed out first, however few they are, so that someone who waits for their embeddings before giving
    /// more gets them. Never changes results.
    pub fn at_hand(mut self, at_hand: impl FnMut() -> bool + Send + 'a) -> Self {
        self.at_hand = Some(Box::new(at_hand));
        self
    }

    /// Number of inputs that [`Iterator::next`] hands out without waiting: 0 at the end of each chunk.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.rows.len()
    }

    /// Whether to pull an input now: waiting for one must not delay those before it.
    fn pulls(&mut self) -> bool {
        let idle = self.pulled.is_empty() && self.chunks.is_empty();
        self.chunks.len() < MOST_CHUNKS && (idle || self.at_hand.as_mut().is_none_or(|at_hand| at_hand()))
    }

    /// Pulls an input; a full chunk goes to the workers. After a panic of the iterator it pulls no more.
    fn pull(&mut self, mut inputs: I) {
        if let Some(input) = inputs.next() {
            if let Some(reader) = &mut self.reader {
                self.ahead.push(reader(&input));
            }
            self.pulled.push(input);
            self.inputs = Some(inputs);
        }
        if self.pulled.len() >= self.chunk || self.inputs.is_none() {
            self.submit();
        }
    }

    fn submit(&mut self) {
        if !self.pulled.is_empty() {
            let inputs = std::mem::take(&mut self.pulled);
            let ahead = std::mem::take(&mut self.ahead);
            self.chunks.push_back(self.workers.submit(inputs, ahead, &self.cancel));
        }
    }

    /// Starts handing out a chunk.
    fn open(&mut self, done: Done<I::Item>) {
        let Done { inputs, outcome } = done;
        let results = match outcome {
            Ok(encoded) => encoded.into_results(),
            Err(panic) => {
                self.inputs = None;
                self.pulled.clear();
                self.ahead.clear();
                self.cancel.cancel();
                resume_unwind(panic);
            }
        };
        let first = self.progress.done;
        let rows = results.into_iter().map(|row| row.map_err(|error| error.shifted(first)));
        self.rows = inputs.into_iter().zip(rows).collect::<Vec<_>>().into_iter();
    }
}

impl<I: Iterator> Iterator for Stream<'_, I>
where
    I::Item: Send + 'static,
{
    type Item = (I::Item, Result<Vec<f32>, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((input, row)) = self.rows.next() {
                self.progress.done += 1;
                self.progress.failed += usize::from(row.is_err());
                if let Some(report) = &mut self.report {
                    report(self.progress);
                }
                return Some((input, row));
            }
            if self.workers.are_lost() {
                return None;
            }
            if self.cancel.is_cancelled() {
                (self.inputs, self.reader) = (None, None);
            }
            if self.inputs.is_none() {
                // Also what was pulled before the iterator panicked.
                self.submit();
            }
            // Hand out finished embeddings before pulling new inputs, which may block.
            if let Some(done) = self.chunks.front().and_then(|chunk| chunk.try_recv().ok()) {
                self.chunks.pop_front();
                self.open(done);
            } else if self.inputs.is_some()
                && self.pulls()
                && let Some(inputs) = self.inputs.take()
            {
                self.pull(inputs);
            } else {
                self.submit();
                let done = self.workers.wait(&self.chunks.pop_front()?)?;
                self.open(done);
            }
        }
    }
}

impl<I: Iterator> FusedIterator for Stream<'_, I> where I::Item: Send + 'static {}

impl<I: Iterator> Drop for Stream<'_, I> {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.reader = None;
        if self.workers.are_lost() {
            // A lost thread may be about to use them for ever.
            return std::mem::forget(std::mem::take(&mut self.chunks));
        }
        for chunk in self.chunks.drain(..) {
            let _ = self.workers.wait(&chunk);
        }
    }
}

impl<I: Iterator> fmt::Debug for Stream<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("chunk", &self.chunk).field("progress", &self.progress).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use ndarray::Array2;

    use super::*;

    /// A stream over numbers whose embeddings are the numbers, seven at most; others fail.
    fn numbers<'a, I: Iterator<Item = usize>>(inputs: I, chunk: usize, cancel: &CancelToken) -> Stream<'a, I> {
        Stream::with(inputs, chunk, Arc::new(Pool::shared()), cancel, encode)
    }

    fn encode(inputs: &[usize], _: &[Option<Ahead>], cancel: &CancelToken) -> Encoded {
        if inputs[0].is_multiple_of(3) {
            thread::sleep(Duration::from_micros(300));
        }
        let rows = Array2::from_shape_fn((inputs.len(), 1), |(i, _)| inputs[i] as f32);
        let errors = inputs.iter().enumerate().filter(|(_, input)| cancel.is_cancelled() || input.is_multiple_of(7));
        let error = |place| match cancel.is_cancelled() {
            true => Error::Cancelled,
            false => Error::OutputLength { len: 1, inputs: 1, expected: 2 }.of_item("number", Some(place), None),
        };
        Encoded { errors: errors.map(|(place, _)| (place, error(place))).collect(), rows }
    }

    #[test]
    fn results_come_in_order_with_their_indices() {
        for inputs in [0, 1, 2, 5, 64, 101] {
            for chunk in [1, 2, 7, 1000] {
                let token = CancelToken::new();
                let mut reported = Vec::new();
                let mut stream = numbers(0..inputs, chunk, &token).progress(|progress| reported.push(progress));
                let mut next = 0;
                while let Some((input, row)) = stream.next() {
                    assert_eq!(input, next);
                    match row {
                        Ok(row) => assert_eq!(row, [next as f32]),
                        Err(error) => assert_eq!((error.index(), next % 7), (Some(next), 0)),
                    }
                    next += 1;
                    assert_eq!(stream.ready() == 0, next % chunk == 0 || next == inputs);
                }
                assert!(stream.next().is_none());
                drop(stream);
                assert_eq!((next, reported.len(), token.is_cancelled()), (inputs, inputs, false));
                if let Some(last) = reported.last() {
                    assert_eq!((last.done, last.failed, last.total), (inputs, inputs.div_ceil(7), Some(inputs)));
                }
            }
        }
    }

    #[test]
    fn no_more_inputs_are_pulled_than_chunks_hold() {
        let pulled = AtomicUsize::new(0);
        let inputs = (0..).inspect(|_| {
            pulled.fetch_add(1, Ordering::Relaxed);
        });
        let mut stream = numbers(inputs, 3, &CancelToken::new());
        for taken in 1..100 {
            assert_eq!(stream.next().unwrap().0 + 1, taken);
            assert!(pulled.load(Ordering::Relaxed) <= taken + 3 * (MOST_CHUNKS + 1));
            if taken % 10 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Whoever gives inputs waits for each embedding, and chunks are never full.
    #[test]
    fn inputs_that_are_not_at_hand_are_not_waited_for() {
        let (send, receive) = std::sync::mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let (taken, there) = (Arc::clone(&waiting), Arc::clone(&waiting));
        let inputs = receive.into_iter().inspect(move |_| {
            taken.fetch_sub(1, Ordering::SeqCst);
        });
        let mut stream = numbers(inputs, 1000, &CancelToken::new()).at_hand(move || there.load(Ordering::SeqCst) > 0);
        let mut next = 0;
        for count in [1, 2, 1, 5, 30, 1] {
            for input in next..next + count {
                waiting.fetch_add(1, Ordering::SeqCst);
                send.send(input).unwrap();
            }
            for input in next..next + count {
                assert_eq!(stream.next().unwrap().0, input);
            }
            next += count;
            assert_eq!(stream.ready(), 0);
        }
        drop(send);
        assert!(stream.next().is_none());
    }

    #[test]
    fn a_cancelled_stream_hands_out_what_it_has_and_ends() {
        let token = CancelToken::new();
        let stream = numbers(1.., 2, &CancelToken::new()).cancel(&token);
        let mut taken = 0;
        let mut cancelled = 0;
        for (input, row) in stream {
            taken += 1;
            assert_eq!(input, taken);
            if taken == 20 {
                token.cancel();
            }
            cancelled += usize::from(matches!(row, Err(Error::Cancelled)));
        }
        assert!((20..=20 + 2 * (MOST_CHUNKS + 1)).contains(&taken) && cancelled < taken, "{taken} {cancelled}");
    }

    #[test]
    fn a_dropped_stream_stops() {
        struct Running(Arc<AtomicUsize>);
        impl Drop for Running {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        // Counts the owners of the work: the stream and its threads.
        let count = Arc::new(AtomicUsize::new(1));
        let running = Running(Arc::clone(&count));
        let token = CancelToken::new();
        let mut stream = Stream::with(
            0..,
            1,
            Arc::new(Pool::shared()),
            &token,
            move |inputs: &[usize], ahead: &[Option<Ahead>], cancel: &CancelToken| {
                let _ = &running;
                encode(inputs, ahead, cancel)
            },
        );
        assert_eq!(stream.by_ref().take(10).count(), 10);
        drop(stream);
        assert_eq!(count.load(Ordering::SeqCst), 0, "no thread holds the work any more");
        assert!(!token.is_cancelled(), "the caller's token is the caller's");
        drop(numbers(0..10, 2, &token)); // never started
    }

    #[test]
    fn panics_reach_the_caller_and_end_the_stream() {
        let token = CancelToken::new();
        let inputs = (0..100).inspect(|&input| assert!(input != 50, "of the inputs; part of a test"));
        let mut stream = numbers(inputs, 4, &token);
        let mut taken = 0;
        let panic = loop {
            match catch_unwind(AssertUnwindSafe(|| stream.next())) {
                Ok(item) => assert_eq!(item.unwrap().0, taken),
                Err(panic) => break panic,
            }
            taken += 1;
        };
        assert!(panic.downcast_ref::<&str>().is_some_and(|text| text.contains("of the inputs")));
        // Inputs pulled before the panic are still handed out.
        let rest: Vec<usize> = stream.map(|(input, _)| input).collect();
        assert_eq!(rest, (taken..50).collect::<Vec<_>>());

        let mut stream = Stream::with(
            0..100,
            1,
            Arc::new(Pool::shared()),
            &token,
            |inputs: &[usize], ahead: &[Option<Ahead>], cancel: &CancelToken| {
                assert!(inputs[0] != 7, "of the work; part of a test");
                encode(inputs, ahead, cancel)
            },
        );
        assert_eq!(stream.by_ref().take(7).count(), 7);
        let panic = catch_unwind(AssertUnwindSafe(|| stream.next())).map(|_| ()).unwrap_err();
        assert!(panic.downcast_ref::<&str>().is_some_and(|text| text.contains("of the work")));
        assert!(stream.count() <= MOST_CHUNKS);
    }

    #[test]
    fn a_thread_of_the_pool_may_be_the_caller() {
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap());
        let inner = Arc::clone(&pool);
        pool.install(move || {
            let work = move |inputs: &[usize], ahead: &[Option<Ahead>], cancel: &CancelToken| {
                inner.install(|| encode(inputs, ahead, cancel))
            };
            let mut stream = Stream::with(0..40, 3, Arc::new(Pool::shared()), &CancelToken::new(), work);
            assert_eq!(stream.by_ref().take(20).map(|(input, _)| input).collect::<Vec<_>>(), Vec::from_iter(0..20));
            drop(stream);
        });
    }
}
