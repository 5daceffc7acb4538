//! Embeddings of photos.

use rusqlite::OptionalExtension;

use super::super::error::Error;
use super::{ModelRow, Store};

/// The embedding of a photo.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EmbeddingRow {
    /// Ascending, never used again.
    pub id: i64,
    pub photo: i64,
    /// `[dim]`
    pub vector: Vec<f32>,
}

/// The stored form of a vector.
pub(crate) fn as_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The vector of a stored form: `dim` finite values.
pub(crate) fn as_floats(bytes: &[u8], dim: usize) -> Option<Vec<f32>> {
    let (values, rest) = bytes.as_chunks::<4>();
    let floats: Vec<f32> = values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    (rest.is_empty() && floats.len() == dim && floats.iter().all(|value| value.is_finite())).then_some(floats)
}

impl Store {
    /// Whether the library has the embedding of a photo.
    pub fn has_embedding(&self, model: i64, photo: i64) -> Result<bool, Error> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM embedding WHERE photo = ?1 AND model = ?2")?;
            statement.exists((photo, model))
        })
    }

    /// The embedding of a photo.
    pub fn embedding(&self, model: &ModelRow, photo: i64) -> Result<Option<Vec<f32>>, Error> {
        let bytes: Option<Vec<u8>> = self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT vector FROM embedding WHERE photo = ?1 AND model = ?2")?;
            statement.query_row((photo, model.id), |row| row.get(0)).optional()
        })?;
        bytes.map(|bytes| as_floats(&bytes, model.dim).ok_or_else(|| self.bad_vector())).transpose()
    }

    /// Adds an embedding. One that is there already stays: the same photo has the same embedding.
    pub fn add_embedding(&self, model: i64, photo: i64, vector: &[f32]) -> Result<(), Error> {
        self.run(|connection| {
            let mut statement = connection
                .prepare_cached("INSERT OR IGNORE INTO embedding (model, photo, vector) VALUES (?1, ?2, ?3)")?;
            statement.execute((model, photo, as_bytes(vector))).map(drop)
        })
    }

    /// Calls `visit` for the embeddings of a model that came after the one with the id `last`, in the order of ids.
    pub fn embeddings_after(
        &self,
        model: &ModelRow,
        last: i64,
        mut visit: impl FnMut(EmbeddingRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, photo, vector FROM embedding WHERE id > ?1 AND model = ?2 ORDER BY id")
            .map_err(|error| self.fail(&error))?;
        let mut rows = statement.query((last, model.id)).map_err(|error| self.fail(&error))?;
        while let Some(row) = rows.next().map_err(|error| self.fail(&error))? {
            let embedding = || Ok((row.get(0)?, row.get(1)?, as_floats(row.get_ref(2)?.as_blob()?, model.dim)));
            let (id, photo, vector) = embedding().map_err(|error: rusqlite::Error| self.fail(&error))?;
            visit(EmbeddingRow { id, photo, vector: vector.ok_or_else(|| self.bad_vector())? })?;
        }
        Ok(())
    }

    /// The photos with an embedding of a model, sorted.
    pub fn embedding_photos(&self, model: i64) -> Result<Vec<i64>, Error> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT photo FROM embedding WHERE model = ?1 ORDER BY photo")?;
            statement.query_map([model], |row| row.get(0))?.collect()
        })
    }

    /// The largest id of a model's embeddings and their number.
    pub fn embedding_extent(&self, model: i64) -> Result<(i64, u64), Error> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT coalesce(max(id), 0), count(*) FROM embedding WHERE model = ?1")?;
            statement.query_row([model], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.max(0) as u64)))
        })
    }

    /// The largest id of a model's embeddings; 0 without any.
    pub fn last_embedding(&self, model: i64) -> Result<i64, Error> {
        self.run(|connection| {
            // From the end of the table: nearly always its last row.
            let mut statement =
                connection.prepare_cached("SELECT id FROM embedding WHERE +model = ?1 ORDER BY id DESC LIMIT 1")?;
            Ok(statement.query_row([model], |row| row.get(0)).optional()?.unwrap_or(0))
        })
    }

    fn bad_vector(&self) -> Error {
        self.damaged("an embedding has another length than its model's, or values that are no numbers")
    }
}
