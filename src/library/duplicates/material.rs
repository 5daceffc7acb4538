//! What is compared: the contents of a library, in the order in which they are kept.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::path::Path;

use super::super::error::Error;
use super::super::filter::Filter;
use super::super::store::{FoundFile, Store};
use crate::pixels::PictureHash;

/// A content: the bytes of a photo, wherever they lie.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub photo: i64,
    /// The files that passed the filter, those to keep first; one at least.
    pub files: Vec<FoundFile>,
    pub picture: Option<PictureHash>,
}

/// The order of what to keep: more pixels, more bytes, a stated date, an earlier date, the shorter path
/// (copies have longer names), the path.
pub(super) fn keep_first(a: &FoundFile, b: &FoundFile) -> Ordering {
    let pixels = |file: &FoundFile| u64::from(file.width) * u64::from(file.height);
    let size = |file: &FoundFile| (Reverse(pixels(file)), Reverse(file.bytes), !file.dated);
    size(a).cmp(&size(b)).then_with(|| a.taken.cmp(&b.taken)).then_with(|| by_path(&a.path, &b.path))
}

/// The shorter path, then the first one.
fn by_path(a: &Path, b: &Path) -> Ordering {
    a.as_os_str().len().cmp(&b.as_os_str().len()).then_with(|| a.cmp(b))
}

/// The contents with a file that passes, those to keep first; with the hashes of their pictures if they are asked for.
pub(super) fn contents(store: &Store, filter: &Filter, pictures: bool) -> Result<Vec<Content>, Error> {
    let mut contents: HashMap<i64, Content> = HashMap::new();
    store.read(|store| {
        let roots = store.roots()?;
        store.found(None, &roots, |file| {
            if filter.passes(&file) {
                let new = || Content { photo: file.photo, files: Vec::new(), picture: None };
                contents.entry(file.photo).or_insert_with(new).files.push(file);
            }
            Ok(())
        })?;
        if pictures {
            store.pictures(|photo, bytes| {
                if let Some(content) = contents.get_mut(&photo) {
                    content.picture = PictureHash::from_bytes(bytes);
                }
            })?;
        }
        Ok(())
    })?;
    let mut contents: Vec<Content> = contents.into_values().collect();
    for content in &mut contents {
        content.files.sort_by(|a, b| by_path(&a.path, &b.path));
    }
    contents.sort_by(|a, b| keep_first(&a.files[0], &b.files[0]));
    Ok(contents)
}
