//! How similar the photos of classes are to each other.

use ndarray::{Array2, ArrayView2};

/// Mean cosine of all pairs of photos of two classes: `[classes, classes]`, symmetric. On the diagonal, pairs of
/// different photos of the class. NaN where there is no pair.
///
/// `embeddings [photos, embed_dim]` may have any lengths. Takes time in proportion to photos, not to pairs: the sum of
/// all products of two sets of vectors is the product of their sums.
#[must_use]
pub fn class_similarity(embeddings: ArrayView2<'_, f32>, truth: &[usize], classes: usize) -> Array2<f64> {
    let mut sums = Array2::<f64>::zeros((classes, embeddings.ncols()));
    let (mut counts, mut squares) = (vec![0.0f64; classes], vec![0.0f64; classes]);
    for (row, &class) in embeddings.outer_iter().zip(truth).filter(|(_, class)| **class < classes) {
        let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        sums.row_mut(class).iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value) * scale);
        counts[class] += 1.0;
        squares[class] += (length * scale).powi(2);
    }
    Array2::from_shape_fn((classes, classes), |(a, b)| {
        let products = sums.row(a).dot(&sums.row(b));
        let (products, pairs) = if a == b {
            (products - squares[a], counts[a] * (counts[a] - 1.0))
        } else {
            (products, counts[a] * counts[b])
        };
        if pairs > 0.0 { products / pairs } else { f64::NAN }
    })
}
