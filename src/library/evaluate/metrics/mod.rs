//! What a model is worth on photos with known answers: pure functions of arrays.
//!
//! Scores are `[photos, classes]`, cosines or logits; `truth` has the class of each photo. Where scores are equal, the
//! class that comes first is ranked first, so that every result is defined.

mod calibration;
mod classes;
mod retrieval;

use ndarray::{Array2, ArrayView2};

pub use calibration::{BINS, Calibration, calibrate, calibration_error, temperatures};
pub use classes::class_similarity;
pub use retrieval::ranks_of_related;

/// Accuracy of one class.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct ClassAccuracy {
    /// Number of photos.
    pub count: usize,
    /// Share of them whose class has the highest score; 0 without photos.
    pub top1: f64,
    /// Share of them whose class is among the five highest.
    pub top5: f64,
}

/// The rank of the true class of each photo: 0 if it has the highest score.
///
/// A photo whose class is not among the scores has the rank `usize::MAX`.
#[must_use]
pub fn ranks(scores: ArrayView2<'_, f64>, truth: &[usize]) -> Vec<usize> {
    let rank = |(row, &class): (ndarray::ArrayView1<'_, f64>, &usize)| {
        let Some(&own) = row.get(class) else { return usize::MAX };
        let before = |(other, score): &(usize, &f64)| score.total_cmp(&own).then(class.cmp(other)).is_gt();
        row.iter().enumerate().filter(before).count()
    };
    scores.outer_iter().zip(truth).map(rank).collect()
}

/// The class with the highest score of each photo.
#[must_use]
pub fn predictions(scores: ArrayView2<'_, f64>) -> Vec<usize> {
    let best = |row: ndarray::ArrayView1<'_, f64>| {
        let better =
            |best: usize, (class, score): (usize, &f64)| if score.total_cmp(&row[best]).is_gt() { class } else { best };
        row.iter().enumerate().fold(0, better)
    };
    scores.outer_iter().map(best).collect()
}

/// Share of ranks below `k`: accuracy or recall at `k`. 0 without ranks.
#[must_use]
pub fn share_at(ranks: &[usize], k: usize) -> f64 {
    share(ranks.iter().filter(|&&rank| rank < k).count(), ranks.len())
}

fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// Accuracy of each class.
#[must_use]
pub fn per_class(ranks: &[usize], truth: &[usize], classes: usize) -> Vec<ClassAccuracy> {
    let mut of = vec![Vec::new(); classes];
    for (&rank, &class) in ranks.iter().zip(truth) {
        if let Some(of) = of.get_mut(class) {
            of.push(rank);
        }
    }
    let accuracy =
        |ranks: Vec<usize>| ClassAccuracy { count: ranks.len(), top1: share_at(&ranks, 1), top5: share_at(&ranks, 5) };
    of.into_iter().map(accuracy).collect()
}

/// How often photos of each class (rows) were taken for each class (columns): `[classes, classes]`.
#[must_use]
pub fn confusion(truth: &[usize], predicted: &[usize], classes: usize) -> Array2<usize> {
    let mut counts = Array2::zeros((classes, classes));
    for (&class, &taken_for) in truth.iter().zip(predicted) {
        if let Some(count) = counts.get_mut([class, taken_for]) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests;
