//! Writes events to the library in batches: a photo, its embedding and its files in one transaction, so that a kill loses
//! a batch at most and never leaves a file whose photo or embedding is not there.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::super::error::Error;
use super::super::store::{FileRow, Store, path_to_bytes};
use super::gone::Gone;
use super::moved::{Moved, NewPath};
use super::pipeline::{Copies, Encoded, Event, Hash, Job, Seen};
use super::place::Place;
use super::report::{IndexProgress, IndexReport};

/// Photos that are written together, unless [`LONGEST`] passes before: only fast models come this far.
const MOST_PHOTOS: usize = 1024;
/// Files that are written together.
const MOST_FILES: usize = 4096;
/// Time after which a batch is written, however small: a kill loses no more.
const LONGEST: Duration = Duration::from_secs(2);
/// Interval at which somebody who watches is told how far the run is.
const TICK: Duration = Duration::from_millis(200);

/// Callbacks of the caller.
pub(super) struct Observer<'a, 'b> {
    pub progress: &'a mut (dyn FnMut(IndexProgress) + 'b),
    pub failure: &'a mut (dyn FnMut(&Path, &str) + 'b),
}

/// Writes all events.
pub(super) struct Writer<'a, 'b> {
    job: &'a Job<'a>,
    copies: &'a Copies,
    store: &'a Store,
    report: &'a mut IndexReport,
    progress: IndexProgress,
    observer: Observer<'a, 'b>,
    batch: Vec<Event>,
    photos: usize,
    /// When the first event of the batch came.
    since: Option<Instant>,
    /// Where the files of each place go in this transaction.
    targets: Vec<Target>,
    moved: Moved,
}

/// Where the files of a place are stored: it was a root of its own, or became part of one meanwhile.
pub(super) struct Target {
    pub root: i64,
    /// What stored paths begin with there.
    pub prefix: Vec<u8>,
}

impl Target {
    fn path(&self, stored: &[u8]) -> Vec<u8> {
        [&self.prefix, stored].concat()
    }
}

/// What became of a file, for the report.
enum Row {
    New,
    NewToModel,
    Changed,
    Moved,
    Copied,
    FoundAgain,
    Unchanged,
    Missing,
    /// A file that was counted as missing has moved.
    NotMissing,
    Failed {
        new: bool,
        seen: Seen,
        reason: String,
    },
}

/// What a transaction did, and what it has seen of folders.
struct Done {
    rows: Vec<Row>,
    gone: Gone,
    /// Whether the library has other models than that of the run.
    others: bool,
}

impl<'a, 'b> Writer<'a, 'b> {
    pub fn new(
        job: &'a Job<'a>,
        copies: &'a Copies,
        store: &'a Store,
        report: &'a mut IndexReport,
        progress: IndexProgress,
        observer: Observer<'a, 'b>,
    ) -> Self {
        Writer {
            job,
            copies,
            store,
            report,
            progress,
            observer,
            batch: Vec::new(),
            photos: 0,
            since: None,
            targets: Vec::new(),
            moved: Moved::default(),
        }
    }

