//! Exact search in stored vectors: the rows with the largest products with a query, the statistics of all products,
//! and the pairs of rows that are alike. Knows no photos, no models and no database.
//!
//! ```
//! use clippie_rs::library::scan::{Options, Quantised, top_k};
//!
//! let vectors = [1.0, 0.0, 0.6, 0.8, 0.0, -1.0]; // [3, 2]
//! let hits = top_k(&vectors, 2, &[0.0, 1.0], 2, &Options::new())?;
//! assert_eq!(hits[0].iter().map(|hit| hit.row).collect::<Vec<_>>(), [1, 0]);
//!
//! // For many searches in the same vectors: four times less memory to read for each.
//! let quantised = Quantised::new(&vectors, 2, &Options::new())?;
//! assert_eq!(quantised.rows().top_k(&[0.0, 1.0], 2, &Options::new())?, hits);
//! # Ok::<(), clippie_rs::library::scan::Error>(())
//! ```
//!
//! # What exact means
//!
//! The score of a row is the product of its stored `f32` values with those of the query, computed in float64, in the
//! order of the index. Rows are ranked by this score, equal ones by their number. Results never depend on the number of
//! threads, the instruction set, the batch of queries or the way that leads to them.
//!
//! # How it is fast
//!
//! A scan is as fast as memory is read. So its first pass reads one byte for each value instead of four, and computes
//! for each row a score and how far it can be from the exact one. What cannot be among the best `k` any more is passed
//! over; the exact score is computed for the rest, some hundred rows. Batches of queries share the pass.
//!
//! # Why nothing is missed
//!
//! A row v of n values is stored as v = μ + s·c + r: a centre μ that all rows share, a scale s, codes c from −128 to
//! 127, and a rest of length |r| ≤ ρ, where ρ is kept as an `f32` that was rounded up. A query is q = t·d + e, with
//! words d from −32767 to 32767. With D = c·d, which is an exact integer,
//!
//! ```text
//! q·v = q·μ + s·(q·c) + q·r = q·μ + s·t·D + s·(e·c) + q·r
//! |q·v − (q·μ + s·t·D)| ≤ s·|e|·|c| + |q|·|r| ≤ s·|e|·128√n + |q|·ρ        (Cauchy–Schwarz)
//! ```
//!
//! D fits into 32 bits, because t is so large that 128·Σ|dᵢ| < 2³¹.
//!
//! The rest is rounding, with u = 2⁻⁵³ and n ≤ 2¹⁶. Products of two `f32` are exact in float64 and neither overflow nor
//! underflow, so a sum of them in any order is within n·u·1.01·Σ|qᵢ||vᵢ| ≤ n·u·1.01·|q||v| of its exact value; this
//! holds for the score itself and for q·μ. Evaluating q·μ + s·(t·D) and adding the bound are eight roundings of numbers
//! that are at most |q||μ| + 2|q|·s·128√n + |q|ρ, as |e| ≤ |q|. As |v| ≤ |μ| + s·128√n + ρ, all roundings together are
//! less than ε·|q|·(|μ| + s·128√n + ρ) with ε = (n + 16)·2⁻⁵². So the distance from the score is at most
//!
//! ```text
//! margin + spread·s + weight·ρ   with   margin = ε|q||μ|,  spread = 128√n·(|e| + ε|q|),  weight = |q|·(1 + ε)
//! ```
//!
//! Lengths are computed in float64 with relative errors below 2⁻³⁷ and taken 2⁻³⁰ larger; those of the rests r and e
//! also by 2⁻⁵⁰ of the vectors that they are rests of, for the subtraction.
//!
//! A row is passed over only if its upper bound is below the k-th largest lower bound: then k other rows have scores
//! that are larger. The rest is ranked by exact scores, in the order of upper bounds, until the next upper bound is
//! below the k-th score. Codes that are far off, whatever the reason, cost time and nothing else.
//!
//! Without codes, the first pass is an `f32` product; see `plain`.

mod batch;
mod error;
mod exact;
mod options;
pub mod packed;
mod pairs;
mod plain;
mod quantise;
mod quantised;
mod rows;
mod sink;
mod workers;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use options::{Options, Threads};
pub use pairs::Pair;
pub use quantised::Quantised;
pub use rows::{Hit, Rows, Scan};

/// The largest length of vectors.
pub const MAX_DIM: usize = 1 << 16;

/// Finds for each query the `k` rows of `vectors` with the largest products, best first.
///
/// `vectors` is `[rows, dim]`, `queries` `[any, dim]`; neither has to be of unit length. The result has one list for
/// each query, of `k` hits, or fewer if fewer rows are allowed or reach the minimum score. Rows of equal score are in
/// the order of their numbers. See [`Quantised`] for many calls with the same vectors.
///
/// # Errors
/// If the lengths do not fit, if a value that is looked at is not finite, or if it is cancelled.
pub fn top_k(
    vectors: &[f32],
    dim: usize,
    queries: &[f32],
    k: usize,
    options: &Options<'_>,
) -> Result<Vec<Vec<Hit>>, Error> {
    Rows::new(vectors, dim)?.top_k(queries, k, options)
}
