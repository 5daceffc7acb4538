//! Stored vectors as a scan sees them, and the search.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::Range;

use super::batch::{ByCodes, ByScores, Passed, pass};
use super::exact::{TOGETHER, is_finite, scores, widened};
use super::plain::ByFloats;
use super::quantise::Codes;
use super::sink::{Candidate, Ordered};
use super::workers::by_blocks;
use super::{Error, MAX_DIM, Options};
use crate::kernels::isa::Isa;

/// Queries that share a pass. Each needs a list of candidates on each thread.
const MAX_BATCH: usize = 256;

/// Allowed rows up to which their exact scores are computed at once: a millisecond at most, less than a look at all
/// codes.
const FEW: usize = 4096;

/// A row that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Number of the row, from 0.
    pub row: usize,
    /// The product with the query, of float64.
    pub score: f64,
}

/// Result of a search for one query.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scan {
    /// The best rows, best first; equal ones in the order of their numbers.
    pub hits: Vec<Hit>,
    /// Number of rows that were looked at: all that the options allow.
    pub looked_at: usize,
    /// Mean of the scores of these rows, whatever the minimum score. From the first pass: with codes within some
    /// thousandths of the length of the query times that of the rows, without codes as `f32` computes it. Zero for no
    /// rows.
    pub mean: f64,
    /// Standard deviation of these scores, as exact as the mean.
    pub deviation: f64,
    /// Number of rows whose exact score was computed; it depends on the number of threads.
    pub rescored: usize,
}

/// Checks stored bytes when they are used for the first time.
pub(super) trait Check: Sync + fmt::Debug {
    /// Checks the codes of `rows`, which are in ascending order.
    fn codes(&self, rows: &[u32]) -> Result<(), Error>;
    /// Checks the values of a row.
    fn row(&self, row: usize, values: &[f32]) -> Result<(), Error>;
    /// Whether no page was lost while it was used, where zeros may have been read instead.
    fn intact(&self) -> Result<(), Error>;
}

/// Stored vectors: of a caller, of a [`Quantised`](super::Quantised) or of a packed file.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    vectors: &'a [f32],
    dim: usize,
    len: usize,
    codes: Option<Codes<'a>>,
    check: Option<&'a dyn Check>,
}

impl<'a> Rows<'a> {
    /// Rows of `vectors`, `[rows, dim]`, without codes.
    ///
    /// # Errors
    /// If the length does not fit, or if there are too many.
    pub fn new(vectors: &'a [f32], dim: usize) -> Result<Self, Error> {
        if dim == 0 || dim > MAX_DIM {
            return Err(Error::Dim { dim });
        }
        if !vectors.len().is_multiple_of(dim) {
            return Err(Error::Shape { what: "rows", len: vectors.len(), dim });
        }
        let len = vectors.len() / dim;
        if u32::try_from(len).is_err() {
            return Err(Error::TooManyRows { rows: len });
        }
        Ok(Rows { vectors, dim, len, codes: None, check: None })
    }

    /// Rows with codes. The caller has checked all lengths.
    pub(super) fn coded(
        vectors: &'a [f32],
        dim: usize,
        len: usize,
        codes: Codes<'a>,
        check: Option<&'a dyn Check>,
    ) -> Self {
        Rows { vectors, dim, len, codes: Some(codes), check }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Length of each row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All values, `[rows, dim]`. Those of a packed file are not checked.
    #[must_use]
    pub fn vectors(&self) -> &'a [f32] {
        self.vectors
    }

