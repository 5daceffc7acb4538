//! Indexed folders and the form in which paths are stored.
//!
//! A root below the folder of the library is stored relative to it, so that both can be carried to another machine.

use std::path::{Path, PathBuf};

use super::super::error::Error;
use super::{Rules, Store};
use crate::walk;

/// An indexed folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub id: i64,
    /// Absolute.
    pub path: PathBuf,
}

/// The stored form of a path: its bytes, on Windows UTF-8 with `/`.
pub(crate) fn path_to_bytes(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec()
    }
    #[cfg(not(unix))]
    {
        path.to_string_lossy().replace('\\', "/").into_bytes()
    }
}

/// The path of a stored form.
pub(crate) fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Store {
    /// The folder that relative roots start from: the real one of the library's file.
    fn base(&self) -> PathBuf {
        let folder = crate::files::folder(self.path());
        std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
    }

    /// All roots, sorted by path.
    pub fn roots(&self) -> Result<Vec<Root>, Error> {
        let base = self.base();
        let mut roots: Vec<Root> = self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, path, relative FROM root")?;
            let rows = statement.query_map([], |row| {
                let path = path_from_bytes(row.get_ref(1)?.as_blob()?);
                let path = if row.get(2)? { joined(&base, &path) } else { path };
                Ok(Root { id: row.get(0)?, path })
            })?;
            rows.collect()
        })?;
        roots.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(roots)
    }

    /// Makes sure that `folder`, absolute and real, is in the library; returns its root, and what of it was asked for,
    /// relative to the root. That is empty unless the folder is inside of an older root. Older roots inside of it become
    /// part of it, and what is skipped in them still is.
    pub fn add_root(&self, folder: &Path) -> Result<(Root, PathBuf), Error> {
        self.write(|store| {
            let roots = store.roots()?;
            let outer = roots.iter().find_map(|root| Some((root, folder.strip_prefix(&root.path).ok()?)));
            if let Some((root, part)) = outer {
                return Ok((root.clone(), part.to_owned()));
            }
            let base = store.base();
            let (path, relative) = match folder.strip_prefix(&base) {
                Ok(path) => (path, true),
                Err(_) => (folder, false),
            };
            let id = store.run(|connection| {
                connection
                    .execute("INSERT INTO root (path, relative) VALUES (?1, ?2)", (path_to_bytes(path), relative))?;
                Ok(connection.last_insert_rowid())
            })?;
            let mut rules = Rules::default();
            for inner in roots.iter().filter(|root| root.path.starts_with(folder)) {
                let Ok(part) = inner.path.strip_prefix(folder) else { continue };
                let Rules { exclude, ignore_files, raw_twins } = store.rules(inner.id)?;
                // Without UTF-8 in its path, what the inner one skips cannot be said in a pattern of the outer one.
                rules.exclude.extend(exclude.iter().filter_map(|pattern| walk::in_part(pattern, part)));
                rules.ignore_files |= ignore_files;
                rules.raw_twins |= raw_twins;
                let prefix = [path_to_bytes(part), b"/".to_vec()].concat();
                store.run(|connection| {
                    // `||` of two blobs is a text.
                    connection.execute(
                        "UPDATE OR IGNORE file SET root = ?1, path = CAST(?2 || path AS BLOB) WHERE root = ?3",
                        (id, &prefix, inner.id),
                    )?;
                    connection.execute("DELETE FROM root WHERE id = ?1", [inner.id])
                })?;
            }
            store.set_rules(id, &rules)?;
            Ok((Root { id, path: folder.to_owned() }, PathBuf::new()))
        })
    }
}

/// `base` joined with a relative path that may be empty.
fn joined(base: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { base.to_owned() } else { base.join(path) }
}
