//! What a tile prefetches.

use super::super::simd::{Fetch, Simd};

/// Bytes between what a single tile reads and what it prefetches. Ten rows on weights from memory, 512 × 1536, on an
/// Intel Xeon of 2023: 300 µs without, 277 at 1 KiB, 239 at 2 KiB, 242 at 4 KiB, 252 at 8 KiB, 275 at 32 KiB.
const PREFETCH_DISTANCE: usize = 3072;

/// The part of the next weights that tile `t` of `tiles` prefetches: a half or a quarter, so that requests to memory
/// are spread; of a pair of panels, with a quarter of the weights, a quarter of the activations. A single tile reads
/// as fast as memory delivers, and prefetches its own next weights.
///
/// `current` is the address of the tile's own weights and the bytes to its second panel, `next` the same of the weights
/// that follow, `next_a` the address of the next activations, `half` the bytes of half a panel: a tile prefetches a line
/// from each place for every two steps.
#[inline(always)]
pub(super) fn fetch<S: Simd>(
    current: (usize, usize),
    (next, stride): (usize, usize),
    next_a: Option<usize>,
    half: usize,
    (t, tiles): (usize, usize),
) -> Fetch {
    let (first, second) = match (S::TILE_PANELS, tiles) {
        (_, 1) => (current.0.wrapping_add(PREFETCH_DISTANCE), current.1),
        (1, _) if t < 2 => (next.wrapping_add(t * half), 0),
        (2, 2 | 3) => (next.wrapping_add((t % 2).wrapping_mul(stride)), half),
        (2, _) if t < 4 => {
            let first = next.wrapping_add((t / 2).wrapping_mul(stride)).wrapping_add(t % 2 * half);
            let second = next_a.map_or(first, |a| a.wrapping_add(t * half));
            (first, second.wrapping_sub(first))
        }
        _ => (current.0, 0),
    };
    Fetch { first, second, streams: tiles == 1 }
}