    /// The values of a row.
    ///
    /// # Errors
    /// If the bytes of a packed file are not those that were written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> Result<&'a [f32], Error> {
        let values = &self.vectors[row * self.dim..][..self.dim];
        if let Some(check) = self.check {
            check.row(row, values)?;
        }
        Ok(values)
    }

    pub(super) fn codes(&self) -> Option<Codes<'a>> {
        self.codes
    }

    pub(super) fn check_codes(&self, rows: &[u32]) -> Result<(), Error> {
        self.check.map_or(Ok(()), |check| check.codes(rows))
    }

    pub(super) fn check_intact(&self) -> Result<(), Error> {
        self.check.map_or(Ok(()), |check| check.intact())
    }

    /// Refuses a score that is not finite, which that of finite values always is.
    pub(super) fn check_scores(&self, rows: &[u32], scores: &[f64]) -> Result<(), Error> {
        match rows.iter().zip(scores).find(|(_, score)| !score.is_finite()) {
            Some((&row, _)) => Err(Error::NotFinite { what: "row", row: row as usize }),
            None => Ok(()),
        }
    }

    /// Like [`top_k`](super::top_k).
    ///
    /// # Errors
    /// See there.
    pub fn top_k(&self, queries: &[f32], k: usize, options: &Options<'_>) -> Result<Vec<Vec<Hit>>, Error> {
        Ok(self.search(queries, k, options)?.into_iter().map(|scan| scan.hits).collect())
    }

    /// Like [`top_k`](super::top_k), with the mean and the deviation of all scores, which cost nothing more.
    ///
    /// # Errors
    /// See there.
    pub fn search(&self, queries: &[f32], k: usize, options: &Options<'_>) -> Result<Vec<Scan>, Error> {
        let queries = self.queries(queries)?;
        let list = options.allowed(self.len)?;
        let list = list.as_deref();
        let count = list.map_or(self.len, <[u32]>::len);
        let k = k.min(count);
        let isa = Isa::detect()?;
        let mut scans = Vec::with_capacity(queries.len());
        for queries in queries.chunks(MAX_BATCH) {
            let passed = match self.codes {
                _ if list.is_some_and(|list| list.len() <= FEW) => {
                    pass(&ByScores(*self), self.len, list, queries, k, options)?
                }
                Some(codes) => pass(&ByCodes { isa, rows: *self, codes }, self.len, list, queries, k, options)?,
                None => pass(&ByFloats { isa, rows: *self }, self.len, list, queries, k, options)?,
            };
            for (query, passed) in queries.iter().zip(passed) {
                scans.push(self.finish(query, passed, count, k, options)?);
            }
        }
        self.check_intact()?;
        Ok(scans)
    }

    /// The exact scores of all rows, or of those that the options allow, in their order. Reads every value.
    ///
    /// # Errors
    /// As for [`top_k`](super::top_k).
    pub fn scores(&self, query: &[f32], options: &Options<'_>) -> Result<Vec<f64>, Error> {
        let [query] = self.queries(query)?[..] else {
            return Err(Error::Shape { what: "the query", len: query.len(), dim: self.dim });
        };
        let list = options.allowed(self.len)?;
        let count = list.as_ref().map_or(self.len, |list| list.len());
        let row_of = |i: usize| list.as_ref().map_or(i as u32, |list| list[i]);
        let query = widened(query);
        let work = |parts: &mut Vec<(usize, Vec<f64>)>, block: Range<usize>| {
            let rows: Vec<u32> = block.clone().map(row_of).collect();
            let mut found = Vec::with_capacity(rows.len());
            for rows in rows.chunks(TOGETHER) {
                let values = rows.iter().map(|&row| self.row(row as usize)).collect::<Result<Vec<_>, _>>()?;
                let scores = &scores(&values, &query)[..rows.len()];
                self.check_scores(rows, scores)?;
                found.extend_from_slice(scores);
            }
            parts.push((block.start, found));
            Ok(())
        };
        let mut parts: Vec<_> = by_blocks(count, options, Vec::new, work)?.into_iter().flatten().collect();
        self.check_intact()?;
        parts.sort_unstable_by_key(|&(start, _)| start);
        Ok(parts.into_iter().flat_map(|(_, scores)| scores).collect())
    }

    /// Splits queries, and refuses those that no score can be computed of.
    fn queries<'q>(&self, queries: &'q [f32]) -> Result<Vec<&'q [f32]>, Error> {
        if !queries.len().is_multiple_of(self.dim) {
            return Err(Error::Shape { what: "queries", len: queries.len(), dim: self.dim });
        }
        let queries: Vec<_> = queries.chunks_exact(self.dim).collect();
        match queries.iter().position(|query| !is_finite(query)) {
            Some(row) => Err(Error::NotFinite { what: "query", row }),
            None => Ok(queries),
        }
    }

    /// The second pass: exact scores of the candidates, best bounds first.
    fn finish(
        &self,
        query: &[f32],
        passed: Passed,
        count: usize,
        k: usize,
        options: &Options<'_>,
    ) -> Result<Scan, Error> {
        let candidates = passed.sink.into_candidates();
        let query = widened(query);
        let work = |best: &mut Best, block: Range<usize>| self.rescore(&candidates[block], &query, best, options);
        let mut states = by_blocks(candidates.len(), options, || Best::new(k), work)?.into_iter();
        let mut best = states.next().unwrap_or_else(|| Best::new(k));
        for state in states {
            best.join(state);
        }
        let (sum, squares) = passed.totals;
        let n = count.max(1) as f64;
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        Ok(Scan { rescored: best.rescored, hits: best.into_hits(), looked_at: count, mean, deviation })
    }

    fn rescore(
        &self,
        candidates: &[Candidate],
        query: &[f64],
        best: &mut Best,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let mut values = Vec::with_capacity(TOGETHER);
        for candidates in candidates.chunks(TOGETHER) {
            if candidates[0].upper < best.worst() {
                return Ok(());
            }
            values.clear();
            for candidate in candidates {
                values.push(self.row(candidate.row as usize)?);
            }
            let scores = &scores(&values, query)[..candidates.len()];
            for (candidate, &score) in candidates.iter().zip(scores) {
                self.check_scores(&[candidate.row], &[score])?;
                if score >= options.min_score {
                    best.offer(candidate.row, score);
                }
            }
            best.rescored += candidates.len();
        }
        Ok(())
    }
}

/// The best rows of those whose exact scores are known.
struct Best {
    k: usize,
    /// The worst on top: the smallest score and, of equal ones, the largest row. No score is a negative zero, because
    /// sums begin with a positive one.
    heap: BinaryHeap<(Reverse<Ordered>, u32)>,
    rescored: usize,
}

impl Best {
    fn new(k: usize) -> Best {
        Best { k, heap: BinaryHeap::new(), rescored: 0 }
    }

    /// A row whose score is less than this is not among the best.
    fn worst(&self) -> f64 {
        match self.heap.peek() {
            Some((Reverse(Ordered(score)), _)) if self.heap.len() >= self.k => *score,
            _ => f64::NEG_INFINITY,
        }
    }

    fn offer(&mut self, row: u32, score: f64) {
        self.heap.push((Reverse(Ordered(score)), row));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    fn join(&mut self, other: Best) {
        self.rescored += other.rescored;
        for (Reverse(Ordered(score)), row) in other.heap {
            self.offer(row, score);
        }
    }

    fn into_hits(self) -> Vec<Hit> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        sorted.map(|(Reverse(Ordered(score)), row)| Hit { row: row as usize, score }).collect()
    }
}
