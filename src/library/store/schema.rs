//! The schema of a library and its history. It is a public promise, explained in docs/library.md: a change is a new
//! step at the end of [`STEPS`], never an edit.

use rusqlite::Connection;

/// Marks the file as a library: `CLIP` in ASCII, in SQLite's header (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i64 = 0x434c_4950;

/// What leads from each version to the next one. `PRAGMA user_version` is the number of steps that were taken.
pub(super) const STEPS: [&str; 5] = [FIRST, EXCLUSIONS, MODEL_FILES, RAW_TWINS, FAMILIES];

/// The version that this program writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

const FIRST: &str = "
-- Numbers and texts that are true of the library as a whole.
CREATE TABLE setting (
    name TEXT PRIMARY KEY NOT NULL,
    value NOT NULL
) WITHOUT ROWID;

-- A folder that was indexed.
CREATE TABLE root (
    id INTEGER PRIMARY KEY,
    -- Absolute, or relative to the folder of the library with '/' between names.
    path BLOB NOT NULL UNIQUE,
    relative INTEGER NOT NULL CHECK (relative IN (0, 1))
);

-- A content: the bytes of one photo or of several copies of it.
CREATE TABLE photo (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- BLAKE3 of the bytes.
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    bytes INTEGER NOT NULL,
    format TEXT,
    -- Pixels as stored; `orientation` (EXIF, 1 to 8) turns them upright.
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    orientation INTEGER NOT NULL DEFAULT 1,
    -- Local time when the photo was taken, as 'YYYY-MM-DDTHH:MM:SS', and minutes east of UTC if they are known.
    taken TEXT,
    taken_offset INTEGER,
    -- Degrees north and east.
    latitude REAL,
    longitude REAL,
    camera TEXT,
    -- The hash of the picture, with its version in the first byte.
    picture BLOB
);
CREATE INDEX photo_taken ON photo (taken);

-- A path at which a photo was seen.
CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    root INTEGER NOT NULL REFERENCES root (id) ON DELETE CASCADE,
    -- Relative to the root, with '/' between names.
    path BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    -- Nanoseconds since 1970.
    modified INTEGER NOT NULL,
    -- NULL if the file could not be read as a photo; `error` then says why.
    photo INTEGER REFERENCES photo (id),
    error TEXT,
    -- 1 if its folder could be read and no longer had it.
    missing INTEGER NOT NULL DEFAULT 0 CHECK (missing IN (0, 1)),
    UNIQUE (root, path)
);
CREATE INDEX file_photo ON file (photo);
CREATE INDEX file_error ON file (root) WHERE error IS NOT NULL;

-- A model, as the fingerprint of its embeddings identifies it.
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    dim INTEGER NOT NULL CHECK (dim BETWEEN 1 AND 65536),
    -- Counts removals and replacements of its embeddings.
    epoch INTEGER NOT NULL DEFAULT 0,
    -- The median, and the mean of the highest hundredth, of cosines between photos of this library and sentences about
    -- anything, and between pairs of its photos: what scores are measured against.
    text_median REAL,
    text_high REAL,
    photo_median REAL,
    photo_high REAL
);

-- The embedding of a photo: `dim` little-endian f32 of unit length.
CREATE TABLE embedding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    photo INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    UNIQUE (model, photo)
);
CREATE INDEX embedding_photo ON embedding (photo);

-- Embeddings of texts, kept because texts are asked for again.
CREATE TABLE text (
    model INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    vector BLOB NOT NULL,
    -- A counter of uses: the smallest was not used for longest.
    used INTEGER NOT NULL,
    PRIMARY KEY (model, text)
);
CREATE INDEX text_used ON text (used);
";

const EXCLUSIONS: &str = "
-- Patterns of files and folders that are skipped in an indexed folder, in the syntax of .gitignore, in their order.
CREATE TABLE exclusion (
    root INTEGER NOT NULL REFERENCES root (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    pattern TEXT NOT NULL,
    PRIMARY KEY (root, place)
) WITHOUT ROWID;

-- 1 if ignore files, such as .gitignore, are respected in it.
ALTER TABLE root ADD COLUMN ignore_files INTEGER NOT NULL DEFAULT 0 CHECK (ignore_files IN (0, 1));
";

const MODEL_FILES: &str = "
-- Where the weights file of the model was when it was used last: an absolute path; NULL if that is not known.
ALTER TABLE model ADD COLUMN file BLOB;
";

const RAW_TWINS: &str = "
-- 1 if raw files beside a JPEG or HEIC file of the same name are indexed too.
ALTER TABLE root ADD COLUMN raw_twins INTEGER NOT NULL DEFAULT 0 CHECK (raw_twins IN (0, 1));
";

const FAMILIES: &str = "
-- What identifies the model whatever the precision of its weights file, and that precision, such as 'f32'; NULL until the
-- model is used.
ALTER TABLE model ADD COLUMN family TEXT;
ALTER TABLE model ADD COLUMN precision TEXT;
";

/// What a file is that SQLite could open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A database without any content.
    Empty,
    /// A library of this version.
    Version(i64),
    /// A database of something else.
    Other,
}

/// The version of the schema. A library that cannot be written may be of an older one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

pub(super) fn found(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if application == APPLICATION_ID && version >= 1 {
        return Ok(Found::Version(version));
    }
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(if application == 0 && version == 0 && tables == 0 { Found::Empty } else { Found::Other })
}

/// Takes all steps from `version` on. The caller holds a transaction.
pub(super) fn migrate(connection: &Connection, version: i64) -> rusqlite::Result<()> {
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    // Names this library, whatever its path.
    connection.execute("INSERT OR IGNORE INTO setting VALUES ('library', lower(hex(randomblob(16))))", [])?;
    Ok(())
}
