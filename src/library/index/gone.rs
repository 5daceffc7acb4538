//! Whether a file that a walk did not list is really gone, looked at once more before it is noted: another process may
//! have put it there meanwhile.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::compare::is_gone;
use super::place::Place;

/// Folders whose names are kept.
const MOST_FOLDERS: usize = 64;

/// Looks at files. Keeps the names of folders for a short time: make one for each transaction.
#[derive(Default)]
pub(super) struct Gone {
    names: HashMap<PathBuf, HashSet<OsString>>,
}

impl Gone {
    /// Whether `path` is not among the photos of a place any more: nothing is there, or a walk passes it over, or it has
    /// other capital letters now. A file that cannot be looked at, such as one behind a link into an unplugged drive,
    /// counts as there.
    pub fn is_gone(&mut self, place: &Place, path: &Path) -> bool {
        match path.symlink_metadata() {
            Err(error) => is_gone(&error) && !is_behind_broken_link(&place.folder, path),
            Ok(_) => {
                path.metadata().is_ok()
                    && !(place.walk.lists(&place.folder, path) && self.has_name(&place.folder, path))
            }
        }
    }

    /// Whether no file is at `path` any more, or what is there has other capital letters; a file that a walk passes over is
    /// there.
    pub fn has_left(&mut self, place: &Place, path: &Path) -> bool {
        match path.symlink_metadata() {
            Err(_) => self.is_gone(place, path),
            Ok(_) => path.metadata().is_ok_and(|data| {
                !data.is_file() || (place.walk.lists(&place.folder, path) && !self.has_name(&place.folder, path))
            }),
        }
    }

    /// Whether the folders on the way to `path` have exactly its names. A file system may find `A.jpg` by `a.jpg`.
    fn has_name(&mut self, folder: &Path, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(folder) else { return false };
        let mut at = folder.to_owned();
        for name in below {
            if !self.names_of(&at).contains(name) {
                return false;
            }
            at.push(name);
        }
        true
    }

    fn names_of(&mut self, folder: &Path) -> &HashSet<OsString> {
        if self.names.len() >= MOST_FOLDERS {
            self.names.clear();
        }
        self.names.entry(folder.to_owned()).or_insert_with(|| {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries.flatten().map(|entry| entry.file_name()).collect()
        })
    }
}

/// Whether the last thing on the way from `folder` to `path` that is there is a link to nothing.
fn is_behind_broken_link(folder: &Path, path: &Path) -> bool {
    let above = path.ancestors().skip(1).take_while(|above| *above != folder);
    let mut data = above.map(|above| (above, above.symlink_metadata()));
    data.find_map(|(above, data)| Some((above, data.ok()?)))
        .is_some_and(|(above, data)| data.is_symlink() && above.metadata().is_err())
}

#[cfg(test)]
mod tests {
    use super::super::super::store::Root;
    use super::*;
    use crate::walk::Walk;

    #[test]
    fn what_is_there_and_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root { id: 1, path: folder.path().to_owned() };
        let place = Place::new(root, Path::new(""), Walk::new().exclude(["private"]).unwrap());
        fs::create_dir_all(folder.path().join("a/private")).unwrap();
        for name in ["a/x.jpg", "a/private/x.jpg"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut gone = Gone::default();
        for (name, expected) in [
            ("a/x.jpg", false),
            ("a/y.jpg", true),
            ("a/x.jpg/y.jpg", true),
            ("b/x.jpg", true),
            ("a/private/x.jpg", true),
            ("a/private", true),
        ] {
            let path = folder.path().join(name);
            assert_eq!(gone.is_gone(&place, &path), expected, "{name}");
            assert_eq!(gone.has_left(&place, &path), expected && name != "a/private/x.jpg", "{name}");
        }
        assert!(gone.has_name(folder.path(), &folder.path().join("a/x.jpg")));
        assert!(!gone.has_name(folder.path(), &folder.path().join("A/x.jpg")));
        assert!(!gone.has_name(folder.path(), &folder.path().join("a/X.jpg")));
    }
}
