//! What blocks leave behind for those below and to the right of them.

use super::super::sizes::BlockSize;

/// Units of four samples along a side of the largest superblock.
const SIDE: usize = 32;

/// A block as its neighbour sees it: at one unit of four samples of its lower or right edge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Neighbour {
    pub y_mode: u8,
    /// The logarithm of its side along the edge, in units of four samples.
    pub log2_side: u8,
    pub skip: bool,
    /// It is a copy (`is_inter`).
    pub copied: bool,
    /// Colours in its palettes, of luma and chroma.
    pub palette_sizes: [u8; 2],
}

/// The edge along a row of superblocks (above) or along a superblock (left).
#[derive(Clone, Debug)]
pub struct Edge {
    pub blocks: Vec<Neighbour>,
    /// `UVModes`.
    pub uv_modes: Vec<u8>,
    /// The logarithm of the side of transforms (`InterTxSizes`), in samples.
    pub transforms: Vec<u8>,
    /// Colours of palettes of luma, and of U.
    pub palettes: [Vec<[u16; 8]>; 2],
    /// `AboveLevelContext` and `AboveDcContext`, by plane.
    pub levels: [Vec<u8>; 3],
    pub dcs: [Vec<u8>; 3],
}

impl Edge {
    /// Of a length in units of four luma samples; blocks may reach beyond it.
    pub fn new(length: usize, palettes: bool) -> Edge {
        let length = length + SIDE;
        let colours = if palettes { length } else { 0 };
        Edge {
            blocks: vec![Neighbour::default(); length],
            uv_modes: vec![0; length],
            transforms: vec![0; length],
            palettes: [vec![[0; 8]; colours], vec![[0; 8]; colours]],
            levels: std::array::from_fn(|_| vec![0; length]),
            dcs: std::array::from_fn(|_| vec![0; length]),
        }
    }

    /// Of a superblock.
    pub fn left(palettes: bool) -> Edge {
        Edge::new(SIDE, palettes)
    }

    /// Bytes of an edge of this length.
    pub fn bytes(length: usize) -> u64 {
        ((length + SIDE) * 48) as u64
    }

    /// Forgets coefficients (`clear_above_context`).
    pub fn clear(&mut self) {
        for context in self.levels.iter_mut().chain(&mut self.dcs) {
            context.fill(0);
        }
    }
}

/// `BlockDecoded`: which units of four samples of a superblock, and around it, are decoded; a bit for each unit of a row.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// By plane; the first row and the first bit are those before the superblock.
    rows: [[u64; SIDE + 2]; 3],
}

impl Decoded {
    pub fn new() -> Decoded {
        Decoded { rows: [[0; SIDE + 2]; 3] }
    }

    /// `clear_block_decoded_flags`: `size` units of a superblock's side, `rest` units to the end of the tile.
    pub fn clear(&mut self, plane: usize, size: [usize; 2], rest: [usize; 2]) {
        let rows = &mut self.rows[plane];
        // As far right as the superblock and one more, if the tile reaches so far.
        let above = rest[0].min(size[0] + 1) as u32;
        rows[0] = (1 << (above + 1)) - 1;
        for (y, row) in rows[1..].iter_mut().enumerate() {
            *row = u64::from(y < rest[1] && y < size[1]);
        }
    }

    /// Whether a unit is decoded; coordinates are one more than those in the superblock.
    pub fn get(&self, plane: usize, x: usize, y: usize) -> bool {
        self.rows[plane].get(y).is_some_and(|row| row >> x & 1 != 0)
    }

    /// Marks a block as decoded.
    pub fn set(&mut self, plane: usize, [x, y]: [usize; 2], [width, height]: [usize; 2]) {
        let bits = ((1u64 << width) - 1) << (x + 1);
        for row in self.rows[plane].iter_mut().skip(y + 1).take(height) {
            *row |= bits;
        }
    }
}

/// Fills a part of a context.
pub fn fill<T: Copy>(context: &mut [T], start: usize, count: usize, value: T) {
    if let Some(part) = context.get_mut(start..start + count) {
        part.fill(value);
    }
}

/// The part of a context that a block sees, cut where the frame ends.
pub fn part<T>(context: &[T], start: usize, count: usize, end: usize) -> &[T] {
    context.get(start..(start + count).min(end)).unwrap_or_default()
}

/// The units of a block that lie in a frame of so many units.
pub fn within(start: usize, count: usize, end: usize) -> std::ops::Range<usize> {
    start..(start + count).min(end).max(start)
}

/// Where a block lies, in units of four luma samples, and what is around it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub row: usize,
    pub col: usize,
    pub size: BlockSize,
    /// `AvailU` and `AvailL`: within the tile.
    pub above: bool,
    pub left: bool,
}

impl Place {
    /// The row in contexts of a superblock.
    pub fn left_row(&self) -> usize {
        self.row % SIDE
    }
}
