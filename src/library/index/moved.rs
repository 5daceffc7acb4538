//! Tells files that were moved from copies: a content that is found at a new path was moved if the file of an old path has
//! left. What the library knew of the old path is dropped then.

use std::collections::{HashMap, HashSet};

use super::super::error::Error;
use super::super::store::{Store, path_from_bytes};
use super::commit::Target;
use super::gone::Gone;
use super::place::Place;

/// What became of the old paths in a run. Holds a few bytes for each content that was found at a new path, and for each
/// file that is missing since this run.
#[derive(Default)]
pub(super) struct Moved {
    /// Contents whose old paths were looked at, and the number of those that left and have no new path yet.
    left: HashMap<i64, u64>,
    /// The files that this run noted as missing.
    missing: HashSet<i64>,
}

/// What a new path of a known content is.
pub(super) struct NewPath {
    /// Whether the content left another path for it; else it is a copy.
    pub moved: bool,
    /// The files that were counted as missing in this run and have moved instead.
    pub not_missing: u64,
}

impl Moved {
    /// Notes that a file is missing since this run.
    pub fn note_missing(&mut self, file: i64) {
        self.missing.insert(file);
    }

    /// Drops the old paths of a content that was found at a new one, in the places of the run. Elsewhere, and where a file
    /// cannot be looked at, nothing is known of it.
    pub fn new_path(
        &mut self,
        store: &Store,
        places: &[Place],
        targets: &[Target],
        gone: &mut Gone,
        photo: i64,
    ) -> Result<NewPath, Error> {
        let mut not_missing = 0;
        // Looked at once for each content: of one there may be thousands of copies.
        if !self.left.contains_key(&photo) {
            let mut left = 0;
            for (id, root, stored) in store.files_of(photo)? {
                let at = places.iter().zip(targets).find_map(|(place, target)| {
                    let own = stored.strip_prefix(target.prefix.as_slice()).filter(|_| target.root == root)?;
                    own.starts_with(&place.prefix).then(|| (place, place.root.path.join(path_from_bytes(own))))
                });
                if let Some((place, path)) = at
                    && gone.has_left(place, &path)
                {
                    store.remove_file(id)?;
                    left += 1;
                    not_missing += u64::from(self.missing.remove(&id));
                }
            }
            self.left.insert(photo, left);
        }
        let left = self.left.entry(photo).or_default();
        let moved = *left > 0;
        *left = left.saturating_sub(1);
        Ok(NewPath { moved, not_missing })
    }
}
