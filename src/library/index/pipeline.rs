//! The threads of a run: some read, one compares, two encode, and the calling one writes.
//!
//! ```text
//! compare -> read, hash (8, ahead) -> queue, bounded by bytes -> encode (2) -> events -> batches -> store
//!                            '-- known contents, failures, what is not listed --^
//! ```

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::error::Error;
use super::super::library::Library;
use super::super::store::{KnownFile, PhotoRow, Store};
use super::compare::{Compare, Met, Stat};
use super::describe;
use super::place::Place;
use super::queue::Queue;
use super::read::{self, Unread, Whole, read_now, uncertain};
use crate::cancel::CancelToken;
use crate::clip::{ImageEncoder, ObservedPhoto};
use crate::error::ErrorKind;
use crate::files::{ReadAhead, Reading};

/// Bytes of photos that are read, and compared with the library, and not yet encoded: fifteen of a phone.
const MOST_BYTES: u64 = 64 << 20;
/// Bytes of photos that are read before their turn to be compared comes.
const AHEAD_BYTES: u64 = 32 << 20;
/// The number of such photos: several for each thread that reads.
const AHEAD: usize = 32;
/// How long one of them is waited for before the others are looked at.
const PATIENCE: Duration = Duration::from_millis(2);
/// The number of such photos, in chunks: two more than are encoded at a time, so that no encoder waits.
const MOST_CHUNKS: usize = 2 * ENCODERS;
/// Threads that encode chunks, as in [`Stream`](crate::Stream): while one ends, the other keeps the processors busy.
const ENCODERS: usize = 2;
/// Events that wait for the writer.
const MOST_EVENTS: usize = 256;

/// What a run works on.
pub(super) struct Job<'a> {
    pub library: &'a Library,
    pub encoder: &'a ImageEncoder,
    pub places: &'a [Place],
    pub model: i64,
    pub retry: bool,
    /// Photos that are encoded together.
    pub chunk: usize,
    pub cancel: &'a CancelToken,
}

/// A file as its row is going to be.
pub(super) struct Seen {
    /// The number of its place.
    pub place: usize,
    pub stored: Vec<u8>,
    pub path: PathBuf,
    pub stat: Stat,
    /// What the library knew of the path.
    pub before: Option<KnownFile>,
}

/// The hash of a content.
pub(super) type Hash = [u8; 32];

/// A photo that was encoded.
pub(super) struct Encoded {
    pub photo: PhotoRow,
    pub vector: Vec<f32>,
}

/// Something to write.
pub(super) enum Event {
    /// A photo that was encoded, or why it cannot be. Copies of it wait under its hash.
    Read { seen: Seen, hash: Hash, result: Result<Box<Encoded>, String> },
    /// A file whose content is in the library.
    Known { seen: Seen, hash: Hash },
    /// A file that cannot be read.
    Failed { seen: Seen, reason: String },
    /// A file that is there again.
    Back { place: usize, stored: Vec<u8> },
    /// A file that the walk did not list.
    Unlisted { place: usize, stored: Vec<u8>, path: PathBuf },
}

/// Contents that are being encoded, and the copies of them that were found meanwhile.
#[derive(Default)]
pub(super) struct Copies(Mutex<HashMap<Hash, Vec<Seen>>>);

impl Copies {
    fn map(&self) -> MutexGuard<'_, HashMap<Hash, Vec<Seen>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a copy of a content that is being encoded; gives it back if the content is not.
    fn add(&self, hash: &Hash, seen: Seen) -> Option<Seen> {
        match self.map().get_mut(hash) {
            None => Some(seen),
            Some(copies) => {
                copies.push(seen);
                None
            }
        }
    }

    /// The copies up to now.
    pub fn take(&self, hash: &Hash) -> Vec<Seen> {
        self.map().get_mut(hash).map(std::mem::take).unwrap_or_default()
    }

    /// The content is in the library, or cannot be: returns the copies since [`Copies::take`].
    pub fn end(&self, hash: &Hash) -> Vec<Seen> {
        self.map().remove(hash).unwrap_or_default()
    }
}

/// A photo to encode.
struct Photo {
    seen: Seen,
    hash: Hash,
    /// What was reserved for it.
    len: u64,
    input: ObservedPhoto,
}

/// What the threads counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub opened: u64,
    pub bytes: u64,
    pub database: Duration,
}

