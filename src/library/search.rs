//! Searches a library: a query becomes a unit vector, a scan ranks the photos, filters and the end of what fits decide.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;

use super::comparable::{self, Precisions};
use super::encoders::Encoders;
use super::error::Error;
use super::filter::Filter;
use super::found::{Found, Hit};
use super::library::Library;
use super::query::{Query, What};
use super::scan;
use super::score::{self, Measure};
use super::store::{Calibration, FoundFile, ModelRow, Root, Store};
use super::texts;
use super::vectors::Vectors;
use crate::cancel::CancelToken;
use crate::clip::{ImageEncoder, ObservedPhoto, TextEncoder};
use crate::photo::Limits;
use crate::weights::Precision;

/// Photos that are looked at one by one for a filter. Beyond these, one look at all files costs less.
const MOST_LOOKS: usize = 2000;

/// A search in a library.
///
/// ```no_run
/// use clippie_rs::Clip;
/// use clippie_rs::library::{Filter, Library, Query, Search};
///
/// let library = Library::open("photos.sqlite")?;
/// let clip = Clip::open("mobileclip2-s2.clippie")?;
/// let summer = Filter::new().after("2024-06")?.before("2024-09")?;
/// let found = Search::new(&library, &clip).filter(summer).run(&Query::text("a dog on a beach"))?;
/// for hit in &found.hits {
///     println!("{:.2} {}", hit.fit.unwrap_or_default(), hit.path.display());
/// }
/// # Ok::<(), clippie_rs::library::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a search does nothing until it is run"]
pub struct Search {
    library: Library,
    encoders: Encoders,
    allowed: Vec<Precision>,
    name: String,
    filter: Filter,
    limit: usize,
    all: bool,
    min_score: Option<f32>,
    cancel: CancelToken,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search").field("library", &self.library).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// A query as a scan and a score need it.
struct Prepared {
    /// Unit length, `[dim]`.
    vector: Vec<f32>,
    /// Weights, and what each term is measured against.
    terms: Vec<(f32, Option<Calibration>)>,
    /// Length of the sum before it was scaled.
    length: f64,
    sentences_only: bool,
    /// Whether a term is not an embedding of the library.
    encoded: bool,
    /// Contents that are part of the query.
    own: HashSet<i64>,
}

impl Search {
    /// A search for the ten best photos of `library` that fit, with embeddings of these towers.
    pub fn new(library: &Library, encoders: impl Into<Encoders>) -> Search {
        Search {
            library: library.clone(),
            encoders: encoders.into(),
            allowed: Vec::new(),
            name: "this model".into(),
            filter: Filter::new(),
            limit: 10,
            all: false,
            min_score: None,
            cancel: CancelToken::new(),
        }
    }

    /// What messages call the model: what `-m` of the command takes.
    pub fn model_name(mut self, name: &str) -> Search {
        name.clone_into(&mut self.name);
        self
    }

    /// Allows queries of a model in these precisions to be compared with the library's embeddings of the same model in
    /// another one, if it has none in the model's own: [`Found::precisions`] says so then. Scores differ a little from
    /// those that either precision has by itself. Without it, such a search is [`Error::OtherPrecision`].
    pub fn allow_precisions(mut self, precisions: impl IntoIterator<Item = Precision>) -> Search {
        self.allowed = precisions.into_iter().collect();
        self
    }

    /// Only photos that pass a filter.
    pub fn filter(mut self, filter: Filter) -> Search {
        self.filter = filter;
        self
    }

    /// At most so many photos.
    pub fn limit(mut self, photos: usize) -> Search {
        self.limit = photos;
        self
    }

    /// Whether photos that do not fit are results too.
    pub fn all(mut self, all: bool) -> Search {
        self.all = all;
        self
    }

    /// Only photos with at least this cosine, whether they fit or not.
    pub fn min_score(mut self, cosine: f32) -> Search {
        self.min_score = Some(cosine);
        self
    }

    /// Stops with [`Error::Cancelled`] soon after `token` is cancelled.
    pub fn cancel(mut self, token: &CancelToken) -> Search {
        self.cancel = token.clone();
        self
    }

    /// Finds the photos of a query.
    ///
    /// # Errors
    /// The library has no embeddings of this model, or only in another precision; a photo of the query cannot be read; a term needs a tower that the
    /// model does not have; the terms cancel each other out; the library cannot be read.
    pub fn run(&self, query: &Query) -> Result<Found, Error> {
        let store = self.library.store()?;
        let (model, precisions) = comparable::find(&store, &self.encoders, &self.name, &self.allowed)?;
        let prepared = self.prepare(&store, &model, query)?;
        self.library.with_vectors(&store, &model, |vectors| self.find(&store, &prepared, vectors, precisions))
    }

