//! How a batch is cut into passes and spread over threads.
//!
//! With at least two items a thread, threads take groups of items and work alone, which needs no
//! synchronisation inside a pass; with fewer, and for the last groups, all threads share each pass. Which of the
//! two never shows in the results.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::error::Error;

/// What the threads of a pool share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// The items: each pass is one thread's, and others work on other passes.
    Items,
    /// Each pass, one after the other.
    Passes,
}

/// Token rows of a pass beyond which more items bring no speed, only memory: the weights are then read once
/// for enough rows that arithmetic, not memory, is the bound.
const ROWS_PER_PASS: usize = 512;

/// Cuts items into groups: neighbours, at most `batch_size` of them and about [`ROWS_PER_PASS`] rows.
pub(super) fn plan(rows: &[usize], batch_size: usize, threads: usize) -> (Vec<Range<usize>>, Sharing) {
    let (batch_size, sharing) = if threads > 1 && rows.len() >= 2 * threads {
        (batch_size.min(rows.len().div_ceil(threads)), Sharing::Items)
    } else {
        (batch_size, if threads > 1 { Sharing::Passes } else { Sharing::Items })
    };
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (i, &count) in rows.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if group.len() < batch_size && sum + count <= ROWS_PER_PASS => {
                group.end = i + 1;
                sum += count;
            }
            _ => {
                groups.push(i..i + 1);
                sum = count;
            }
        }
    }
    (groups, sharing)
}

/// Calls `work(group, sharing, rows of out)` for every group of [`plan`], on the current rayon pool; `out` has
/// `width` floats for each item. Stops at the first error.
pub(super) fn run(
    rows: &[usize],
    batch_size: usize,
    width: usize,
    out: &mut [f32],
    work: impl Fn(Range<usize>, Sharing, &mut [f32]) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let threads = rayon::current_num_threads();
    let (groups, sharing) = plan(rows, batch_size, threads);
    let mut rest = out;
    let mut tasks = Vec::with_capacity(groups.len());
    for group in groups {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(group.len() * width);
        rest = tail;
        tasks.push((group, head));
    }
    if threads > 1 && sharing == Sharing::Items {
        let left = AtomicUsize::new(tasks.len());
        tasks.into_par_iter().with_max_len(1).try_for_each(|(group, out)| {
            // Who finds no group any more helps with the last ones, which would otherwise be waited for.
            let last = left.fetch_sub(1, Ordering::Relaxed) <= threads / 2;
            work(group, if last { Sharing::Passes } else { sharing }, out)
        })
    } else {
        tasks.into_iter().try_for_each(|(group, out)| work(group, sharing, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_groups_are_shared() {
        for threads in [2, 4] {
            let shared = AtomicUsize::new(0);
            let mut out = vec![0.0; 3 * 8];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let run = || {
                run(&[5000; 8], 8, 3, &mut out, |group, sharing, out| {
                    shared.fetch_add(usize::from(sharing == Sharing::Passes), Ordering::Relaxed);
                    out.fill(group.start as f32 + 1.0);
                    Ok(())
                })
            };
            pool.install(run).unwrap();
            assert_eq!(shared.into_inner(), threads / 2);
            assert!(out.iter().enumerate().all(|(i, &value)| value == (i / 3) as f32 + 1.0));
        }
    }

    #[test]
    fn groups_cover_everything_once_within_their_bounds() {
        for items in [0usize, 1, 2, 3, 7, 8, 100] {
            for threads in [1, 2, 4, 16] {
                for batch_size in [1, 3, 8] {
                    for row in [1usize, 50, 197, 577, 5000] {
                        let (groups, sharing) = plan(&vec![row; items], batch_size, threads);
                        assert_eq!(
                            groups.iter().cloned().flatten().collect::<Vec<_>>(),
                            (0..items).collect::<Vec<_>>()
                        );
                        assert!(groups.iter().all(|g| g.len() <= batch_size));
                        assert!(groups.iter().all(|g| g.len() == 1 || g.len() * row <= ROWS_PER_PASS));
                        assert!(threads > 1 || sharing == Sharing::Items);
                    }
                }
            }
        }
    }
}
