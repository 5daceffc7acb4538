//! Weights in use: whether a tower was ever written, and whether its file stays as it was.
//!
//! Opening reads the header alone, and a pass reads tensors from a map that any program may change. So a pass hands out
//! its results only if the file has not changed since it was opened, or was verified again since, and if the tower was
//! looked at once: a file that was never written to its end has pages of zeros behind a sound header.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rayon::prelude::*;

use super::error::Reason;
use super::format::{Layout, Tower};
use super::header::TensorEntry;
use super::map::Map;
use super::read::WeightsFile;
use super::stamp::Stamp;
use super::verify::is_damaged;
use crate::threads;

/// Attempts at a pass during which the file does not change.
const TRIES: usize = 4;
/// Longer than a tick of any file system's clock but FAT's: a stamp that stays for this long will differ after the next
/// change.
const TICK: Duration = Duration::from_millis(20);
/// The unit in which systems write files.
const PAGE: usize = 4096;
/// Of so many pages in a row, one is looked at: programs write more at a time, and it costs a quarter of looking at all.
const STRIDE: usize = 4;
/// Bytes of whole tensors that the first use of a tower hashes, or a 256th of the tower if that is more: with SHA
/// instructions half a millisecond, where a pass takes tens.
const HASHED: u64 = 1 << 20;
/// Pages looked at in a table, of which a pass reads only some rows; more would be read from the disk for this alone.
const TABLE_PAGES: usize = 16;
/// Tensors in rows with more bytes are tables. The largest others are position embeddings and depthwise taps.
const TABLE: u64 = 4 << 20;
/// Tensors of the other tower that are glanced at, the last one among them: a copy that was interrupted lacks the end.
const GLANCES: usize = 4;
/// Towers that this process remembers; then it forgets all of them.
const REMEMBERED: usize = 1024;

/// Why results of a pass must not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A tensor is not what the header says.
    Damaged(String),
    /// The length changed: now, and when it was opened.
    Length(u64, u64),
    /// The content changed.
    Altered,
    /// Pages could not be read.
    Lost,
    /// The system says nothing of the open file.
    Unknown(String),
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Reason {
        match refusal {
            Refusal::Damaged(tensor) => Reason::Damaged(tensor),
            Refusal::Length(found, described) => Reason::Changed { found, described },
            Refusal::Altered => Reason::Altered,
            Refusal::Lost => Reason::Lost,
            Refusal::Unknown(error) => Reason::Read(std::io::Error::other(error)),
        }
    }
}

/// What is known of one tower of an open file.
#[derive(Debug, Default)]
pub(super) struct Use {
    /// The stamp under which its bytes are known to be those of the header; `None` for the one at opening.
    accepted: Mutex<Option<Stamp>>,
    /// Whether it was looked at.
    looked_at: AtomicBool,
}

impl WeightsFile {
    /// Calls `pass`, which reads tensors of `tower`, and returns its result if every byte was that of the opened file.
    /// Calls it again if the file was changed meanwhile and is sound.
    pub(crate) fn during<R>(&self, tower: Tower, mut pass: impl FnMut() -> R) -> Result<R, Refusal> {
        for _ in 0..TRIES {
            let before = self.accept(tower)?;
            let result = pass();
            if self.map().is_lost() {
                return Err(Refusal::Lost);
            }
            // After the pass, when its pages are mapped already.
            self.look_at(tower, before)?;
            if self.stamp()? == before {
                return Ok(result);
            }
        }
        Err(Refusal::Altered)
    }

    /// Marks both towers as verified: every byte was, while the stamp was `stamp`.
    pub(super) fn verified(&self, stamp: Option<Stamp>) {
        if stamp != self.map().opened() {
            return;
        }
        for tower in [Tower::Image, Tower::Text] {
            self.in_use(tower).looked_at.store(true, Ordering::Release);
            remember(tower, stamp);
        }
    }

    /// Current stamp; `None` for bytes that nobody can change.
    pub(super) fn stamp(&self) -> Result<Option<Stamp>, Refusal> {
        self.map().stamp().map_err(|error| Refusal::Unknown(error.to_string()))
    }

