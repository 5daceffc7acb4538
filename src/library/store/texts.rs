//! Embeddings of texts that were asked for before.

use rusqlite::{OptionalExtension, params_from_iter};

use super::super::error::Error;
use super::{ModelRow, Store, as_bytes, as_floats};

/// Texts that are kept for all models together: 10,000 of 512 numbers take 20 MB.
const MOST_TEXTS: i64 = 10_000;
/// Bytes of the longest text that is kept. Nobody types a longer one twice, and the table holds each twice.
const MOST_BYTES: usize = 4096;
/// Uses after which one is noted anew: a search writes only rarely, and still no text that is in use is dropped.
const NOTED: i64 = MOST_TEXTS / 10;

impl Store {
    /// The embedding of a text. Notes its use, if the last noted one was long ago.
    pub fn text(&self, model: &ModelRow, text: &str) -> Result<Option<Vec<f32>>, Error> {
        let found: Option<(Vec<u8>, i64)> = self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT vector, (SELECT max(used) FROM text) - used FROM text WHERE model = ?1 AND text = ?2",
            )?;
            statement.query_row((model.id, text), |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })?;
        // What cannot be a vector is encoded again.
        let Some((vector, uses)) = found.and_then(|(bytes, uses)| Some((as_floats(&bytes, model.dim)?, uses))) else {
            return Ok(None);
        };
        if uses >= NOTED && !self.is_read_only() {
            match self.put_text(model, text, &vector) {
                // A search goes on where only noting fails.
                Err(Error::Full { .. } | Error::ReadOnly { .. } | Error::Busy { .. }) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(vector))
    }

    /// Keeps the embedding of a text that is not too long, and drops those that were not used for longest. Notes a use of
    /// one that is there. While another process writes for long, it fails soon: nobody waits for a text to be kept.
    pub fn put_text(&self, model: &ModelRow, text: &str, vector: &[f32]) -> Result<(), Error> {
        if text.len() > MOST_BYTES {
            return Ok(());
        }
        self.hastily(|store| {
            store.run(|connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO text VALUES (?1, ?2, ?3, (SELECT coalesce(max(used), 0) + 1 FROM text))
                         ON CONFLICT (model, text) DO UPDATE SET vector = excluded.vector, used = excluded.used",
                    )?
                    .execute((model.id, text, as_bytes(vector)))?;
                connection
                    .prepare_cached("DELETE FROM text WHERE used <= (SELECT max(used) FROM text) - ?1")?
                    .execute([MOST_TEXTS])
                    .map(drop)
            })
        })
    }

    /// Number of texts of all models, apart from some.
    pub fn text_count(&self, without: &[&str]) -> Result<u64, Error> {
        let places = vec!["?"; without.len()].join(", ");
        self.run(|connection| {
            let sql = format!("SELECT count(*) FROM text WHERE text NOT IN ({places})");
            let count = connection.query_row(&sql, params_from_iter(without), |row| row.get::<_, i64>(0))?;
            Ok(count.max(0) as u64)
        })
    }
}
