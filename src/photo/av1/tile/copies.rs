//! Blocks that are copied from the same frame (`use_intrabc`): motion vectors (sections 5.11.26, 5.11.31, 5.11.32 and 7.10.2)
//! and where they may point (section 6.10.25).

use super::super::super::decode_error::DecodeError;
use super::Decoder;
use super::block::Block;

/// A motion vector: down and across, in eighths of a sample.
type Vector = [i32; 2];

/// `MAX_REF_MV_STACK_SIZE`.
const MOST: usize = 8;

/// `MV_BORDER`.
const BORDER: i32 = 128;

/// Motion vectors of the neighbourhood, the most frequent first.
#[derive(Default)]
struct Stack {
    vectors: [(Vector, u32); MOST],
    count: usize,
}

impl Stack {
    fn add(&mut self, vector: Vector, weight: u32) {
        match self.vectors[..self.count].iter_mut().find(|(known, _)| *known == vector) {
            Some((_, sum)) => *sum += weight,
            None if self.count < MOST => {
                self.vectors[self.count] = (vector, weight);
                self.count += 1;
            }
            None => {}
        }
    }
}

impl Decoder<'_> {
    /// Reads the motion vector of a copied block (`assign_mv`).
    pub fn read_vector(&mut self, block: &Block) -> Result<Vector, DecodeError> {
        let stack = self.find_vectors(block);
        // Those that were not found are zero.
        let candidates = [stack.vectors[0].0, stack.vectors[1].0];
        let found = candidates.into_iter().find(|vector| *vector != [0, 0]);
        let [row, col] = found.unwrap_or_else(|| {
            let side = if self.sequence.use_128x128_superblock { 32 } else { 16 };
            match block.place.row < self.bounds.row_start + side {
                true => [0, -(side as i32 * 4 + 256) * 8],
                false => [-(side as i32) * 32, 0],
            }
        });
        let joint = self.symbols.symbol(&mut self.cdfs.frame.mv_joint);
        let down = if joint & 2 != 0 { self.read_component(0) } else { 0 };
        let across = if joint & 1 != 0 { self.read_component(1) } else { 0 };
        let vector = [row + down, col + across];
        match self.is_valid(block, vector) {
            true => Ok(vector),
            false => Err(DecodeError::damaged("it copies a block that is not there yet")),
        }
    }

    /// `read_mv_component` of whole samples.
    fn read_component(&mut self, axis: usize) -> i32 {
        let cdfs = &mut self.cdfs.frame;
        let negative = self.symbols.flag(&mut cdfs.mv_sign[axis]);
        let class = self.symbols.symbol(&mut cdfs.mv_class[axis]);
        let size = match class {
            0 => (i32::from(self.symbols.flag(&mut cdfs.mv_class0_bit[axis])) + 1) << 3,
            _ => {
                let bit = |index: usize| i32::from(self.symbols.flag(&mut cdfs.mv_bit[axis][index])) << index;
                let whole: i32 = (0..class).map(bit).sum();
                (2 << (class + 2)) + ((whole + 1) << 3)
            }
        };
        if negative { -size } else { size }
    }

    /// `find_mv_stack` for copies.
    fn find_vectors(&self, block: &Block) -> Stack {
        let size = block.place.size;
        let mut stack = Stack::default();
        self.scan_row(block, -1, &mut stack);
        self.scan_col(block, -1, &mut stack);
        if size.longest() <= 4 {
            self.scan_point(block, -1, size.width4() as isize, &mut stack);
        }
        let nearest = stack.count;
        self.scan_point(block, -1, -1, &mut stack);
        self.scan_row(block, -3, &mut stack);
        self.scan_col(block, -3, &mut stack);
        if size.log2_height > 0 {
            self.scan_row(block, -5, &mut stack);
        }
        if size.log2_width > 0 {
            self.scan_col(block, -5, &mut stack);
        }
        // Stable, each part by itself: what is adjacent stays before the rest.
        let count = stack.count;
        let heaviest_first = |&(_, weight): &(Vector, u32)| std::cmp::Reverse(weight);
        stack.vectors[..nearest].sort_by_key(heaviest_first);
        stack.vectors[nearest..count].sort_by_key(heaviest_first);
        self.clamp_vectors(block, &mut stack);
        stack
    }

    fn scan_row(&self, block: &Block, delta_row: isize, stack: &mut Stack) {
        let place = &block.place;
        let width = place.size.width4();
        let end = width.min(self.header.mi_cols - place.col).min(16);
        let far = delta_row < -1;
        let (delta_row, delta_col) = match far {
            true => (delta_row + (place.row & 1) as isize, 1 - (place.col & 1)),
            false => (delta_row, 0),
        };
        // A far row may become an adjacent one.
        let far = delta_row < -1;
        let mut index = 0;
        while index < end {
            let length = self.add_candidate(
                place.row as isize + delta_row,
                (place.col + delta_col + index) as isize,
                stack,
                |info| {
                    let length = width.min(1 << info.log2_width);
                    let length = if far { length.max(2) } else { length };
                    if width >= 16 { length.max(4) } else { length }
                },
            );
            let Some(length) = length else { break };
            index += length;
        }
    }

    fn scan_col(&self, block: &Block, delta_col: isize, stack: &mut Stack) {
        let place = &block.place;
        let height = place.size.height4();
        let end = height.min(self.header.mi_rows - place.row).min(16);
        let far = delta_col < -1;
        let (delta_row, delta_col) = match far {
            true => (1 - (place.row & 1), delta_col + (place.col & 1) as isize),
            false => (0, delta_col),
        };
        let far = delta_col < -1;
        let mut index = 0;
        while index < end {
            let length = self.add_candidate(
                (place.row + delta_row + index) as isize,
                place.col as isize + delta_col,
                stack,
                |info| {
                    let length = height.min(1 << info.log2_height);
                    let length = if far { length.max(2) } else { length };
                    if height >= 16 { length.max(4) } else { length }
                },
            );
            let Some(length) = length else { break };
            index += length;
        }
    }

    fn scan_point(&self, block: &Block, delta_row: isize, delta_col: isize, stack: &mut Stack) {
        // A weight of four.
        let place = &block.place;
        self.add_candidate(place.row as isize + delta_row, place.col as isize + delta_col, stack, |_| 2);
    }

    /// Adds the vector of a decoded block, if it is a copy, with twice a length as its weight. Returns the length; `None`
    /// outside of the tile.
    fn add_candidate(
        &self,
        row: isize,
        col: isize,
        stack: &mut Stack,
        length: impl FnOnce(&super::super::picture::BlockInfo) -> usize,
    ) -> Option<usize> {
        let (row, col) = (usize::try_from(row).ok()?, usize::try_from(col).ok()?);
        if !self.bounds.contain(row, col) {
            return None;
        }
        let info = self.picture.blocks.get(row * self.header.mi_cols + col)?;
        let length = length(info);
        if let Some(vector) = info.copied.filter(|_| info.decoded) {
            stack.add(vector.map(i32::from), 2 * length as u32);
        }
        Some(length)
    }

    /// Moves vectors that point far out of the frame nearer to it.
    fn clamp_vectors(&self, block: &Block, stack: &mut Stack) {
        let place = &block.place;
        let (width, height) = (place.size.width4(), place.size.height4());
        let range = |start: usize, count: usize, end: usize| {
            // Eighths of a sample in a unit of four.
            let (start, count, end) = (32 * start as i32, 32 * count as i32, 32 * end as i32);
            let border = BORDER + count;
            (-start - border, end - count - start + border)
        };
        let rows = range(place.row, height, self.header.mi_rows);
        let cols = range(place.col, width, self.header.mi_cols);
        for (vector, _) in &mut stack.vectors[..stack.count] {
            // The blocks at the ends of a frame may be larger than what is left of it.
            *vector = [vector[0].max(rows.0).min(rows.1), vector[1].max(cols.0).min(cols.1)];
        }
    }

    /// `is_mv_valid`: the source is decoded, and not so near that decoders in parallel could not have it.
    fn is_valid(&self, block: &Block, vector: Vector) -> bool {
        const DELAY: i32 = 4;
        if vector.iter().any(|part| part.abs() >= 1 << 14 || part & 7 != 0) {
            return false;
        }
        let place = &block.place;
        let [width, height] = [place.size.width4() as i32 * 4, place.size.height4() as i32 * 4];
        let [row, col] = [place.row as i32 * 4, place.col as i32 * 4];
        let (mut top, mut left) = (row + (vector[0] >> 3), col + (vector[1] >> 3));
        let (bottom, right) = (top + height, left + width);
        let [across, down] = self.sequence.colours.subsampling;
        if block.has_chroma {
            left -= if width < 8 && across { 4 } else { 0 };
            top -= if height < 8 && down { 4 } else { 0 };
        }
        let bounds = &self.bounds;
        let [row_start, row_end, col_start, col_end] =
            [bounds.row_start, bounds.row_end, bounds.col_start, bounds.col_end].map(|side| side as i32);
        if top < row_start * 4 || left < col_start * 4 || bottom > row_end * 4 || right > col_end * 4 {
            return false;
        }
        let large = self.sequence.use_128x128_superblock;
        let side = if large { 128 } else { 64 };
        let (active_row, active_col) = (row / side, col >> 6);
        let (source_row, source_col) = ((bottom - 1) / side, (right - 1) >> 6);
        let in_row = ((col_end - col_start - 1) >> 4) + 1;
        if source_row * in_row + source_col >= active_row * in_row + active_col - DELAY {
            return false;
        }
        let gradient = 1 + DELAY + i32::from(large);
        source_row <= active_row && source_col < active_col - DELAY + gradient * (active_row - source_row)
    }
}
