//! How far two models agree on the same inputs: above all a model and its form in another precision.
//!
//! Pure functions of embeddings and scores. Of equal scores, the target that comes first is ranked first, so that every
//! figure is defined.

use ndarray::{ArrayView1, ArrayView2, s};
use serde::Serialize;

use super::similarity;
use crate::error::Error;

/// Targets of which [`RankAgreement::top10`] compares the best.
const BEST: usize = 10;

/// Cosines that are computed at a time: 32 MB for each model, whatever the numbers of queries and targets.
const BLOCK: usize = 1 << 22;

/// How alike two embeddings of the same input are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CosineAgreement {
    /// Number of inputs.
    pub inputs: usize,
    /// The lowest cosine; NaN without inputs.
    pub least: f64,
    /// The mean of the cosines; NaN without inputs.
    pub mean: f64,
}

/// How alike two models rank the same targets for the same queries.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RankAgreement {
    /// Number of queries.
    pub queries: usize,
    /// Number of targets.
    pub targets: usize,
    /// Share of queries with the same best target; NaN without queries or targets.
    pub top1: f64,
    /// Share of the ten best targets of a query, or of all if there are fewer, that both models have among theirs: the mean
    /// over the queries; NaN without queries or targets.
    pub top10: f64,
}

/// Compares two embeddings `[inputs, embed_dim]` of the same inputs, row by row. Rows may have any length.
///
/// ```
/// use clippie_rs::agreement;
/// use clippie_rs::ndarray::array;
///
/// let (whole, half) = (array![[3.0, 0.0], [0.0, 1.0]], array![[1.0, 0.0], [0.6, 0.8]]);
/// let found = agreement::cosines(whole.view(), half.view())?;
/// assert!((found.least - 0.8).abs() < 1e-7 && (found.mean - 0.9).abs() < 1e-7);
/// # Ok::<(), clippie_rs::Error>(())
/// ```
///
/// # Errors
/// Embeddings of different lengths or different numbers of them.
pub fn cosines(first: ArrayView2<'_, f32>, second: ArrayView2<'_, f32>) -> Result<CosineAgreement, Error> {
    if first.ncols() != second.ncols() {
        return Err(Error::EmbedDim { left: first.ncols(), right: second.ncols() });
    }
    same(first.nrows(), second.nrows())?;
    let cosine = |(a, b): (ArrayView1<'_, f32>, ArrayView1<'_, f32>)| {
        let lengths = (product(a, a) * product(b, b)).sqrt();
        if lengths == 0.0 { 0.0 } else { (product(a, b) / lengths).clamp(-1.0, 1.0) }
    };
    let cosines: Vec<f64> = first.outer_iter().zip(second.outer_iter()).map(cosine).collect();
    let inputs = cosines.len();
    // NaN stays NaN, which `f64::min` would pass over.
    let lower = |a: f64, b: f64| if a.is_nan() || a < b { a } else { b };
    let least = cosines.iter().copied().reduce(lower).unwrap_or(f64::NAN);
    Ok(CosineAgreement { inputs, least, mean: cosines.iter().sum::<f64>() / inputs as f64 })
}

/// Compares the rankings of targets by their cosines with queries. Each model gives its embeddings of the same queries
/// `[queries, embed_dim]` and of the same targets `[targets, embed_dim]`.
///
/// # Errors
/// Embeddings of different lengths in a model, or different numbers of them in the two.
pub fn ranks(
    (first_queries, first_targets): (ArrayView2<'_, f32>, ArrayView2<'_, f32>),
    (second_queries, second_targets): (ArrayView2<'_, f32>, ArrayView2<'_, f32>),
) -> Result<RankAgreement, Error> {
    same(first_queries.nrows(), second_queries.nrows())?;
    same(first_targets.nrows(), second_targets.nrows())?;
    let (queries, targets) = (first_queries.nrows(), first_targets.nrows());
    let mut ranking = Ranking::new(targets);
    let step = (BLOCK / targets.max(1)).max(1);
    for start in (0..queries).step_by(step) {
        let block = s![start..queries.min(start.saturating_add(step)), ..];
        let first = similarity(&first_queries.slice(block), &first_targets)?;
        let second = similarity(&second_queries.slice(block), &second_targets)?;
        first.outer_iter().zip(second.outer_iter()).for_each(|(a, b)| ranking.add(a, b));
    }
    Ok(ranking.result())
}

fn same(left: usize, right: usize) -> Result<(), Error> {
    if left == right { Ok(()) } else { Err(Error::Inputs { left, right }) }
}

