//! Layouts of activations: tokens row by row, feature maps in blocks of sixteen channels.
//!
//! In the blocked layout, `[C / 16, pixels, 16]`, the pixels of sixteen channels are contiguous. A sliding window and
//! the rows of a register tile then read neighbouring cache lines. Row by row, both would jump by the number of
//! channels, often a power of two, and compete for the same few cache sets.

use crate::tensor::PANEL;

/// A layout: element (row, channel) is at `row · row_stride + channel / 16 · block_stride + channel % 16`.
///
/// Blocks are at least sixteen floats apart; the constructors guarantee it and the kernels rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strides {
    row: usize,
    block: usize,
}

impl Strides {
    /// Contiguous rows, `stride` floats apart.
    pub(crate) fn rows(stride: usize) -> Self {
        Strides { row: stride, block: PANEL }
    }

    /// Blocks of sixteen channels of `rows` rows. The last block is padded to sixteen channels.
    pub(crate) fn blocked(rows: usize) -> Self {
        Strides { row: PANEL, block: rows.max(1).saturating_mul(PANEL) }
    }

    /// Floats from one row to the next.
    #[inline(always)]
    pub(crate) fn row(self) -> usize {
        self.row
    }

    /// Floats from one block of sixteen channels to the next.
    #[inline(always)]
    pub(crate) fn block(self) -> usize {
        self.block
    }

    /// Offset of an element. Channels of the same block are contiguous.
    #[inline(always)]
    pub(crate) fn at(self, row: usize, channel: usize) -> usize {
        row * self.row + channel / PANEL * self.block + channel % PANEL
    }

    /// Floats up to and including the last element; `usize::MAX` if the number is too large.
    #[inline(always)]
    pub(crate) fn extent(self, rows: usize, channels: usize) -> usize {
        if rows == 0 || channels == 0 {
            return 0;
        }
        let (row, channel) = (rows - 1, channels - 1);
        let block = (channel / PANEL).saturating_mul(self.block);
        // Blocks are at least sixteen floats apart, so the last channel has the largest offset.
        row.saturating_mul(self.row).saturating_add(block).saturating_add(channel % PANEL + 1)
    }

    /// Whether no two of `rows` rows of `channels` channels share a float.
    #[inline(always)]
    pub(crate) fn are_disjoint(self, rows: usize, channels: usize) -> bool {
        rows <= 1 || self.row >= channels || self.row == PANEL && self.block >= PANEL.saturating_mul(rows)
    }
}

/// Floats of `rows` rows of `channels` channels in the blocked layout.
pub(crate) fn blocked_len(rows: usize, channels: usize) -> usize {
    rows.saturating_mul(channels.next_multiple_of(PANEL))
}

/// Converts `rows` rows from the blocked layout to `out [rows, channels]`.
pub(crate) fn unblock(data: &[f32], rows: usize, channels: usize, out: &mut [f32]) {
    let strides = Strides::blocked(rows);
    for (row, out) in out.chunks_exact_mut(channels).take(rows).enumerate() {
        for (block, out) in out.chunks_mut(PANEL).enumerate() {
            out.copy_from_slice(&data[strides.at(row, block * PANEL)..][..out.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_blocks_hold_every_element_once() {
        for (rows, channels) in [(1, 1), (3, 16), (5, 17), (4, 40)] {
            for strides in [Strides::rows(channels), Strides::rows(channels + 3), Strides::blocked(rows)] {
                let mut seen = vec![0; strides.extent(rows, channels)];
                (0..rows * channels).for_each(|i| seen[strides.at(i / channels, i % channels)] += 1);
                assert_eq!(seen.iter().sum::<usize>(), rows * channels);
                assert!(seen.iter().all(|&count| count <= 1) && seen.last() == Some(&1));
                assert!(strides.are_disjoint(rows, channels));
            }
        }
    }

    /// An extent that wrapped would pass every check of a length.
    #[test]
    fn extents_saturate() {
        assert_eq!(Strides::rows(usize::MAX / 2).extent(4, 4), usize::MAX);
        assert_eq!(Strides::blocked(usize::MAX / 2).extent(1, 40), usize::MAX);
        assert!(!Strides::rows(3).are_disjoint(2, 4) && !Strides::blocked(2).are_disjoint(3, 40));
    }

    #[test]
    fn unblocked_rows_hold_what_the_blocks_held() {
        for (rows, channels) in [(1, 5), (3, 16), (5, 40)] {
            let strides = Strides::blocked(rows);
            let mut blocks = vec![f32::NAN; blocked_len(rows, channels)];
            (0..rows * channels).for_each(|i| blocks[strides.at(i / channels, i % channels)] = i as f32);
            let mut out = vec![f32::NAN; rows * channels];
            unblock(&blocks, rows, channels, &mut out);
            assert!(out.iter().enumerate().all(|(i, &v)| v == i as f32));
        }
    }
}
