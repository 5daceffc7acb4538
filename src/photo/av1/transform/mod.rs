//! Inverse transforms (section 7.13), added to the prediction (section 7.12.3, step 3).

mod adst;
mod butterfly;
mod dct;
mod two_dimensional;

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
    /// The transform of Walsh and Hadamard; 4 x 4 alone.
    pub lossless: bool,
    /// Every coefficient that is not zero lies in so many first columns and rows; an upper bound will do.
    pub extent: [usize; 2],
    pub bits: u32,
}

/// Transforms dequantised coefficients and adds them to the plane.
///
/// `coefficients` is `Dequant` by rows: `min(width, 32)` in each of `min(height, 32)` rows, clipped to `8 + bits` bits. What lies
/// within `extent` is zero afterwards, so that the next block finds zeros. A block outside of the plane is ignored, and so is
/// one of a size that does not exist.
pub fn inverse_add(plane: &mut Plane, block: &Block, coefficients: &mut [i32]) {
    let [width, height] = [1 << block.log2_width.min(6), 1 << block.log2_height.min(6)];
    if plane.holds(block.x, block.y, width, height) {
        two_dimensional::inverse_add(plane, block, coefficients);
    }
    let stride = width.min(32);
    for row in coefficients.chunks_mut(stride).take(block.extent[1]) {
        let end = block.extent[0].min(row.len());
        row[..end].fill(0);
    }
}
