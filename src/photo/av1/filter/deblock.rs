//! The loop filter (section 7.14): smooths the edges of transform blocks.

use super::super::plane::Plane;

/// What the filter has to know of 4 x 4 samples of a plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Sides of the transform block that covers it (`LoopfilterTxSizes`), 2 to 6.
    pub log2_width: u8,
    pub log2_height: u8,
    /// Strength for vertical edges (pass 0) and for horizontal ones (pass 1), 0 to 63: `lvl` of section 7.14.4 after segments
    /// and deltas. Of chroma, that of the luma block at (`row | subsampling_y`, `col | subsampling_x`).
    pub level: [u8; 2],
}

/// The cells of a plane. Every edge of a transform block is filtered: frames with intra blocks (and copies) alone have no others.
#[derive(Clone, Debug)]
pub struct Edges {
    /// Row by row; at least `plane.width.div_ceil(4)` in each of `plane.height.div_ceil(4)` rows.
    pub cells: Vec<Cell>,
    /// Cells of a row.
    pub across: usize,
}

/// Filters one plane. The caller leaves out chroma planes whose `loop_filter_level` is zero, and all planes if both levels of
/// luma are.
pub fn deblock(plane: &mut Plane, edges: &Edges, is_luma: bool, sharpness: u8, bits: u32) {
    todo!("{plane:?} {edges:?} {is_luma} {sharpness} {bits}")
}
