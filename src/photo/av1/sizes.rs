//! Sizes of blocks and of transforms, as logarithms of their sides.

/// A block: logarithms of its sides in units of four luma samples, 0 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSize {
    pub log2_width: u8,
    pub log2_height: u8,
}

impl BlockSize {
    pub const fn new(log2_width: u8, log2_height: u8) -> BlockSize {
        BlockSize { log2_width, log2_height }
    }

    /// `Num_4x4_Blocks_Wide`.
    pub fn width4(self) -> usize {
        1 << self.log2_width
    }

    /// `Num_4x4_Blocks_High`.
    pub fn height4(self) -> usize {
        1 << self.log2_height
    }

    /// The longer side.
    pub fn longest(self) -> u8 {
        self.log2_width.max(self.log2_height)
    }

    /// Whether both sides have at least 8 samples, which is how `MiSize >= BLOCK_8X8` is meant but for the blocks of four
    /// samples by sixteen, which come after it in the numbering.
    pub fn numbered_from_8x8(self) -> bool {
        self.index() >= 3
    }

    /// The number of the size in the specification.
    pub fn index(self) -> usize {
        // By the logarithms of width and height; ratios above four do not occur.
        const INDICES: [[u8; 6]; 6] = [
            [0, 1, 16, 0, 0, 0],
            [2, 3, 4, 18, 0, 0],
            [17, 5, 6, 7, 20, 0],
            [0, 19, 8, 9, 10, 0],
            [0, 0, 21, 11, 12, 13],
            [0, 0, 0, 0, 14, 15],
        ];
        usize::from(INDICES[usize::from(self.log2_width.min(5))][usize::from(self.log2_height.min(5))])
    }

    /// The block of chroma, at least 4 x 4 samples (`get_plane_residual_size`).
    pub fn of_chroma(self, subsampling: [bool; 2]) -> BlockSize {
        let [across, down] = subsampling.map(u8::from);
        BlockSize::new(self.log2_width.saturating_sub(across), self.log2_height.saturating_sub(down))
    }

    /// Whether its chroma has a size that exists: with 4:2:2 a tall block has not.
    pub fn has_chroma_size(self, subsampling: [bool; 2]) -> bool {
        subsampling != [true, false] || self.log2_height <= self.log2_width
    }

    /// The largest transform in the block (`Max_Tx_Size_Rect`).
    pub fn largest_transform(self) -> TxSize {
        TxSize::new((self.log2_width + 2).min(6), (self.log2_height + 2).min(6))
    }
}

/// A transform: logarithms of its sides in samples, 2 to 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxSize {
    pub log2_width: u8,
    pub log2_height: u8,
}

impl TxSize {
    pub const TX_4X4: TxSize = TxSize::new(2, 2);

    pub const fn new(log2_width: u8, log2_height: u8) -> TxSize {
        TxSize { log2_width, log2_height }
    }

    /// Sides in units of four samples.
    pub fn width4(self) -> usize {
        1 << (self.log2_width - 2)
    }

    pub fn height4(self) -> usize {
        1 << (self.log2_height - 2)
    }

    /// `Tx_Size_Sqr`: 0 if the shorter side has four samples.
    pub fn square(self) -> u8 {
        self.log2_width.min(self.log2_height) - 2
    }

    /// `Tx_Size_Sqr_Up`: 0 if the longer side has four samples.
    pub fn square_up(self) -> u8 {
        self.log2_width.max(self.log2_height) - 2
    }

    /// `Split_Tx_Size`.
    pub fn split(self) -> TxSize {
        let TxSize { log2_width, log2_height } = self;
        let width = if log2_width >= log2_height { log2_width - 1 } else { log2_width };
        let height = if log2_height >= log2_width { log2_height - 1 } else { log2_height };
        TxSize::new(width.max(2), height.max(2))
    }

    /// The part that is coded: at most 32 x 32 (`Adjusted_Tx_Size`).
    pub fn coded(self) -> TxSize {
        TxSize::new(self.log2_width.min(5), self.log2_height.min(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_of_blocks() {
        let sizes = |block: BlockSize| {
            let largest = block.largest_transform();
            let split = largest.split();
            [largest.log2_width, largest.log2_height, split.log2_width, split.log2_height]
        };
        assert_eq!(sizes(BlockSize::new(0, 0)), [2, 2, 2, 2]);
        assert_eq!(sizes(BlockSize::new(2, 4)), [4, 6, 4, 5]);
        assert_eq!(sizes(BlockSize::new(5, 5)), [6, 6, 5, 5]);
        assert_eq!((TxSize::new(6, 4).square(), TxSize::new(6, 4).square_up()), (2, 4));
        assert_eq!(TxSize::new(6, 4).coded(), TxSize::new(5, 4));
    }

    #[test]
    fn numbers_and_chroma_of_blocks() {
        let sizes = [[0, 0], [1, 1], [5, 5], [0, 2], [4, 2]].map(|[width, height]| BlockSize::new(width, height));
        assert_eq!(sizes.map(BlockSize::index), [0, 3, 15, 16, 21]);
        assert_eq!(sizes[3].of_chroma([true, true]), BlockSize::new(0, 1));
        assert!(sizes[3].has_chroma_size([true, true]) && !sizes[3].has_chroma_size([true, false]));
    }
}