    /// The stamp under which the bytes of `tower` are known to be those of the header. Verifies them if it is not that
    /// of before: renaming, removing or touching a file changes no byte.
    fn accept(&self, tower: Tower) -> Result<Option<Stamp>, Refusal> {
        let mut now = self.stamp()?;
        let known = lock(&self.in_use(tower).accepted).or(self.map().opened());
        if now == known {
            return Ok(now);
        }
        for _ in 0..TRIES {
            // Reading past the end of the file would end the process.
            if let Some(found) = now.map(|stamp| stamp.len).filter(|&len| len != self.file_len()) {
                return Err(Refusal::Length(found, self.file_len()));
            }
            thread::sleep(TICK);
            let settled = self.stamp()?;
            if settled != now {
                now = settled;
                continue;
            }
            let is_wrong = |entry: &TensorEntry| is_damaged(self.map(), entry) || self.is_impossible(entry);
            let sound = find(&self.tensors_of(tower), is_wrong).is_none();
            if self.map().is_lost() {
                return Err(Refusal::Lost);
            }
            if !sound {
                return Err(Refusal::Altered);
            }
            let after = self.stamp()?;
            if after == now {
                self.in_use(tower).looked_at.store(true, Ordering::Release);
                *lock(&self.in_use(tower).accepted) = now;
                return Ok(now);
            }
            now = after;
        }
        Err(Refusal::Altered)
    }

    /// Looks once at `tower`: hashes its smallest tensors, and those that have a page of zeros, and refuses impossible scales and gains.
    /// Glances at the other tower: a file whose end was never written should not be used at all. Several threads may do it
    /// at the same time; waiting for another one could wait for a task of this very thread.
    fn look_at(&self, tower: Tower, stamp: Option<Stamp>) -> Result<(), Refusal> {
        let known = &self.in_use(tower).looked_at;
        if known.load(Ordering::Acquire) || self.map().is_compiled_in() {
            return Ok(());
        }
        if !is_remembered(tower, stamp) {
            let tensors = self.tensors_of(tower);
            let hashed = hashed_up_to(&tensors);
            let damaged = find(&tensors, |entry| {
                let is_suspect = len(entry) <= hashed || has_empty_page(self.map(), entry);
                self.is_impossible(entry) || is_suspect && is_damaged(self.map(), entry)
            });
            let damaged = damaged.or_else(|| self.glance_beyond(tower));
            if self.map().is_lost() {
                return Err(Refusal::Lost);
            }
            if let Some(entry) = damaged {
                return Err(Refusal::Damaged(entry.spec.name.clone()));
            }
            remember(tower, stamp);
        }
        known.store(true, Ordering::Release);
        Ok(())
    }
}

impl WeightsFile {
    fn tensors_of(&self, tower: Tower) -> Vec<&TensorEntry> {
        self.header().tensors.iter().filter(|entry| entry.spec.tower == tower).collect()
    }

    /// A tensor of the other tower that was never written, if a look at the last pages of some of them shows it. Makes no
    /// page of that tower resident.
    fn glance_beyond(&self, tower: Tower) -> Option<&TensorEntry> {
        let others: Vec<&TensorEntry> =
            self.header().tensors.iter().filter(|entry| entry.spec.tower != tower && len(entry) <= TABLE).collect();
        let glances = (0..GLANCES).filter_map(|i| others.get(others.len().checked_sub(1)? * (i + 1) / GLANCES));
        let mut page = [0; PAGE];
        glances.copied().find(|entry| {
            let (start, end) = (entry.bytes.start as usize, entry.bytes.end as usize);
            let at = start.max(end.saturating_sub(PAGE));
            let page = &mut page[..end - at];
            // If it cannot be read, whoever uses that tower will be told.
            self.map().copy_to(at, page).is_ok() && page.iter().all(|&byte| byte == 0) && is_damaged(self.map(), entry)
        })
    }
}

/// The first of `tensors` that `is` so, on all threads.
fn find<'a>(tensors: &[&'a TensorEntry], is: impl Fn(&TensorEntry) -> bool + Sync + Send) -> Option<&'a TensorEntry> {
    threads::map(tensors.par_iter(), |entry| is(entry).then_some(*entry)).into_iter().flatten().next()
}

fn len(entry: &TensorEntry) -> u64 {
    entry.bytes.end - entry.bytes.start
}

