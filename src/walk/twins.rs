//! Raw files beside a picture of the same name, which the camera wrote of the same photo.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::known::{is_raw, is_twin};

/// Names without endings of the pictures in the folder that was looked at last: raw files of a folder follow each other.
#[derive(Debug, Default)]
pub(super) struct Twins {
    folder: Option<PathBuf>,
    names: HashSet<OsString>,
}

impl Twins {
    /// Whether `path` is a raw file that has a picture beside it which `listed` takes.
    pub fn has(&mut self, path: &Path, mut listed: impl FnMut(&Path) -> bool) -> bool {
        let (true, Some(folder), Some(name)) = (is_raw(path), path.parent(), path.file_stem()) else { return false };
        if self.folder.as_deref() != Some(folder) {
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // A folder that cannot be read is an error of the walk.
            let names = fs::read_dir(here).into_iter().flatten().flatten().map(|entry| folder.join(entry.file_name()));
            let pictures = names.filter(|path| is_twin(path) && listed(path));
            self.names = pictures.filter_map(|path| path.file_stem().map(OsString::from)).collect();
            self.folder = Some(folder.to_owned());
        }
        self.names.contains(name)
    }
}
