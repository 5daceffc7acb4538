//! Splits a batch into passes and distributes them over threads.
//!
//! Inputs that may fail before the tower, photos, are drawn by each pass until it is full ([`run_drawn`]), so that a
//! photo that cannot be read takes no place in a pass. Checked inputs have their places in advance ([`run`]).
//!
//! With at least two items per thread, each thread runs its own passes, which need no synchronisation inside; with
//! fewer items, and for the last passes, all threads share each pass. Results are the same either way.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Error;
use crate::threads;

/// How the threads of a pool share a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Each pass runs on one thread; other threads run other passes.
    Items,
    /// All threads share each pass; passes run one after the other.
    Passes,
}

/// Consecutive items that go through a tower together.
pub(super) struct Pass<'a> {
    /// Their indices in the batch.
    pub items: Range<usize>,
    pub sharing: Sharing,
    /// `[items, width]`
    pub out: &'a mut [f32],
}

/// Rows of a pass beyond which more items cost memory without adding speed: with that many rows per read of the
/// weights, arithmetic is the bound, not memory bandwidth.
const ROWS_PER_PASS: usize = 512;

/// Splits items into groups of consecutive ones: at most `batch_size` items and about [`ROWS_PER_PASS`] rows each.
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

/// Calls `work` for every pass of [`plan`], on the current rayon pool; `out` has `width` floats for each item.
pub(super) fn run(rows: &[usize], batch_size: usize, width: usize, out: &mut [f32], work: impl Fn(Pass<'_>) + Sync) {
    let threads = threads::here();
    let (groups, sharing) = plan(rows, batch_size, threads);
    let mut rest = out;
    let mut passes = Vec::with_capacity(groups.len());
    for items in groups {
        let (out, tail) = std::mem::take(&mut rest).split_at_mut(items.len() * width);
        rest = tail;
        passes.push(Pass { items, sharing, out });
    }
    if threads == 1 || sharing == Sharing::Passes {
        return passes.into_iter().for_each(work);
    }
    let left = AtomicUsize::new(passes.len());
    threads::for_each(passes.into_par_iter().with_max_len(1), |pass| {
        work(Pass { sharing: sharing_of(&left, threads, sharing), ..pass });
    });
}

/// A pass whose items are drawn one group after the other.
pub(super) struct Drawn<'a> {
    /// The number of items that fill it.
    pub size: usize,
    pub sharing: Sharing,
    queue: &'a Queue,
}

impl Drawn<'_> {
    /// Draws up to `most` consecutive items; none are left if it is empty.
    pub fn draw(&self, most: usize) -> Range<usize> {
        let first = self.queue.next.fetch_add(most, Ordering::Relaxed).min(self.queue.items);
        first..(first + most).min(self.queue.items)
    }
}

/// The items of a batch that no pass has drawn.
struct Queue {
    next: AtomicUsize,
    items: usize,
}