/// Runs the threads, and `write` on the calling thread with their events.
pub(super) fn run(
    job: &Job<'_>,
    copies: &Copies,
    write: impl FnOnce(Receiver<Event>) -> Result<(), Error>,
) -> Result<Counts, Error> {
    let queue = Queue::new(MOST_BYTES, MOST_CHUNKS * job.chunk);
    let (events, written) = mpsc::sync_channel(MOST_EVENTS);
    thread::scope(|scope| {
        let start = |name: &str| thread::Builder::new().name(name.into());
        let no_thread = |source: io::Error| job.library.failed(format!("cannot start a thread: {source}"));
        let mut encoders = Vec::new();
        // Whatever ends here, also by an error, ends the threads.
        let _stop = Stop(&queue);
        for _ in 0..ENCODERS {
            let events = events.clone();
            let encode = || encode(job, &queue, events);
            encoders.push(start("clippie-encode").spawn_scoped(scope, encode).map_err(no_thread)?);
        }
        let read = || {
            let _stop = StopOnPanic(&queue);
            let result = read(job, copies, &queue, events);
            queue.close();
            result
        };
        let reader = start("clippie-read").spawn_scoped(scope, read).map_err(no_thread)?;
        let mut result = write(written);
        queue.stop();
        let counts = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        for encoder in encoders {
            result = result.and(encoder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        result.and(counts)
    })
}

struct Stop<'a>(&'a Queue<Photo>);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

struct StopOnPanic<'a>(&'a Queue<Photo>);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}

/// Compares all places and reads what is new. Ends early if nobody takes the events any more.
fn read(job: &Job<'_>, copies: &Copies, queue: &Queue<Photo>, events: SyncSender<Event>) -> Result<Counts, Error> {
    let store = job.library.store()?;
    let mut counts = Counts::default();
    let mut reading =
        Ahead { job, store: &store, copies, queue, ahead: ReadAhead::new(AHEAD_BYTES), begun: VecDeque::new() };
    for (place, at) in job.places.iter().enumerate() {
        let mut compare = Compare::new(&store, at, job.model, job.retry, job.cancel);
        for met in compare.by_ref() {
            let event = match met? {
                // They were reported before.
                Met::Unchanged | Met::FailedBefore | Met::Unreadable { .. } => continue,
                Met::Back { stored } => Event::Back { place, stored },
                Met::Unlisted { stored, path } => Event::Unlisted { place, stored, path },
                Met::Unread { stored, path, before } => {
                    reading.begin(Seen { place, stored, path, stat: Stat::default(), before });
                    match reading.end_one(AHEAD, &mut counts)? {
                        Outcome::Queued => continue,
                        Outcome::Stopped => return Ok(counts),
                        Outcome::Event(event) => *event,
                    }
                }
            };
            if events.send(event).is_err() {
                return Ok(counts);
            }
        }
        counts.database += compare.database;
    }
    while !reading.begun.is_empty() && !job.cancel.is_cancelled() {
        match reading.end_one(1, &mut counts)? {
            Outcome::Queued => {}
            Outcome::Stopped => break,
            Outcome::Event(event) => {
                if events.send(*event).is_err() {
                    break;
                }
            }
        }
    }
    Ok(counts)
}

/// What became of a photo that was to be read.
enum Outcome {
    /// It waits to be encoded, or for the encoding of the same content.
    Queued,
    Stopped,
    Event(Box<Event>),
}

/// A photo that is being read; without a reading it will be when it is taken.
struct Begun {
    seen: Seen,
    reading: Option<Reading<Result<Whole, Unread>>>,
}

impl Begun {
    /// Whether it has been read, or is within this time.
    fn ends_within(&self, patience: Duration) -> bool {
        self.reading.as_ref().is_none_or(|reading| reading.ends_within(patience))
    }
}

/// Photos that are read ahead, and what becomes of them.
struct Ahead<'a> {
    job: &'a Job<'a>,
    store: &'a Store,
    copies: &'a Copies,
    queue: &'a Queue<Photo>,
    ahead: ReadAhead,
    begun: VecDeque<Begun>,
}

