//! SSE2, the x86-64 baseline: vectors of four floats, 16 registers, no fused multiply-add.

use std::arch::x86_64::*;

use super::quads::{QuadShape, QuadTile, sse as quads};
use super::{HALF_INFINITY, HALF_SCALE, Kernel, ROUND, Simd};
use crate::tensor::Half;

/// Every x86-64 processor has these instructions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sse(());

impl Sse {
    /// The token, which always exists.
    pub(crate) fn baseline() -> Self {
        Sse(())
    }
}

impl Simd for Sse {
    type F = __m128;

    const LANES: usize = 4;
    const FUSED: bool = false;
    const REGISTERS: usize = 16;
    // Three rows would fit by count, but a product needs one more register for its result: the compiler spills.
    const TILE_ROWS: usize = 2;
    const TILE_PANELS: usize = 1;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "sse,sse2")]
        fn with_features<K: Kernel>(simd: Sse, kernel: K) -> K::Output {
            kernel.call(simd)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> __m128 {
        // SAFETY: the caller promises 4 readable floats, and `self` that the instruction exists.
        unsafe { _mm_loadu_ps(ptr) }
    }

    #[inline(always)]
    unsafe fn load_halves(self, ptr: *const Half) -> __m128 {
        // SAFETY: the caller promises 4 readable halves, and `self` that the instructions exist.
        unsafe {
            // Each half in the upper 16 bits of a lane.
            let halves = _mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64(ptr.cast()));
            let sign = _mm_and_si128(halves, _mm_set1_epi32(i32::MIN));
            let rest = _mm_srli_epi32::<3>(_mm_andnot_si128(_mm_set1_epi32(i32::MIN), halves));
            let scaled = _mm_mul_ps(_mm_castsi128_ps(rest), _mm_set1_ps(HALF_SCALE));
            let is_finite = _mm_cmpgt_epi32(_mm_set1_epi32(HALF_INFINITY as i32), rest);
            let exponent = _mm_andnot_si128(is_finite, _mm_set1_epi32(f32::INFINITY.to_bits() as i32));
            _mm_or_ps(scaled, _mm_castsi128_ps(_mm_or_si128(sign, exponent)))
        }
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, value: __m128) {
        // SAFETY: the caller promises 4 writable floats, and `self` that the instruction exists.
        unsafe { _mm_storeu_ps(ptr, value) }
    }

    #[inline(always)]
    unsafe fn load_integers(self, ptr: *const i32) -> __m128 {
        // SAFETY: the caller promises 4 readable integers, and `self` that the instructions exist.
        unsafe { _mm_cvtepi32_ps(_mm_loadu_si128(ptr.cast())) }
    }

    #[inline(always)]
    fn quad_shape(self) -> QuadShape {
        QuadShape { rows: quads::ROWS, panels: 1, offset: 0, split: false, fixed: false }
    }

    #[inline(always)]
    unsafe fn quads(self, t: &QuadTile) {
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do.
        unsafe { quads::tile(t) }
    }

    #[inline(always)]
    fn add(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_div_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m128, b: __m128, c: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_add_ps(_mm_mul_ps(a, b), c) }
    }

    #[inline(always)]
    fn min(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m128, b: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_max_ps(a, b) }
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: __m128, n_plus_round: __m128) -> __m128 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let n = _mm_sub_epi32(_mm_castps_si128(n_plus_round), _mm_set1_epi32(ROUND.to_bits() as i32));
            let scaled = _mm_add_epi32(_mm_castps_si128(a), _mm_slli_epi32::<23>(n));
            _mm_castsi128_ps(scaled)
        }
    }

    #[inline(always)]
    fn sum(self, a: __m128) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let pair = _mm_add_ps(a, _mm_movehl_ps(a, a));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps::<0b01>(pair, pair)))
        }
    }

    #[inline(always)]
    fn largest(self, a: __m128) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let pair = _mm_max_ps(a, _mm_movehl_ps(a, a));
            _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps::<0b01>(pair, pair)))
        }
    }
}
