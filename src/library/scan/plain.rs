//! The first pass without codes: products in f32, with bounds of their roundings.
//!
//! A product of n values in f32 is a sum with at most n + 16 roundings on the way of each term, so it is within
//! γ·|q||v| + 4n·2⁻¹²⁶ of the exact one, with γ = 1.02·(n + 16)·2⁻²⁴ for n ≤ 2¹⁶; the second part is for values that
//! are too small for normal floats, also where the processor was told to take those for zeros. γ includes the rounding
//! of the float64 score. The same holds for |v|², so |v|² ≤ (w + 4n·2⁻¹²⁶) / (1 − γ) for its value w in f32. Where
//! either overflows, the exact score is computed at once.

use super::batch::{First, Found};
use super::exact::{is_finite, length, score, widened};
use super::{Error, Rows};
use crate::kernels::isa::Isa;
use crate::kernels::scan::{LENGTH_ERROR, PADDING, QUERIES, ROWS, float_products};

/// By products of floats.
pub(super) struct ByFloats<'a> {
    pub(super) isa: Isa,
    pub(super) rows: Rows<'a>,
}

/// A query with zeros up to a whole number of vectors.
pub(super) struct Padded {
    padded: Vec<f32>,
    exact: Vec<f64>,
    length: f64,
}

impl First for ByFloats<'_> {
    type Query = Padded;

    fn query(&self, query: &[f32]) -> Padded {
        let mut padded = query.to_vec();
        padded.resize(query.len().next_multiple_of(PADDING), 0.0);
        let exact = widened(query);
        let length = length(&exact) * (1.0 + LENGTH_ERROR);
        Padded { padded, exact, length }
    }

    fn look(&self, rows: &[u32], queries: &[Padded], found: &mut [Found]) -> Result<(), Error> {
        let dim = self.rows.dim();
        let n = dim as f64;
        let gamma = 1.02 * (n + 16.0) / f64::from(1 << 24);
        let tiny = 4.0 * n * f64::from(f32::MIN_POSITIVE);
        let padded: Vec<f32>;
        let values = match queries {
            [query] => &query.padded,
            queries => {
                padded = queries.iter().flat_map(|query| &query.padded).copied().collect();
                &padded
            }
        };
        let mut products = [0.0; (QUERIES + 1) * ROWS];
        let products = &mut products[..(queries.len() + 1) * rows.len()];
        float_products(self.isa, self.rows.vectors(), dim, rows, values, products);
        let (products, squares) = products.split_at(queries.len() * rows.len());
        let mut lengths = [0.0; ROWS];
        for ((length, square), &row) in lengths.iter_mut().zip(squares).zip(rows) {
            if !square.is_finite() && !is_finite(self.rows.row(row as usize)?) {
                return Err(Error::NotFinite { what: "row", row: row as usize });
            }
            *length = ((f64::from(*square) + tiny) / (1.0 - gamma)).sqrt();
        }
        for ((query, found), products) in queries.iter().zip(found).zip(products.chunks_exact(rows.len())) {
            let bounds = products.iter().zip(lengths).zip(rows).map(|((&product, length), &row)| {
                let error = gamma * query.length * length + tiny;
                if product.is_finite() && error.is_finite() {
                    return (f64::from(product), error);
                }
                let row = &self.rows.vectors()[row as usize * dim..][..dim];
                (score(row, &query.exact), 0.0)
            });
            found.offer(rows, bounds);
        }
        Ok(())
    }
}
