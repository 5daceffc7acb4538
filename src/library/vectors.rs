//! The embeddings of a model as a scan reads them.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::Error;
use super::scan::Rows;
use super::store::{ModelRow, Store};

/// All embeddings of a model, in the order in which they came.
#[derive(Debug)]
pub(super) struct Vectors {
    dim: usize,
    /// The photo of each row.
    photos: Vec<i64>,
    /// `[photos, dim]`
    values: Vec<f32>,
    /// What the library had when they were read: the epoch of the model and the largest id.
    state: (i64, i64),
}

impl Vectors {
    /// Reads all embeddings of a model.
    fn read(store: &Store, model: &ModelRow, last: i64) -> Result<Vectors, Error> {
        let mut vectors =
            Vectors { dim: model.dim, photos: Vec::new(), values: Vec::new(), state: (model.epoch, last) };
        store.embeddings_after(model, 0, |row| {
            vectors.photos.push(row.photo);
            vectors.values.extend(row.vector);
            vectors.state.1 = row.id;
            Ok(())
        })?;
        Ok(vectors)
    }

    pub fn len(&self) -> usize {
        self.photos.len()
    }

    /// The rows, for a scan.
    pub fn rows(&self) -> Result<Rows<'_>, Error> {
        Rows::new(&self.values, self.dim).map_err(|error| Error::Query(error.to_string()))
    }

    /// The photo of a row.
    pub fn photo(&self, row: usize) -> i64 {
        self.photos[row]
    }

    /// The rows by photo.
    pub fn by_photo(&self) -> HashMap<i64, u32> {
        self.photos.iter().enumerate().map(|(row, &photo)| (photo, row as u32)).collect()
    }
}

/// Vectors that are kept for later calls: of the model that was used last.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<(i64, Arc<Vectors>)>);

impl Kept {
    /// The present vectors of a model.
    pub fn get(&mut self, store: &Store, model: &ModelRow) -> Result<Arc<Vectors>, Error> {
        let (last, _) = store.embedding_extent(model.id)?;
        if let Some((id, vectors)) = &self.0
            && (*id, vectors.state) == (model.id, (model.epoch, last))
        {
            return Ok(Arc::clone(vectors));
        }
        let vectors = Arc::new(Vectors::read(store, model, last)?);
        self.0 = Some((model.id, Arc::clone(&vectors)));
        Ok(vectors)
    }
}
