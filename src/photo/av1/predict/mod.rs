//! Prediction of blocks (section 7.11): intra modes, chroma from luma, palettes, copies of the same frame.
//!
//! Everything is written into the plane at once. A block outside of what the plane has allocated is ignored.

use super::plane::Plane;

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
    todo!("{plane:?} {block:?}")
}

/// What [`cfl`] predicts: one transform block of a chroma plane that [`intra`] has filled with [`Mode::Dc`].
#[derive(Clone, Copy, Debug)]
pub struct Cfl {
    /// Position in samples of the chroma plane.
    pub x: usize,
    pub y: usize,
    /// Sides, 2 to 5.
    pub log2_width: u32,
    pub log2_height: u32,
    /// `CflAlphaU` or `CflAlphaV`.
    pub alpha: i32,
    /// Shifts of chroma against luma, across and down.
    pub shifts: [u32; 2],
    /// Where decoded luma ends (`MaxLumaW`, `MaxLumaH`).
    pub luma_end: [usize; 2],
    pub bits: u32,
}

/// Adds the scaled differences of luma to a predicted block of chroma.
pub fn cfl(luma: &Plane, chroma: &mut Plane, block: &Cfl) {
    todo!("{luma:?} {chroma:?} {block:?}")
}

/// Paints a block of `size` (width, height) at `at` with the colours of a palette. `indices` has a row of `stride` for each row
/// of samples; the first is that of the block's corner. An index beyond the palette paints zero.
pub fn palette(plane: &mut Plane, at: [usize; 2], size: [usize; 2], colours: &[u16], indices: &[u8], stride: usize) {
    todo!("{plane:?} {at:?} {size:?} {colours:?} {indices:?} {stride}")
}

/// What [`copy`] predicts: a block of one plane with one motion vector (`use_intrabc`).
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// Position and sides in samples of the plane. What lies outside of the plane is left out.
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
    /// The motion vector in eighths of a luma sample: `mv[0]` (down), `mv[1]` (across); whole samples of luma.
    pub mv: [i32; 2],
    /// Shifts of this plane against luma, across and down.
    pub shifts: [u32; 2],
    /// Samples across and down that hold decoded blocks: `lastX + 1` and `lastY + 1` of section 7.11.3.4.
    pub limits: [usize; 2],
}

/// Copies a block of the same plane; chroma may lie between samples, which are then averaged.
pub fn copy(plane: &mut Plane, block: &Copy) {
    todo!("{plane:?} {block:?}")
}
