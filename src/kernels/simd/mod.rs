//! Vectors of `f32`: one trait that kernels are written over, one file for each instruction set.
//!
//! An implementation is a token that exists only where the instructions do. Its methods are `inline(always)` and become
//! single instructions inside of [`Simd::run`], which is compiled with the features of the set.

#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
#[macro_use]
mod tile_rows;

#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod avx2;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod avx512;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
mod avx512_activation;
mod element;
#[cfg(feature = "library")]
pub(super) mod integers;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;
pub(super) mod quads;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
pub(super) mod sse;
pub(super) mod tile;
#[cfg_attr(not(feature = "decode"), allow(dead_code, reason = "resizing needs a part of it"))]
pub(super) mod words;

use super::math;
use crate::tensor::{Half, PANEL};
pub(crate) use element::Element;
pub(crate) use quads::{
    MOST_PANELS, MOST_ROWS, QUAD, QUAD_BYTES, QuadFetch, QuadShape, QuadTile, SPLIT_AT, SPLIT_PARTS, Split, SplitRow,
};
#[cfg(test)]
pub(crate) use quads::{MOST_SIGNED, SIGNED};
use tile::by_vectors;
pub(crate) use tile::{Fetch, Tile};

/// A computation that is compiled once for each instruction set. `call` must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// Result of the computation.
    type Output;

    /// Runs the computation with the vectors of `simd`.
    fn call<S: Simd>(self, simd: S) -> Self::Output;
}

