//! Compares the photos of a folder with the files that the library knows, both in the order of their paths: memory does
//! not depend on their number. Opens no photo.

use std::collections::{HashSet, VecDeque};
use std::fs::Metadata;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::error::Error;
use super::super::store::{KnownFile, Store, path_from_bytes};
use super::place::Place;
use crate::cancel::CancelToken;
use crate::walk::Walking;

/// Files of the library that are read at a time.
const PAGE: usize = 1000;

/// Size and time of a file, by which a change is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    pub bytes: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
}

impl Stat {
    pub fn of(data: &Metadata) -> Stat {
        Stat { bytes: data.len(), modified: data.modified().map_or(0, nanoseconds) }
    }
}

/// Nanoseconds since 1970, at most those of the years 1678 to 2262.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(error) => i64::try_from(error.duration().as_nanos()).map_or(i64::MIN, |before| -before),
    }
}

/// A path at which the library and the folder meet.
pub(super) enum Met {
    /// As the library knows it.
    Unchanged,
    /// It failed before and has not changed since.
    FailedBefore,
    /// It was missing and is there again, as the library knows it.
    Back { stored: Vec<u8> },
    /// To be read: new or changed, failed with the wish to try again, or without an embedding.
    Unread { stored: Vec<u8>, path: PathBuf, before: Option<KnownFile> },
    /// The library knows it, and the folder does not list it.
    Unlisted { stored: Vec<u8>, path: PathBuf },
    /// A folder or link that cannot be read. What the library knows of it and of what is in it stays as it is.
    Unreadable { path: PathBuf, reason: String },
}

/// The comparison of one place.
pub(super) struct Compare<'a> {
    store: &'a Store,
    place: &'a Place,
    model: i64,
    retry: bool,
    walking: Walking<'a>,
    /// Ends the walk too: see [`Walk::cancel`](crate::walk::Walk::cancel).
    cancel: &'a CancelToken,
    /// The next photo of the folder, and the form in which its path is stored.
    listed: Option<(Vec<u8>, PathBuf)>,
    walked: bool,
    rows: VecDeque<KnownFile>,
    /// The last file that was read of the library.
    last: Option<Vec<u8>>,
    read: bool,
    /// Stored forms of folders and links that cannot be read.
    unreadable: HashSet<Vec<u8>>,
    /// Time in the database.
    pub database: Duration,
}

impl<'a> Compare<'a> {
    pub fn new(store: &'a Store, place: &'a Place, model: i64, retry: bool, cancel: &'a CancelToken) -> Self {
        Compare {
            store,
            place,
            model,
            retry,
            walking: place.walk.walk(&place.folder),
            cancel,
            listed: None,
            walked: false,
            rows: VecDeque::new(),
            last: None,
            read: false,
            unreadable: HashSet::new(),
            database: Duration::ZERO,
        }
    }

    /// What the walk passed over so far.
    pub fn walking(&self) -> &Walking<'a> {
        &self.walking
    }

    /// Stored forms of folders and links that cannot be read, as far as the walk has come.
    pub fn into_unreadable(self) -> HashSet<Vec<u8>> {
        self.unreadable
    }

    /// Makes sure that the next photo of the folder is known. Returns what cannot be read on the way to it.
    fn list(&mut self) -> Option<Met> {
        if self.listed.is_some() || self.walked {
            return None;
        }
        match self.walking.next() {
            None => self.walked = true,
            Some(Ok(path)) => self.listed = Some((self.place.stored(&path), path)),
            Some(Err(error)) => {
                self.unreadable.insert(self.place.stored(error.path()));
                return Some(Met::Unreadable { path: error.path().to_owned(), reason: error.reason().to_string() });
            }
        }
        None
    }

    /// Makes sure that the next file of the library is known.
    fn page(&mut self) -> Result<(), Error> {
        if self.rows.is_empty() && !self.read {
            let started = Instant::now();
            let (root, prefix) = (self.place.root.id, self.place.prefix.as_slice());
            let rows = self.store.known_files(root, prefix, self.last.as_deref(), PAGE, self.model)?;
            self.database += started.elapsed();
            self.read = rows.len() < PAGE;
            self.last = rows.last().map(|row| row.file.path.clone());
            self.rows = rows.into();
        }
        Ok(())
    }

    /// What became of a file that the folder does not list.
    fn unlisted(&self, row: KnownFile) -> Option<Met> {
        let stored = row.file.path;
        if row.file.missing || is_within(&stored, &self.unreadable) {
            return None;
        }
        let path = self.place.root.path.join(path_from_bytes(&stored));
        Some(Met::Unlisted { stored, path })
    }

    /// Compares a photo of the folder with what the library knows of its path.
    fn met(&self, stored: Vec<u8>, path: PathBuf, row: Option<KnownFile>) -> Option<Met> {
        let stat = match std::fs::metadata(&path) {
            Ok(data) => Stat::of(&data),
            Err(error) if is_gone(&error) => return row.and_then(|row| self.unlisted(row)),
            // Reading it will fail and say why.
            Err(_) => return Some(Met::Unread { stored, path, before: row }),
        };
        let same = row.as_ref().filter(|row| stat == Stat { bytes: row.file.bytes, modified: row.file.modified });
        Some(match same {
            Some(row) if row.file.photo.is_ok() && row.embedded => match row.file.missing {
                true => Met::Back { stored },
                false => Met::Unchanged,
            },
            Some(row) if row.file.photo.is_err() && !row.file.missing && !self.retry => Met::FailedBefore,
            _ => Met::Unread { stored, path, before: row },
        })
    }

    fn step(&mut self) -> Result<Step, Error> {
        if let Some(met) = self.list() {
            return Ok(Step::Met(met));
        }
        // What a cancelled walk did not list may be there.
        if self.cancel.is_cancelled() {
            return Ok(Step::End);
        }
        self.page()?;
        let listed = self.listed.as_ref().map(|(stored, _)| stored.as_slice());
        let known = self.rows.front().map(|row| row.file.path.as_slice());
        let (take_listed, take_row) = match (listed, known) {
            (None, None) => return Ok(Step::End),
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(listed), Some(known)) => (listed <= known, known <= listed),
        };
        let row = if take_row { self.rows.pop_front() } else { None };
        let met = match (self.listed.take_if(|_| take_listed), row) {
            (Some((stored, path)), row) => self.met(stored, path, row),
            (None, Some(row)) => self.unlisted(row),
            (None, None) => None,
        };
        Ok(met.map_or(Step::Nothing, Step::Met))
    }
}

enum Step {
    Met(Met),
    Nothing,
    End,
}

impl Iterator for Compare<'_> {
    type Item = Result<Met, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step() {
                Ok(Step::Met(met)) => return Some(Ok(met)),
                Ok(Step::Nothing) => {}
                Ok(Step::End) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Whether a stored path is one of `places`, or is in one of them.
pub(super) fn is_within(stored: &[u8], places: &HashSet<Vec<u8>>) -> bool {
    let ends = stored.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
    !places.is_empty() && ends.chain([0, stored.len()]).any(|end| places.contains(&stored[..end]))
}

/// Whether an error says that nothing is at a path.
pub(super) fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}
