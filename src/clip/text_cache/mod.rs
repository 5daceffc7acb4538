//! Remembers the embeddings of texts, so that a query or a label is encoded once.

mod error;
mod file;
mod lru;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::Array2;

pub use error::TextCacheError;

use super::{Fingerprint, TextEncoder};
use crate::error::Error;
use lru::Lru;

/// A bounded cache of text embeddings, by fingerprint and exact text. It forgets what was not used for the longest
/// time.
///
/// Any number of threads may use it at once; none waits while another one encodes. Several models live side by side.
///
/// ```
/// # #[cfg(feature = "demo")] {
/// use clippie_rs::{Clip, TextCache};
///
/// let clip = Clip::demo()?;
/// let cache = TextCache::new(1000, 16 << 20); // a thousand texts, 16 MiB
/// let rows = cache.get_or_encode(clip.text(), ["a red circle", "a star"])?; // [2, embed_dim]
/// assert_eq!(cache.get_or_encode(clip.text(), ["a star"])?.row(0), rows.row(1));
/// assert_eq!((cache.hits(), cache.misses()), (1, 2));
/// # }
/// # Ok::<(), clippie_rs::Error>(())
/// ```
#[derive(Debug)]
pub struct TextCache {
    entries: Mutex<Lru>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// An entry of a [`TextCache`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CachedText {
    /// What the embedding was made with.
    pub fingerprint: Fingerprint,
    /// The text.
    pub text: String,
    /// Its embedding.
    pub embedding: Arc<[f32]>,
}