/// Vectors of an instruction set. `LANES` divides 16, so that a panel is a whole number of vectors.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// A vector of `LANES` floats.
    type F: Copy;

    /// Floats in a vector: 4, 8 or 16.
    const LANES: usize;
    /// Whether [`Simd::mul_add`] is one instruction.
    const FUSED: bool = true;
    /// Vector registers.
    const REGISTERS: usize;
    /// Rows of the largest product tile that stays in registers.
    const TILE_ROWS: usize;
    /// Panels of 16 columns in that tile: 1 or 2.
    const TILE_PANELS: usize;
    /// Tiles of the same weights from which on the first keeps them as floats for the others: fewer widen them in
    /// registers, each for itself.
    const KEEP_FROM: usize = 4;

    /// Runs `kernel` in a function that is compiled with the features of this set.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    /// A vector with `value` in all lanes.
    fn splat(self, value: f32) -> Self::F;
    /// # Safety
    /// `ptr..ptr + LANES` must be readable floats; no alignment is needed.
    unsafe fn load(self, ptr: *const f32) -> Self::F;
    /// The values of `LANES` halves, exact.
    ///
    /// # Safety
    /// `ptr..ptr + LANES` must be readable halves; no alignment is needed.
    unsafe fn load_halves(self, ptr: *const Half) -> Self::F;
    /// # Safety
    /// `ptr..ptr + LANES` must be writable floats; no alignment is needed.
    unsafe fn store(self, ptr: *mut f32, value: Self::F);
    /// `LANES` integers as floats, rounded to nearest.
    ///
    /// # Safety
    /// `ptr..ptr + LANES` must be readable integers; no alignment is needed.
    unsafe fn load_integers(self, ptr: *const i32) -> Self::F;
    /// Stores integers in −128 ..= 127, given as floats plus [`ROUND`] (see there), as bytes, after adding `offset` (0 or
    /// 128).
    ///
    /// # Safety
    /// `ptr..ptr + LANES` must be writable bytes; no alignment is needed.
    #[inline(always)]
    unsafe fn store_bytes(self, ptr: *mut u8, value: Self::F, offset: u8) {
        let mut lanes = [0.0f32; 16];
        // SAFETY: sixteen floats hold any vector, and the caller promises LANES bytes.
        unsafe {
            self.store(lanes.as_mut_ptr(), value);
            for (i, lane) in lanes.iter().take(Self::LANES).enumerate() {
                // The low byte of the bits is the integer's.
                *ptr.add(i) = lane.to_bits() as u8 ^ offset;
            }
        }
    }
    /// `a + b`
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b`
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, in one rounding where the set has it.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The smaller of each lane; `b` where `a` is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger of each lane; `b` where `a` is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `2^n · a` for integers `n` in −126 ..= 127, given as floats plus [`ROUND`] (see there).
    fn scale_by_power_of_two(self, a: Self::F, n_plus_round: Self::F) -> Self::F;
    /// The sum of the lanes, added pairwise in a fixed order.
    fn sum(self, a: Self::F) -> f32;
    /// The largest lane.
    fn largest(self, a: Self::F) -> f32;

    /// [`math::exp2`], or a faster version with no larger an error. Below −126 the result is between 2^x and 2^−126.
    #[inline(always)]
    fn exp2(self, x: Self::F) -> Self::F {
        math::exp2(self, x)
    }

    /// [`math::gelu`], or a faster version with no larger an error.
    #[inline(always)]
    fn gelu(self, x: Self::F) -> Self::F {
        math::gelu(self, x)
    }

    /// [`math::quick_gelu`], or a faster version with no larger an error.
    #[inline(always)]
    fn quick_gelu(self, x: Self::F) -> Self::F {
        math::quick_gelu(self, x)
    }

    /// Transposes sixteen columns of `rows` rows, `stride` floats apart: element (r, c) goes to `to[16 · c + r]`. The
    /// last row is repeated up to sixteen rows.
    ///
    /// # Safety
    /// 1 to 16 rows of 16 floats must be readable, 256 floats writable.
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, stride: usize, rows: usize, to: *mut f32) {
        for r in 0..16 {
            for c in 0..16 {
                // SAFETY: what the caller promises.
                unsafe { *to.add(16 * c + r) = *from.add(r.min(rows - 1) * stride + c) }
            }
        }
    }

    /// The tile of [`Element::tile`] for weights of `f32`: [`tile::by_vectors`], or a faster version with the same bits.
    ///
    /// # Safety
    /// See [`Element::tile`].
    #[inline(always)]
    unsafe fn tile_f32<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<f32>) {
        // SAFETY: the caller's promise.
        unsafe { by_vectors::<Self, f32, ROWS, VECTORS>(self, t) }
    }

    /// The tiles of [`Simd::quads`].
    #[inline(always)]
    fn quad_shape(self) -> QuadShape {
        QuadShape { rows: 4, panels: 1, offset: 0, split: false, fixed: false }
    }

    /// Splits or signs a row where [`QuadShape::split`] says so.
    #[inline(always)]
    fn split_row(self, _row: SplitRow<'_>) -> Split {
        [0; 2]
    }

    /// Announces tiles of products of integers, all of `rows` rows if [`QuadShape::fixed`] says so, on this thread.
    #[inline(always)]
    fn begin_quads(self, _rows: usize) {}

    /// Computes a tile of products of integers, of at most the rows and panels of [`Simd::quad_shape`], after
    /// [`Simd::begin_quads`].
    ///
    /// # Safety
    /// The operands must be readable and the sums writable as [`QuadTile`] says.
    #[inline(always)]
    unsafe fn quads(self, t: &QuadTile) {
        // SAFETY: the caller's promise.
        unsafe { quads::plain(t) }
    }

    /// No more tiles come. [`Simd::begin_quads`] may also follow itself.
    #[inline(always)]
    fn end_quads(self) {}

    /// [`Simd::tile_f32`] for weights of halves.
    ///
    /// # Safety
    /// See [`Element::tile`].
    #[inline(always)]
    unsafe fn tile_halves<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<Half>) {
        // SAFETY: the caller's promise.
        unsafe { by_vectors::<Self, Half, ROWS, VECTORS>(self, t) }
    }

    /// [`Simd::tile_halves`], which also keeps the columns: first all of them, or while it multiplies.
    ///
    /// # Safety
    /// See [`Element::tile_keeping`].
    #[inline(always)]
    unsafe fn tile_keeping_halves<const ROWS: usize, const VECTORS: usize>(self, t: &Tile<Half>) {
        // SAFETY: the caller's promise.
        unsafe { self.tile_f32::<ROWS, VECTORS>(&t.kept(self, VECTORS * Self::LANES / PANEL)) }
    }
}

/// Asks for the line at an address, which may be any, so that it is in L1 when it is needed.
#[inline(always)]
pub(crate) fn prefetch(_address: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch changes nothing but caches and never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(_address));
    }
}

/// 1.5 · 2²³: adding it rounds a float of small magnitude to an integer, which is then in the low bits of the sum.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Halves to floats without instructions for them: 15 bits of a half, moved to where a float has its exponent and its
/// mantissa, times this are its magnitude, also if it is subnormal.
const HALF_SCALE: f32 = f32::from_bits((112 + 127) << 23);
/// These 15 bits of infinity, moved: what is not below them has the largest exponent of floats instead.
const HALF_INFINITY: u32 = 31 << 23;

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::*;

    /// Ordinary numbers, the ends of the range, both zeros, NaN: one vector of any set.
    #[rustfmt::skip]
    const A: [f32; 16] = [
        1.0, -2.5, 0.1, 3.0e30, -1.0e-30, 0.0, -0.0, f32::INFINITY,
        f32::NAN, 7.0, f32::MAX, -1.0, f32::NEG_INFINITY, 1.5, 1.0e-20, 0.3,
    ];
    #[rustfmt::skip]
    const B: [f32; 16] = [
        0.3, 2.5, -0.7, 2.0e30, 5.0, 1.0, 4.0, 1.0,
        2.0, -7.0, 2.0, 1.0e-7, 3.0, -1.5, 1.0e-20, 0.1,
    ];
    #[rustfmt::skip]
    const C: [f32; 16] = [
        -0.3, 6.25, 0.07, 1.0, 5.0e-30, 0.0, 0.0, 1.0,
        1.0, 49.0, 1.0, 1.0e-7, 0.0, 2.25, -1.0e-40, -0.03,
    ];

    /// Stores `f` of the vectors of A, B and C.
    struct Lanes<'a, F>(&'a mut [f32; 16], F);

    trait Function {
        fn of<S: Simd>(&self, s: S, a: S::F, b: S::F, c: S::F) -> S::F;
    }

    impl<F: Function> Kernel for Lanes<'_, F> {
        type Output = ();

        #[inline(always)]
        fn call<S: Simd>(self, s: S) {
            for i in (0..16).step_by(S::LANES) {
                // SAFETY: LANES divides sixteen, the length of all four arrays.
                unsafe {
                    let (a, b, c) = (s.load(A.as_ptr().add(i)), s.load(B.as_ptr().add(i)), s.load(C.as_ptr().add(i)));
                    s.store(self.0.as_mut_ptr().add(i), self.1.of(s, a, b, c));
                }
            }
        }
    }

    macro_rules! function {
        ($name:ident: |$s:ident, $a:ident, $b:ident, $c:ident| $value:expr) => {
            struct $name;
            impl Function for $name {
                #[inline(always)]
                fn of<S: Simd>(&self, $s: S, $a: S::F, $b: S::F, $c: S::F) -> S::F {
                    let _ = ($b, $c);
                    $value
                }
            }
        };
    }

    /// Asserts that every lane has the bits of the exact function, or both are NaN.
    fn check(isa: Isa, what: &str, f: impl Function, exact: impl Fn(f32, f32, f32) -> f32) {
        let mut got = [0.0; 16];
        isa.run(Lanes(&mut got, f));
        for (i, got) in got.iter().enumerate() {
            let x = exact(A[i], B[i], C[i]);
            let equal = x.to_bits() == got.to_bits() || x.is_nan() && got.is_nan();
            assert!(equal, "{isa:?} {what} of {}, {}, {}: {got}, not {x}", A[i], B[i], C[i]);
        }
    }

    #[test]
    fn every_lane_is_what_its_name_says() {
        function!(Splat: |s, _a, b, c| s.splat(0.1));
        function!(Add: |s, a, b, c| s.add(a, b));
        function!(Sub: |s, a, b, c| s.sub(a, b));
        function!(Mul: |s, a, b, c| s.mul(a, b));
        function!(Div: |s, a, b, c| s.div(a, b));
        function!(MulAdd: |s, a, b, c| s.mul_add(a, b, c));
        function!(Min: |s, a, b, c| s.min(a, b));
        function!(Max: |s, a, b, c| s.max(a, b));
        for isa in Isa::available() {
            check(isa, "splat", Splat, |_, _, _| 0.1);
            check(isa, "sum", Add, |a, b, _| a + b);
            check(isa, "difference", Sub, |a, b, _| a - b);
            check(isa, "product", Mul, |a, b, _| a * b);
            check(isa, "quotient", Div, |a, b, _| a / b);
            let fused = !["sse", "portable"].contains(&isa.name());
            check(isa, "multiply-add", MulAdd, |a, b, c| if fused { a.mul_add(b, c) } else { a * b + c });
            check(isa, "smaller", Min, |a, b, _| if a < b { a } else { b });
            check(isa, "larger", Max, |a, b, _| if a > b { a } else { b });
        }
    }

    #[test]
    fn every_half_is_its_float() {
        struct Widen<'a>(&'a [Half], &'a mut [f32]);
        impl Kernel for Widen<'_> {
            type Output = ();

            #[inline(always)]
            fn call<S: Simd>(self, s: S) {
                for (from, to) in self.0.chunks_exact(S::LANES).zip(self.1.chunks_exact_mut(S::LANES)) {
                    // SAFETY: both chunks have LANES elements.
                    unsafe { s.store(to.as_mut_ptr(), s.load_halves(from.as_ptr())) }
                }
            }
        }
        let halves: Vec<Half> = (0..=u16::MAX).map(Half).collect();
        for isa in Isa::available() {
            let mut floats = vec![0.0; halves.len()];
            isa.run(Widen(&halves, &mut floats));
            for (half, got) in halves.iter().zip(floats) {
                let exact = half::f16::from_bits(half.0).to_f32();
                let equal = got.to_bits() == exact.to_bits() || got.is_nan() && exact.is_nan();
                assert!(equal, "{isa:?} {half:?}: {got}, not {exact}");
            }
        }
    }

    #[test]
    fn powers_of_two_scale_exactly() {
        struct Scale<'a>(&'a mut [f32; 16], f32);
        impl Kernel for Scale<'_> {
            type Output = ();

            #[inline(always)]
            fn call<S: Simd>(self, s: S) {
                for chunk in self.0.chunks_exact_mut(S::LANES) {
                    let n = s.add(s.splat(self.1), s.splat(ROUND));
                    // SAFETY: the chunk holds LANES floats.
                    unsafe { s.store(chunk.as_mut_ptr(), s.scale_by_power_of_two(s.load(chunk.as_ptr()), n)) }
                }
            }
        }
        for isa in Isa::available() {
            for n in -126..=127 {
                let values: [f32; 16] = std::array::from_fn(|i| 1.0 + i as f32 / 16.0);
                let mut scaled = values;
                isa.run(Scale(&mut scaled, n as f32));
                assert_eq!(scaled, values.map(|v| (f64::from(v) * 2f64.powi(n)) as f32), "{isa:?} {n}");
            }
        }
    }

    #[test]
    fn lanes_are_summed_and_compared_whole() {
        struct Fold<'a>(&'a [f32], bool);
        impl Kernel for Fold<'_> {
            type Output = Vec<f32>;

            #[inline(always)]
            fn call<S: Simd>(self, s: S) -> Vec<f32> {
                let chunks = self.0.chunks_exact(S::LANES);
                // SAFETY: each chunk holds LANES floats.
                chunks
                    .map(|c| unsafe { s.load(c.as_ptr()) })
                    .map(|v| if self.1 { s.sum(v) } else { s.largest(v) })
                    .collect()
            }
        }
        for isa in Isa::available() {
            for lane in 0..16 {
                // Whole numbers: the sum is exact in any order.
                let mut values: [f32; 16] = std::array::from_fn(|i| -1.0 - i as f32);
                values[lane] = 1000.0;
                let sum: f32 = isa.run(Fold(&values, true)).iter().sum();
                assert_eq!(sum, values.iter().sum::<f32>(), "{isa:?}");
                let largest = isa.run(Fold(&values, false)).into_iter().fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(largest, 1000.0, "{isa:?} lane {lane}");
            }
        }
    }

    #[test]
    fn sixteen_rows_become_sixteen_columns() {
        struct Transpose<'a>(&'a [f32], usize, usize, &'a mut [f32; 256]);
        impl Kernel for Transpose<'_> {
            type Output = ();

            #[inline(always)]
            fn call<S: Simd>(self, s: S) {
                let Transpose(from, stride, rows, to) = self;
                assert!(from.len() >= (rows - 1) * stride + 16);
                // SAFETY: the rows exist (asserted), and `to` has 256 floats.
                unsafe { s.transpose(from.as_ptr(), stride, rows, to.as_mut_ptr()) }
            }
        }
        for isa in Isa::available() {
            for rows in 1..=16 {
                for stride in [16, 17, 48] {
                    // No float after the last row, and nothing aligned.
                    let values: Vec<f32> = (0..(rows - 1) * stride + 17).map(|i| i as f32).collect();
                    let mut to = [f32::NAN; 256];
                    isa.run(Transpose(&values[1..], stride, rows, &mut to));
                    for (i, &got) in to.iter().enumerate() {
                        let (r, c) = ((i % 16).min(rows - 1), i / 16);
                        assert_eq!(got, values[1 + r * stride + c], "{isa:?} {rows} rows {stride} apart, ({r}, {c})");
                    }
                }
            }
        }
    }
}
