//! Element types of packed weights.

use super::{Simd, Tile};
use crate::tensor::{Half, PANEL};

/// An element type of packed weights. Activations, biases, sums and outputs are `f32`.
///
/// Drivers and epilogues of products are generic over it. Another type needs an implementation, a method like
/// [`Simd::tile_f32`], whose default is [`super::tile::by_vectors`], and a variant of `layers::Packed`.
pub(crate) trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Whether it is `f32` itself: nothing is converted.
    const IS_FLOAT: bool = false;

    /// Loads `LANES` elements and converts them to `f32`.
    ///
    /// # Safety
    /// `ptr..ptr + LANES` must be readable elements; no alignment is needed.
    unsafe fn load<S: Simd>(s: S, ptr: *const Self) -> S::F;

    /// Computes a register tile: `ROWS` rows of `a` times `VECTORS` vectors of columns of `w`. Each element is one
    /// chain of multiply-adds over k in ascending order; then the bias is added, then the old output.
    ///
    /// # Safety
    /// `ROWS` must be at most `S::TILE_ROWS`, `VECTORS` those of one panel or of `S::TILE_PANELS`, and [`Tile::new`]
    /// must have been called for this many rows and panels.
    unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<Self>);

    /// [`Element::tile`] of a tile that keeps its columns as floats, with the same bits.
    ///
    /// # Safety
    /// As [`Element::tile`]; the tile must be one of [`Tile::keeping`].
    #[inline(always)]
    unsafe fn tile_keeping<S: Simd, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<Self>) {
        // SAFETY: the caller's promise; VECTORS are those of whole panels.
        unsafe { s.tile_f32::<ROWS, VECTORS>(&t.kept(s, VECTORS * S::LANES / PANEL)) }
    }
}

mod sealed {
    pub(crate) trait Sealed {}

    impl Sealed for f32 {}
    impl Sealed for crate::tensor::Half {}
}

impl Element for f32 {
    const IS_FLOAT: bool = true;

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

impl Element for Half {
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, ptr: *const Half) -> S::F {
        // SAFETY: the caller's promise.
        unsafe { s.load_halves(ptr) }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<Half>) {
        // SAFETY: the caller's promise.
        unsafe { s.tile_halves::<ROWS, VECTORS>(t) }
    }

    #[inline(always)]
    unsafe fn tile_keeping<S: Simd, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<Half>) {
        // SAFETY: the caller's promise.
        unsafe { s.tile_keeping_halves::<ROWS, VECTORS>(t) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::gemm::{Epilogue, Finish, Lhs, Prefetch, Rhs, gemm};
    use super::super::super::math::Activation;
    use super::super::super::strides::Strides;
    use super::super::super::{Isa, Out, Workers, reference};
    use super::super::tile::by_vectors;
    use super::*;

    /// A weight of another size than `f32`, as an example of a second type.
    #[derive(Clone, Copy)]
    struct Byte(i8);

    impl sealed::Sealed for Byte {}

    impl Element for Byte {
        #[inline(always)]
        unsafe fn load<S: Simd>(s: S, ptr: *const Byte) -> S::F {
            let mut lanes = [0.0f32; 16];
            for (i, lane) in lanes.iter_mut().take(S::LANES).enumerate() {
                // SAFETY: the caller promises LANES elements.
                *lane = unsafe { (*ptr.add(i)).0 }.into();
            }
            // SAFETY: sixteen floats hold any vector.
            unsafe { s.load(lanes.as_ptr()) }
        }

        #[inline(always)]
        unsafe fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(s: S, t: &Tile<Byte>) {
            // SAFETY: the caller's promise.
            unsafe { by_vectors::<S, Byte, ROWS, VECTORS>(s, t) }
        }
    }

    /// The drivers compute the same with every type: products have the bits of those with the converted weights, for few
    /// rows, which widen them in registers, and for many.
    #[test]
    fn products_with_another_type_have_the_bits_of_floats() {
        for (rows, k, n) in
            [(1, 5, 16), (3, 40, 50), (14, 33, 40), (30, 33, 40), (30, 800, 33), (61, 801, 70), (61, 1000, 70)]
        {
            let a = reference::noise("a", rows * k, 1.0);
            let weights = reference::noise("w", k * n, 100.0).into_iter().map(f32::trunc).collect::<Vec<_>>();
            let floats = reference::pack(&weights, k, n);
            let bytes: Vec<Byte> = floats.iter().map(|&weight| Byte(weight as i8)).collect();
            let halves: Vec<Half> = floats.iter().map(|&weight| Half(half::f16::from_f32(weight).to_bits())).collect();
            let bias = reference::noise("bias", n.next_multiple_of(16), 1.0);
            for isa in Isa::available() {
                for finish in [Finish::Store, Finish::Accumulate, Finish::Activate(Activation::Relu)] {
                    let epilogue = Epilogue { bias: Some(&bias), finish };
                    let a = Lhs { data: &a, strides: Strides::rows(k), rows, k };
                    let exact = product(isa, a, Rhs::packed(&floats, k, n), epilogue);
                    assert_eq!(product(isa, a, Rhs::packed(&bytes, k, n), epilogue), exact, "{isa:?} {rows} {k} {n}");
                    assert_eq!(product(isa, a, Rhs::packed(&halves, k, n), epilogue), exact, "{isa:?} {rows} {k} {n}");
                }
            }
        }
    }

    fn product<W: Element>(isa: Isa, a: Lhs<'_>, w: Rhs<'_, W>, epilogue: Epilogue<'_>) -> Vec<f32> {
        let mut out = vec![1.5; a.rows * w.n];
        let next = Some(Prefetch::new(w.data, w.k));
        let to = Out::new(&mut out, Strides::rows(w.n));
        gemm(isa, Workers::without_delay().team(), a, w, epilogue, next, to);
        // Activations in blocks, as between layers, have their own way of prefetching.
        let blocks = reference::block(a.data, a.rows, a.k, a.k);
        let blocked = Lhs { data: &blocks, strides: Strides::blocked(a.rows), ..a };
        let mut again = vec![1.5; a.rows * w.n];
        let to = Out::new(&mut again, Strides::rows(w.n));
        gemm(isa, Workers::without_delay().team(), blocked, w, epilogue, None, to);
        assert_eq!(out, again);
        out
    }
}
