//! Comparison of embeddings.

use std::ops::RangeInclusive;

use ndarray::linalg::{general_mat_mul, general_mat_vec_mul};
use ndarray::{Array2, ArrayBase, ArrayView1, ArrayView2, ArrayViewMut1, Axis, Data, Ix2};

use super::memory;
use crate::error::Error;

/// Cosines between all rows of `a [n, embed_dim]` and all rows of `b [m, embed_dim]`: `[n, m]`, from -1 to 1.
///
/// Owned arrays, views and shared arrays are accepted, with rows of any norm that `f32` can hold; a row of zeros has the
/// cosine 0 with every row, and one that is not finite has NaN. For unit rows, the default of the encoders,
/// `a.dot(&b.t())` is the same except for rounding.
///
/// ```
/// use clippie_rs::ndarray::array;
/// use clippie_rs::similarity;
///
/// let cosines = similarity(&array![[3.0, 0.0], [0.0, 1.0]], &array![[1.0, 0.0]])?;
/// assert_eq!(cosines, array![[1.0], [0.0]]);
/// # Ok::<(), clippie_rs::Error>(())
/// ```
///
/// # Errors
/// Rows of different dimensions, which come from different models; no memory for the result.
pub fn similarity(
    a: &ArrayBase<impl Data<Elem = f32>, Ix2>,
    b: &ArrayBase<impl Data<Elem = f32>, Ix2>,
) -> Result<Array2<f32>, Error> {
    check_dims(a.ncols(), b.ncols())?;
    let mut cosines = memory::zeros(a.nrows(), b.nrows(), RESULT)?;
    let (left, right) = (norms(a.view())?, norms(b.view())?);
    general_mat_mul(1.0, &a.view(), &b.t(), 0.0, &mut cosines);
    for ((mut cosines, a), left) in cosines.outer_iter_mut().zip(a.outer_iter()).zip(left) {
        for (place, (cosine, right)) in cosines.iter_mut().zip(&right).enumerate() {
            *cosine = left.cosine(*right, *cosine, || product(a, b.row(place)));
        }
    }
    Ok(cosines)
}

/// Cosines between one embedding and all `rows [n, embed_dim]`: `n` values, from -1 to 1. Otherwise as [`similarity`].
///
/// ```
/// use clippie_rs::ndarray::array;
/// use clippie_rs::query_similarity;
///
/// let photos = array![[3.0, 0.0], [0.0, 1.0]];
/// assert_eq!(query_similarity(&[1.0, 0.0], &photos)?, [1.0, 0.0]);
/// # Ok::<(), clippie_rs::Error>(())
/// ```
///
/// # Errors
/// A query and rows of different dimensions, which come from different models; no memory for the result.
pub fn query_similarity(query: &[f32], rows: &ArrayBase<impl Data<Elem = f32>, Ix2>) -> Result<Vec<f32>, Error> {
    check_dims(query.len(), rows.ncols())?;
    let mut cosines = Vec::new();
    memory::reserve(&mut cosines, rows.nrows(), RESULT)?;
    cosines.resize(rows.nrows(), 0.0);
    let query = ArrayView1::from(query);
    let norm = Norm::of(query);
    general_mat_vec_mul(1.0, &rows.view(), &query, 0.0, &mut ArrayViewMut1::from(&mut cosines[..]));
    for (cosine, row) in cosines.iter_mut().zip(rows.outer_iter()) {
        *cosine = norm.cosine(Norm::of(row), *cosine, || product(query, row));
    }
    Ok(cosines)
}

/// What errors call the cosines.
const RESULT: &str = "the cosines of all pairs";

fn check_dims(left: usize, right: usize) -> Result<(), Error> {
    if left == right { Ok(()) } else { Err(Error::EmbedDim { left, right }) }
}

/// The norm of a row, as cosines need it.
#[derive(Clone, Copy)]
struct Norm {
    /// 0 for a row of zeros.
    inverse: f64,
    /// Whether products with such rows are right in `f32`.
    usual: bool,
}

/// Norms of rows whose products are summed in `f32`: no sum of two such rows overflows, and what underflows is 2^-69 of a
/// cosine at most. Those of encoders are within 1e-3 and 1e3.
const USUAL: RangeInclusive<f64> = 1.0 / (1u64 << 40) as f64..=(1u64 << 40) as f64;

impl Norm {
    fn of(row: ArrayView1<'_, f32>) -> Norm {
        let norm = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        Norm { inverse, usual: norm == 0.0 || norm.is_nan() || USUAL.contains(&norm) }
    }

    /// The cosine of two rows from their product in `f32`, or from the `exact` one where that may be wrong.
    fn cosine(self, other: Norm, product: f32, exact: impl FnOnce() -> f64) -> f32 {
        let product = if self.usual && other.usual { f64::from(product) } else { exact() };
        ((product * self.inverse * other.inverse) as f32).clamp(-1.0, 1.0)
    }
}

fn norms(rows: ArrayView2<'_, f32>) -> Result<Vec<Norm>, Error> {
    let mut norms = Vec::new();
    memory::reserve(&mut norms, rows.nrows(), "the norms of all rows")?;
    norms.extend(rows.outer_iter().map(Norm::of));
    Ok(norms)
}

