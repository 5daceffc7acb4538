//! Positions that are made of more than one tensor, or of none.

use std::ops::Range;

use super::{Error, resize, round, vector};
use crate::import::checkpoint::Checkpoint;

/// Writes the rows `rows` of the positions to `out`, with `bias` added to each.
pub(in crate::import) fn biased_positions(
    checkpoint: &Checkpoint,
    position: &str,
    rows: Range<usize>,
    bias: &str,
    out: &mut Vec<f32>,
) -> Result<(), Error> {
    let bias = vector(checkpoint, bias)?;
    let width = bias.len();
    let tensor = checkpoint.tensor(position)?;
    resize(checkpoint, out, rows.len().saturating_mul(width))?;
    let mut row = vec![0f64; width];
    for (at, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
        tensor.read_finite(at.saturating_mul(width), &mut row)?;
        for (x, bias) in row.iter_mut().zip(&bias) {
            *x += bias;
        }
        round(&tensor, &row, out)?;
    }
    Ok(())
}

/// Writes M2M100's positions `positions` to `out`, `[positions, width]`: with `e(j) = 10000^(-j / (width / 2 - 1))`, a
/// row has `sin(p * e(j))` for every `j < width / 2`, then `cos(p * e(j))`; a last column beyond these is zero.
///
/// Source: Vaswani et al., "Attention Is All You Need" (2017), in the order of tensor2tensor, as in transformers'
/// `M2M100SinusoidalPositionalEmbedding`. The reference computes them in f32 and deviates by up to 7e-6 at position 78.
pub(in crate::import) fn sinusoids(
    checkpoint: &Checkpoint,
    positions: Range<usize>,
    width: usize,
    out: &mut Vec<f32>,
) -> Result<(), Error> {
    let half = width / 2;
    if half < 2 {
        let reason = format!("its text tower has a width of {width}, too small for computed positions");
        return Err(Error::Unsupported { path: checkpoint.path().to_owned(), reason });
    }
    let step = -(10_000f64.ln()) / (half - 1) as f64;
    resize(checkpoint, out, positions.len().saturating_mul(width))?;
    out.fill(0.0);
    for (position, row) in positions.zip(out.chunks_exact_mut(width)) {
        for j in 0..half {
            let (sin, cos) = (position as f64 * (j as f64 * step).exp()).sin_cos();
            if let Some(to) = row.get_mut(j) {
                *to = sin as f32;
            }
            if let Some(to) = row.get_mut(half + j) {
                *to = cos as f32;
            }
        }
    }
    Ok(())
}