    /// Writes what comes, to the end.
    pub fn run(mut self, events: Receiver<Event>) -> Result<(), Error> {
        loop {
            let left = self.since.map_or(TICK, |since| LONGEST.saturating_sub(since.elapsed()).min(TICK));
            match events.recv_timeout(left) {
                Ok(event) => self.add(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let late = self.since.is_some_and(|since| since.elapsed() >= LONGEST);
            if late || self.photos >= MOST_PHOTOS || self.batch.len() >= MOST_FILES {
                self.commit()?;
            }
            (self.observer.progress)(self.progress);
        }
        // Copies that were found during one commit are in the next batch.
        while !self.batch.is_empty() {
            self.commit()?;
        }
        (self.observer.progress)(self.progress);
        Ok(())
    }

    fn add(&mut self, event: Event) {
        self.since.get_or_insert_with(Instant::now);
        if let Event::Read { .. } = event {
            self.photos += 1;
        }
        if !matches!(event, Event::Back { .. } | Event::Unlisted { .. }) {
            self.progress.done += 1;
        }
        self.batch.push(event);
    }

    fn commit(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        (self.photos, self.since) = (0, None);
        let started = Instant::now();
        let mut ended = Vec::new();
        let rows = self.store.write(|_| {
            self.targets = self.targets()?;
            let others = self.store.models()?.len() > 1;
            let mut done = Done { rows: Vec::new(), gone: Gone::default(), others };
            for event in batch {
                match event {
                    Event::Read { seen, hash, result } => {
                        let copies = self.copies.take(&hash);
                        ended.push((hash, result.as_ref().err().cloned()));
                        self.read(seen, &hash, result, copies, &mut done)?;
                    }
                    Event::Known { seen, hash } => self.known(seen, &hash, &mut done)?,
                    Event::Failed { seen, reason } => self.failed(seen, reason, &mut done)?,
                    Event::Back { place, stored } => {
                        let target = &self.targets[place];
                        self.store.set_missing(target.root, &target.path(&stored), false)?;
                        done.rows.push(Row::FoundAgain);
                    }
                    Event::Unlisted { place, stored, path } => {
                        let target = &self.targets[place];
                        // What has moved is not known there any more.
                        if done.gone.is_gone(&self.job.places[place], &path)
                            && let Some(file) = self.store.set_missing(target.root, &target.path(&stored), true)?
                        {
                            self.moved.note_missing(file);
                            done.rows.push(Row::Missing);
                        }
                    }
                }
            }
            Ok(done.rows)
        })?;
        self.report.database_seconds += started.elapsed().as_secs_f64();
        self.report.commits += 1;
        self.report.encoded += ended.iter().filter(|(_, failure)| failure.is_none()).count() as u64;
        self.count(rows);
        for (hash, failure) in ended {
            for seen in self.copies.end(&hash) {
                match &failure {
                    None => self.add(Event::Known { seen, hash }),
                    Some(reason) => self.add(Event::Failed { seen, reason: reason.clone() }),
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, rows: Vec<Row>) {
        let report = &mut *self.report;
        for row in rows {
            match row {
                Row::New => report.new += 1,
                Row::NewToModel => report.new_to_model += 1,
                Row::Changed => report.changed += 1,
                Row::Moved => report.moved += 1,
                Row::Copied => report.copied += 1,
                Row::FoundAgain => report.found_again += 1,
                Row::Unchanged => report.unchanged += 1,
                Row::Missing => report.missing += 1,
                Row::NotMissing => report.missing = report.missing.saturating_sub(1),
                Row::Failed { new: false, .. } => report.failed_before += 1,
                Row::Failed { new: true, seen, reason } => {
                    report.failed += 1;
                    (self.observer.failure)(&seen.path, &reason);
                }
            }
        }
    }

    /// Writes a photo, or why there is none, and the files that have its content.
    fn read(
        &mut self,
        seen: Seen,
        hash: &Hash,
        result: Result<Box<Encoded>, String>,
        copies: Vec<Seen>,
        done: &mut Done,
    ) -> Result<(), Error> {
        match result {
            Ok(encoded) => {
                let id = self.store.put_photo(&encoded.photo)?;
                self.store.add_embedding(self.job.model, id, &encoded.vector)?;
                self.put(&seen, Ok(id))?;
                done.rows.push(match &seen.before {
                    None => Row::New,
                    Some(before) if before.file.photo == Ok(id) => Row::NewToModel,
                    Some(_) => Row::Changed,
                });
                // A content of another model may have old paths; others are new.
                if done.others && seen.before.is_none_or(|before| before.file.photo != Ok(id)) {
                    self.new_path(id, done)?;
                }
                copies.into_iter().try_for_each(|copy| self.known(copy, hash, done))
            }
            Err(reason) => {
                let all = std::iter::once(seen).chain(copies);
                all.into_iter().try_for_each(|seen| self.failed(seen, reason.clone(), done))
            }
        }
    }

    /// Writes a file whose content is in the library.
    fn known(&mut self, seen: Seen, hash: &Hash, done: &mut Done) -> Result<(), Error> {
        let id = self.store.photo_of_hash(hash)?;
        let encoded = id.map(|id| self.store.has_embedding(self.job.model, id)).transpose()?;
        let Some(id) = id.filter(|_| encoded == Some(true)) else {
            // Another process has removed the content since; the file stays as the library knows it.
            tracing::warn!(
                "{} was not indexed, since its copies were removed just now; index again",
                seen.path.display()
            );
            return Ok(());
        };
        self.put(&seen, Ok(id))?;
        // Of a copy whose content was encoded just now, the model had none.
        let was_embedded = seen.before.as_ref().is_none_or(|before| before.embedded);
        let row = match seen.before.map(|before| before.file) {
            Some(FileRow { photo, missing: true, .. }) if photo == Ok(id) => Row::FoundAgain,
            Some(FileRow { photo, .. }) if photo == Ok(id) && !was_embedded => Row::NewToModel,
            Some(FileRow { photo, .. }) if photo == Ok(id) => Row::Unchanged,
            before => match (self.new_path(id, done)?, before) {
                (_, Some(FileRow { photo: Ok(_), .. })) => Row::Changed,
                (true, _) => Row::Moved,
                (false, _) => Row::Copied,
            },
        };
        done.rows.push(row);
        Ok(())
    }

    /// Drops the old paths of a content that has a new one; says whether it has moved there.
    fn new_path(&mut self, photo: i64, done: &mut Done) -> Result<bool, Error> {
        let (places, targets) = (self.job.places, &self.targets);
        let NewPath { moved, not_missing } = self.moved.new_path(self.store, places, targets, &mut done.gone, photo)?;
        done.rows.extend((0..not_missing).map(|_| Row::NotMissing));
        Ok(moved)
    }

    /// Writes why a file is no photo.
    fn failed(&self, seen: Seen, reason: String, done: &mut Done) -> Result<(), Error> {
        self.put(&seen, Err(reason.clone()))?;
        let known = seen.before.as_ref().is_some_and(|before| before.file.photo.as_ref().err() == Some(&reason));
        done.rows.push(Row::Failed { new: !known, seen, reason });
        Ok(())
    }

    fn put(&self, seen: &Seen, photo: Result<i64, String>) -> Result<(), Error> {
        let target = &self.targets[seen.place];
        let (path, bytes, modified) = (target.path(&seen.stored), seen.stat.bytes, seen.stat.modified);
        self.store.put_file(target.root, &FileRow { path, bytes, modified, photo, missing: false })
    }

    /// Another process may have made a root part of a larger one.
    fn targets(&self) -> Result<Vec<Target>, Error> {
        let roots = self.store.roots()?;
        let target = |place: &Place| {
            if roots.iter().any(|root| root.id == place.root.id) {
                return Ok(Target { root: place.root.id, prefix: Vec::new() });
            }
            let outer = roots.iter().find_map(|root| Some((root.id, place.root.path.strip_prefix(&root.path).ok()?)));
            let Some((root, part)) = outer else {
                let folder = place.root.path.display();
                return Err(self.job.library.failed(format!("{folder} was removed from it while it was indexed")));
            };
            let mut prefix = path_to_bytes(part);
            if !prefix.is_empty() {
                prefix.push(b'/');
            }
            Ok(Target { root, prefix })
        };
        self.job.places.iter().map(target).collect()
    }
}
