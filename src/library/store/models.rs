//! Models whose embeddings the library has.

use rusqlite::{OptionalExtension, Row};

use super::super::error::Error;
use super::Store;

/// A model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModelRow {
    pub id: i64,
    pub fingerprint: String,
    pub name: String,
    pub dim: usize,
    /// Changes with every removal or replacement of an embedding.
    pub epoch: i64,
}

const COLUMNS: &str = "id, fingerprint, name, dim, epoch";

fn model(row: &Row<'_>) -> rusqlite::Result<ModelRow> {
    Ok(ModelRow {
        id: row.get(0)?,
        fingerprint: row.get(1)?,
        name: row.get(2)?,
        dim: row.get::<_, u32>(3)? as usize,
        epoch: row.get(4)?,
    })
}

impl Store {
    /// All models, in the order in which they came.
    pub fn models(&self) -> Result<Vec<ModelRow>, Error> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM model ORDER BY id"))?;
            statement.query_map([], model)?.collect()
        })
    }

    /// The model with this fingerprint.
    pub fn model(&self, fingerprint: &str) -> Result<Option<ModelRow>, Error> {
        self.run(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM model WHERE fingerprint = ?1");
            connection.prepare_cached(&sql)?.query_row([fingerprint], model).optional()
        })
    }

    /// The model with this fingerprint, added if it is new; the name is the latest one.
    pub fn add_model(&self, fingerprint: &str, name: &str, dim: usize) -> Result<ModelRow, Error> {
        let row = self.run(|connection| {
            let sql = format!(
                "INSERT INTO model (fingerprint, name, dim) VALUES (?1, ?2, ?3)
                 ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING {COLUMNS}"
            );
            connection.prepare_cached(&sql)?.query_row((fingerprint, name, dim as i64), model)
        })?;
        if row.dim != dim {
            return Err(self.damaged("the length of a model's embeddings differs from the model's"));
        }
        Ok(row)
    }

    /// Notes that embeddings of all models were removed or replaced.
    pub fn next_epoch(&self) -> Result<(), Error> {
        self.run(|connection| connection.execute("UPDATE model SET epoch = epoch + 1", []).map(drop))
    }
}
