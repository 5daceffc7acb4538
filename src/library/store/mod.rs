//! The store: one SQLite file with what is known of photos, files, models and texts. Knows no photo and no encoder.
//!
//! Every change is a short immediate transaction on a write-ahead log, so that a process may be killed at any time and
//! several may read and write at once.

mod embeddings;
mod file_id;
mod files;
mod models;
mod photos;
mod roots;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod texts;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::Error;
#[cfg(test)]
pub(crate) use embeddings::EmbeddingRow;
pub(crate) use embeddings::{as_bytes, as_floats};
pub(crate) use file_id::FileId;
pub(crate) use files::{FileRow, FoundFile, KnownFile};
pub(crate) use models::{Calibration, Form, ModelRow};
pub(crate) use photos::PhotoRow;
pub(crate) use roots::{Root, path_from_bytes, path_to_bytes};
pub(crate) use rules::Rules;
use schema::Found;

/// How long a call waits for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a call waits that can do without what it writes.
const HASTE: Duration = Duration::from_millis(50);

/// Pages of 4 KiB in the log after which it is merged into the file: 16 MiB.
const CHECKPOINT_PAGES: i64 = 4 << 10;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// An existing library.
    Write,
    /// An existing library or a new one.
    Create,
}

/// A connection to the library's file.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
    file: FileId,
}

impl Store {
    pub fn open(path: &Path, access: Access) -> Result<Store, Error> {
        // A later change of the working directory must not lead to another file.
        let path = std::path::absolute(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        match std::fs::metadata(&path) {
            Ok(data) if !data.is_file() => return Err(Error::NotALibrary { path }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && access != Access::Create => {
                return Err(Error::Missing { path });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let folder = crate::files::folder(&path);
                std::fs::create_dir_all(folder).map_err(|error| Error::Open {
                    path: path.clone(),
                    reason: format!("its folder cannot be made: {error}"),
                })?;
            }
            // SQLite will say why.
            _ => {}
        }
        check_beside(&path)?;
        // A file that takes the name while this one is opened is found to be another one later.
        let before = FileId::at(&path).ok();
        let fail = |error: rusqlite::Error| Error::database(&path, &error);
        let connection = match access {
            Access::Read => connect_to_read(&path).map_err(fail)?,
            Access::Write => {
                Connection::open_with_flags(&path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(fail)?
            }
            Access::Create => {
                let create = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
                Connection::open_with_flags(&path, flags(create)).map_err(fail)?
            }
        };
        let file = before.map_or_else(|| FileId::at(&path), Ok)?;
        let store = Store { connection, path, file };
        store.prepare(access)?;
        Ok(store)
    }

    /// Sets up the connection, and the schema of a new or older library.
    fn prepare(&self, access: Access) -> Result<(), Error> {
        self.run(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(64);
            // The file may come from anywhere.
            connection.pragma_update(None, "trusted_schema", false)?;
            connection.pragma_update(None, "cell_size_check", true)?;
            // Ours has neither; a foreign file's would run with the statements here.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            connection.pragma_update(None, "foreign_keys", true)
        })?;
        // In one transaction, since another process may be making the schema.
        let version = match self.read(|store| store.run(schema::found))? {
            Found::Version(version) if version > schema::VERSION => {
                return Err(Error::Newer { path: self.path.clone(), found: version, known: schema::VERSION });
            }
            Found::Version(version) => version,
            Found::Empty if access == Access::Create => 0,
            // A file without content, or another process is about to fill it.
            Found::Empty => return Err(Error::Missing { path: self.path.clone() }),
            Found::Other => return Err(Error::NotALibrary { path: self.path.clone() }),
        };
        if access == Access::Read {
            return match version {
                schema::VERSION => Ok(()),
                _ => match Store::open(&self.path, Access::Write) {
                    // A drive that cannot be written. What is read there is the same in all versions, or depends on them:
                    // see `schema::version`.
                    Err(Error::ReadOnly { .. } | Error::Open { .. }) => Ok(()),
                    migrated => migrated.map(drop),
                },
            };
        }
        self.keep_log()?;
        // What a kill leaves is complete; a power failure may lose the last commits, never older ones.
        self.run(|connection| {
            connection.pragma_update(None, "synchronous", "normal")?;
            // Hashes fall anywhere in their index: with SQLite's own figure, 4 MiB, an index run on 100,000 photos would
            // write most of this index anew for each few batches.
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
        })?;
        if version < schema::VERSION {
            self.write(|store| {
                store.run(|connection| match schema::found(connection)? {
                    // Another process may have been faster.
                    Found::Version(version) => schema::migrate(connection, version),
                    _ => schema::migrate(connection, 0),
                })
            })?;
        }
        Ok(())
    }

    /// Changes are written to a log ahead of the file; where the file system has no shared memory, SQLite keeps its
    /// rollback journal.
    fn keep_log(&self) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let set =
                |connection: &Connection| connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()));
            match self.run(set) {
                // For this change, SQLite does not wait by itself while other connections read a file that has no log yet.
                Err(Error::Busy { .. }) if started.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(5)),
                kept => return kept,
            }
        }
    }

    /// The library's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing can be written through this store.
    pub fn is_read_only(&self) -> bool {
        self.connection.is_readonly("main").unwrap_or(true)
    }

    /// Runs `work` in one transaction: all of its changes are kept, or none.
    pub fn write<R>(&self, work: impl FnOnce(&Store) -> Result<R, Error>) -> Result<R, Error> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| self.fail(&error))?;
        let result = work(self)?;
        transaction.commit().map_err(|error| self.fail(&error))?;
        Ok(result)
    }

    /// Like [`Store::write`], but waits for another process's transaction only for a moment.
    fn hastily<R>(&self, work: impl FnOnce(&Store) -> Result<R, Error>) -> Result<R, Error> {
        self.run(|connection| connection.busy_timeout(HASTE))?;
        let result = self.write(work);
        self.run(|connection| connection.busy_timeout(PATIENCE))?;
        result
    }

    /// Runs `work` on one state of the library, whatever others write.
    pub fn read<R>(&self, work: impl FnOnce(&Store) -> Result<R, Error>) -> Result<R, Error> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred);
        let _until_the_end = transaction.map_err(|error| self.fail(&error))?;
        work(self)
    }

    /// Runs statements, and names the library in their errors.
    pub fn run<R>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R, Error> {
        work(&self.connection).map_err(|error| self.fail(&error))
    }

    /// The error of this library for an error of SQLite.
    pub fn fail(&self, error: &rusqlite::Error) -> Error {
        Error::database(&self.path, error)
    }

    /// The error for a value that cannot be there.
    pub fn damaged(&self, reason: &str) -> Error {
        Error::Damaged { path: self.path.clone(), reason: reason.to_owned() }
    }

    /// The file that was opened.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Identifies this library wherever its file is: 32 hexadecimal digits.
    pub fn identity(&self) -> Result<String, Error> {
        self.run(|connection| {
            connection.query_row("SELECT value FROM setting WHERE name = 'library'", [], |row| row.get(0))
        })
    }

    /// Merges the write-ahead log into the file, as far as other processes allow.
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.run(|connection| connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())))
    }
}

