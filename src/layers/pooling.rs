//! Pooling of feature maps and of tokens.

use super::{Exec, Lines};
use crate::kernels::pool;

/// Global average pooling: the mean over the pixels of maps in blocks, `images · pixels` rows of `channels` channels,
/// to `out [images, channels]`.
pub(crate) fn global_mean(
    exec: Exec<'_>,
    maps: &[f32],
    (images, pixels): (usize, usize),
    channels: usize,
    out: &mut [f32],
) {
    pool::mean(exec.isa, exec.team, maps, (images, pixels), channels, out);
}

/// Average pooling of 2 × 2 pixels with stride 2, from flat maps `like` (see [`Lines::flat`]) of `channels` channels.
pub(crate) fn halve(exec: Exec<'_>, maps: &[f32], like: Lines, channels: usize, out: &mut [f32]) {
    let (images, sides) = like.sizes();
    pool::halve(exec.isa, exec.team, maps, images, sides, channels, out);
}

/// Computes the mean of `rows [tokens, W]` to `out [W]`, summed in f64 in the order of the tokens.
pub(crate) fn mean_of_rows(rows: &[f32], out: &mut [f32]) {
    let width = out.len();
    let count = rows.len() as f64 / width as f64;
    let mut sums = vec![0f64; width];
    for row in rows.chunks_exact(width) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
        }
    }
    for (out, sum) in out.iter_mut().zip(&sums) {
        *out = (sum / count) as f32;
    }
}
