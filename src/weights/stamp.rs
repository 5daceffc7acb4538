//! What the system says of an open file and changes whenever its content does.

use std::fs::{File, Metadata};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// More than the tick of any file system's clock, in nanoseconds; FAT's is two seconds.
const COARSEST: i128 = 3_000_000_000;

/// Length, times of change and identity of a file.
///
/// Systems set the times before they change the bytes, so a reader that sees another byte sees another stamp
/// afterwards. Three things escape it: a change within the clock tick of the change before (some milliseconds; two
/// seconds on FAT), writes through another program's map, and file servers that report times late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) len: u64,
    /// Last change of the content, in nanoseconds.
    modified: i128,
    /// Last change of the content or of the file's names and rights, in nanoseconds; 0 where the system has none.
    changed: i128,
    /// Device and number; `None` where the system has none.
    file: Option<(u64, u64)>,
}

impl Stamp {
    pub(crate) fn of(file: &File) -> io::Result<Stamp> {
        file.metadata().map(|data| Stamp::from(&data))
    }

    /// Whether files with this stamp are one file with one content. Not if the last change is so young that the next
    /// one could come with the same time.
    pub(super) fn identifies_content(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
        self.file.is_some() && now - self.modified.max(self.changed) > COARSEST
    }
}

#[cfg(unix)]
impl From<&Metadata> for Stamp {
    fn from(data: &Metadata) -> Stamp {
        use std::os::unix::fs::MetadataExt;
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Stamp {
            len: data.len(),
            modified: nanos(data.mtime(), data.mtime_nsec()),
            changed: nanos(data.ctime(), data.ctime_nsec()),
            file: Some((data.dev(), data.ino())),
        }
    }
}

#[cfg(not(unix))]
impl From<&Metadata> for Stamp {
    fn from(data: &Metadata) -> Stamp {
        let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |since| since.as_nanos() as i128);
        Stamp { len: data.len(), modified, changed: 0, file: None }
    }
}
