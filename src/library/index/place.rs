//! The folders of a run: which roots they belong to, and whether they can be reached.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::{Error, option};
use super::super::store::{Root, Store, path_to_bytes};
use super::rules::{self, Wish};
use crate::files;
use crate::walk::Walk;

/// A folder to index: a root or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub root: Root,
    pub folder: PathBuf,
    /// What stored paths below the folder begin with: empty, or it ends with `/`.
    pub prefix: Vec<u8>,
    /// Lists its photos.
    pub walk: Walk,
}

impl Place {
    pub fn new(root: Root, part: &Path, walk: Walk) -> Place {
        let mut prefix = path_to_bytes(part);
        let folder = match prefix.is_empty() {
            true => root.path.clone(),
            false => root.path.join(part),
        };
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        Place { root, folder, prefix, walk }
    }

    /// The stored form of a path in the folder.
    pub fn stored(&self, path: &Path) -> Vec<u8> {
        path_to_bytes(path.strip_prefix(&self.root.path).unwrap_or(path))
    }
}

/// The folders of a run.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub places: Vec<Place>,
    /// Known folders that cannot be reached now.
    pub unreachable: Vec<PathBuf>,
}

/// Finds the places of `folders`, and adds new ones to the library; without any, those of all roots. What is to be
/// skipped in them is remembered.
pub(super) fn find(store: &Store, folders: &[PathBuf], wish: &Wish) -> Result<Places, Error> {
    let mut found = Places::default();
    if folders.is_empty() {
        let roots = store.roots()?;
        if roots.is_empty() {
            let library = store.path().display();
            let reason = format!("the photo library {library} has no folders yet; name one: `clippie-rs index DIR`");
            return Err(Error::Query(reason));
        }
        for root in roots {
            let walk = rules::settle(store, &root, Path::new(""), wish)?;
            let place = Place::new(root, Path::new(""), walk);
            found.add(store, place)?;
        }
        return Ok(found);
    }
    let mut reachable = Vec::new();
    for folder in folders {
        match real(folder) {
            Ok(path) if path.is_dir() => reachable.push(path),
            Ok(path) => {
                let path = path.display();
                return Err(Error::Query(format!("{path} is a file; name the folder that it is in")));
            }
            Err(source) => {
                let path = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                let roots = store.roots()?;
                if !roots.iter().any(|root| path.starts_with(&root.path)) {
                    return Err(Error::Io { path: folder.clone(), source });
                }
                let is_root = roots.iter().any(|root| path == root.path);
                warn_unreachable(store, &path, is_root, &files::reason(&source));
                found.unreachable.push(path);
            }
        }
    }
    // A folder may become the root of one that was named before it.
    for folder in &reachable {
        store.add_root(folder)?;
    }
    reachable.sort();
    for folder in &reachable {
        let (root, part) = store.add_root(folder)?;
        if !found.places.iter().any(|place| folder.starts_with(&place.folder)) {
            let walk = rules::settle(store, &root, &part, wish)?;
            found.add(store, Place::new(root, &part, walk))?;
        }
    }
    Ok(found)
}

impl Places {
    /// Adds a place, if it can be reached.
    fn add(&mut self, store: &Store, place: Place) -> Result<(), Error> {
        let unreachable = match fs::read_dir(&place.folder) {
            Err(error) => Some(files::reason(&error)),
            Ok(mut entries) => {
                // The mount point of an unplugged drive is an empty folder.
                let empty = entries.next().is_none() && place.prefix.is_empty();
                let lost = empty && store.has_files(place.root.id)?;
                lost.then(|| "it is empty, as if its drive were not mounted".to_owned())
            }
        };
        match unreachable {
            None => self.places.push(place),
            Some(reason) => {
                warn_unreachable(store, &place.folder, place.prefix.is_empty(), &reason);
                self.unreachable.push(place.folder);
            }
        }
        Ok(())
    }
}

/// Only whole roots can be forgotten.
fn warn_unreachable(store: &Store, folder: &Path, is_root: bool, reason: &str) {
    let (folder, library) = (folder.display(), option(store.path()));
    match is_root {
        true => tracing::warn!(
            "{folder} cannot be indexed now ({reason}); what is known of its photos is kept, and `clippie-rs index --forget \
             {folder}{library}` would remove it"
        ),
        false => {
            tracing::warn!("{folder} cannot be indexed now ({reason}); what is known of its photos is kept");
        }
    }
}

/// The real path of a folder: absolute, without links.
pub(in crate::library) fn real(path: &Path) -> io::Result<PathBuf> {
    let real = fs::canonicalize(path)?;
    // Windows' form for paths of any length is one that other programs do not know.
    let plain = real.to_str().and_then(|text| text.strip_prefix(r"\\?\")).filter(|text| text.get(1..2) == Some(":"));
    Ok(match plain {
        Some(plain) if cfg!(windows) => PathBuf::from(plain),
        _ => real,
    })
}
