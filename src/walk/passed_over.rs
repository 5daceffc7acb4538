//! Counts of the files and folders that a walk passed over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::known::is_unread;

/// Number of different endings that are counted by name; the others of a hostile folder are counted together.
const MAX_ENDINGS: usize = 1000;
/// A longer ending is taken as part of the name.
const MAX_ENDING: usize = 12;
/// Number of photos that are listed: a megabyte or two of paths.
const MAX_UNREAD: usize = 10_000;

/// What a walk passed over, in numbers of files and folders. A folder that is passed over counts as one: its contents
/// are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassedOver {
    /// Photos and pictures whose formats cannot be read, by ending in lower case without a dot: `jp2`, `psd`.
    pub unread: BTreeMap<String, usize>,
    /// Their paths, at most the first 10,000; of an archive as [`ArchivedPhoto::path`](super::ArchivedPhoto::path) gives
    /// them.
    pub unread_paths: Vec<PathBuf>,
    /// Other files by ending, such as `txt`, `mp4` or `xmp`; the ending is empty for a file without one.
    pub other: BTreeMap<String, usize>,
    /// Side files and folders of other programs, by the name or pattern that they are known by, such as `@eaDir`.
    pub side: BTreeMap<&'static str, usize>,
    /// Hidden files and folders: names that start with a dot.
    pub hidden: usize,
    /// Files and folders that a pattern of [`Walk::exclude`](super::Walk::exclude) matches.
    pub excluded: usize,
    /// Files and folders that an ignore file names ([`Walk::ignore_files`](super::Walk::ignore_files)).
    pub ignored: usize,
    /// Raw files beside a JPEG or HEIC file of the same name ([`Walk::raw_twins`](super::Walk::raw_twins)).
    pub raw_twins: usize,
}

impl PassedOver {
    /// Adds the counts of another walk.
    pub fn add(&mut self, other: &PassedOver) {
        for (ending, number) in &other.unread {
            add_ending(&mut self.unread, ending, *number);
        }
        let room = MAX_UNREAD.saturating_sub(self.unread_paths.len());
        self.unread_paths.extend(other.unread_paths.iter().take(room).cloned());
        for (ending, number) in &other.other {
            add_ending(&mut self.other, ending, *number);
        }
        for (label, number) in &other.side {
            *self.side.entry(label).or_default() += number;
        }
        self.hidden += other.hidden;
        self.excluded += other.excluded;
        self.ignored += other.ignored;
        self.raw_twins += other.raw_twins;
    }

    /// Counts a file that is not listed as a photo.
    pub(super) fn file(&mut self, path: &Path) {
        let ending = ending(path);
        if !is_unread(&ending) {
            return add_ending(&mut self.other, &ending, 1);
        }
        add_ending(&mut self.unread, &ending, 1);
        if self.unread_paths.len() < MAX_UNREAD {
            self.unread_paths.push(path.to_owned());
        }
    }
}

fn add_ending(endings: &mut BTreeMap<String, usize>, ending: &str, number: usize) {
    let key = if endings.len() < MAX_ENDINGS || endings.contains_key(ending) { ending } else { "" };
    *endings.entry(key.to_owned()).or_default() += number;
}

/// The ending of a name, in lower case; empty if it has none that looks like one.
fn ending(path: &Path) -> String {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let plain = ending.len() <= MAX_ENDING && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { ending.to_ascii_lowercase() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_ending() {
        let mut passed = PassedOver::default();
        for name in ["a.JP2", "b.jp2", "c.Psd", "d.txt", "README", "x.a b", "y.\u{e9}", "z.abcdefghijklm", "w."] {
            passed.file(Path::new(name));
        }
        assert_eq!(passed.unread, BTreeMap::from([("jp2".into(), 2), ("psd".into(), 1)]));
        assert_eq!(passed.other, BTreeMap::from([("txt".into(), 1), (String::new(), 5)]));
        assert_eq!(passed.unread_paths, ["a.JP2", "b.jp2", "c.Psd"].map(PathBuf::from));
        let mut twice = passed.clone();
        twice.add(&passed);
        assert_eq!((twice.unread["jp2"], twice.other[""], twice.unread_paths.len()), (4, 10, 6));
    }

    #[test]
    fn the_number_of_endings_is_bounded() {
        let mut passed = PassedOver::default();
        for number in 0..3 * MAX_ENDINGS {
            passed.file(Path::new(&format!("a.{number}")));
        }
        passed.file(Path::new("a.7"));
        for _ in 0..MAX_UNREAD {
            passed.file(Path::new("a.jp2"));
        }
        passed.add(&passed.clone());
        assert_eq!((passed.unread["jp2"], passed.unread_paths.len()), (2 * MAX_UNREAD, MAX_UNREAD));
        assert_eq!(passed.other.len(), MAX_ENDINGS + 1);
        assert_eq!((passed.other["7"], passed.other[""]), (4, 4 * MAX_ENDINGS));
    }
}
