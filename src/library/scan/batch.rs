//! The first pass: every row with every query, a block of rows at a time.

use std::ops::Range;

use super::exact::{TOGETHER, scores, widened};
use super::quantise::{Coded, Codes, stride};
use super::sink::Sink;
use super::workers::{BLOCK, by_blocks};
use super::{Error, Options, Rows};
use crate::kernels::isa::Isa;
use crate::kernels::scan::{Chosen, Moments, QUERIES, ROWS, code_products, select};

/// A way to bounds of scores.
pub(super) trait First: Sync {
    /// A query, as this way needs it.
    type Query: Sync;

    /// `query` has the length of the rows and is finite.
    fn query(&self, query: &[f32]) -> Self::Query;

    /// Looks at `rows`, at most [`ROWS`] in ascending order, with up to [`QUERIES`] queries: adds all scores to the
    /// moments and gives to the sinks what reaches their thresholds.
    fn look(&self, rows: &[u32], queries: &[Self::Query], found: &mut [Found]) -> Result<(), Error>;

    /// Checks a whole part of the rows before it is looked at.
    fn check(&self, _rows: &[u32]) -> Result<(), Error> {
        Ok(())
    }
}

/// What is known of one query.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) sink: Sink,
    pub(super) moments: Moments,
    chosen: Vec<Chosen>,
    /// Totals of each block, as they come.
    totals: Vec<(usize, (f64, f64))>,
}

impl Found {
    /// Takes the rows of a block that were chosen.
    fn take(&mut self, rows: &[u32]) {
        self.sink.take(&self.chosen, rows);
        self.chosen.clear();
    }

    /// Takes rows with their scores and errors, one after the other.
    pub(super) fn offer(&mut self, rows: &[u32], bounds: impl Iterator<Item = (f64, f64)>) {
        let threshold = self.sink.threshold();
        for (place, (score, error)) in bounds.enumerate() {
            self.moments.add(place, score);
            let (lower, upper) = (score - error, score + error);
            // A comparison with NaN is false.
            if upper < threshold {
                continue;
            }
            self.chosen.push(Chosen { place, lower, upper });
        }
        self.take(rows);
    }
}

/// The candidates of a query, and the sums of all scores and of their squares.
pub(super) struct Passed {
    pub(super) sink: Sink,
    pub(super) totals: (f64, f64),
}

/// Looks at all rows, or at those of `list`.
pub(super) fn pass<F: First>(
    first: &F,
    rows: usize,
    list: Option<&[u32]>,
    queries: &[&[f32]],
    k: usize,
    options: &Options<'_>,
) -> Result<Vec<Passed>, Error> {
    let count = list.map_or(rows, <[u32]>::len);
    let queries: Vec<F::Query> = queries.iter().map(|query| first.query(query)).collect();
    let begin = || {
        let found = || Found {
            sink: Sink::new(k, options.min_score),
            moments: Moments::default(),
            chosen: Vec::new(),
            totals: Vec::new(),
        };
        queries.iter().map(|_| found()).collect::<Vec<_>>()
    };
    let work = |found: &mut Vec<Found>, block: Range<usize>| {
        let number = block.start / BLOCK;
        let mut numbers = [0; BLOCK];
        let rows = match list {
            Some(list) => &list[block],
            None => {
                let numbers = &mut numbers[..block.len()];
                numbers.iter_mut().zip(block).for_each(|(number, row)| *number = row as u32);
                numbers
            }
        };
        first.check(rows)?;
        for (queries, found) in queries.chunks(QUERIES).zip(found.chunks_mut(QUERIES)) {
            for rows in rows.chunks(ROWS) {
                first.look(rows, queries, found)?;
            }
        }
        for found in found {
            found.totals.push((number, std::mem::take(&mut found.moments).totals()));
        }
        Ok(())
    };
    let mut states = by_blocks(count, options, begin, work)?.into_iter();
    let mut all = states.next().unwrap_or_default();
    for state in states {
        all = all.into_iter().zip(state).map(|(a, b)| a.join(b)).collect();
    }
    Ok(all.into_iter().map(Found::finish).collect())
}

impl Found {
    fn join(mut self, mut other: Found) -> Found {
        self.totals.append(&mut other.totals);
        Found { sink: self.sink.join(other.sink), ..self }
    }

    /// Adds up the blocks in their order, which does not depend on the threads.
    fn finish(mut self) -> Passed {
        self.totals.sort_unstable_by_key(|&(block, _)| block);
        let add = |a: (f64, f64), &(_, b): &(usize, (f64, f64))| (a.0 + b.0, a.1 + b.1);
        Passed { sink: self.sink, totals: self.totals.iter().fold((0.0, 0.0), add) }
    }
}

/// By codes of 8 bits.
pub(super) struct ByCodes<'a> {
    pub(super) isa: Isa,
    pub(super) rows: Rows<'a>,
    pub(super) codes: Codes<'a>,
}

impl First for ByCodes<'_> {
    type Query = Coded;

    fn query(&self, query: &[f32]) -> Coded {
        Coded::new(query, self.codes.centre)
    }

    fn check(&self, rows: &[u32]) -> Result<(), Error> {
        self.rows.check_codes(rows)
    }

    fn look(&self, rows: &[u32], queries: &[Coded], found: &mut [Found]) -> Result<(), Error> {
        let stride = stride(self.codes.centre.len());
        let words: Vec<i16>;
        let words = match queries {
            [query] => &query.words,
            queries => {
                words = queries.iter().flat_map(|query| &query.words).copied().collect();
                &words
            }
        };
        let mut products = [0; QUERIES * ROWS];
        let products = &mut products[..queries.len() * rows.len()];
        code_products(self.isa, self.codes.codes, stride, rows, words, products);
        let (mut scales, mut residuals) = ([0.0; ROWS], [0.0; ROWS]);
        let (scales, residuals) = match rows {
            [first, .., last] if (last - first) as usize == rows.len() - 1 => {
                let range = *first as usize..*last as usize + 1;
                (&self.codes.scales[range.clone()], &self.codes.residuals[range])
            }
            rows => {
                for (i, &row) in rows.iter().enumerate() {
                    (scales[i], residuals[i]) = (self.codes.scales[row as usize], self.codes.residuals[row as usize]);
                }
                (&scales[..rows.len()], &residuals[..rows.len()])
            }
        };
        for ((query, found), products) in queries.iter().zip(found).zip(products.chunks_exact(rows.len())) {
            let threshold = found.sink.threshold();
            let block = (products, scales, residuals);
            select(self.isa, &query.bounds, block, threshold, &mut found.moments, &mut found.chosen);
            found.take(rows);
        }
        Ok(())
    }
}

/// By the exact scores themselves, for few rows.
pub(super) struct ByScores<'a>(pub(super) Rows<'a>);

impl First for ByScores<'_> {
    type Query = Vec<f64>;

    fn query(&self, query: &[f32]) -> Vec<f64> {
        widened(query)
    }

    fn look(&self, rows: &[u32], queries: &[Vec<f64>], found: &mut [Found]) -> Result<(), Error> {
        let mut values = Vec::with_capacity(ROWS);
        for rows in rows.chunks(TOGETHER) {
            values.clear();
            for &row in rows {
                values.push(self.0.row(row as usize)?);
            }
            for (query, found) in queries.iter().zip(&mut *found) {
                let scores = scores(&values, query);
                let scores = &scores[..rows.len()];
                self.0.check_scores(rows, scores)?;
                found.offer(rows, scores.iter().map(|&score| (score, 0.0)));
            }
        }
        Ok(())
    }
}
