//! Removes what is known of files that are missing, where the run has listed the folders and found nothing.

use std::collections::HashSet;

use super::super::error::Error;
use super::super::store::{Store, path_from_bytes};
use super::compare::is_within;
use super::gone::Gone;
use super::place::Place;

/// Files that are removed in one transaction.
const PAGE: usize = 1000;

/// A place, and the stored forms of what could not be read in it.
pub(super) type Listed<'a> = (&'a Place, &'a HashSet<Vec<u8>>);

/// Removes the missing files of these places, and contents without files. What was missing before stays known where
/// nobody looked: in other folders, in those that could not be read, and behind links into drives that are not there.
/// Returns the numbers of files and of contents.
pub(super) fn prune<'a>(store: &Store, listed: impl IntoIterator<Item = Listed<'a>>) -> Result<(u64, u64), Error> {
    let mut files = 0;
    for (place, unreadable) in listed {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let page = store.missing_files(place.root.id, &place.prefix, last.as_deref(), PAGE)?;
            let is_full = page.len() == PAGE;
            last = page.last().cloned();
            let mut gone = Gone::default();
            let path = |stored: &[u8]| place.root.path.join(path_from_bytes(stored));
            let mut is_gone = |stored: &Vec<u8>| !is_within(stored, unreadable) && gone.is_gone(place, &path(stored));
            let page: Vec<Vec<u8>> = page.into_iter().filter(|stored| is_gone(stored)).collect();
            files += store.remove_missing(place.root.id, &page)?;
            if !is_full {
                break;
            }
        }
    }
    Ok((files as u64, store.write(Store::remove_unused)? as u64))
}
