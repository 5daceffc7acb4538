//! How the work of one operation is spread over threads.

use rayon::prelude::*;

/// Whether an operation may use the threads of the current rayon pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parallelism {
    /// All on the calling thread; other threads work on other inputs.
    Serial,
    /// Spread over the current pool.
    Threads,
}

impl Parallelism {
    /// Threads that may take part.
    pub(crate) fn threads(self) -> usize {
        match self {
            Parallelism::Serial => 1,
            Parallelism::Threads => rayon::current_num_threads(),
        }
    }

    /// Calls `work` for every task in `0..tasks`. The tasks must not depend on each other.
    pub(crate) fn run(self, tasks: usize, work: impl Fn(usize) + Sync + Send) {
        if self.threads() <= 1 || tasks <= 1 {
            (0..tasks).for_each(work);
        } else {
            (0..tasks).into_par_iter().with_max_len(1).for_each(work);
        }
    }

    /// Calls `work(row, slice)` for every row of `stride` floats in `data`, at least `grain` rows a task.
    pub(crate) fn rows(
        self,
        data: &mut [f32],
        stride: usize,
        grain: usize,
        work: impl Fn(usize, &mut [f32]) + Sync + Send,
    ) {
        let rows = data.len().checked_div(stride).unwrap_or(0);
        if self.threads() <= 1 || rows <= grain {
            data.chunks_exact_mut(stride.max(1)).enumerate().for_each(|(row, slice)| work(row, slice));
        } else {
            data.par_chunks_exact_mut(stride).with_min_len(grain).enumerate().for_each(|(row, slice)| work(row, slice));
        }
    }
}
