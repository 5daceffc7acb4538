//! Numbers in fewer bits: whether 16 lose nothing, rounding to 16, and rows and columns of 8 with a scale each.

use std::sync::atomic::{AtomicU64, Ordering};

use half::f16;
use rayon::prelude::*;

use super::{BLOCK, ROWS_TASK, no_memory, resize, round, scale, weight, zeros};
use crate::import::checkpoint::Checkpoint;
use crate::import::error::Error;
use crate::threads;
use crate::weights::{
    Precision, QuadColumns, exact_halves, quads_len, scaled_row_width, store_quads, store_scaled_row,
};

/// Whether binary16 represents every element of the table `name`, times `factor` and rounded to f32, exactly.
pub(in crate::import) fn fits_halves(checkpoint: &Checkpoint, name: &str, factor: f64) -> Result<bool, Error> {
    let tensor = weight(checkpoint, name)?;
    let tasks = tensor.len().div_ceil(ROWS_TASK);
    let fits = |task: usize| {
        let mut block = [0f64; BLOCK];
        let mut rounded = [0f32; BLOCK];
        let end = ((task + 1) * ROWS_TASK).min(tensor.len());
        for at in (task * ROWS_TASK..end).step_by(BLOCK) {
            let len = BLOCK.min(end - at);
            let (block, rounded) = (&mut block[..len], &mut rounded[..len]);
            tensor.read_finite(at, block)?;
            scale(block, factor);
            round(&tensor, block, rounded)?;
            if exact_halves(rounded).is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    };
    // Stops at the first element that does not fit.
    let all = threads::try_for_each((0..tasks).into_par_iter(), |task| match fits(task) {
        Ok(true) => Ok(()),
        other => Err(other),
    });
    all.map_or_else(|other| other, |()| Ok(true))
}

/// Rounds the finished numbers of the layer `path` to those of binary16, the nearest.
pub(in crate::import) fn halves(
    checkpoint: &Checkpoint,
    path: &str,
    precision: Precision,
    numbers: &mut [f32],
) -> Result<(), Error> {
    threads::try_for_each(numbers.par_chunks_mut(ROWS_TASK), |numbers| {
        for number in numbers {
            let half = f16::from_f32(*number);
            if half.is_infinite() {
                let precision = precision.name();
                let reason = format!(
                    "its layer `{path}` has the number {number}, which 16 bits cannot hold; convert it without --precision \
                     {precision}"
                );
                return Err(Error::Unsupported { path: checkpoint.path().to_owned(), reason });
            }
            *number = half.to_f32();
        }
        Ok(())
    })
}

/// Stores the finished `panels` of a linear layer with `k` inputs and `n` outputs as `out`, whose content is replaced:
/// integers of 8 bits. Returns what belongs to the outputs.
pub(in crate::import) fn quads(
    checkpoint: &Checkpoint,
    panels: &[f32],
    (k, n): (usize, usize),
    out: &mut Vec<i8>,
) -> Result<QuadColumns, Error> {
    let len = quads_len(k, n).ok_or_else(|| no_memory(checkpoint, panels.len()))?;
    resize(checkpoint, out, len)?;
    Ok(store_quads(panels, k, n, out))
}

/// Stores the table `name`, times `factor`, as `out`, whose content is replaced: rows of `width` elements in 8 bits, each
/// with its scale. Returns the largest length of the difference to a row, relative to the length of the row.
pub(in crate::import) fn scaled_rows_of_int8(
    checkpoint: &Checkpoint,
    name: &str,
    factor: f64,
    width: usize,
    out: &mut Vec<i8>,
) -> Result<f64, Error> {
    let tensor = weight(checkpoint, name)?;
    let rows = tensor.len().checked_div(width).unwrap_or(0);
    let stored_width = scaled_row_width(width).ok_or_else(|| no_memory(checkpoint, width))?;
    let len = stored_width.checked_mul(rows).ok_or_else(|| no_memory(checkpoint, tensor.len()))?;
    resize(checkpoint, out, len)?;
    let task_rows = ROWS_TASK.div_ceil(width.max(1));
    // The bits of numbers that are not negative are in the order of the numbers.
    let largest = AtomicU64::new(0);
    threads::try_for_each(out.par_chunks_mut(stored_width * task_rows).enumerate(), |(task, stored)| {
        let mut row = zeros(checkpoint, width)?;
        for (at, stored) in stored.chunks_exact_mut(stored_width).enumerate() {
            tensor.read_finite((task * task_rows + at) * width, &mut row)?;
            scale(&mut row, factor);
            let difference = store_scaled_row(&row, stored)
                .ok_or_else(|| tensor.error("holds values beyond the range of f32".to_owned()))?;
            largest.fetch_max(difference.to_bits(), Ordering::Relaxed);
        }
        Ok::<(), Error>(())
    })?;
    Ok(f64::from_bits(largest.into_inner()))
}
