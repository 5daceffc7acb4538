//! Pooling of feature maps.

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