/// Refuses what is no file under the names that SQLite opens beside a library: it would wait for the other end of a pipe,
/// or read from a device.
fn check_beside(path: &Path) -> Result<(), Error> {
    // SQLite follows a link to the library and uses the names beside the real file.
    let library = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    for end in ["-journal", "-wal", "-shm"] {
        let mut name = OsString::from(&library);
        name.push(end);
        let beside = PathBuf::from(name);
        if std::fs::symlink_metadata(&beside).is_ok_and(|data| !data.is_file()) {
            let reason = format!("{} is not a regular file; move it away", beside.display());
            return Err(Error::Open { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

fn flags(access: OpenFlags) -> OpenFlags {
    // A connection is used by one thread at a time.
    access | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Connects for reading. A library with a write-ahead log wants to make files beside it; where its folder forbids that
/// and no log is there, nobody else writes either, and the file is read as it is.
fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY))?;
    let try_to_read = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let Err(error) = try_to_read else { return Ok(connection) };
    let mut log = OsString::from(path);
    log.push("-wal");
    let refused = matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::SystemIoFailure)
    );
    match path.to_str() {
        Some(text) if refused && std::fs::metadata(&log).map_or(true, |log| log.len() == 0) => {
            let uri = format!("file:{}?immutable=1", percent_encoded(text));
            let flags = flags(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI);
            Connection::open_with_flags(uri, flags)
        }
        _ => Err(error),
    }
}

/// A path inside of a URI.
fn percent_encoded(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            _ => encoded += &format!("%{byte:02x}"),
        }
    }
    encoded
}