    fn find(
        &self,
        store: &Store,
        prepared: &Prepared,
        vectors: &Vectors,
        precisions: Option<Precisions>,
    ) -> Result<Found, Error> {
        let high = if prepared.sentences_only { Search::high(vectors, &prepared.vector)? } else { None };
        let measure = Measure::new(&prepared.terms, prepared.length, high);
        if measure.is_none() {
            score::warn_unmeasured(store.path(), &self.name, vectors.len());
        }
        let least = match (self.min_score, &measure) {
            (Some(score), _) => Some(f64::from(score)),
            (None, Some(measure)) if !self.all => Some(measure.cut()),
            (None, _) => None,
        };
        let roots = store.roots()?;
        let looker = Looker { store, roots: &roots, filter: &self.filter, own: &prepared.own };
        let mut hits = self.rank(vectors, &prepared.vector, least, &looker)?;
        hits.truncate(self.limit);
        let hits = hits.into_iter().map(|(score, files)| Hit::new(score, files, measure.as_ref())).collect();
        let cut = measure.map(|measure| measure.cut() as f32);
        // Embeddings of the library are of one precision.
        let precisions = precisions.filter(|_| prepared.encoded);
        Ok(Found { hits, cut, compared: vectors.len(), precisions })
    }

    fn text(&self, store: &Store, model: &ModelRow, encoder: &TextEncoder, text: &str) -> Result<Vec<f32>, Error> {
        let encoder = encoder.with_cancel(&self.cancel);
        texts::embedding(self.library.texts(), store, model, &encoder, text).map(|row| row.to_vec())
    }

    /// The unit vector of a query.
    fn prepare(&self, store: &Store, model: &ModelRow, query: &Query) -> Result<Prepared, Error> {
        let mut sum = vec![0.0f64; model.dim];
        let mut terms: Vec<(f32, Option<Calibration>)> = Vec::new();
        let mut vectors: Vec<Vec<f32>> = Vec::new();
        let mut own = HashSet::new();
        let mut sentences_only = true;
        let mut encoded = false;
        for term in query.terms() {
            let mut photo = |photo: ObservedPhoto| {
                let (vector, known, was_encoded) = self.photo(store, model, &photo)?;
                own.extend(known);
                encoded |= was_encoded;
                Ok::<_, Error>((vector, model.photo))
            };
            sentences_only &= matches!(term.what, What::Text(_));
            let (vector, calibration) = match &term.what {
                What::Text(text) => {
                    encoded = true;
                    let encoder = self.encoders.text.as_ref().ok_or_else(|| needs("text", "sentences"))?;
                    (self.text(store, model, encoder, text)?, model.text)
                }
                What::Photo(path) => photo(ObservedPhoto::new(path))?,
                What::Known(id) => {
                    let vector = store.embedding(model, *id)?.ok_or(Error::NoPhoto { id: *id })?;
                    own.insert(*id);
                    (vector, model.photo)
                }
                What::PhotoBytes(bytes, name) => photo(ObservedPhoto::from_bytes(bytes.clone(), Some(name.into())))?,
                What::Vector(values) => {
                    // By the model of the search, as far as anybody knows.
                    encoded = true;
                    if values.len() != model.dim {
                        let (left, right) = (values.len(), model.dim);
                        return Err(crate::error::Error::EmbedDim { left, right }.into());
                    }
                    (values.clone(), model.photo)
                }
            };
            let length = score::dot(&vector, &vector).sqrt();
            if !length.is_normal() || !term.weight.is_finite() {
                return Err(Error::Query(
                    "a term of the query has no direction: its embedding is zero or not finite".into(),
                ));
            }
            let scale = f64::from(term.weight) / length;
            sum.iter_mut().zip(&vector).for_each(|(sum, value)| *sum += scale * f64::from(*value));
            // A term that is said twice is one with twice the weight: their cosines are not independent.
            match vectors.iter().position(|known| *known == vector) {
                Some(at) => terms[at].0 += term.weight,
                None => {
                    terms.push((term.weight, calibration));
                    vectors.push(vector);
                }
            }
        }
        let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        let weights: f64 = query.terms().iter().map(|term| f64::from(term.weight.abs())).sum();
        if terms.is_empty() {
            return Err(Error::Query("the query is empty; describe what to find, or name a photo".into()));
        }
        // Nothing but rounding is left.
        if length <= weights * 1e-6 {
            return Err(Error::Query(format!("the terms of `{query}` cancel each other out; change a factor")));
        }
        let vector = sum.iter().map(|value| (value / length) as f32).collect();
        Ok(Prepared { vector, terms, length, sentences_only, encoded, own })
    }

