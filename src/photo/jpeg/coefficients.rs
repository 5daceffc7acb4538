//! The coefficients of a photo whose scans do not come all at once, and where they are not zero.

use super::super::decode_error::{DecodeError, try_filled};
use super::frame::{Component, Frame};
use crate::budget::Budget;
pub(super) use crate::kernels::pixels::idct::Block;

/// The zigzag positions of coefficients that are not zero; that of the DC coefficient does not count.
pub(super) type Mask = u64;

/// Returns the zigzag positions from `start` to `end`, both at most 63.
#[inline(always)]
pub(super) fn places(start: usize, end: usize) -> Mask {
    (u64::MAX << (start & 63)) & (u64::MAX >> ((63 - end) & 63))
}

/// Size of the coefficients of a block, and of their mask.
pub(super) const BLOCK_BYTES: u64 = (size_of::<Block>() + size_of::<Mask>()) as u64;

/// The coefficients of a component: rows of blocks.
pub(super) struct Plane {
    across: usize,
    /// Numbers, because only for those `vec!` maps zeroed memory.
    values: Vec<i16>,
    masks: Vec<Mask>,
}

impl Plane {
    /// Allocates zeroed coefficients. Their memory is not touched before they are written.
    fn zero(component: &Component) -> Result<Plane, DecodeError> {
        let (across, down) = (component.blocks_across, component.blocks_down);
        Ok(Plane { across, values: try_filled(across, down, 64, 0i16)?, masks: try_filled(across, down, 1, 0u64)? })
    }

    /// Allocates the coefficients of all components.
    pub fn zeros(frame: &Frame, budget: &Budget) -> Result<Vec<Plane>, DecodeError> {
        budget.memory(frame.blocks() * BLOCK_BYTES)?;
        frame.components.iter().map(Plane::zero).collect()
    }

    /// Returns all blocks.
    pub fn blocks(&self) -> &[Block] {
        self.values.as_chunks().0
    }

    /// Returns a row of blocks.
    pub fn row(&self, row: usize) -> (&[Block], &[Mask]) {
        let range = row * self.across..(row + 1) * self.across;
        (&self.blocks()[range.clone()], &self.masks[range])
    }

    /// Returns a row of blocks.
    pub fn row_mut(&mut self, row: usize) -> (&mut [Block], &mut [Mask]) {
        let range = row * self.across..(row + 1) * self.across;
        (&mut self.values.as_chunks_mut().0[range.clone()], &mut self.masks[range])
    }
}