/// The product of two rows, summed in `f64`, which no `f32` leaves.
fn product(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Softmax of every row of `logits`, in place.
pub(super) fn softmax(logits: &mut Array2<f32>) {
    for mut row in logits.axis_iter_mut(Axis(0)) {
        let highest = row.fold(f32::NEG_INFINITY, |highest, &logit| highest.max(logit));
        row.mapv_inplace(|logit| (logit - highest).exp());
        let sum = row.sum();
        row.mapv_inplace(|value| value / sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn similarity_ignores_norms_and_accepts_zeros() {
        let a = array![[1.0f32, 2.0], [0.0, 0.0], [-2.0, -4.0]];
        let cosines = similarity(&a, &a).unwrap();
        let expected = array![[1.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]];
        assert!(cosines.iter().zip(&expected).all(|(a, b): (&f32, &f32)| (a - b).abs() < 1e-6), "{cosines}");
        assert_eq!(similarity(&a, &Array2::zeros((0, 2))).unwrap().dim(), (3, 0));
        let error = similarity(&a, &Array2::zeros((1, 3))).unwrap_err().to_string();
        assert_eq!(error, "embeddings of 2 and 3 values cannot be compared; encode both with the same model");
    }

    #[test]
    fn a_query_and_views_give_the_same_cosines() {
        let rows = Array2::from_shape_fn((5, 7), |(i, j)| (i * 7 + j) as f32 - 9.0);
        let cosines = similarity(&rows, &rows).unwrap();
        let reversed = rows.slice(ndarray::s![..;-1, ..]); // [5, 7], negative stride
        let shared = rows.to_shared();
        assert_eq!(similarity(&reversed, &shared).unwrap(), cosines.slice(ndarray::s![..;-1, ..]));
        for (row, expected) in rows.outer_iter().zip(cosines.outer_iter()) {
            let found = query_similarity(row.as_slice().unwrap(), &rows.view()).unwrap();
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected}");
        }
        assert_eq!(query_similarity(&[0.0; 7], &rows).unwrap(), [0.0; 5]);
        assert!(query_similarity(&[1.0; 7], &Array2::zeros((0, 7))).unwrap().is_empty());
        assert!(matches!(query_similarity(&[1.0; 6], &rows), Err(Error::EmbedDim { left: 6, right: 7 })));
    }

    #[test]
    fn cosines_are_right_for_norms_of_any_size() {
        let drawn = Array2::from_shape_fn((6, 33), |(i, j)| ((i * 33 + j) as f32 * 0.7).sin());
        let expected = similarity(&drawn, &drawn).unwrap();
        // Products of rows of such norms overflow or vanish in f32.
        for scale in [1e-30f32, 1e-20, 1e-13, 1e-11, 1.0, 1e11, 1e13, 1e18, 1e30, 3e38] {
            let rows = drawn.mapv(|value| value * scale);
            for (a, b) in [(&rows, &rows), (&rows, &drawn), (&drawn, &rows)] {
                let cosines = similarity(a, b).unwrap();
                assert!(cosines.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{scale} {cosines}");
            }
            for (row, expected) in rows.outer_iter().zip(expected.outer_iter()) {
                let found = query_similarity(row.as_slice().unwrap(), &rows).unwrap();
                assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{scale} {found:?}");
            }
        }
        // Numbers below the normal ones.
        let tiny = array![[f32::from_bits(3), f32::from_bits(4)], [0.0, f32::from_bits(1)]];
        let cosines = similarity(&tiny, &array![[3.0, 4.0], [f32::MAX, 0.0]]).unwrap();
        assert_eq!(cosines, array![[1.0, 0.6], [0.8, 0.0]]);
        let infinite = array![[f32::INFINITY, 1.0], [f32::NAN, 1.0]];
        assert!(similarity(&infinite, &array![[1.0, 1.0]]).unwrap().iter().all(|cosine| cosine.is_nan()));
    }

    #[test]
    fn cosines_of_some_rows_have_the_bits_of_all() {
        let (a, b) = (
            Array2::from_shape_fn((37, 65), |(i, j)| ((i * 65 + j) as f32).sin()),
            Array2::from_shape_fn((29, 65), |(i, j)| ((i * 65 + j) as f32).cos()),
        );
        let all = similarity(&a, &b).unwrap();
        assert_eq!(all, {
            let (left, right) = (norms(a.view()).unwrap(), norms(b.view()).unwrap());
            let products = a.dot(&b.t());
            Array2::from_shape_fn((37, 29), |(i, j)| left[i].cosine(right[j], products[[i, j]], || f64::NAN))
        });
        for start in 0..37 {
            for end in [start + 1, (start + 8).min(37)] {
                let some = similarity(&a.slice(ndarray::s![start..end, ..]), &b).unwrap();
                assert_eq!(some, all.slice(ndarray::s![start..end, ..]), "{start}..{end}");
            }
        }
    }

    #[test]
    fn results_that_no_memory_holds_are_errors() {
        let row = Array2::<f32>::zeros((1, 3));
        let [a, b] = [1 << 24, usize::MAX >> 8].map(|rows| row.broadcast((rows, 3)).unwrap());
        assert_eq!(similarity(&a, &b).unwrap_err().kind(), crate::ErrorKind::Memory);
        let rows = Array2::<f32>::zeros((usize::MAX >> 5, 0));
        assert_eq!(query_similarity(&[], &rows).unwrap_err().kind(), crate::ErrorKind::Memory);
        assert_eq!(similarity(&rows, &rows).unwrap_err().kind(), crate::ErrorKind::Memory);
        assert_eq!(similarity(&rows, &Array2::zeros((0, 0))).unwrap_err().kind(), crate::ErrorKind::Memory);
    }

    #[test]
    fn softmax_sums_to_one() {
        let mut logits = array![[0.0f32, 2f32.ln()], [1000.0, 1000.0]];
        softmax(&mut logits);
        let expected = array![[1.0f32 / 3.0, 2.0 / 3.0], [0.5, 0.5]];
        assert!(logits.iter().zip(&expected).all(|(a, b): (&f32, &f32)| (a - b).abs() < 1e-6), "{logits}");
    }
}
