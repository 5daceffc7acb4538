//! A block (`decode_block`, section 5.11.5): its modes, its samples, and what it leaves to the blocks after it.

use super::super::super::decode_error::DecodeError;
use super::super::picture::BlockInfo;
use super::super::sizes::{BlockSize, TxSize};
use super::Decoder;
use super::context::{Neighbour, Place, fill, within};

/// `UV_CFL_PRED`.
pub const CFL: u8 = 13;

/// What was read of a block.
#[derive(Clone, Debug)]
pub struct Block {
    pub place: Place,
    pub has_chroma: bool,
    /// `AvailUChroma` and `AvailLChroma`.
    pub chroma_above: bool,
    pub chroma_left: bool,
    pub segment_id: u8,
    pub skip: bool,
    pub lossless: bool,
    /// The motion vector of a copy (`use_intrabc`).
    pub copied: Option<[i32; 2]>,
    pub y_mode: u8,
    pub uv_mode: u8,
    /// `AngleDeltaY` and `AngleDeltaUV`.
    pub angles: [i8; 2],
    /// `CflAlphaU` and `CflAlphaV`.
    pub cfl_alphas: [i32; 2],
    pub filter_intra: Option<u8>,
    /// `PaletteSizeY` and `PaletteSizeUV`.
    pub palette_sizes: [u8; 2],
    /// `TxSize`.
    pub tx_size: TxSize,
    /// `MaxLumaW` and `MaxLumaH`.
    pub luma_end: [usize; 2],
    /// Levels of the loop filter: luma of vertical and of horizontal edges, U, V.
    pub filter_levels: [u8; 4],
}

impl Decoder<'_> {
    /// Decodes a block.
    pub fn block(&mut self, row: usize, col: usize, size: BlockSize) -> Result<(), DecodeError> {
        let subsampling = self.sequence.colours.subsampling;
        if !size.has_chroma_size(subsampling) && self.picture.frame.planes.len() > 1 {
            return Err(DecodeError::damaged("it has a block whose colours have no size"));
        }
        let place = self.place(row, col, size);
        // Blocks of four samples share their chroma with the block before them.
        let [shared_col, shared_row] =
            [subsampling[0] && size.log2_width == 0, subsampling[1] && size.log2_height == 0];
        let has_chroma = self.picture.frame.planes.len() > 1
            && !(shared_row && row.is_multiple_of(2))
            && !(shared_col && col.is_multiple_of(2));
        let mut block = Block {
            place,
            has_chroma,
            chroma_above: has_chroma && row > self.bounds.row_start + usize::from(shared_row),
            chroma_left: has_chroma && col > self.bounds.col_start + usize::from(shared_col),
            segment_id: 0,
            skip: false,
            lossless: false,
            copied: None,
            y_mode: 0,
            uv_mode: 0,
            angles: [0; 2],
            cfl_alphas: [0; 2],
            filter_intra: None,
            palette_sizes: [0; 2],
            tx_size: TxSize::TX_4X4,
            luma_end: [0; 2],
            filter_levels: [0; 4],
        };
        self.read_modes(&mut block)?;
        self.read_palette_indices(&block);
        self.read_transform_sizes(&mut block);
        if block.skip {
            self.forget_coefficients(&block);
        }
        block.filter_levels = self.filter_levels(block.segment_id);
        self.residual(&mut block)?;
        self.leave_modes(&block);
        self.leave_maps(&block);
        Ok(())
    }

    /// `reset_block_context`.
    fn forget_coefficients(&mut self, block: &Block) {
        let Place { row, col, size, .. } = block.place;
        let planes = if block.has_chroma { 3 } else { 1 };
        for plane in 0..planes {
            let [across, down] = self.picture.frame.shifts(plane);
            let count = |start: usize, count: usize, shift: u32| ((start + count) >> shift) - (start >> shift);
            let (width, height) = (count(col, size.width4(), across), count(row, size.height4(), down));
            let left = block.place.left_row() >> down;
            fill(&mut self.above.levels[plane], col >> across, width, 0);
            fill(&mut self.above.dcs[plane], col >> across, width, 0);
            fill(&mut self.left.levels[plane], left, height, 0);
            fill(&mut self.left.dcs[plane], left, height, 0);
        }
    }

    /// Leaves the modes to the blocks below and to the right.
    fn leave_modes(&mut self, block: &Block) {
        let Place { col, size, .. } = block.place;
        let left_row = block.place.left_row();
        let neighbour = |log2_side: u8| Neighbour {
            y_mode: block.y_mode,
            log2_side,
            skip: block.skip,
            copied: block.copied.is_some(),
            palette_sizes: block.palette_sizes,
        };
        fill(&mut self.above.blocks, col, size.width4(), neighbour(size.log2_width));
        fill(&mut self.left.blocks, left_row, size.height4(), neighbour(size.log2_height));
        if block.has_chroma {
            fill(&mut self.above.uv_modes, col, size.width4(), block.uv_mode);
            fill(&mut self.left.uv_modes, left_row, size.height4(), block.uv_mode);
        }
        for (plane, colours) in self.palettes.colours[..2].iter().enumerate() {
            if block.palette_sizes[plane] > 0 {
                fill(&mut self.above.palettes[plane], col, size.width4(), *colours);
                fill(&mut self.left.palettes[plane], left_row, size.height4(), *colours);
            }
        }
    }

    /// Leaves what filters, segments and copies need.
    fn leave_maps(&mut self, block: &Block) {
        let Place { row, col, size, .. } = block.place;
        let (mi_cols, mi_rows) = (self.header.mi_cols, self.header.mi_rows);
        let cols = within(col, size.width4(), mi_cols);
        let rows = within(row, size.height4(), mi_rows);
        if !block.skip && !self.picture.skips.is_empty() {
            let across = self.header.width.div_ceil(8);
            for row in rows.start / 2..rows.end.div_ceil(2) {
                fill(
                    &mut self.picture.skips,
                    row * across + cols.start / 2,
                    cols.end.div_ceil(2) - cols.start / 2,
                    false,
                );
            }
        }
        if !self.picture.segment_ids.is_empty() {
            for row in rows.clone() {
                fill(&mut self.picture.segment_ids, row * mi_cols + col, cols.len(), block.segment_id);
            }
        }
        if !self.picture.blocks.is_empty() {
            let info = BlockInfo {
                decoded: true,
                copied: block.copied.map(|vector| vector.map(|part| part as i16)),
                log2_width: size.log2_width,
                log2_height: size.log2_height,
            };
            for row in rows {
                fill(&mut self.picture.blocks, row * mi_cols + col, cols.len(), info);
            }
        }
    }
}