impl Ahead<'_> {
    /// Begins to read a photo.
    fn begin(&mut self, seen: Seen) {
        let (path, limits) = (seen.path.clone(), self.job.encoder.limits());
        let reading = self.ahead.begin(move |room| read::read(&path, limits, room));
        self.begun.push_back(Begun { seen, reading });
    }

    /// Takes a photo that was read, whichever it is: a slow one does not hold up the others. Waits for one if `most` are
    /// begun.
    fn end_one(&mut self, most: usize, counts: &mut Counts) -> Result<Outcome, Error> {
        let ended = loop {
            if self.job.cancel.is_cancelled() {
                return Ok(Outcome::Stopped);
            }
            match self.begun.iter().position(|begun| begun.ends_within(Duration::ZERO)) {
                Some(ended) => break ended,
                None if self.begun.len() < most => return Ok(Outcome::Queued),
                None => _ = self.begun.front().is_some_and(|begun| begun.ends_within(PATIENCE)),
            }
        };
        let Some(Begun { seen, reading }) = self.begun.remove(ended) else { return Ok(Outcome::Queued) };
        let limits = self.job.encoder.limits();
        match reading.and_then(|reading| reading.take()).unwrap_or_else(|| read_now(&seen.path, limits)) {
            Ok(whole) => self.photo(seen, whole, counts),
            Err(unread) => Ok(Ahead::unread(seen, unread)),
        }
    }

    /// Gives the bytes of a photo to the encoders unless the library knows them.
    fn photo(&self, mut seen: Seen, whole: Whole, counts: &mut Counts) -> Result<Outcome, Error> {
        let Whole { stat, bytes, content } = whole;
        let (len, hash) = (content.len, content.hash);
        counts.opened += 1;
        counts.bytes += len;
        seen.stat = stat;
        if !self.queue.reserve(len) {
            return Ok(Outcome::Stopped);
        }
        let Some(seen) = self.copies.add(&hash, seen) else {
            self.queue.release(len);
            return Ok(Outcome::Queued);
        };
        let started = Instant::now();
        let known = match self.store.photo_of_hash(&hash)? {
            Some(photo) => self.store.has_embedding(self.job.model, photo)?,
            None => false,
        };
        counts.database += started.elapsed();
        if known {
            self.queue.release(len);
            return Ok(Outcome::Event(Box::new(Event::Known { seen, hash })));
        }
        self.copies.map().insert(hash, Vec::new());
        let input = ObservedPhoto::from_bytes(bytes, Some(seen.path.clone())).with_content(content);
        self.queue.push(Photo { seen, hash, len, input });
        Ok(Outcome::Queued)
    }

    fn unread(mut seen: Seen, unread: Unread) -> Outcome {
        match unread {
            Unread::Gone if seen.before.as_ref().is_none_or(|known| known.file.missing) => Outcome::Queued,
            Unread::Gone => {
                let Seen { place, stored, path, .. } = seen;
                Outcome::Event(Box::new(Event::Unlisted { place, stored, path }))
            }
            Unread::Failed(error) => {
                // What a file system refuses today it may give tomorrow.
                seen.stat = uncertain(seen.path.metadata().map(|data| Stat::of(&data)).unwrap_or_default());
                let reason = format!("it cannot be read: {error}");
                Outcome::Event(Box::new(Event::Failed { seen, reason }))
            }
        }
    }
}

/// Encodes chunks until there are no more.
fn encode(job: &Job<'_>, queue: &Queue<Photo>, events: SyncSender<Event>) -> Result<(), Error> {
    let _stop = StopOnPanic(queue);
    let encoder = job.encoder.with_cancel(job.cancel);
    loop {
        let photos = queue.take(job.chunk);
        if photos.is_empty() {
            return Ok(());
        }
        let results = encoder.encode_each(photos.iter().map(|photo| &photo.input)).into_results();
        for (photo, result) in photos.into_iter().zip(results) {
            queue.release(photo.len);
            let Photo { mut seen, hash, input, .. } = photo;
            let result = match result {
                Ok(vector) => {
                    let photo = describe::photo(&input);
                    Ok(Box::new(Encoded { photo, vector }))
                }
                Err(crate::error::Error::Cancelled) => continue,
                Err(error) if error.kind() == ErrorKind::Weights => {
                    // The other embeddings would be meaningless too.
                    queue.stop();
                    return Err(error.into());
                }
                Err(error) => {
                    if matches!(error.kind(), ErrorKind::Io | ErrorKind::Memory) {
                        seen.stat = uncertain(seen.stat);
                    }
                    Err(describe::reason(&error, &seen.path))
                }
            };
            if events.send(Event::Read { seen, hash, result }).is_err() {
                return Ok(());
            }
        }
    }
}
