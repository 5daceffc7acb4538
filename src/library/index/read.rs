//! Reads a photo file: its bytes and their hash are of the same moment, whatever happens to the file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::compare::{Stat, is_gone, nanoseconds};
use crate::clip::{Content, check_len, read_open_file};
use crate::files::{Room, open_regular};
use crate::photo::Limits;

/// Age of a file below which a later change may leave its time as it is: file systems count time in steps of up to two
/// seconds (FAT).
const GRAIN: Duration = Duration::from_secs(2);

/// A file that was read.
pub(super) struct Whole {
    /// What the library is to know of the file.
    pub stat: Stat,
    pub bytes: Vec<u8>,
    pub content: Content,
}

/// Opens, reads and hashes a file, as soon as there is room for it; `None` if the threads that read were stopped.
pub(super) fn read(path: &Path, limits: Limits, room: &Room<'_>) -> Option<Result<Whole, Unread>> {
    let opened = match Opened::open(path, limits) {
        Ok(opened) => opened,
        Err(unread) => return Some(Err(unread)),
    };
    if !room.reserve(opened.stat.bytes) {
        return None;
    }
    let whole = opened.read(room);
    if room.is_stopped() { None } else { Some(whole) }
}

/// Opens, reads and hashes a file on the calling thread.
pub(super) fn read_now(path: &Path, limits: Limits) -> Result<Whole, Unread> {
    Opened::open(path, limits)?.read(&Room::unlimited())
}

/// A file that was opened, not yet read.
struct Opened {
    file: File,
    /// Size and time of the file before it is read: a change during reading shows in the next run.
    stat: Stat,
    /// Whether the file was written so recently that a further change might not show.
    recent: bool,
    limits: Limits,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// Nothing is there any more.
    Gone,
    Failed(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        if is_gone(&error) { Unread::Gone } else { Unread::Failed(error) }
    }
}

impl Opened {
    fn open(path: &Path, limits: Limits) -> Result<Opened, Unread> {
        let file = open_regular(path)?;
        let stat = Stat::of(&file.metadata()?);
        check_len(stat.bytes, &limits)?;
        let age = nanoseconds(SystemTime::now()).saturating_sub(stat.modified);
        // Also of a clock that is slightly ahead, such as that of a file server.
        let recent = age.unsigned_abs() < GRAIN.as_nanos() as u64;
        Ok(Opened { file, stat, recent, limits })
    }

    fn read(&self, room: &Room<'_>) -> Result<Whole, Unread> {
        let bytes = read_open_file(room.reads(&self.file), self.stat.bytes, &self.limits)?;
        Ok(Whole { stat: self.known(), content: Content::of(&bytes), bytes })
    }

    /// The time of a recent file is a nanosecond off, so that the next run reads
    /// the file again.
    fn known(&self) -> Stat {
        if self.recent { uncertain(self.stat) } else { self.stat }
    }
}

/// Such that the next run reads the file again.
pub(super) fn uncertain(stat: Stat) -> Stat {
    Stat { modified: stat.modified.saturating_sub(1), ..stat }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recent_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        std::fs::write(&path, "content").unwrap();
        let opened = Opened::open(&path, Limits::new()).unwrap();
        let whole = read_now(&path, Limits::new()).unwrap();
        assert_eq!(
            (whole.bytes, whole.content, whole.stat),
            (b"content".to_vec(), Content::of(b"content"), opened.known())
        );
        assert_ne!(opened.known(), opened.stat);
        for (age, recent) in [(0, true), (1, true), (3, false), (-1, true), (-3, false), (1_000_000_000, false)] {
            let file = File::options().write(true).open(&path).unwrap();
            let step = Duration::from_secs(u64::try_from(i64::abs(age)).unwrap());
            let now = SystemTime::now();
            file.set_modified(if age < 0 { now + step } else { now - step }).unwrap();
            let opened = Opened::open(&path, Limits::new()).unwrap();
            assert_eq!(opened.known() != opened.stat, recent, "{age}");
        }
        assert!(matches!(Opened::open(&folder.path().join("none"), Limits::new()), Err(Unread::Gone)));
        assert!(matches!(Opened::open(&path.join("none"), Limits::new()), Err(Unread::Gone)));
        assert!(matches!(Opened::open(folder.path(), Limits::new()), Err(Unread::Failed(_))));
    }
}
