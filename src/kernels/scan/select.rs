//! From products of codes to bounds of scores, and to the rows that are worth another look.

use super::super::isa::Isa;
use super::super::simd::{Kernel, Simd};
use super::ROWS;

/// Rows that are compared with the threshold at once.
const GROUP: usize = 16;
/// Sums of [`Moments`], which are added up separately so that no addition waits for the one before.
const LANES: usize = 8;

/// What turns the product `d` of a row's codes with a query's into a score: `base + step · scale · d`, at most
/// `margin + spread · scale + weight · residual` away from the exact one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) base: f64,
    pub(crate) step: f64,
    pub(crate) margin: f64,
    pub(crate) spread: f64,
    pub(crate) weight: f64,
}

impl Bounds {
    /// The score of a row, and the largest distance from the exact one.
    #[inline(always)]
    pub(crate) fn of(&self, product: i32, scale: f32, residual: f32) -> (f64, f64) {
        let scale = f64::from(scale);
        let score = self.base + scale * (self.step * f64::from(product));
        (score, self.margin + self.spread * scale + self.weight * f64::from(residual))
    }
}

/// A row of a block, with bounds of its score. Bounds that are no numbers exclude nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chosen {
    /// Place in the block.
    pub(crate) place: usize,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// Sums of scores and of their squares, in an order that depends on the numbers of rows alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    sum: [f64; LANES],
    squares: [f64; LANES],
}

impl Moments {
    #[inline(always)]
    pub(crate) fn add(&mut self, place: usize, score: f64) {
        self.sum[place % LANES] += score;
        self.squares[place % LANES] += score * score;
    }

    /// The sum of all scores and that of their squares.
    pub(crate) fn totals(&self) -> (f64, f64) {
        (self.sum.iter().sum(), self.squares.iter().sum())
    }
}

/// Adds the scores of a block to `moments`, and appends to `chosen` the rows whose upper bound is not below
/// `threshold`.
///
/// `products`, `scales` and `residuals` have the same length, at most [`ROWS`].
pub(crate) fn select(
    isa: Isa,
    bounds: &Bounds,
    (products, scales, residuals): (&[i32], &[f32], &[f32]),
    threshold: f64,
    moments: &mut Moments,
    chosen: &mut Vec<Chosen>,
) {
    assert!(products.len() <= ROWS && products.len() == scales.len() && products.len() == residuals.len());
    isa.run(Select { bounds, products, scales, residuals, threshold, moments, chosen });
}

struct Select<'a> {
    bounds: &'a Bounds,
    products: &'a [i32],
    scales: &'a [f32],
    residuals: &'a [f32],
    threshold: f64,
    moments: &'a mut Moments,
    chosen: &'a mut Vec<Chosen>,
}

impl Kernel for Select<'_> {
    type Output = ();

    // The loops over arrays of a fixed length become vectors of the set.
    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let Select { bounds, products, scales, residuals, threshold, moments, chosen } = self;
        let bounds = *bounds;
        let mut sums = *moments;
        let mut start = 0;
        let groups = products.as_chunks::<GROUP>().0.iter();
        for ((products, scales), residuals) in
            groups.zip(scales.as_chunks::<GROUP>().0).zip(residuals.as_chunks::<GROUP>().0)
        {
            let mut scores = [0.0; GROUP];
            let mut errors = [0.0; GROUP];
            let mut reach = [0u64; GROUP];
            for i in 0..GROUP {
                (scores[i], errors[i]) = bounds.of(products[i], scales[i], residuals[i]);
                // A comparison with NaN is false.
                let is_below = scores[i] + errors[i] < threshold;
                reach[i] = u64::from(!is_below);
            }
            for (i, &score) in scores.iter().enumerate() {
                sums.add(i, score);
            }
            if reach.iter().fold(0, |any, reach| any | reach) != 0 {
                for i in (0..GROUP).filter(|&i| reach[i] != 0) {
                    let (lower, upper) = (scores[i] - errors[i], scores[i] + errors[i]);
                    chosen.push(Chosen { place: start + i, lower, upper });
                }
            }
            start += GROUP;
        }
        for place in start..products.len() {
            let (score, error) = bounds.of(products[place], scales[place], residuals[place]);
            sums.add(place, score);
            let is_below = score + error < threshold;
            if !is_below {
                chosen.push(Chosen { place, lower: score - error, upper: score + error });
            }
        }
        *moments = sums;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_selects_the_same_rows() {
        let bounds = Bounds { base: 0.25, step: 1e-4, margin: 1e-3, spread: 0.5, weight: 1.5 };
        let products: Vec<i32> = (0..ROWS as i32).map(|i| (i * 7919) % 10_007 - 5000).collect();
        let scales: Vec<f32> = (0..ROWS).map(|i| 1e-2 * (1 + i % 5) as f32).collect();
        let mut residuals: Vec<f32> = (0..ROWS).map(|i| 1e-3 * (i % 7) as f32).collect();
        residuals[77] = f32::NAN;
        residuals[255] = f32::INFINITY;
        for len in [0, 1, 15, 16, 17, 100, ROWS] {
            let mut expected = Vec::new();
            let mut sums = Moments::default();
            for place in 0..len {
                let (score, error) = bounds.of(products[place], scales[place], residuals[place]);
                sums.add(place, score);
                let is_below = score + error < 0.27;
                if !is_below {
                    expected.push(place);
                }
            }
            assert!(len < 100 || expected.len() > 4 && expected.len() < len && expected.contains(&77));
            for isa in Isa::available() {
                let (mut moments, mut chosen) = (Moments::default(), Vec::new());
                let block = (&products[..len], &scales[..len], &residuals[..len]);
                select(isa, &bounds, block, 0.27, &mut moments, &mut chosen);
                assert_eq!(chosen.iter().map(|c| c.place).collect::<Vec<_>>(), expected, "{isa:?} {len}");
                assert_eq!(moments, sums, "{isa:?} {len}");
            }
        }
    }
}
