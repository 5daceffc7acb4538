//! All pairs of rows that are alike: whose cosine reaches a threshold.
//!
//! With the names of the module above, the product of two rows is
//!
//! ```text
//! a·b = μ·a + μ·b − |μ|² + x·y,  where x = a − μ and y = b − μ
//! x·y = s·s'·(c·c') + s·c·r' + r·y,  so |x·y − s·s'·(c·c')| ≤ |s·c|·ρ' + ρ·|y|
//! ```
//!
//! c·c' fits into 32 bits, because no row has more than 2¹⁶ codes. |s·c| ≤ |x| + ρ. Each of the terms, and the product
//! of the lengths |a||b|, is at most z·z' with z = |a| + |μ| + 2ρ, so that all roundings together are less than
//! (4n + 64)·2⁻⁵²·z·z'. Pairs that can reach the threshold are compared exactly.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::exact::{TOGETHER, length, score, scores, widened};
use super::quantise::{Codes, stride};
use super::workers::by_blocks;
use super::{Error, Options, Quantised, Rows};
use crate::kernels::isa::Isa;
use crate::kernels::scan::{LENGTH_ERROR, Left, Profiles, QUERIES, ROWS, alike, code_products};

/// Two rows that are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The smaller row number.
    pub first: usize,
    /// The larger one.
    pub second: usize,
    /// The product divided by the lengths, in float64.
    pub cosine: f64,
}

impl Rows<'_> {
    /// Finds all pairs of rows whose cosine is at least `threshold`, ordered by the first row, then by the second.
    ///
    /// A row of zeros is like no other. The time grows with the square of the number of rows. The minimum score of the
    /// options means nothing here.
    ///
    /// # Errors
    /// As for [`top_k`](super::top_k), and if there are more than `limit` pairs: among equal rows, there is one for
    /// every two.
    pub fn pairs(&self, threshold: f64, limit: usize, options: &Options<'_>) -> Result<Vec<Pair>, Error> {
        let list = options.allowed(self.len())?;
        let Some(codes) = self.codes() else {
            let quantised = Quantised::new(self.vectors(), self.dim(), options)?;
            return quantised.rows().pairs(threshold, limit, options);
        };
        let numbers: Vec<u32> = list.map_or_else(|| (0..self.len() as u32).collect(), |list| list.into_owned());
        let isa = Isa::detect()?;
        let profiles = self.profiles(&codes, &numbers, options)?;
        let search = Search { rows: *self, isa, codes, numbers: &numbers, profiles, threshold, limit };
        let count = AtomicUsize::new(0);
        let work = |pairs: &mut Vec<Pair>, block: Range<usize>| search.block(block, pairs, &count, options);
        let mut pairs: Vec<Pair> = by_blocks(numbers.len(), options, Vec::new, work)?.into_iter().flatten().collect();
        self.check_intact()?;
        pairs.sort_unstable_by_key(|pair| (pair.first, pair.second));
        Ok(pairs)
    }

    /// What bounds need of each row. Reads every value.
    fn profiles(&self, codes: &Codes<'_>, numbers: &[u32], options: &Options<'_>) -> Result<Profiles, Error> {
        let centre = widened(codes.centre);
        let larger = 1.0 + LENGTH_ERROR;
        let half = score(codes.centre, &centre) / 2.0;
        let centre_length = length(&centre) * larger;
        let epsilon = (4.0 * self.dim() as f64 + 64.0) * f64::EPSILON;
        let work = |parts: &mut Vec<(usize, Vec<[f64; 6]>)>, block: Range<usize>| {
            self.check_codes(&numbers[block.clone()])?;
            let mut profiles = Vec::with_capacity(block.len());
            for &row in &numbers[block.clone()] {
                let values = self.row(row as usize)?;
                let (scale, residual) = (codes.scales[row as usize], codes.residuals[row as usize]);
                let (scale, residual) = (f64::from(scale), f64::from(residual));
                let (mut square, mut apart) = (0.0, 0.0);
                for (&value, centre) in values.iter().zip(&centre) {
                    let value = f64::from(value);
                    square += value * value;
                    apart += (value - centre) * (value - centre);
                }
                if !square.is_finite() {
                    return Err(Error::NotFinite { what: "row", row: row as usize });
                }
                let length = square.sqrt();
                let reach = apart.sqrt() * larger;
                let size = (length * larger + centre_length + 2.0 * residual) * epsilon.sqrt();
                profiles.push([score(values, &centre) - half, scale, residual, reach, size, length]);
            }
            parts.push((block.start, profiles));
            Ok(())
        };
        let mut parts: Vec<_> = by_blocks(numbers.len(), options, Vec::new, work)?.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|&(start, _)| start);
        let mut all = Profiles::default();
        for [base, scale, residual, reach, size, length] in parts.into_iter().flat_map(|(_, part)| part) {
            all.base.push(base);
            all.scale.push(scale);
            all.residual.push(residual);
            all.reach.push(reach);
            all.size.push(size);
            all.least.push(length);
        }
        Ok(all)
    }
}

