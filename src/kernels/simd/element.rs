//! Element types of packed weights.

use super::{Simd, Tile};

/// An element type of packed weights. Activations, biases, sums and outputs are `f32`.
///
/// Drivers and epilogues of products are generic over it. Another type needs an implementation, a method like
/// [`Simd::tile_f32`], whose default is [`super::tile_by_vectors`], and a variant of `layers::Packed`.
pub(crate) trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Loads `LANES` elements and converts them to `f32`.
    ///
    /// # Safety
    /// `ptr..ptr + LANES` must be readable elements; no alignment is needed.
    unsafe fn load<S: Simd>(s: S, ptr: *const Self) -> S::F;

    /// Computes a register tile: `ROWS` rows of `a` times `VECTORS` vectors of columns of `w`. Each element is one chain of
    /// multiply-adds over k in ascending order; then the bias is added, then the old output.
    ///
    /// # Safety
    /// `ROWS` must be at most `S::TILE_ROWS`, `VECTORS` those of one panel or of `S::TILE_PANELS`, and [`Tile::new`] must
    /// have been called for this many rows and panels.
    unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<Self>);
}

mod sealed {
    pub(crate) trait Sealed {}

    impl Sealed for f32 {}
}

impl Element for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, ptr: *const f32) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load(ptr) }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<f32>) {
        // SAFETY: the caller's promise.
        unsafe { s.tile_f32::<ROWS, VECTORS>(t) }
    }
}
