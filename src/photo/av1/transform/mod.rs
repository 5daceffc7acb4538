//! Inverse transforms (section 7.13), added to the prediction (section 7.12.3, step 3).

use super::plane::Plane;

/// A transform block.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Position in samples of the plane.
    pub x: usize,
    pub y: usize,
    /// Sides, 2 to 6, of which the ratio is at most four.
    pub log2_width: u32,
    pub log2_height: u32,
    /// `PlaneTxType` in the numbering of the specification: 0 `DCT_DCT`, 9 `IDTX`, 15 `H_FLIPADST`. Ignored if `lossless`.
    pub tx_type: u8,
    /// The Walsh-Hadamard transform; 4 x 4 alone.
    pub lossless: bool,
    /// Every coefficient that is not zero lies in so many first columns and rows; an upper bound will do.
    pub extent: [usize; 2],
    pub bits: u32,
}

/// Transforms dequantised coefficients and adds them to the plane.
///
/// `coefficients` is `Dequant` by rows: `min(width, 32)` in each of `min(height, 32)` rows, clipped to `8 + bits` bits. What lies
/// within `extent` is zero afterwards, so that the next block finds zeros.
pub fn inverse_add(plane: &mut Plane, block: &Block, coefficients: &mut [i32]) {
    todo!("{plane:?} {block:?} {coefficients:?}")
}