/// Length up to which tensors are hashed at first use.
fn hashed_up_to(tensors: &[&TensorEntry]) -> u64 {
    let mut lens: Vec<u64> = tensors.iter().map(|entry| len(entry)).collect();
    lens.sort_unstable();
    // Scales, sums and biases take a larger share of a tower whose matrices are integers.
    let has_quads = tensors.iter().any(|entry| entry.spec.layout == Layout::Quads16);
    let mut left = HASHED.max(lens.iter().sum::<u64>() / if has_quads { 32 } else { 256 });
    let surplus = lens.into_iter().find(|&len| match left.checked_sub(len) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    // Of tensors of one length, all or none.
    surplus.map_or(u64::MAX, |len| len - 1)
}

/// Whether one of the pages that are looked at holds nothing but zeros of this tensor. A tensor may have such a page; its
/// checksum then says so.
fn has_empty_page(map: &Map, entry: &TensorEntry) -> bool {
    let (start, end) = (entry.bytes.start as usize, entry.bytes.end as usize);
    let bytes = map.bytes();
    let is_empty = |page: usize| {
        let page = &bytes[start.max(page)..end.min(page + PAGE)];
        // Most pages are left after their first number.
        page.iter().take(8).all(|&byte| byte == 0) && page.iter().all(|&byte| byte == 0)
    };
    let first = start - start % PAGE;
    let is_table = matches!(entry.spec.layout, Layout::Rows | Layout::ScaledRows) && len(entry) > TABLE;
    // An odd number of pages apart, or rows of a power of two would be looked at in the same place.
    let step = if is_table { ((end - first) / PAGE / TABLE_PAGES) | 1 } else { STRIDE };
    (first..end).step_by(step * PAGE).any(is_empty) || is_empty((end - 1) - (end - 1) % PAGE)
}

/// Towers that were looked at in this process, so that opening a file again costs nothing.
static SEEN: Mutex<Option<HashSet<(Tower, Stamp)>>> = Mutex::new(None);

fn is_remembered(tower: Tower, stamp: Option<Stamp>) -> bool {
    stamp.is_some_and(|stamp| lock(&SEEN).as_ref().is_some_and(|seen| seen.contains(&(tower, stamp))))
}

fn remember(tower: Tower, stamp: Option<Stamp>) {
    let Some(stamp) = stamp.filter(Stamp::identifies_content) else { return };
    let mut seen = lock(&SEEN);
    let seen = seen.get_or_insert_default();
    if seen.len() >= REMEMBERED {
        seen.clear();
    }
    seen.insert((tower, stamp));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one assignment, so a panic leaves nothing half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Dtype, TensorSpec};

    /// Tensors of these byte ranges.
    fn entries(ranges: &[std::ops::Range<u64>]) -> Vec<TensorEntry> {
        let spec = TensorSpec::new("image.a", Tower::Image, Dtype::F32, Layout::Panels16, &[1]);
        let entry = |bytes: &std::ops::Range<u64>| TensorEntry {
            spec: spec.clone(),
            bytes: bytes.clone(),
            sha256: String::new(),
        };
        ranges.iter().map(entry).collect()
    }

    #[test]
    fn small_tensors_are_hashed_up_to_a_megabyte_or_a_256th() {
        let up_to = |lens: &[u64]| {
            let entries = entries(&lens.iter().map(|&len| 0..len).collect::<Vec<_>>());
            hashed_up_to(&entries.iter().collect::<Vec<_>>())
        };
        assert_eq!(up_to(&[]), u64::MAX);
        assert_eq!(up_to(&[1 << 19, 1 << 19]), u64::MAX);
        assert_eq!(up_to(&[1 << 19, 4, 1 << 19]), (1 << 19) - 1, "of tensors of one length all or none");
        assert_eq!(up_to(&[1 << 30, 3 << 20]), (1 << 30) - 1);
        assert_eq!(up_to(&[1 << 21]), (1 << 21) - 1);
    }

    #[test]
    fn pages_of_zeros_are_found_at_any_place() {
        let len = 64 + 41 * PAGE + 100;
        let whole = 64..len as u64;
        let entries = entries(std::slice::from_ref(&whole));
        let is_found = |zeros: std::ops::Range<usize>| {
            let mut bytes = vec![1u8; len];
            bytes[zeros].fill(0);
            has_empty_page(&Map::read(&mut bytes.as_slice(), len).unwrap().unwrap(), &entries[0])
        };
        assert!(!is_found(0..0));
        for start in (64..len - 7 * PAGE).step_by(997) {
            assert!(is_found(start..start + (STRIDE + 1) * PAGE - 1), "{start}");
        }
        assert!(is_found(64..PAGE) && is_found(41 * PAGE..len), "the first and the last one");
        assert!(!is_found(64..PAGE - 1) && !is_found(8 * PAGE + 1..9 * PAGE));
        // Unless the next numbers are zero, too.
        assert!(!is_found(0..64));
    }

    #[cfg(unix)]
    #[test]
    fn towers_are_remembered_by_file_and_content() {
        let old = Stamp::of(&std::fs::File::open("/bin/sh").unwrap()).unwrap();
        let young = tempfile::NamedTempFile::new().unwrap();
        let young = Stamp::of(young.as_file()).unwrap();
        for stamp in [None, Some(old), Some(young)] {
            assert!(!is_remembered(Tower::Image, stamp));
            remember(Tower::Image, stamp);
        }
        assert!(is_remembered(Tower::Image, Some(old)));
        assert!(!is_remembered(Tower::Text, Some(old)));
        // The next change could come with the same time.
        assert!(!is_remembered(Tower::Image, Some(young)));
        assert!(!is_remembered(Tower::Image, None));
        assert_ne!(old, young);
    }
}
