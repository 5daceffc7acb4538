//! Rows of MCUs that idle threads decode, ahead of the row that is delivered.

use rayon::prelude::*;

use super::super::decode_error::{DecodeError, try_filled};
use super::frame::Frame;
use crate::threads;

/// The samples of a row of MCUs, by component.
pub(super) type Planes = Vec<Vec<u8>>;

/// Blocks of a photo from which on it is shared: two thirds of a megapixel with chroma halved both ways, 2 ms of work.
const LEAST_BLOCKS: u64 = 1 << 14;

/// Rows of MCUs of a task: of twelve megapixels, half a millisecond.
const TASK_ROWS: usize = 4;

/// Tasks for each thread at a time: more than one, so that a thread that wakes late finds some left.
const TASKS: usize = 8;

/// Bytes of samples that are decoded at a time, at most.
const MOST_BYTES: usize = 8 << 20;

/// Allocates the samples of a row of MCUs.
pub(super) fn planes(frame: &Frame) -> Result<Planes, DecodeError> {
    let plane = |across: usize, rows: usize| try_filled(across, rows, 1, 0u8);
    frame.components.iter().map(|c| plane(c.blocks_across * c.side, c.v * c.side)).collect()
}

/// Some rows of MCUs that were decoded at the same time.
pub(super) struct Ahead {
    rows: Vec<Planes>,
    /// Rows of a task.
    task: usize,
    /// Number of rows of the photo.
    all: usize,
    /// The row of the photo after `rows`, as far as they are decoded.
    end: usize,
}

impl Ahead {
    /// `None` if no thread is idle, or the photo is not worth it. The rows at multiples of `step` can be decoded without
    /// those before.
    pub fn new(frame: &Frame, step: usize) -> Result<Option<Ahead>, DecodeError> {
        let bytes: usize = frame.components.iter().map(|c| c.blocks_across * c.side * c.v * c.side).sum();
        let threads = threads::idle();
        if threads < 2 || frame.blocks() < LEAST_BLOCKS {
            return Ok(None);
        }
        let task = TASK_ROWS.next_multiple_of(step.max(1));
        let tasks = (threads * TASKS).min(MOST_BYTES / bytes.max(1) / task);
        if tasks < 2 || frame.mcus_down <= task {
            return Ok(None);
        }
        let count = (tasks * task).min(frame.mcus_down);
        let rows = (0..count).map(|_| planes(frame)).collect::<Result<_, _>>()?;
        Ok(Some(Ahead { rows, task, all: frame.mcus_down, end: 0 }))
    }

    /// Exchanges `next` for the samples of `row`, which follows the last. `decode` writes those of consecutive rows, of
    /// which the first is given.
    pub fn row(
        &mut self,
        row: usize,
        next: &mut Planes,
        decode: impl Fn(usize, &mut [Planes]) -> Result<(), DecodeError> + Sync,
    ) -> Result<(), DecodeError> {
        if row == self.end {
            let count = self.rows.len().min(self.all - row);
            let tasks = self.rows[..count].par_chunks_mut(self.task).enumerate();
            let done = threads::map(tasks, |(i, rows)| decode(row + i * self.task, rows));
            // The error of the first row that has one, as without threads.
            done.into_iter().collect::<Result<(), _>>()?;
            self.end = row + count;
        }
        let count = self.rows.len();
        std::mem::swap(next, &mut self.rows[row % count]);
        Ok(())
    }
}
