//! Sizes of transforms (`read_block_tx_size`, sections 5.11.15 to 5.11.17).

use super::super::sizes::TxSize;
use super::Decoder;
use super::block::Block;
use super::context::fill;

impl Decoder<'_> {
    /// Reads the size of a block's transforms, or the tree of them in a copied block.
    pub fn read_transform_sizes(&mut self, block: &mut Block) {
        let place = block.place;
        let largest = place.size.largest_transform();
        let left_row = place.left_row();
        let is_4x4 = place.size.longest() == 0;
        let select = self.header.tx_mode_select && !is_4x4 && !block.lossless;
        if select && block.copied.is_some() && !block.skip {
            block.tx_size = largest;
            for row in (0..place.size.height4()).step_by(largest.height4()) {
                for col in (0..place.size.width4()).step_by(largest.width4()) {
                    self.read_transform_tree(block, row, col, largest, 0);
                }
            }
            return;
        }
        block.tx_size = match block.lossless {
            true => TxSize::TX_4X4,
            false => largest,
        };
        if select && block.copied.is_none() {
            let depth = self.read_depth(block, largest);
            for _ in 0..depth {
                block.tx_size = block.tx_size.split();
            }
        }
        fill(&mut self.above.transforms, place.col, place.size.width4(), block.tx_size.log2_width);
        fill(&mut self.left.transforms, left_row, place.size.height4(), block.tx_size.log2_height);
        if block.copied.is_some() {
            self.set_inter_sizes(place.row, place.col, [place.size.width4(), place.size.height4()], block.tx_size);
        }
    }

    /// Keeps the size of the transforms of a part of a copied block (`InterTxSizes`).
    fn set_inter_sizes(&mut self, row: usize, col: usize, [width, height]: [usize; 2], size: TxSize) {
        for row in row % 32..row % 32 + height {
            fill(&mut self.inter_sizes[..], row * 32 + col % 32, width, size);
        }
    }

    /// Reads `tx_depth`.
    fn read_depth(&mut self, block: &Block, largest: TxSize) -> usize {
        let place = &block.place;
        let side = |available: bool, neighbour: &super::context::Neighbour, transform: u8| match available {
            true if neighbour.copied => neighbour.log2_side + 2,
            true => transform,
            false => 0,
        };
        let (col, row) = (place.col, place.left_row());
        let above = side(place.above, &self.above.blocks[col], self.above.transforms[col]);
        let left = side(place.left, &self.left.blocks[row], self.left.transforms[row]);
        let context = usize::from(above >= largest.log2_width) + usize::from(left >= largest.log2_height);
        let cdfs = &mut self.cdfs.frame;
        match usize::from(place.size.longest().min(4)) {
            0 | 1 => usize::from(self.symbols.flag(&mut cdfs.tx_8[context])),
            deepest => self.symbols.symbol(&mut cdfs.tx[deepest - 2][context]),
        }
    }

    /// `read_var_tx_size` of a part of a copied block, in units of four samples from its corner.
    fn read_transform_tree(&mut self, block: &mut Block, row: usize, col: usize, size: TxSize, depth: u8) {
        let place = block.place;
        if place.row + row >= self.header.mi_rows || place.col + col >= self.header.mi_cols {
            return;
        }
        let (above_col, left_row) = (place.col + col, place.left_row() + row);
        let mut split = false;
        if size != TxSize::TX_4X4 && depth < 2 {
            // Without a neighbour its transforms count as large.
            let above = (row > 0 || place.above) && self.above.transforms[above_col] < size.log2_width;
            let left = (col > 0 || place.left) && self.left.transforms[left_row] < size.log2_height;
            let largest = place.size.longest().min(4);
            let context = 3 * usize::from(size.square_up() != largest)
                + 6 * usize::from(4 - largest)
                + usize::from(above)
                + usize::from(left);
            split = self.symbols.flag(&mut self.cdfs.frame.txfm_split[context]);
        }
        if split {
            let part = size.split();
            for down in (0..size.height4()).step_by(part.height4()) {
                for across in (0..size.width4()).step_by(part.width4()) {
                    self.read_transform_tree(block, row + down, col + across, part, depth + 1);
                }
            }
            return;
        }
        self.set_inter_sizes(place.row + row, place.col + col, [size.width4(), size.height4()], size);
        fill(&mut self.above.transforms, above_col, size.width4(), size.log2_width);
        fill(&mut self.left.transforms, left_row, size.height4(), size.log2_height);
        block.tx_size = size;
    }
}
