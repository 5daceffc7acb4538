//! How rows of channels lie in memory: tokens row by row, feature maps in blocks of sixteen channels.
//!
//! In blocks, the pixels of sixteen channels follow each other, `[C / 16, pixels, 16]`: a window slides over
//! neighbouring cache lines, and the rows of a register tile do, too. Row by row, both would jump by a power of two
//! where channels are one, and fall on the same few sets of the cache.

use super::gemm::PANEL;

/// Element (row, channel) stands at `row · self.row + channel / 16 · self.block + channel % 16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strides {
    /// Floats from row to row.
    pub(crate) row: usize,
    /// Floats from sixteen channels to the next sixteen.
    pub(crate) block: usize,
}

impl Strides {
    /// Rows that lie in one piece, `stride` apart.
    pub(crate) fn rows(stride: usize) -> Self {
        Strides { row: stride, block: PANEL }
    }

    /// Blocks of sixteen channels of `rows` rows. The last block is whole, whatever the number of channels.
    pub(crate) fn blocked(rows: usize) -> Self {
        Strides { row: PANEL, block: PANEL * rows }
    }

    /// Where an element stands; channels of the same sixteen follow each other.
    pub(crate) fn at(self, row: usize, channel: usize) -> usize {
        row * self.row + channel / PANEL * self.block + channel % PANEL
    }

    /// Floats up to and including the last element.
    pub(crate) fn extent(self, rows: usize, channels: usize) -> usize {
        if rows == 0 || channels == 0 { 0 } else { self.at(rows - 1, channels - 1) + 1 }
    }
}

/// Floats of `rows` rows of `channels` channels in blocks.
pub(crate) fn blocked_len(rows: usize, channels: usize) -> usize {
    rows * channels.next_multiple_of(PANEL)
}

/// Blocks to rows that lie in one piece: `out [rows, channels]`.
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
            }
        }
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
