//! Prediction of blocks (section 7.11): intra modes, chroma from luma, palettes, copies of the same frame.
//!
//! Everything is written into the plane at once. A block outside of what the plane has allocated is ignored.

mod chroma;
mod copies;
mod directional;
mod edges;
mod flat;
#[cfg(test)]
mod tests;

use super::plane::Plane;
pub use chroma::{Cfl, cfl};
pub use copies::{Copy, copy, palette};

/// Intra prediction modes, in the numbering of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    Dc,
    Vertical,
    Horizontal,
    D45,
    D135,
    D113,
    D157,
    D203,
    D67,
    Smooth,
    SmoothVertical,
    SmoothHorizontal,
    Paeth,
}

impl Mode {
    /// All modes by their numbers. `UV_CFL_PRED` (13) is not among them: it predicts with [`Mode::Dc`] and then [`cfl`].
    pub const ALL: [Mode; 13] = [
        Mode::Dc,
        Mode::Vertical,
        Mode::Horizontal,
        Mode::D45,
        Mode::D135,
        Mode::D113,
        Mode::D157,
        Mode::D203,
        Mode::D67,
        Mode::Smooth,
        Mode::SmoothVertical,
        Mode::SmoothHorizontal,
        Mode::Paeth,
    ];
}

/// What [`intra`] predicts: one transform block.
#[derive(Clone, Copy, Debug)]
pub struct Intra {
    /// Position in samples of the plane.
    pub x: usize,
    pub y: usize,
    /// Sides, 2 to 6.
    pub log2_width: u32,
    pub log2_height: u32,
    pub mode: Mode,
    /// `AngleDeltaY` or `AngleDeltaUV`, -3 to 3; zero for modes without a direction.
    pub angle_delta: i32,
    /// Which neighbours are decoded and may be used (`haveLeft`, `haveAbove`, `haveAboveRt`, `haveBelowLft`).
    pub have_left: bool,
    pub have_above: bool,
    pub have_above_right: bool,
    pub have_below_left: bool,
    /// `enable_intra_edge_filter`.
    pub edge_filter: bool,
    /// `filterType`: whether the block above or to the left uses a smooth mode (`get_filter_type`).
    pub smooth_neighbours: bool,
    /// `filter_intra_mode` (0 to 4) if `use_filter_intra` is set and this is luma; `mode` is then ignored.
    pub filter_intra: Option<u8>,
    pub bits: u32,
    /// Samples across and down that hold decoded blocks: `maxX + 1` and `maxY + 1` of section 7.11.2.
    pub limits: [usize; 2],
}

/// Predicts a block from the samples around it.
pub fn intra(plane: &mut Plane, block: &Intra) {
    let sides = 2..=6;
    let [width, height] = [block.log2_width, block.log2_height].map(|side| 1 << side.min(6));
    let exists = sides.contains(&block.log2_width) && sides.contains(&block.log2_height);
    if !exists || !plane.holds(block.x, block.y, width, height) {
        return;
    }
    match (block.filter_intra, directional::base_angle(block.mode)) {
        (Some(mode), _) => flat::recursive(plane, block, mode),
        (None, Some(angle)) => directional::directional(plane, block, angle),
        (None, None) => flat::flat(plane, block),
    }
}

/// Calls `paint` with each row of the block.
#[inline(always)]
fn rows(plane: &mut Plane, block: &Intra, mut paint: impl FnMut(usize, &mut [u16])) {
    let [width, height] = [1usize << block.log2_width, 1usize << block.log2_height];
    for y in 0..height {
        paint(y, &mut plane.row_mut(block.y + y)[block.x..block.x + width]);
    }
}
