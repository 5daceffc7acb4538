//! Contents: what is known of the bytes of a photo, wherever they lie.

use rusqlite::{OptionalExtension, Row};

use super::super::error::Error;
use super::Store;

/// A content.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PhotoRow {
    /// BLAKE3 of the bytes.
    pub hash: [u8; 32],
    pub bytes: u64,
    /// `jpeg`, `png`, …
    pub format: Option<String>,
    /// Pixels as stored.
    pub width: u32,
    pub height: u32,
    /// 1 to 8.
    pub orientation: u8,
    /// `YYYY-MM-DDTHH:MM:SS`, local.
    pub taken: Option<String>,
    /// Minutes east of UTC.
    pub taken_offset: Option<i32>,
    /// Degrees north and east.
    pub place: Option<(f64, f64)>,
    pub camera: Option<String>,
    /// The hash of the picture.
    pub picture: Option<Vec<u8>>,
}

const COLUMNS: &str = "hash, bytes, format, width, height, orientation, taken, taken_offset, latitude, longitude, \
                       camera, picture";

fn photo(row: &Row<'_>) -> rusqlite::Result<PhotoRow> {
    let (latitude, longitude): (Option<f64>, Option<f64>) = (row.get(8)?, row.get(9)?);
    Ok(PhotoRow {
        hash: row.get(0)?,
        bytes: row.get::<_, i64>(1)?.max(0) as u64,
        format: row.get(2)?,
        width: row.get(3)?,
        height: row.get(4)?,
        orientation: row.get(5)?,
        taken: row.get(6)?,
        taken_offset: row.get(7)?,
        place: latitude.zip(longitude),
        camera: row.get(10)?,
        picture: row.get(11)?,
    })
}

impl Store {
    /// A content.
    pub fn photo(&self, id: i64) -> Result<Option<PhotoRow>, Error> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM photo WHERE id = ?1"))?;
            statement.query_row([id], photo).optional()
        })
    }

    /// The content with this hash.
    pub fn photo_of_hash(&self, hash: &[u8; 32]) -> Result<Option<i64>, Error> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM photo WHERE hash = ?1")?;
            statement.query_row([hash.as_slice()], |row| row.get(0)).optional()
        })
    }

    /// Calls `visit` for the picture hashes of all contents that have one.
    pub fn pictures(&self, mut visit: impl FnMut(i64, &[u8])) -> Result<(), Error> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT id, picture FROM photo WHERE picture IS NOT NULL")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                visit(row.get(0)?, row.get_ref(1)?.as_blob()?);
            }
            Ok(())
        })
    }

    /// Adds a content, or brings what is known of it up to date.
    pub fn put_photo(&self, photo: &PhotoRow) -> Result<i64, Error> {
        self.run(|connection| {
            let sql = format!(
                "INSERT INTO photo ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT (hash) DO UPDATE SET format = excluded.format, width = excluded.width,
                 height = excluded.height, orientation = excluded.orientation, taken = excluded.taken,
                 taken_offset = excluded.taken_offset, latitude = excluded.latitude, longitude = excluded.longitude,
                 camera = excluded.camera, picture = excluded.picture RETURNING id"
            );
            connection.prepare_cached(&sql)?.query_row(
                rusqlite::params![
                    photo.hash.as_slice(),
                    i64::try_from(photo.bytes).unwrap_or(i64::MAX),
                    photo.format,
                    photo.width,
                    photo.height,
                    photo.orientation,
                    photo.taken,
                    photo.taken_offset,
                    photo.place.map(|place| place.0),
                    photo.place.map(|place| place.1),
                    photo.camera,
                    photo.picture,
                ],
                |row| row.get(0),
            )
        })
    }

    /// Number of contents that have a file which is not missing.
    pub fn photo_count(&self) -> Result<u64, Error> {
        self.run(|connection| {
            connection
                .query_row("SELECT count(DISTINCT photo) FROM file WHERE missing = 0", [], |row| row.get::<_, i64>(0))
                .map(|count| count.max(0) as u64)
        })
    }
}
