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

/// A file, and whether there is the embedding of its content by a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownFile {
    pub file: FileRow,
    pub embedded: bool,
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

/// A file at which a content can be found, with what filters and results need.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FoundFile {
    pub path: PathBuf,
    pub photo: i64,
    /// When the photo was taken, else the file's time: local, `YYYY-MM-DDTHH:MM:SS`.
    pub taken: String,
    /// Whether the photo itself states the time.
    pub dated: bool,
    /// Degrees north and east.
    pub place: Option<(f64, f64)>,
    pub bytes: u64,
    /// Upright, in pixels.
    pub width: u32,
    pub height: u32,
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
    /// At most `limit` files of a root whose paths begin with `prefix` and come after `last`, in the order of bytes, and
    /// whether there are their embeddings by a model.
    pub fn known_files(
        &self,
        root: i64,
        prefix: &[u8],
        last: Option<&[u8]>,
        limit: usize,
        model: i64,
    ) -> Result<Vec<KnownFile>, Error> {
        // A prefix of names ends with '/', unless it is a file's whole path.
        let end = after(prefix);
        self.run(|connection| {
            let sql = format!(
                "SELECT {COLUMNS},
                 EXISTS (SELECT 1 FROM embedding WHERE embedding.photo = file.photo AND embedding.model = ?6)
                 FROM file WHERE root = ?1 AND path >= ?2 AND (?3 IS NULL OR path > ?3)
                 AND (?4 IS NULL OR path < ?4) ORDER BY path LIMIT ?5"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map((root, prefix, last, end, limit as i64, model), |row| {
                Ok(KnownFile { file: file(row)?, embedded: row.get(6)? })
            })?;
            rows.collect()
        })
    }

    /// Whether a root has files that are not missing.
    pub fn has_files(&self, root: i64) -> Result<bool, Error> {
        self.run(|connection| {
            connection.prepare_cached("SELECT 1 FROM file WHERE root = ?1 AND missing = 0 LIMIT 1")?.exists([root])
        })
    }

    /// The numbers of files of a root: those that are photos, that failed, and that are missing.
    pub fn file_counts(&self, root: i64) -> Result<[u64; 3], Error> {
        self.run(|connection| {
            let sql = "SELECT count(*) FILTER (WHERE missing = 0 AND photo IS NOT NULL),
                       count(*) FILTER (WHERE missing = 0 AND photo IS NULL), count(*) FILTER (WHERE missing = 1)
                       FROM file WHERE root = ?1";
            connection.prepare_cached(sql)?.query_row([root], |row| {
                let number = |at| row.get::<_, i64>(at).map(|number| number.max(0) as u64);
                Ok([number(0)?, number(1)?, number(2)?])
            })
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

    /// Notes whether the folder of a file has it. Returns the file's id, if the library has it.
    pub fn set_missing(&self, root: i64, path: &[u8], missing: bool) -> Result<Option<i64>, Error> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("UPDATE file SET missing = ?3 WHERE root = ?1 AND path = ?2 RETURNING id")?;
            statement.query_row((root, path, missing), |row| row.get(0)).optional()
        })
    }

    /// The files of a content, as id, root and path.
    pub fn files_of(&self, photo: i64) -> Result<Vec<(i64, i64, Vec<u8>)>, Error> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, root, path FROM file WHERE photo = ?1")?;
            statement.query_map([photo], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
    }

    /// Forgets a file.
    pub fn remove_file(&self, id: i64) -> Result<(), Error> {
        self.run(|connection| connection.prepare_cached("DELETE FROM file WHERE id = ?1")?.execute([id]).map(drop))
    }

    /// At most `limit` missing files of a root whose paths begin with `prefix` and come after `last`, in the order of bytes.
    pub fn missing_files(
        &self,
        root: i64,
        prefix: &[u8],
        last: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let end = after(prefix);
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT path FROM file WHERE root = ?1 AND path >= ?2 AND (?3 IS NULL OR path > ?3)
                 AND (?4 IS NULL OR path < ?4) AND missing = 1 ORDER BY path LIMIT ?5",
            )?;
            statement.query_map((root, prefix, last, end, limit as i64), |row| row.get(0))?.collect()
        })
    }

    /// Forgets those of these files that are missing; returns their number.
    pub fn remove_missing(&self, root: i64, paths: &[Vec<u8>]) -> Result<usize, Error> {
        if paths.is_empty() {
            return Ok(0);
        }
        self.write(|store| {
            store.run(|connection| {
                let mut statement =
                    connection.prepare_cached("DELETE FROM file WHERE root = ?1 AND path = ?2 AND missing = 1")?;
                paths.iter().map(|path| statement.execute((root, path))).sum()
            })
        })
    }

    /// Forgets a root, its files, contents without files, and their embeddings. Returns the numbers of files and of
    /// contents.
    pub fn forget(&self, root: i64) -> Result<(usize, usize), Error> {
        self.write(|store| {
            let files = store.run(|connection| {
                let files = connection.execute("DELETE FROM file WHERE root = ?1", [root])?;
                connection.execute("DELETE FROM root WHERE id = ?1", [root])?;
                Ok(files)
            })?;
            Ok((files, store.remove_unused()?))
        })
    }

    /// Removes contents without files. The caller holds a transaction.
    pub fn remove_unused(&self) -> Result<usize, Error> {
        let removed = self.run(|connection| {
            connection
                .execute("DELETE FROM photo WHERE NOT EXISTS (SELECT 1 FROM file WHERE file.photo = photo.id)", [])
        })?;
        if removed > 0 {
            self.next_epoch()?;
        }
        Ok(removed)
    }

    /// The files that could not be read as photos and are still there, with the reasons, sorted by path.
    pub fn failures(&self) -> Result<Vec<(PathBuf, String)>, Error> {
        self.collect("error IS NOT NULL AND missing = 0", |path, row| Ok((path, row.get(1)?)))
    }

    /// The files that their folders no longer have, sorted by path.
    pub fn missing(&self) -> Result<Vec<PathBuf>, Error> {
        self.collect("missing = 1", |path, _| Ok(path))
    }

    fn collect<T: Ord>(
        &self,
        condition: &str,
        make: impl Fn(PathBuf, &Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        for root in self.roots()? {
            let rows: Vec<T> = self.run(|connection| {
                let sql = format!("SELECT path, error FROM file WHERE root = ?1 AND {condition}");
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map([root.id], |row| {
                    make(root.path.join(path_from_bytes(row.get_ref(0)?.as_blob()?)), row)
                })?;
                rows.collect()
            })?;
            found.extend(rows);
        }
        found.sort();
        Ok(found)
    }

    /// The files that are not missing of one content, or of all, sorted by path if it is one.
    pub fn found(
        &self,
        photo: Option<i64>,
        roots: &[super::Root],
        mut visit: impl FnMut(FoundFile) -> Result<(), Error>,
    ) -> Result<(), Error> {
        const COLUMNS: &str = "SELECT file.root, file.path, photo.id, photo.taken IS NOT NULL,
             coalesce(photo.taken, strftime('%Y-%m-%dT%H:%M:%S', file.modified / 1000000000, 'unixepoch', 'localtime'), ''),
             photo.latitude, photo.longitude, photo.bytes, photo.width, photo.height, photo.orientation
             FROM file JOIN photo ON photo.id = file.photo WHERE file.missing = 0";
        let one = photo.map_or("", |_| " AND file.photo = ?1 ORDER BY file.root, file.path");
        let prepared = self.connection.prepare_cached(&format!("{COLUMNS}{one}"));
        let mut statement = prepared.map_err(|error| self.fail(&error))?;
        let rows = match photo {
            Some(photo) => statement.query([photo]),
            None => statement.query([]),
        };
        let mut rows = rows.map_err(|error| self.fail(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fail(&error))? {
            let found = || {
                let root: i64 = row.get(0)?;
                let Some(root) = roots.iter().find(|known| known.id == root) else { return Ok(None) };
                let (latitude, longitude): (Option<f64>, Option<f64>) = (row.get(5)?, row.get(6)?);
                let (width, height): (u32, u32) = (row.get(8)?, row.get(9)?);
                // EXIF: 5 to 8 turn by a quarter.
                let turned = row.get::<_, i64>(10)? >= 5;
                Ok(Some(FoundFile {
                    path: root.path.join(path_from_bytes(row.get_ref(1)?.as_blob()?)),
                    photo: row.get(2)?,
                    taken: row.get(4)?,
                    dated: row.get(3)?,
                    place: latitude.zip(longitude),
                    bytes: row.get::<_, i64>(7)?.max(0) as u64,
                    width: if turned { height } else { width },
                    height: if turned { width } else { height },
                }))
            };
            if let Some(found) = found().map_err(|error: rusqlite::Error| self.fail(&error))? {
                visit(found)?;
            }
        }
        Ok(())
    }
}
