//! The embeddings of a model as a scan reads them: a mapped file that is derived from the library, and what came after
//! it, in memory.
//!
//! The file lies beside the library. It holds the embeddings up to some id, so new photos do not make it wrong, only
//! short; removals do, and then it is made again. Where it cannot be written, all embeddings are held in memory.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::Error;
use super::scan::packed::{Description, Packed, PackedError, Writer};
use super::scan::{self, Hit, Rows};
use super::store::{FileId, ModelRow, Store};

/// Embeddings from which on a file is made. A thousand are read from the database in some milliseconds.
const FEWEST: usize = 1000;
/// Embeddings in memory, as a share of those in the file, from which on the file is made again.
const STALE: usize = 8;

/// All embeddings of a model, in the order in which they came.
#[derive(Debug)]
pub(super) struct Vectors {
    dim: usize,
    packed: Option<Packed>,
    /// The photos of the rows after those of the file.
    photos: Vec<i64>,
    /// `[photos, dim]`
    values: Vec<f32>,
    /// What the library had when they were read: the epoch of the model and the largest id.
    state: (i64, i64),
    /// The mapped file.
    path: PathBuf,
    /// Set when the file was found to be damaged.
    damaged: AtomicBool,
}

impl Vectors {
    /// The present embeddings of a model. Makes the mapped file, if one is worth it and can be written. A file that was
    /// found to be `damaged` is not looked at: where it cannot be replaced, all embeddings are held in memory.
    fn read(store: &Store, model: &ModelRow, last: i64, damaged: bool) -> Result<Vectors, Error> {
        let path = packed_path(store.path(), model);
        let state = State::of(store, model)?;
        let packed = if damaged { None } else { open(&path, model, &state, last) };
        let mut vectors = Vectors::after(store, model, &path, packed)?;
        let (new, old) = (vectors.photos.len(), vectors.packed.as_ref().map_or(0, Packed::len));
        if new >= FEWEST.max(old / STALE) && !store.is_read_only() {
            match vectors.write(&path, store, model, &state) {
                Ok(()) => {
                    let packed = open(&path, model, &state, last);
                    vectors = Vectors::after(store, model, &path, packed)?;
                }
                Err(PackedError::Scan(scan::Error::Cancelled)) => return Err(Error::Cancelled),
                Err(error) => tracing::debug!("searches read all embeddings from the library: {error}"),
            }
        }
        Ok(vectors)
    }

    /// The rows of a file and all that came after them.
    fn after(store: &Store, model: &ModelRow, path: &Path, packed: Option<(Packed, i64)>) -> Result<Vectors, Error> {
        let (packed, last) = packed.unzip();
        let last = last.unwrap_or(0);
        let mut vectors = Vectors {
            dim: model.dim,
            packed,
            photos: Vec::new(),
            values: Vec::new(),
            state: (model.epoch, last),
            path: path.to_owned(),
            damaged: AtomicBool::new(false),
        };
        store.embeddings_after(model, last, |row| {
            vectors.photos.push(row.photo);
            vectors.values.extend(row.vector);
            vectors.state.1 = row.id;
            Ok(())
        })?;
        Ok(vectors)
    }

