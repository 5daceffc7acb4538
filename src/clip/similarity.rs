//! Comparison of embeddings.

use ndarray::{Array2, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};

use crate::error::Error;

/// Cosines between all rows of `a [n, embed_dim]` and all rows of `b [m, embed_dim]`: `[n, m]`, from -1 to 1.
///
/// Owned arrays, views and shared arrays are accepted, with rows of any norm; a row of zeros has the cosine 0 with every row. For unit rows, the default of the
/// encoders, `a.dot(&b.t())` is the same except for rounding.
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
/// Rows of different dimensions, which come from different models.
pub fn similarity(
    a: &ArrayBase<impl Data<Elem = f32>, Ix2>,
    b: &ArrayBase<impl Data<Elem = f32>, Ix2>,
) -> Result<Array2<f32>, Error> {
    check_dims(a.ncols(), b.ncols())?;
    let (left, right) = (inverse_lengths(a.view()), inverse_lengths(b.view()));
    let mut cosines = a.view().dot(&b.t());
    for (mut row, left) in cosines.outer_iter_mut().zip(left) {
        for (cosine, right) in row.iter_mut().zip(&right) {
            *cosine = scaled(*cosine, left, *right);
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
/// A query and rows of different dimensions, which come from different models.
pub fn query_similarity(query: &[f32], rows: &ArrayBase<impl Data<Elem = f32>, Ix2>) -> Result<Vec<f32>, Error> {
    check_dims(query.len(), rows.ncols())?;
    let query = ArrayView1::from(query);
    let length = inverse_length(query);
    let products = rows.view().dot(&query); // [n]
    Ok(products.iter().zip(inverse_lengths(rows.view())).map(|(&product, row)| scaled(product, length, row)).collect())
}

fn check_dims(left: usize, right: usize) -> Result<(), Error> {
    if left == right { Ok(()) } else { Err(Error::EmbedDim { left, right }) }
}

/// The cosine of two rows from their product and their inverse norms.
fn scaled(product: f32, left: f64, right: f64) -> f32 {
    ((f64::from(product) * left * right) as f32).clamp(-1.0, 1.0)
}

fn inverse_lengths(rows: ArrayView2<'_, f32>) -> Vec<f64> {
    rows.outer_iter().map(inverse_length).collect()
}

/// The inverse norm of a row, or 0 for a row of zeros.
fn inverse_length(row: ArrayView1<'_, f32>) -> f64 {
    let length = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if length > 0.0 { 1.0 / length } else { 0.0 }
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
    fn softmax_sums_to_one() {
        let mut logits = array![[0.0f32, 2f32.ln()], [1000.0, 1000.0]];
        softmax(&mut logits);
        let expected = array![[1.0f32 / 3.0, 2.0 / 3.0], [0.5, 0.5]];
        assert!(logits.iter().zip(&expected).all(|(a, b): (&f32, &f32)| (a - b).abs() < 1e-6), "{logits}");
    }
}
