//! Follows changes of the indexed folders.
//!
//! The system says that something changed; what it was, the next run finds out. So nothing depends on the order, the
//! completeness or the meaning of the system's events, which differ between systems. Comparing 100,000 files takes less
//! than a second.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::super::error::Error;
use super::{Index, IndexReport, place};
use crate::walk::is_photo;

/// Silence after a change before it is looked at: a file that is being copied changes all the time.
const SILENCE: Duration = Duration::from_secs(1);
/// Longest wait for silence.
const LONGEST: Duration = Duration::from_secs(30);
/// Interval of comparisons without a reason: network folders do not report what other computers change.
const SELDOM: Duration = Duration::from_secs(600);
/// Interval of comparisons where folders cannot be watched.
const OFTEN: Duration = Duration::from_secs(30);
/// Interval at which the token is looked at.
const POLL: Duration = Duration::from_millis(200);

impl Index<'_> {
    /// Indexes folders as [`Index::run`] does, and again whenever something in them changes, until the token of
    /// [`Index::cancel`] is cancelled. Calls `report` after each run. Where the system cannot watch a folder, it is
    /// compared every half minute; all folders are compared every ten minutes.
    ///
    /// # Errors
    /// Those of [`Index::run`] at the first run, and of the library later on.
    pub fn watch(&mut self, folders: &[impl AsRef<Path>], mut report: impl FnMut(&IndexReport)) -> Result<(), Error> {
        let folders: Vec<PathBuf> = folders.iter().map(|folder| folder.as_ref().to_owned()).collect();
        // Places can be watched only once the library has them; changes during the first run must not be missed.
        let mut roots = place::find(&*self.library.clone().store()?, &folders, &self.wish)?.places;
        loop {
            let folders_now: Vec<PathBuf> = roots.iter().map(|place| place.folder.clone()).collect();
            let watched = Watched::start(&folders_now, self.library.path());
            report(&self.run(&folders)?);
            loop {
                let changed = watched.wait(&|| self.cancel.is_cancelled());
                if self.cancel.is_cancelled() {
                    return Ok(());
                }
                if !changed {
                    break;
                }
                report(&self.run(&folders)?);
            }
            // Folders may have become reachable, and links may lead elsewhere.
            roots = place::find(&*self.library.clone().store()?, &folders, &self.wish)?.places;
        }
    }
}

/// Folders that are being watched.
struct Watched {
    _watcher: Option<RecommendedWatcher>,
    changes: Receiver<Change>,
    /// When to compare without a reason.
    interval: Duration,
}

/// Something that may concern the index.
enum Change {
    /// A photo or a folder.
    Some,
    /// The system lost events, or a folder is no longer watched.
    Lost,
}

impl Watched {
    /// Watches `folders`; changes of the library's own files do not count.
    fn start(folders: &[PathBuf], library: &Path) -> Watched {
        let (send, changes) = mpsc::channel();
        let library = library.as_os_str().as_encoded_bytes().to_vec();
        let handler = move |event: notify::Result<Event>| {
            let change = match event {
                Ok(event) if event.need_rescan() => Some(Change::Lost),
                Ok(event) => concerns(&event, &library).then_some(Change::Some),
                Err(_) => Some(Change::Lost),
            };
            if let Some(change) = change {
                // Nobody listens any more while this is dropped.
                let _ = send.send(change);
            }
        };
        let mut watched = true;
        let watcher = notify::recommended_watcher(handler).map(|mut watcher| {
            for folder in folders {
                if let Err(error) = watcher.watch(folder, RecursiveMode::Recursive) {
                    tracing::warn!(
                        "cannot watch {}: {error}; it is compared every {} seconds instead",
                        folder.display(),
                        OFTEN.as_secs()
                    );
                    watched = false;
                }
            }
            watcher
        });
        if let Err(error) = &watcher {
            tracing::warn!("cannot watch folders: {error}; they are compared every {} seconds", OFTEN.as_secs());
            watched = false;
        }
        Watched { _watcher: watcher.ok(), changes, interval: if watched { SELDOM } else { OFTEN } }
    }

    /// Waits for changes and then for silence. `false` if the folders are to be watched anew: it is time to compare
    /// anyway, events were lost, or `ended` says so.
    fn wait(&self, ended: &dyn Fn() -> bool) -> bool {
        let started = Instant::now();
        // When the first change and the last one came.
        let mut since: Option<(Instant, Instant)> = None;
        loop {
            match self.changes.recv_timeout(POLL) {
                Ok(Change::Some) => {
                    let now = Instant::now();
                    since = Some((since.map_or(now, |(first, _)| first), now));
                }
                Ok(Change::Lost) => return false,
                // Without a watcher nobody sends.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ended() {
                return false;
            }
            match since {
                Some((first, last)) if last.elapsed() >= SILENCE || first.elapsed() >= LONGEST => return true,
                None if started.elapsed() >= self.interval => return false,
                _ => {}
            }
        }
    }
}

/// Whether an event may change what the index knows. The index reads photos and writes the library, which the system
/// reports too.
fn concerns(event: &Event, library: &[u8]) -> bool {
    let paths = || event.paths.iter().filter(|path| !path.as_os_str().as_encoded_bytes().starts_with(library));
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => paths().any(is_photo),
        EventKind::Access(_) => false,
        EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder) => true,
        // Of a file or a folder.
        EventKind::Modify(ModifyKind::Name(_)) => paths().next().is_some(),
        EventKind::Create(CreateKind::Any | CreateKind::Other)
        | EventKind::Remove(RemoveKind::Any | RemoveKind::Other) => {
            paths().any(|path| is_photo(path) || path.extension().is_none())
        }
        // A system that does not tell.
        EventKind::Any | EventKind::Other => paths().next().is_some(),
        _ => paths().any(is_photo),
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, RenameMode};

    use super::*;

    #[test]
    fn events_that_concern_the_index() {
        let event = |kind, path: &str| concerns(&Event::new(kind).add_path(path.into()), b"/p/lib.sqlite");
        let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        for (kind, path, expected) in [
            (written, "/p/a.jpg", true),
            (written, "/p/notes.txt", false),
            (EventKind::Access(AccessKind::Open(AccessMode::Read)), "/p/a.jpg", false),
            (EventKind::Modify(ModifyKind::Data(DataChange::Any)), "/p/lib.sqlite-wal", false),
            (EventKind::Create(CreateKind::File), "/p/lib.sqlite-wal", false),
            (EventKind::Modify(ModifyKind::Any), "/p/a.jpg", true),
            (EventKind::Create(CreateKind::Folder), "/p/a", true),
            (EventKind::Remove(RemoveKind::Any), "/p/a", true),
            (EventKind::Remove(RemoveKind::File), "/p/a.png", true),
            (renamed, "/p/a", true),
            (renamed, "/p/lib.sqlite-journal", false),
            (EventKind::Any, "/p/a", true),
        ] {
            assert_eq!(event(kind, path), expected, "{kind:?} {path}");
        }
    }
}
