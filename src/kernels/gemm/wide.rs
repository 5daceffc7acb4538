//! Weights of other types than `f32` as floats in memory, for products that multiply them many times.

use std::cell::Cell;

use super::super::simd::{Element, Simd};
use super::PANEL;
use crate::tensor::AlignedBuf;

thread_local! {
    /// The widened weights of a block: a pair of panels of [`K_BLOCK`](super::tile::K_BLOCK) steps.
    static WIDE: Cell<AlignedBuf> = Cell::default();
}

/// Memory for the columns of a block that its first tile keeps as floats, that of the thread while it is in use.
#[derive(Default)]
pub(super) struct Wide(Option<AlignedBuf>);

impl Wide {
    /// Room for the `steps` of `count` panels if keeping them pays for so many tiles; `None` if they are to be used as they
    /// are, also if there is no memory.
    #[inline(always)]
    pub(super) fn room<S: Simd, W: Element>(&mut self, steps: usize, count: usize, tiles: usize) -> Option<*mut f32> {
        if W::IS_FLOAT || tiles < S::KEEP_FROM {
            return None;
        }
        let len = count * steps * PANEL;
        let wide = self.0.get_or_insert_with(|| WIDE.take());
        if wide.len() < len {
            *wide = AlignedBuf::try_zeros(len)?;
        }
        Some(wide.as_mut_ptr())
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            WIDE.set(buffer);
        }
    }
}
