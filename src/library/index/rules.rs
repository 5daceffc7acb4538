//! What a run skips in a folder: what it is told to, which the library remembers, else what it was told before.

use std::path::Path;

use super::super::error::Error;
use super::super::store::{Root, Rules, Store};
use crate::walk::{self, Walk};

/// What a run is told to skip; `None` leaves what the library remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub exclude: Option<Vec<String>>,
    pub ignore_files: Option<bool>,
    pub raw_twins: Option<bool>,
}

/// Remembers what is to be skipped in `part` of a root, and returns the walk that skips it and what else is skipped there.
pub(super) fn settle(store: &Store, root: &Root, part: &Path, wish: &Wish) -> Result<Walk, Error> {
    let mut rules = store.rules(root.id)?;
    let wished = wished(&rules, root, part, wish)?;
    if wished != rules {
        // Another process may have changed them.
        rules = store.write(|store| {
            let wished = self::wished(&store.rules(root.id)?, root, part, wish)?;
            store.set_rules(root.id, &wished)?;
            Ok(wished)
        })?;
    }
    // The library's file may come from anywhere.
    let walk = Walk::new().exclude(&rules.exclude).map_err(|error| store.damaged(&error.to_string()))?;
    let walk = walk.ignore_files(rules.ignore_files).raw_twins(rules.raw_twins).part(part);
    if walk.excludes_part() {
        let (folder, root) = (root.path.join(part), root.path.display());
        return Err(Error::Query(format!(
            "{} is excluded from the indexed folder {root}; `clippie-rs index --exclude '' {root}` would exclude nothing",
            folder.display()
        )));
    }
    Ok(walk)
}

fn wished(before: &Rules, root: &Root, part: &Path, wish: &Wish) -> Result<Rules, Error> {
    let mut rules = before.clone();
    if let Some(exclude) = &wish.exclude {
        let patterns: Option<Vec<String>> =
            exclude.iter().filter(|pattern| !pattern.is_empty()).map(|pattern| walk::in_part(pattern, part)).collect();
        let patterns = patterns.ok_or_else(|| {
            let (folder, root) = (root.path.join(part), root.path.display());
            let folder = folder.display();
            Error::Query(format!(
                "the name of {folder} is not UTF-8: give --exclude for the indexed folder {root} instead"
            ))
        })?;
        rules.exclude.retain(|pattern| !walk::is_in_part(pattern, part));
        rules.exclude.extend(patterns);
    }
    rules.ignore_files = wish.ignore_files.unwrap_or(rules.ignore_files);
    rules.raw_twins = wish.raw_twins.unwrap_or(rules.raw_twins);
    Ok(rules)
}