    /// The embedding of a photo: the stored one if the library has its content, which has the number; else it is encoded.
    fn photo(
        &self,
        store: &Store,
        model: &ModelRow,
        photo: &ObservedPhoto,
    ) -> Result<(Vec<f32>, Option<i64>, bool), Error> {
        let limits = self.encoders.image.as_ref().map_or_else(Limits::new, ImageEncoder::limits);
        photo.load_within(&limits)?;
        let known = match photo.content() {
            Some(content) => store.photo_of_hash(&content.hash)?,
            None => None,
        };
        if let Some(id) = known
            && let Some(vector) = store.embedding(model, id)?
        {
            return Ok((vector, known, false));
        }
        let encoder =
            self.encoders.image.as_ref().ok_or_else(|| needs("image", "photos that are not in the library"))?;
        Ok((encoder.with_cancel(&self.cancel).encode_one(photo)?, known, true))
    }

    /// The high cosine of a query with the library's photos.
    fn high(vectors: &Vectors, query: &[f32]) -> Result<Option<f64>, Error> {
        let rows = score::sample(vectors.len(), score::LIFT_SAMPLE);
        let cosines = rows.map(|row| Ok(score::dot(vectors.row(row)?, query)));
        Ok(score::high(cosines.collect::<Result<_, Error>>()?))
    }

    /// The best photos that pass, each with its files, in order.
    fn rank(
        &self,
        vectors: &Vectors,
        query: &[f32],
        least: Option<f64>,
        looker: &Looker<'_>,
    ) -> Result<Vec<(f64, Vec<FoundFile>)>, Error> {
        let mut options = scan::Options::new().cancel(&self.cancel);
        if let Some(least) = least {
            options = options.min_score(least);
        }
        let mut k = self.limit.saturating_mul(2).saturating_add(32);
        let mut found: Vec<(f64, Vec<FoundFile>)> = Vec::new();
        let mut looked = 0;
        loop {
            let hits = vectors.top_k(query, k, None, &options)?;
            for hit in &hits[looked.min(hits.len())..] {
                // Equal scores may change places.
                if found.len() >= self.limit && found.last().is_some_and(|last| last.0 > hit.score) {
                    return Ok(sorted(found));
                }
                looked += 1;
                if let Some(files) = looker.files(vectors.photo(hit.row)?)? {
                    found.push((hit.score, files));
                }
            }
            if hits.len() < k {
                return Ok(sorted(found));
            }
            if looked >= MOST_LOOKS && !looker.filter.is_empty() {
                break;
            }
            k = k.saturating_mul(4);
        }
        // A filter that few photos pass: find these first.
        let mut rows = looker.rows(vectors)?;
        rows.sort_unstable();
        let mut found = Vec::new();
        for hit in vectors.top_k(query, rows.len(), Some(&rows), &options)? {
            if found.len() >= self.limit && found.last().is_some_and(|last: &(f64, _)| last.0 > hit.score) {
                break;
            }
            if let Some(files) = looker.files(vectors.photo(hit.row)?)? {
                found.push((hit.score, files));
            }
        }
        Ok(sorted(found))
    }
}

/// Best first; equal scores by path.
fn sorted(mut found: Vec<(f64, Vec<FoundFile>)>) -> Vec<(f64, Vec<FoundFile>)> {
    found.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then_with(|| a.1[0].path.cmp(&b.1[0].path)));
    found
}

fn needs(tower: &str, what: &str) -> Error {
    Error::Query(format!("the query has {what}, and the model has no {tower} tower; use a model with both"))
}

/// Looks up the files of photos.
struct Looker<'a> {
    store: &'a Store,
    roots: &'a [Root],
    filter: &'a Filter,
    own: &'a HashSet<i64>,
}

impl Looker<'_> {
    /// The files of a photo that pass the filter, sorted by path; `None` without any, and for the query's own photos.
    fn files(&self, photo: i64) -> Result<Option<Vec<FoundFile>>, Error> {
        if self.own.contains(&photo) {
            return Ok(None);
        }
        let mut files = Vec::new();
        self.store.found(Some(photo), self.roots, |file| {
            if self.filter.passes(&file) {
                files.push(file);
            }
            Ok(())
        })?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((!files.is_empty()).then_some(files))
    }

    /// The rows of the photos that pass the filter.
    fn rows(&self, vectors: &Vectors) -> Result<Vec<u32>, Error> {
        let by_photo = vectors.by_photo()?;
        let mut rows = HashSet::new();
        self.store.found(None, self.roots, |file| {
            if self.filter.passes(&file) {
                rows.extend(by_photo.get(&file.photo));
            }
            Ok(())
        })?;
        Ok(rows.into_iter().collect())
    }
}