    /// Writes all rows to a file.
    fn write(&self, path: &Path, store: &Store, model: &ModelRow, state: &State) -> Result<(), PackedError> {
        let generation = state.generation(self.state.1);
        let description = Description { dim: self.dim, tag_len: 0, fingerprint: &model.fingerprint, generation };
        let mut writer = Writer::create(path, &description)?;
        let damaged = |_| PackedError::Damaged { path: path.to_owned() };
        // From the library, which is the truth, also where an older file has the same rows.
        let mut failed = None;
        let mut written = 0;
        let read = store.embeddings_after(model, 0, |row| {
            if row.id <= self.state.1 {
                written += 1;
                if let Err(error) = writer.push(row.photo as u64, &row.vector, &[]) {
                    failed = Some(error);
                    return Err(Error::Cancelled);
                }
            }
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        read.map_err(damaged)?;
        tracing::debug!(rows = written, "packing embeddings");
        writer.finish(&scan::Options::new())
    }

    fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    pub fn len(&self) -> usize {
        self.packed_len() + self.photos.len()
    }

    fn packed_len(&self) -> usize {
        self.packed.as_ref().map_or(0, Packed::len)
    }

    fn tail(&self) -> Result<Rows<'_>, Error> {
        Rows::new(&self.values, self.dim).map_err(|error| self.failed(error))
    }

    /// The library's error for one of a scan. A file that is damaged, or that the disk cannot read any more, is removed: it
    /// is derived from the library, and the next call makes it again.
    fn failed(&self, error: scan::Error) -> Error {
        match error {
            scan::Error::Cancelled => Error::Cancelled,
            // Whatever its checksums say: the store gives finite values alone.
            scan::Error::Damaged { .. } | scan::Error::Lost | scan::Error::NotFinite { what: "row", .. } => {
                if !self.damaged.swap(true, Ordering::Relaxed) {
                    tracing::warn!("{} is damaged; it is made again from the library", self.path.display());
                    // Where it cannot be removed, it cannot be replaced either.
                    let _ = std::fs::remove_file(&self.path);
                }
                Error::Vectors { path: self.path.clone() }
            }
            error => Error::Query(error.to_string()),
        }
    }

    /// The values of a row.
    pub fn row(&self, row: usize) -> Result<&[f32], Error> {
        let values = match &self.packed {
            Some(packed) if row < packed.len() => packed.rows().row(row),
            _ => self.tail()?.row(row - self.packed_len()),
        };
        values.map_err(|error| self.failed(error))
    }

    /// The photo of a row.
    pub fn photo(&self, row: usize) -> Result<i64, Error> {
        match &self.packed {
            Some(packed) if row < packed.len() => Ok(packed.id(row).map_err(|error| self.failed(error))? as i64),
            _ => Ok(self.photos[row - self.packed_len()]),
        }
    }

    /// The rows by photo.
    pub fn by_photo(&self) -> Result<HashMap<i64, u32>, Error> {
        let packed = match &self.packed {
            Some(packed) => packed.ids().map_err(|error| self.failed(error))?,
            None => &[],
        };
        let photos = packed.iter().map(|&id| id as i64).chain(self.photos.iter().copied());
        Ok(photos.enumerate().map(|(row, photo)| (photo, row as u32)).collect())
    }

    /// The `k` rows with the largest products, best first; of `only`, if that is given, in ascending order.
    pub fn top_k(
        &self,
        query: &[f32],
        k: usize,
        only: Option<&[u32]>,
        options: &scan::Options<'_>,
    ) -> Result<Vec<Hit>, Error> {
        let middle = self.packed_len();
        let split = only.map(|only| only.split_at(only.partition_point(|&row| (row as usize) < middle)));
        let after: Option<Vec<u32>> = split.map(|(_, after)| after.iter().map(|row| row - middle as u32).collect());
        let search = |rows: Rows<'_>, only: Option<&[u32]>| -> Result<Vec<Hit>, Error> {
            let options = options.clone();
            let options = match only {
                Some(only) => options.only(only),
                None => options,
            };
            Ok(rows
                .top_k(query, k, &options)
                .map_err(|error| self.failed(error))?
                .into_iter()
                .next()
                .unwrap_or_default())
        };
        let mut hits = match &self.packed {
            Some(packed) => search(packed.rows(), split.map(|(before, _)| before))?,
            None => Vec::new(),
        };
        if !self.photos.is_empty() {
            let more = search(self.tail()?, after.as_deref())?;
            hits.extend(more.into_iter().map(|hit| Hit { row: hit.row + middle, ..hit }));
            hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
            hits.truncate(k);
        }
        Ok(hits)
    }
}

/// The state of a library that a file was made from.
struct State(blake3::Hash);

impl State {
    fn of(store: &Store, model: &ModelRow) -> Result<State, Error> {
        let text = format!("{} {} {}", store.identity()?, model.fingerprint, model.epoch);
        Ok(State(blake3::hash(text.as_bytes())))
    }

    /// The state, and the id of the last embedding.
    fn generation(&self, last: i64) -> [u8; 32] {
        let mut generation = *self.0.as_bytes();
        generation[24..].copy_from_slice(&last.to_le_bytes());
        generation
    }
}

/// The mapped file of a model: beside the library, with the first digits of the fingerprint in its name. The store has
/// made sure that they are digits; a path would lead anywhere.
fn packed_path(library: &Path, model: &ModelRow) -> PathBuf {
    let mut name = OsString::from(library);
    name.push(format!(".{}.vectors", model.fingerprint.get(..8).unwrap_or_default()));
    name.into()
}

/// Opens the mapped file and returns the id of its last embedding; `None` if there is none that fits.
fn open(path: &Path, model: &ModelRow, state: &State, last: i64) -> Option<(Packed, i64)> {
    let packed = match Packed::open(path) {
        Ok(packed) => packed,
        Err(error) => {
            tracing::debug!("{error}");
            return None;
        }
    };
    let until = i64::from_le_bytes(*packed.generation().last_chunk()?);
    let fits = packed.fingerprint() == model.fingerprint
        && packed.rows().dim() == model.dim
        && *packed.generation() == state.generation(until)
        && until <= last;
    fits.then_some((packed, until))
}

/// Vectors that are kept for later calls: of the model that was used last.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<(FileId, i64, Arc<Vectors>)>);

impl Kept {
    /// The present vectors of a model.
    pub fn get(&mut self, store: &Store, model: &ModelRow) -> Result<Arc<Vectors>, Error> {
        let last = store.last_embedding(model.id)?;
        let kept = self.0.as_ref().filter(|(file, id, _)| (*file, *id) == (store.file(), model.id));
        let damaged = kept.is_some_and(|(.., vectors)| vectors.is_damaged());
        if let Some((.., vectors)) = kept
            && !damaged
            && vectors.state == (model.epoch, last)
        {
            return Ok(Arc::clone(vectors));
        }
        let vectors = Arc::new(Vectors::read(store, model, last, damaged)?);
        self.0 = Some((store.file(), model.id, Arc::clone(&vectors)));
        Ok(vectors)
    }
}
