//! A folder of folders, each of which is a class.

use std::path::{Path, PathBuf};

use super::{Dataset, Error, Photos};
use crate::walk::Walk;

/// Lists the first `limit` photos of every class, and what cannot be listed on the way to them.
pub(super) fn read(path: &Path, limit: usize) -> Result<Dataset, Error> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in path.read_dir().map_err(|source| Error::read(path, source))? {
        let entry = entry.map_err(|source| Error::read(path, source))?;
        // Hidden folders, and what other programs keep beside photos, are no classes.
        let hidden =
            entry.file_name().as_encoded_bytes().first().is_some_and(|first| matches!(first, b'.' | b'@' | b'#'));
        if hidden {
            continue;
        }
        match entry.path().metadata() {
            Ok(data) if data.is_dir() => folders.push(entry.path()),
            Ok(_) => {}
            Err(error) => tracing::warn!("cannot read {}, so it is no class: {error}", entry.path().display()),
        }
    }
    folders.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    let (mut classes, mut truth, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (first, mut listed) = (files.len(), 0);
        for photo in Walk::new().walk(&folder) {
            if listed == limit {
                break;
            }
            listed += usize::from(photo.is_ok());
            files.push(photo);
            truth.push(classes.len());
        }
        if files.len() == first {
            tracing::warn!("{}: no photos in this folder, so it is no class", folder.display());
            continue;
        }
        classes.push(name);
    }
    if classes.len() < 2 {
        let reason = "it has no data set: it needs two folders of photos at least, one for each class, or the files of \
                      CIFAR-10 or MNIST; photos with captions need a .csv file with the columns path and caption";
        return Err(Error::dataset(path, reason));
    }
    let photos = Photos::Files(files);
    Ok(Dataset { path: path.to_owned(), kind: "folders", classes, truth, photos, captions: Vec::new() })
}