/// Calls `work` for as many passes as [`plan`] makes of `items` of `rows` rows each, on the current rayon pool. Passes
/// that find no item left do nothing.
pub(super) fn run_drawn(items: usize, rows: usize, batch_size: usize, work: impl Fn(Drawn<'_>) + Sync) {
    let threads = threads::here();
    let (groups, sharing) = plan(&vec![rows; items], batch_size, threads);
    let queue = Queue { next: AtomicUsize::new(0), items };
    let sizes: Vec<usize> = groups.into_iter().map(|group| group.len()).collect();
    let pass = |size: usize, sharing: Sharing| work(Drawn { size, sharing, queue: &queue });
    if threads == 1 || sharing == Sharing::Passes {
        return sizes.into_iter().for_each(|size| pass(size, sharing));
    }
    let left = AtomicUsize::new(sizes.len());
    threads::for_each(sizes.into_par_iter().with_max_len(1), |size| pass(size, sharing_of(&left, threads, sharing)));
}

/// How the next pass is shared: idle threads join the last passes instead of waiting for them. `left` counts the
/// passes that have not begun.
fn sharing_of(left: &AtomicUsize, threads: usize, sharing: Sharing) -> Sharing {
    if left.fetch_sub(1, Ordering::Relaxed) <= threads / 2 { Sharing::Passes } else { sharing }
}

/// Collects the errors of the items of a batch.
pub(super) struct Failures {
    errors: Mutex<Vec<(usize, Error)>>,
    /// Whether the first error ends the batch.
    fail_fast: bool,
    stopped: AtomicBool,
}

impl Failures {
    /// For a batch that needs every item.
    pub(super) fn fail_fast() -> Self {
        Failures { errors: Mutex::default(), fail_fast: true, stopped: AtomicBool::new(false) }
    }

    /// For a batch whose items are independent.
    pub(super) fn per_item() -> Self {
        Failures { fail_fast: false, ..Failures::fail_fast() }
    }

    pub(super) fn add(&self, index: usize, error: Error) {
        // A panic while the lock is held cannot leave the list half-changed.
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push((index, error));
        self.stopped.fetch_or(self.fail_fast, Ordering::Relaxed);
    }

    /// Whether to skip the rest of the batch.
    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The errors with the indices of their items.
    pub(super) fn into_errors(self) -> Vec<(usize, Error)> {
        let mut errors = self.errors.into_inner().unwrap_or_else(PoisonError::into_inner);
        errors.sort_by_key(|(index, _)| *index);
        errors
    }

    /// The error of the first item that failed.
    pub(super) fn into_result(self) -> Result<(), Error> {
        self.into_errors().into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

/// Moves the rows at the start of `rows` to the ascending indices `places` and fills all other rows with zeros.
pub(crate) fn spread(rows: &mut [f32], width: usize, places: &[usize]) {
    rows[places.len() * width..].fill(0.0);
    // From the last one, so that no row is overwritten before it has moved.
    for (from, &to) in places.iter().enumerate().rev().take_while(|(from, to)| from != *to) {
        rows.copy_within(from * width..(from + 1) * width, to * width);
        rows[from * width..(from + 1) * width].fill(0.0);
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
                run(&[5000; 8], 8, 3, &mut out, |pass| {
                    shared.fetch_add(usize::from(pass.sharing == Sharing::Passes), Ordering::Relaxed);
                    pass.out.fill(pass.items.start as f32 + 1.0);
                })
            };
            pool.install(run);
            assert_eq!(shared.into_inner(), threads / 2);
            assert!(out.iter().enumerate().all(|(i, &value)| value == (i / 3) as f32 + 1.0));
        }
    }

    #[test]
    fn every_item_is_drawn_once_and_passes_stay_full() {
        for (threads, items, batch_size) in [(1, 0, 8), (1, 20, 8), (2, 1, 8), (2, 3, 2), (2, 50, 8), (4, 100, 8)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for usable_every in [1, 2, 5, 1000] {
                let (passes, seen) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
                let work = |pass: Drawn<'_>| {
                    let mut kept = 0;
                    while kept < pass.size {
                        let drawn = pass.draw(pass.size - kept);
                        if drawn.is_empty() {
                            break;
                        }
                        kept += drawn.clone().filter(|index| index % usable_every == usable_every - 1).count();
                        seen.lock().unwrap().extend(drawn);
                    }
                    passes.lock().unwrap().push((kept, pass.size));
                };
                pool.install(|| run_drawn(items, 50, batch_size, work));
                let mut seen = seen.into_inner().unwrap();
                seen.sort_unstable();
                assert_eq!(seen, Vec::from_iter(0..items));
                // Only the passes that were being filled when the items ran out are not full.
                let passes = passes.into_inner().unwrap();
                let partial = passes.iter().filter(|(kept, size)| *kept > 0 && kept < size).count();
                assert!(partial <= threads, "{passes:?}");
                assert_eq!(passes.iter().map(|(kept, _)| kept).sum::<usize>(), items / usable_every);
            }
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

    #[test]
    fn rows_move_to_their_places() {
        for places in [&[][..], &[0], &[4], &[0, 1, 2, 3, 4], &[1, 2, 3, 4], &[0, 2, 4], &[1, 3]] {
            let mut rows: Vec<f32> = (0..5).flat_map(|i| [i as f32 + 1.0, -1.0]).collect();
            spread(&mut rows, 2, places);
            let mut expected = vec![0.0; 10];
            for (i, place) in places.iter().enumerate() {
                expected[2 * place..2 * place + 2].copy_from_slice(&[i as f32 + 1.0, -1.0]);
            }
            assert_eq!(rows, expected, "{places:?}");
        }
    }

    #[test]
    fn failures_come_in_the_order_of_items() {
        for failures in [Failures::per_item(), Failures::fail_fast()] {
            assert!(!failures.stopped());
            failures.add(3, Error::Cancelled);
            failures.add(1, Error::OutputLength { len: 1, inputs: 1, expected: 2 });
            assert_eq!(failures.stopped(), failures.fail_fast);
            let places: Vec<usize> = failures.into_errors().iter().map(|(index, _)| *index).collect();
            assert_eq!(places, [1, 3]);
        }
    }
}
