//! Weights of other types than `f32` as floats in memory, for products that multiply them many times.

use std::cell::Cell;

use super::super::Isa;
use super::super::simd::{Element, Kernel, Simd};
use super::super::team::Team;
use super::PANEL;
use crate::tensor::AlignedBuf;

/// Elements that are widened at a time by one of several threads: a memory page of halves.
const PIECE: usize = 2048;

thread_local! {
    /// The widened weights of a block: a pair of panels of [`K_BLOCK`](super::tile::K_BLOCK) steps.
    static WIDE: Cell<AlignedBuf> = Cell::default();
}

/// Widens a matrix in whole panels that lie in one piece to as many floats, by all threads together.
///
/// Panics if the lengths differ or are not those of panels.
pub(super) fn widen<W: Element>(isa: Isa, team: Team<'_>, w: &[W], to: &mut [f32]) {
    assert!(
        w.len() == to.len() && w.len().is_multiple_of(PANEL),
        "weights that are not panels, or longer than their floats"
    );
    team.rows(to, PIECE, 1, |i, to| isa.run(Piece { w: &w[i * PIECE..][..to.len()], to }));
}

/// Steps that follow each other, and the floats that they become, as many.
struct Piece<'a, W> {
    w: &'a [W],
    to: &'a mut [f32],
}

impl<W: Element> Kernel for Piece<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for (from, to) in self.w.chunks_exact(S::LANES).zip(self.to.chunks_exact_mut(S::LANES)) {
            // SAFETY: both have LANES elements.
            unsafe { s.store(to.as_mut_ptr(), W::load(s, from.as_ptr())) }
        }
    }
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
