//! Comparison of embeddings.

use ndarray::{Array2, ArrayView2, Axis};

use crate::error::Error;

/// Cosines between all rows of `a [n, embed_dim]` and all rows of `b [m, embed_dim]`: `[n, m]`, from -1 to 1.
///
/// Rows of any norm are accepted; a row of zeros has the cosine 0 with every row. For unit rows, the default of the
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
pub fn similarity(a: &Array2<f32>, b: &Array2<f32>) -> Result<Array2<f32>, Error> {
    if a.ncols() != b.ncols() {
        return Err(Error::EmbedDim { left: a.ncols(), right: b.ncols() });
    }
    let (left, right) = (inverse_lengths(a.view()), inverse_lengths(b.view()));
    let mut cosines = a.dot(&b.t());
    for (mut row, left) in cosines.outer_iter_mut().zip(left) {
        for (cosine, right) in row.iter_mut().zip(&right) {
            *cosine = ((f64::from(*cosine) * left * right) as f32).clamp(-1.0, 1.0);
        }
    }
    Ok(cosines)
}

/// The inverse norm of each row, or 0 for a row of zeros.
fn inverse_lengths(rows: ArrayView2<'_, f32>) -> Vec<f64> {
    let inverse = |length: f64| if length > 0.0 { 1.0 / length } else { 0.0 };
    let squares = |row: ndarray::ArrayView1<'_, f32>| row.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
    rows.outer_iter().map(|row| inverse(squares(row).sqrt())).collect()
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
    fn softmax_sums_to_one() {
        let mut logits = array![[0.0f32, 2f32.ln()], [1000.0, 1000.0]];
        softmax(&mut logits);
        let expected = array![[1.0f32 / 3.0, 2.0 / 3.0], [0.5, 0.5]];
        assert!(logits.iter().zip(&expected).all(|(a, b): (&f32, &f32)| (a - b).abs() < 1e-6), "{logits}");
    }
}
