//! Modes of a block (`intra_frame_mode_info`, section 5.11.7).

use super::super::super::decode_error::DecodeError;
use super::super::header::feature;
use super::Decoder;
use super::block::{Block, CFL};

/// `DC_PRED`, `V_PRED` and `D67_PRED`: those between have a direction.
pub const DC: u8 = 0;
const VERTICAL: u8 = 1;
const D67: u8 = 8;

impl Decoder<'_> {
    /// Reads the modes of a block.
    pub fn read_modes(&mut self, block: &mut Block) -> Result<(), DecodeError> {
        let segmentation = &self.header.segmentation;
        if segmentation.before_skip {
            self.read_segment_id(block);
        }
        let before_skip = self.header.segmentation.before_skip;
        let segment = usize::from(block.segment_id);
        block.skip = match before_skip && self.header.segmentation.feature(segment, feature::SKIP).is_some() {
            true => true,
            false => self.read_skip(block),
        };
        if !before_skip {
            self.read_segment_id(block);
        }
        block.lossless = self.header.lossless[usize::from(block.segment_id)];
        self.read_cdef(block);
        self.read_delta_q(block);
        self.read_delta_lf(block);
        self.read_deltas = false;
        if self.header.allow_intrabc && self.symbols.flag(&mut self.cdfs.frame.intrabc) {
            block.copied = Some(self.read_vector(block)?);
            return Ok(());
        }
        self.read_intra_modes(block);
        Ok(())
    }

    fn read_skip(&mut self, block: &Block) -> bool {
        let place = &block.place;
        let above = place.above && self.above.blocks[place.col].skip;
        let left = place.left && self.left.blocks[place.left_row()].skip;
        self.symbols.flag(&mut self.cdfs.frame.skip[usize::from(above) + usize::from(left)])
    }

    fn read_intra_modes(&mut self, block: &mut Block) {
        /// `Intra_Mode_Context`.
        const CONTEXTS: [u8; 13] = [0, 1, 2, 3, 4, 4, 4, 4, 3, 0, 1, 2, 0];
        let place = block.place;
        let context = |available: bool, mode: u8| match available {
            true => usize::from(CONTEXTS[usize::from(mode)]),
            false => 0,
        };
        let above = context(place.above, self.above.blocks[place.col].y_mode);
        let left = context(place.left, self.left.blocks[place.left_row()].y_mode);
        block.y_mode = self.symbols.symbol(&mut self.cdfs.frame.y_mode[above][left]) as u8;
        block.angles[0] = self.read_angle(block, block.y_mode);
        if block.has_chroma {
            block.uv_mode = self.read_uv_mode(block);
            if block.uv_mode == CFL {
                block.cfl_alphas = self.read_cfl_alphas();
            }
            block.angles[1] = self.read_angle(block, block.uv_mode);
        }
        let longest = place.size.longest();
        if place.size.numbered_from_8x8() && longest <= 4 && self.header.allow_screen_content_tools {
            self.read_palettes(block);
        }
        let cdfs = &mut self.cdfs.frame;
        if self.sequence.enable_filter_intra
            && block.y_mode == DC
            && block.palette_sizes[0] == 0
            && longest <= 3
            && self.symbols.flag(&mut cdfs.filter_intra[place.size.index()])
        {
            block.filter_intra = Some(self.symbols.symbol(&mut cdfs.filter_intra_mode) as u8);
        }
    }

    /// Reads `angle_delta_y` or `angle_delta_uv`, if the mode has a direction.
    fn read_angle(&mut self, block: &Block, mode: u8) -> i8 {
        if !block.place.size.numbered_from_8x8() || !(VERTICAL..=D67).contains(&mode) {
            return 0;
        }
        self.symbols.symbol(&mut self.cdfs.frame.angle_delta[usize::from(mode - VERTICAL)]) as i8 - 3
    }

    fn read_uv_mode(&mut self, block: &Block) -> u8 {
        let size = block.place.size;
        let mode = usize::from(block.y_mode);
        let cfl = match block.lossless {
            true => size.of_chroma(self.sequence.colours.subsampling).longest() == 0,
            false => size.longest() <= 3,
        };
        let cdfs = &mut self.cdfs.frame;
        match cfl {
            true => self.symbols.symbol(&mut cdfs.uv_mode_with_cfl[mode]) as u8,
            false => self.symbols.symbol(&mut cdfs.uv_mode_without_cfl[mode]) as u8,
        }
    }

    /// `read_cfl_alphas`.
    fn read_cfl_alphas(&mut self) -> [i32; 2] {
        let cdfs = &mut self.cdfs.frame;
        let signs = self.symbols.symbol(&mut cdfs.cfl_sign) + 1;
        // 0: zero, 1: negative, 2: positive.
        let signs = [signs / 3, signs % 3];
        let mut alphas = [0; 2];
        for (plane, alpha) in alphas.iter_mut().enumerate() {
            let (sign, other) = (signs[plane], signs[1 - plane]);
            if sign != 0 {
                let size = 1 + self.symbols.symbol(&mut cdfs.cfl_alpha[(sign - 1) * 3 + other]) as i32;
                *alpha = if sign == 1 { -size } else { size };
            }
        }
        alphas
    }

    /// Whether the block above or to the left has a smooth mode (`get_filter_type`), for luma or chroma.
    pub fn smooth_neighbours(&self, block: &Block, chroma: bool) -> bool {
        let place = &block.place;
        let smooth = |mode: u8| (9..=11).contains(&mode);
        if !chroma {
            return place.above && smooth(self.above.blocks[place.col].y_mode)
                || place.left && smooth(self.left.blocks[place.left_row()].y_mode);
        }
        // Chroma is with the last of the blocks that share it.
        let [across, down] = self.sequence.colours.subsampling.map(usize::from);
        block.chroma_above && smooth(self.above.uv_modes[place.col | across])
            || block.chroma_left && smooth(self.left.uv_modes[place.left_row() | down])
    }
}