fn product(a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Sums of the queries so far.
struct Ranking {
    targets: usize,
    queries: usize,
    same_best: usize,
    shared: usize,
}

impl Ranking {
    fn new(targets: usize) -> Ranking {
        Ranking { targets, queries: 0, same_best: 0, shared: 0 }
    }

    /// Adds a query, by the scores that all targets have with it.
    fn add(&mut self, first: ArrayView1<'_, f32>, second: ArrayView1<'_, f32>) {
        let (first, second) = (best(first), best(second));
        self.queries += 1;
        self.same_best += usize::from(!first.is_empty() && first.first() == second.first());
        self.shared += first.iter().filter(|target| second.contains(target)).count();
    }

    fn result(&self) -> RankAgreement {
        let Ranking { targets, queries, .. } = *self;
        let share = |part: usize, of: usize| part as f64 / of as f64;
        let top1 = if targets == 0 { f64::NAN } else { share(self.same_best, queries) };
        RankAgreement { queries, targets, top1, top10: share(self.shared, queries * targets.min(BEST)) }
    }
}

/// The best targets by their scores, from the best.
fn best(scores: ArrayView1<'_, f32>) -> Vec<usize> {
    let mut order: Vec<(usize, f32)> = scores.iter().copied().enumerate().collect();
    let before = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if order.len() > BEST {
        order.select_nth_unstable_by(BEST - 1, before);
        order.truncate(BEST);
    }
    order.sort_unstable_by(before);
    order.into_iter().map(|(target, _)| target).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn equal_embeddings_agree() {
        let rows = Array2::from_shape_fn((30, 4), |(row, at)| ((row * 7 + at * 13) as f32).sin());
        let same = cosines(rows.view(), (&rows * 3.0).view()).unwrap();
        assert!(same.inputs == 30 && same.least > 1.0 - 1e-12 && same.mean <= 1.0, "{same:?}");
        let (queries, targets) = (rows.slice(s![..5, ..]), rows.slice(s![5.., ..]));
        let found = ranks((queries, targets), (queries, targets)).unwrap();
        assert_eq!(found, RankAgreement { queries: 5, targets: 25, top1: 1.0, top10: 1.0 });
    }

    #[test]
    fn differences_are_counted() {
        // Twelve targets. The second model swaps the best two of the first query, and the tenth with the eleventh.
        let ranks_of = |first: &Array2<f32>, second: &Array2<f32>| {
            let mut ranking = Ranking::new(first.ncols());
            first.outer_iter().zip(second.outer_iter()).for_each(|(a, b)| ranking.add(a, b));
            ranking.result()
        };
        let first = Array2::from_shape_fn((2, 12), |(_, target)| -(target as f32));
        let mut second = first.clone();
        second.row_mut(0).swap(0, 1);
        second.row_mut(0).swap(9, 10);
        let found = ranks_of(&first, &second);
        assert_eq!((found.queries, found.targets, found.top1), (2, 12, 0.5));
        assert!((found.top10 - 0.95).abs() < 1e-12, "{found:?}");
        // Of fewer than ten, all count; equal scores are in the order of the targets.
        let equal = Array2::zeros((1, 3));
        let found = ranks_of(&equal, &array![[0.0, 1.0, 0.0]]);
        assert_eq!((found.top1, found.top10), (0.0, 1.0));
        assert_eq!(best(equal.row(0)), [0, 1, 2]);
    }

    #[test]
    fn nothing_and_what_is_not_finite_have_no_figures() {
        let none = Array2::<f32>::zeros((0, 3));
        let found = cosines(none.view(), none.view()).unwrap();
        assert!(found.inputs == 0 && found.least.is_nan() && found.mean.is_nan());
        let rows = array![[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0]];
        for (queries, targets) in [(&none, &rows), (&rows, &none), (&none, &none)] {
            let found = ranks((queries.view(), targets.view()), (queries.view(), targets.view())).unwrap();
            assert!(found.top1.is_nan() && found.top10.is_nan(), "{found:?}");
        }
        let mut broken = rows.clone();
        broken[[0, 0]] = f32::NAN;
        let found = cosines(rows.view(), broken.view()).unwrap();
        assert!(found.least.is_nan() && found.mean.is_nan(), "{found:?}");
        assert!(cosines(rows.view(), none.view()).is_err() && cosines(rows.view(), rows.t()).is_err());
        assert!(ranks((rows.view(), rows.view()), (rows.view(), none.view())).is_err());
    }
}
