//! Weights of other types than `f32` as floats in memory, for blocks that many tiles multiply.

use std::cell::Cell;

use super::super::Isa;
use super::super::simd::{Element, Kernel, Simd};
use super::super::team::Team;
use super::PANEL;
use crate::tensor::AlignedBuf;

/// Tiles from which on the weights of a block are widened once, in memory: fewer widen them in registers, each for itself,
/// which takes up to a thirteenth of the time of a tile.
const WIDENED_FROM: usize = 4;

/// Elements that are widened at a time by one of several threads: a memory page of halves.
const PIECE: usize = 2048;

thread_local! {
    /// The widened weights of a block: a pair of panels of [`K_BLOCK`](super::tile::K_BLOCK) steps.
    static WIDE: Cell<AlignedBuf> = Cell::default();
}

/// Widens steps of a panel, `k_stride` elements apart, to `steps`, sixteen floats each.
///
/// # Safety
/// Sixteen elements of each step must be readable.
#[inline(always)]
pub(super) unsafe fn widen<S: Simd, W: Element>(s: S, w: *const W, k_stride: usize, steps: &mut [f32]) {
    for (step, columns) in steps.chunks_exact_mut(PANEL).enumerate() {
        let from = w.wrapping_add(step.wrapping_mul(k_stride));
        for c in (0..PANEL).step_by(S::LANES) {
            // SAFETY: the caller promises sixteen elements; `columns` has sixteen floats, and LANES divides sixteen.
            unsafe { s.store(columns.as_mut_ptr().add(c), W::load(s, from.wrapping_add(c))) }
        }
    }
}

/// Widens two matrices in whole panels that lie in one piece each, the second behind the first, to as many floats as they
/// have elements.
///
/// Panics if their lengths are not those of panels, or together not that of `to`.
pub(super) fn widen_both<W: Element>(isa: Isa, team: Team<'_>, first: &[W], second: &[W], to: &mut [f32]) {
    assert!(first.len().is_multiple_of(PANEL) && second.len().is_multiple_of(PANEL), "weights that are not panels");
    assert_eq!(to.len(), first.len() + second.len());
    team.rows(to, PIECE, 1, |i, to| {
        let start = i * PIECE;
        let of_first = first.len().saturating_sub(start).min(to.len());
        let (to_first, to_second) = to.split_at_mut(of_first);
        if !to_first.is_empty() {
            isa.run(Piece { w: &first[start..], to: to_first });
        }
        if !to_second.is_empty() {
            isa.run(Piece { w: &second[start + of_first - first.len()..], to: to_second });
        }
    });
}

/// Steps that follow each other, and the floats that they become.
struct Piece<'a, W> {
    w: &'a [W],
    to: &'a mut [f32],
}

impl<W: Element> Kernel for Piece<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        assert!(self.w.len() >= self.to.len(), "weights shorter than their floats");
        // SAFETY: there are as many elements as floats, and the steps follow each other.
        unsafe { widen(s, self.w.as_ptr(), PANEL, self.to) }
    }
}

/// Memory for widened weights, that of the thread while it is in use.
#[derive(Default)]
pub(super) struct Wide(Option<AlignedBuf>);

impl Wide {
    /// Widens the `steps` of `count` panels if that pays for so many tiles. Returns where they are, with the strides of steps
    /// and panels; `None` if they are to be used as they are, also if there is no memory.
    ///
    /// # Safety
    /// The steps of `count` whole panels must be readable.
    #[inline(always)]
    pub(super) unsafe fn of<S: Simd, W: Element>(
        &mut self,
        s: S,
        (w, k_stride, panel_stride): (*const W, usize, usize),
        steps: usize,
        count: usize,
        tiles: usize,
    ) -> Option<(*const f32, usize, usize)> {
        if W::IS_FLOAT || tiles < WIDENED_FROM {
            return None;
        }
        let (panel, len) = (steps * PANEL, count * steps * PANEL);
        let wide = self.0.get_or_insert_with(|| WIDE.take());
        if wide.len() < len {
            *wide = AlignedBuf::try_zeros(len)?;
        }
        for (p, panel) in wide.chunks_exact_mut(panel).take(count).enumerate() {
            // SAFETY: the caller promises whole panels of so many steps.
            unsafe { widen(s, w.wrapping_add(p.wrapping_mul(panel_stride)), k_stride, panel) }
        }
        Some((wide.as_ptr(), PANEL, panel))
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            WIDE.set(buffer);
        }
    }
}
