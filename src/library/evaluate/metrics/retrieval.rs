//! Retrieval: where what belongs together is ranked.

use ndarray::{ArrayView2, s};

use crate::clip::similarity;
use crate::error::Error;

/// Cosines that are computed at a time: 64 MB, whatever the numbers of queries and targets.
const BLOCK: usize = 1 << 24;

/// The rank of the best related target of each query: 0 if it is the most similar of all `targets [n, embed_dim]` to
/// the query. `related` has the indices of the targets that belong to each query; without any, the rank is
/// `usize::MAX`.
///
/// The share of ranks below `k` is the recall at `k`, as CLIP's paper and its successors report it for photos with
/// several captions: a photo counts as found if one of its captions is among the first `k`.
///
/// # Errors
/// Queries and targets of different lengths.
pub fn ranks_of_related(
    queries: ArrayView2<'_, f32>,
    targets: ArrayView2<'_, f32>,
    related: &[Vec<usize>],
) -> Result<Vec<usize>, Error> {
    let mut ranks = Vec::with_capacity(queries.nrows());
    let step = (BLOCK / targets.nrows().max(1)).max(1);
    for start in (0..queries.nrows()).step_by(step) {
        let block = queries.slice(s![start..queries.nrows().min(start.saturating_add(step)), ..]);
        let cosines = similarity(&block, &targets)?;
        for (row, related) in cosines.outer_iter().zip(related.get(start..).unwrap_or_default()) {
            let best = |best: Option<usize>, &target: &usize| match best {
                Some(best) if !before(&row, target, best) => Some(best),
                _ => (target < row.len()).then_some(target).or(best),
            };
            let Some(best) = related.iter().fold(None, best) else {
                ranks.push(usize::MAX);
                continue;
            };
            ranks.push((0..row.len()).filter(|&target| before(&row, target, best)).count());
        }
    }
    Ok(ranks)
}

/// Whether target `a` is ranked before target `b`.
fn before(row: &ndarray::ArrayView1<'_, f32>, a: usize, b: usize) -> bool {
    match (row.get(a), row.get(b)) {
        (Some(of_a), Some(of_b)) => of_a.total_cmp(of_b).then(b.cmp(&a)).is_gt(),
        (of_a, _) => of_a.is_some(),
    }
}