impl TextCache {
    /// Creates a cache of at most `entries` texts that take at most `bytes` of memory, whichever is less. Memory is
    /// taken as texts are added.
    #[must_use]
    pub fn new(entries: usize, bytes: usize) -> TextCache {
        TextCache { entries: Mutex::new(Lru::new(entries, bytes)), hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// Encodes texts, one row for each: `[texts, embed_dim]`, with the same bits as [`TextEncoder::encode`] has. Only
    /// texts that are not in the cache are encoded, in one batch and each once, and added to it.
    ///
    /// Embeddings that another computer made and [`TextCache::load`] read may differ in their last bits, as its
    /// instruction set rounds differently; those of models in 8 bits by more.
    ///
    /// # Errors
    /// Those of [`TextEncoder::encode`]; nothing is added then.
    pub fn get_or_encode(
        &self,
        encoder: &TextEncoder,
        texts: impl IntoIterator<Item: AsRef<str> + Sync>,
    ) -> Result<Array2<f32>, Error> {
        let texts: Vec<_> = texts.into_iter().collect();
        encoder.refuse_long(&texts)?;
        let (fingerprint, embed_dim) = (encoder.fingerprint(), encoder.embed_dim());
        let mut rows = Array2::zeros((texts.len(), embed_dim));
        let keys: Vec<String> = texts.iter().map(|text| key(fingerprint, &encoder.cached_as(text.as_ref()))).collect();
        // Each text to encode, with its first index; and the rows that take it.
        let mut missing: Vec<(usize, &str)> = Vec::new();
        let mut takers: Vec<(usize, usize)> = Vec::new();
        let mut known = HashMap::new();
        {
            let mut entries = self.lock();
            for (index, (key, text)) in keys.iter().zip(&texts).enumerate() {
                match entries.get(key).filter(|row| row.len() == embed_dim) {
                    Some(row) => rows.row_mut(index).iter_mut().zip(&*row).for_each(|(to, from)| *to = *from),
                    None => {
                        let place = *known.entry(text.as_ref()).or_insert_with(|| {
                            missing.push((index, text.as_ref()));
                            missing.len() - 1
                        });
                        takers.push((index, place));
                    }
                }
            }
        }
        self.misses.fetch_add(missing.len() as u64, Ordering::Relaxed);
        self.hits.fetch_add((texts.len() - missing.len()) as u64, Ordering::Relaxed);
        if missing.is_empty() {
            return Ok(rows);
        }
        let encoded = encoder.encode(missing.iter().map(|(_, text)| *text)).map_err(|error| {
            // The error counts the texts of its batch.
            let by = error.index().and_then(|at| Some(missing.get(at)?.0 - at));
            error.shifted(by.unwrap_or(0))
        })?;
        for (index, place) in takers {
            rows.row_mut(index).assign(&encoded.row(place));
        }
        let mut entries = self.lock();
        for ((index, _), row) in missing.iter().zip(encoded.outer_iter()) {
            entries.insert(&keys[*index], row.iter().copied().collect());
        }
        Ok(rows)
    }

    /// The embedding of a text: the one that is here, else the one that `stored` finds, both of which are hits, else a new
    /// one, which is given to `store`. It is here afterwards.
    #[cfg(feature = "library")]
    pub(crate) fn through<E: From<Error>>(
        &self,
        encoder: &TextEncoder,
        text: &str,
        stored: impl FnOnce() -> Result<Option<Vec<f32>>, E>,
        store: impl FnOnce(&[f32]) -> Result<(), E>,
    ) -> Result<Arc<[f32]>, E> {
        encoder.refuse_long(&[text])?;
        let key = key(encoder.fingerprint(), &encoder.cached_as(text));
        let fits = |row: &Arc<[f32]>| row.len() == encoder.embed_dim();
        let here = self.lock().get(&key).filter(fits);
        let known = match here {
            Some(row) => Some(row),
            None => stored()?.map(Arc::from).filter(fits),
        };
        let (counter, row) = match known {
            Some(row) => (&self.hits, row),
            None => {
                let row = Arc::from(encoder.encode_one(text)?);
                store(&row)?;
                (&self.misses, row)
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(&key, Arc::clone(&row));
        Ok(row)
    }

    /// The embedding of a text, if it is there. Counts neither as a hit nor as a miss.
    #[must_use]
    pub fn get(&self, fingerprint: &Fingerprint, text: &str) -> Option<Arc<[f32]>> {
        self.lock().get(&key(fingerprint, text))
    }

    /// Adds an embedding that was made with this fingerprint, as the most recently used one. For stores that keep
    /// entries in their own way; see [`TextCache::iter`]. What [`TextCache::get_or_encode`] adds for an encoder of another
    /// language ([`TextEncoder::with_language`]) has the language and U+001F before the text.
    pub fn insert(&self, fingerprint: &Fingerprint, text: &str, embedding: impl Into<Arc<[f32]>>) {
        self.lock().insert(&key(fingerprint, text), embedding.into());
    }

    /// All entries, from the least recently used: adding them to another cache in this order keeps the order. A copy
    /// of this moment; embeddings are shared.
    pub fn iter(&self) -> impl Iterator<Item = CachedText> {
        self.snapshot().into_iter().filter_map(|(key, embedding)| {
            let (fingerprint, text) = key.split_at_checked(file::DIGITS)?;
            Some(CachedText { fingerprint: fingerprint.parse().ok()?, text: text.to_owned(), embedding })
        })
    }

    /// Adds the entries of a file that [`TextCache::save`] wrote; returns their number. Entries of several fingerprints
    /// may be in one file. Adds nothing, and is no error, if there is no file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, of another version or something else; nothing is added then.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<usize, TextCacheError> {
        let mut read = Vec::new();
        let count = file::read(path.as_ref(), |key, row| read.push((key.to_owned(), Arc::<[f32]>::from(row))))?;
        let mut entries = self.lock();
        read.into_iter().for_each(|(key, row)| entries.insert(&key, row));
        Ok(count)
    }

    /// Writes all entries to a file, which is replaced when the new one is complete and on disk. Of more than 1 GiB,
    /// the most recently used entries are written.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TextCacheError> {
        file::write(path.as_ref(), &self.snapshot())
    }

    /// Number of texts that [`TextCache::get_or_encode`] did not have to encode.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Number of texts that [`TextCache::get_or_encode`] encoded.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Share of hits, from 0 to 1; 0 before the first text.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let (hits, misses) = (self.hits(), self.misses());
        if hits == 0 { 0.0 } else { hits as f64 / (hits + misses) as f64 }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Approximate memory of all entries, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Drops all entries and starts counting anew.
    pub fn clear(&self) {
        self.lock().clear();
        self.hits.store(0, Ordering::Relaxed);
        self.misses.store(0, Ordering::Relaxed);
    }

    fn snapshot(&self) -> Vec<(String, Arc<[f32]>)> {
        self.lock().iter().map(|(key, row)| (key.to_owned(), Arc::clone(row))).collect()
    }

    /// Nothing that the caller gives runs while the lock is held, so a panic of another thread left it whole.
    fn lock(&self) -> MutexGuard<'_, Lru> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fingerprints have a fixed length, so a key belongs to one fingerprint and text.
fn key(fingerprint: &Fingerprint, text: &str) -> String {
    format!("{fingerprint}{text}")
}

#[cfg(all(test, feature = "demo"))]
mod tests;
