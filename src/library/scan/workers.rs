//! Blocks of rows, and the threads that take one after the other.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{Error, Options};
use crate::threads;

/// Rows of a block. Its codes (512 kB for vectors of 512) stay in L2 while all queries of a batch are multiplied with
/// them, and there are enough blocks to share 100,000 rows between many threads.
pub(super) const BLOCK: usize = 1024;

/// Calls `work` for each block of `count` rows, on as many threads as pay, and returns the states of the threads.
///
/// Each thread has a state from `begin`. Blocks come in any order; the first error ends all.
pub(super) fn by_blocks<T: Send>(
    count: usize,
    options: &Options<'_>,
    begin: impl Fn() -> T + Sync,
    work: impl Fn(&mut T, Range<usize>) -> Result<(), Error> + Sync,
) -> Result<Vec<T>, Error> {
    let blocks = count.div_ceil(BLOCK);
    let next = AtomicUsize::new(0);
    let run = || {
        let mut state = begin();
        loop {
            options.check_cancelled()?;
            let block = next.fetch_add(1, Ordering::Relaxed);
            if block >= blocks {
                return Ok(state);
            }
            let start = block * BLOCK;
            if let Err(error) = work(&mut state, start..count.min(start + BLOCK)) {
                next.store(blocks, Ordering::Relaxed);
                return Err(error);
            }
        }
    };
    // Waking a thread takes longer than a block.
    if blocks <= 2 {
        return Ok(vec![run()?]);
    }
    options.threads.run(|threads| {
        let workers = threads.min(blocks);
        if workers == 1 {
            return Ok(vec![run()?]);
        }
        let (states, failed) = (Mutex::new(Vec::with_capacity(workers)), Mutex::new(None));
        threads::for_each((0..workers).into_par_iter().with_max_len(1), |_| match run() {
            Ok(state) => states.lock().unwrap_or_else(PoisonError::into_inner).push(state),
            Err(error) => {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(states.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    })
}
