//! Files: where photos were seen, and which files failed.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row};

use super::super::error::Error;
use super::{Store, path_from_bytes};

/// A file of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRow {
    /// Relative to the root, as stored.
    pub path: Vec<u8>,
    pub bytes: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// The content, or why it could not be read as a photo.
    pub photo: Result<i64, String>,
    /// Whether its folder no longer had it.
    pub missing: bool,
}

const COLUMNS: &str = "path, bytes, modified, photo, error, missing";

fn file(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let photo: Option<i64> = row.get(3)?;
    let error: Option<String> = row.get(4)?;
    Ok(FileRow {
        path: row.get_ref(0)?.as_blob()?.to_vec(),
        bytes: row.get::<_, i64>(1)?.max(0) as u64,
        modified: row.get(2)?,
        photo: photo.ok_or_else(|| error.unwrap_or_default()),
        missing: row.get(5)?,
    })
}

/// The smallest blob that is larger than all blobs with this prefix; `None` if there is none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < 255 {
            *last += 1;
            return Some(end);
        }
        end.pop();
    }
    None
}

impl Store {
    /// At most `limit` files of a root whose paths begin with `prefix` and come after `last`, in the order of bytes.
    pub fn files(&self, root: i64, prefix: &[u8], last: Option<&[u8]>, limit: usize) -> Result<Vec<FileRow>, Error> {
        // A prefix of names ends with '/', unless it is a file's whole path.
        let end = after(prefix);
        self.run(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM file WHERE root = ?1 AND path >= ?2 AND (?3 IS NULL OR path > ?3)
                 AND (?4 IS NULL OR path < ?4) ORDER BY path LIMIT ?5"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map((root, prefix, last, end, limit as i64), file)?;
            rows.collect()
        })
    }

    /// One file.
    pub fn file(&self, root: i64, path: &[u8]) -> Result<Option<FileRow>, Error> {
        self.run(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM file WHERE root = ?1 AND path = ?2");
            connection.prepare_cached(&sql)?.query_row((root, path), file).optional()
        })
    }

    /// Adds or replaces a file.
    pub fn put_file(&self, root: i64, file: &FileRow) -> Result<(), Error> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO file (root, path, bytes, modified, photo, error, missing)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (root, path) DO UPDATE SET bytes = excluded.bytes, modified = excluded.modified,
                 photo = excluded.photo, error = excluded.error, missing = excluded.missing",
            )?;
            let bytes = i64::try_from(file.bytes).unwrap_or(i64::MAX);
            let (photo, error) = (file.photo.as_ref().ok(), file.photo.as_ref().err());
            statement.execute((root, &file.path, bytes, file.modified, photo, error, file.missing)).map(drop)
        })
    }

    /// Notes whether the folder of a file has it.
    pub fn set_missing(&self, root: i64, path: &[u8], missing: bool) -> Result<(), Error> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("UPDATE file SET missing = ?3 WHERE root = ?1 AND path = ?2")?;
            statement.execute((root, path, missing)).map(drop)
        })
    }

    /// Forgets the files that are missing, contents without files, and their embeddings. Returns the numbers of files
    /// and of contents.
    pub fn prune(&self) -> Result<(usize, usize), Error> {
        self.write(|store| {
            let pruned = store.run(|connection| {
                let files = connection.execute("DELETE FROM file WHERE missing = 1", [])?;
                let photos = connection.execute(
                    "DELETE FROM photo WHERE NOT EXISTS (SELECT 1 FROM file WHERE file.photo = photo.id)",
                    [],
                )?;
                Ok((files, photos))
            })?;
            if pruned.1 > 0 {
                store.next_epoch()?;
            }
            Ok(pruned)
        })
    }

    /// The files that could not be read as photos and are still there, with the reasons, sorted by path.
    pub fn failures(&self) -> Result<Vec<(PathBuf, String)>, Error> {
        let roots = self.roots()?;
        let mut failures = Vec::new();
        for root in roots {
            let rows: Vec<(PathBuf, String)> = self.run(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT path, error FROM file WHERE root = ?1 AND error IS NOT NULL AND missing = 0 ORDER BY path",
                )?;
                let rows = statement.query_map([root.id], |row| {
                    Ok((root.path.join(path_from_bytes(row.get_ref(0)?.as_blob()?)), row.get(1)?))
                })?;
                rows.collect()
            })?;
            failures.extend(rows);
        }
        failures.sort();
        Ok(failures)
    }

    /// The paths of a content that are not missing, sorted.
    pub fn paths(&self, photo: i64, roots: &[super::Root]) -> Result<Vec<PathBuf>, Error> {
        let mut paths: Vec<PathBuf> = self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT root, path FROM file WHERE photo = ?1 AND missing = 0")?;
            let rows = statement.query_map([photo], |row| {
                let (id, path): (i64, _) = (row.get(0)?, path_from_bytes(row.get_ref(1)?.as_blob()?));
                Ok(roots.iter().find(|root| root.id == id).map(|root| root.path.join(path)))
            })?;
            rows.filter_map(Result::transpose).collect()
        })?;
        paths.sort();
        Ok(paths)
    }
}
