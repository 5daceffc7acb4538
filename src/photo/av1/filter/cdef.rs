//! The constrained directional enhancement filter (section 7.15): removes ringing along the direction of each 8 x 8 block.

use super::super::plane::Frame;

/// Parameters of the filter.
#[derive(Clone, Debug)]
pub struct Cdef {
    /// `CdefDamping`, 3 to 6.
    pub damping: u32,
    /// `cdef_y_pri_strength` and the others, by index. The secondary strengths are 0, 1, 2 or 4 (a coded 3 means 4).
    pub luma_primary: [u8; 8],
    pub luma_secondary: [u8; 8],
    pub chroma_primary: [u8; 8],
    pub chroma_secondary: [u8; 8],
    /// `cdef_idx` of each 64 x 64 luma samples, row by row, `frame.width.div_ceil(64)` in a row; -1 filters nothing.
    pub indices: Vec<i8>,
    /// Whether all four `Skips` of 8 x 8 luma samples are set, row by row, `frame.width.div_ceil(8)` in a row.
    pub skips: Vec<bool>,
}

/// Filters a deblocked frame into a copy of it. Both hold `MiCols * 4` samples across, of which all count as available.
pub fn cdef(source: &Frame, filtered: &mut Frame, parameters: &Cdef) {
    todo!("{source:?} {filtered:?} {parameters:?}")
}
