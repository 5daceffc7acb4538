//! Pooling of feature maps.

use super::Exec;
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