struct Search<'a> {
    rows: Rows<'a>,
    isa: Isa,
    codes: Codes<'a>,
    /// Rows that are compared, in ascending order.
    numbers: &'a [u32],
    /// [numbers]
    profiles: Profiles,
    threshold: f64,
    limit: usize,
}

impl Search<'_> {
    /// Finds the pairs whose second row is in a block, which stays in L2, by their first rows.
    fn block(
        &self,
        block: Range<usize>,
        pairs: &mut Vec<Pair>,
        count: &AtomicUsize,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let stride = stride(self.rows.dim());
        let mut words = vec![0i16; QUERIES * stride];
        let mut products = vec![0; QUERIES * ROWS];
        let mut places = Vec::new();
        for start in (0..block.end).step_by(QUERIES) {
            options.check_cancelled()?;
            let firsts = start..block.end.min(start + QUERIES);
            for (words, &row) in words.chunks_exact_mut(stride).zip(&self.numbers[firsts.clone()]) {
                let codes = &self.codes.codes[row as usize * stride..][..stride];
                words.iter_mut().zip(codes).for_each(|(word, &code)| *word = i16::from(code));
            }
            let words = &words[..firsts.len() * stride];
            // Rows before the first ones are theirs to find.
            let mut at = block.start.max(start);
            while at < block.end {
                let seconds = at..block.end.min(at + ROWS);
                let products = &mut products[..firsts.len() * seconds.len()];
                code_products(self.isa, self.codes.codes, stride, &self.numbers[seconds.clone()], words, products);
                for (first, products) in firsts.clone().zip(products.chunks_exact(seconds.len())) {
                    let skip = (first + 1).saturating_sub(at).min(products.len());
                    places.clear();
                    let left = self.left(first);
                    alike(self.isa, &left, &self.profiles, at + skip, &products[skip..], &mut places);
                    self.compare(first, &places, pairs, count)?;
                }
                at = seconds.end;
            }
        }
        Ok(())
    }

    fn left(&self, at: usize) -> Left {
        let profiles = &self.profiles;
        Left {
            base: profiles.base[at],
            scale: profiles.scale[at],
            residual: profiles.residual[at],
            coded: profiles.reach[at] + profiles.residual[at],
            size: profiles.size[at],
            least: self.threshold * profiles.least[at],
        }
    }

    /// Keeps the pairs that are alike.
    fn compare(&self, first: usize, places: &[usize], pairs: &mut Vec<Pair>, count: &AtomicUsize) -> Result<(), Error> {
        if places.is_empty() || self.profiles.least[first] == 0.0 {
            return Ok(());
        }
        let query = widened(self.rows.row(self.numbers[first] as usize)?);
        let mut values = Vec::with_capacity(TOGETHER);
        for places in places.chunks(TOGETHER) {
            values.clear();
            for &place in places {
                values.push(self.rows.row(self.numbers[place] as usize)?);
            }
            for (&second, score) in places.iter().zip(scores(&values, &query)) {
                let lengths = self.profiles.least[first] * self.profiles.least[second];
                // A row of zeros makes this NaN.
                let cosine = score / lengths;
                if cosine >= self.threshold {
                    if count.fetch_add(1, Ordering::Relaxed) >= self.limit {
                        return Err(Error::TooManyPairs { limit: self.limit });
                    }
                    let (first, second) = (self.numbers[first] as usize, self.numbers[second] as usize);
                    pairs.push(Pair { first, second, cosine });
                }
            }
        }
        Ok(())
    }
}
