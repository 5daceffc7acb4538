//! Integers of SSE2.

use std::arch::x86_64::*;

use super::super::sse::Sse;
use super::{IntegerKernel, Integers};

impl Integers for Sse {
    type Words = __m128i;
    type Sums = __m128i;

    const WORDS: usize = 8;
    const ROWS: [usize; 2] = [2, 1];

    #[inline(always)]
    fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "sse,sse2")]
        fn with_features<K: IntegerKernel>(set: Sse, kernel: K) -> K::Output {
            kernel.call(set)
        }
        // SAFETY: `self` exists only where the features do.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn zero(self) -> __m128i {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_setzero_si128() }
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const i8) -> __m128i {
        // SAFETY: the caller promises 8 readable bytes, and `self` that the instructions exist.
        unsafe {
            let bytes = _mm_loadl_epi64(ptr.cast());
            // Each byte twice; the shift leaves the upper one with its sign.
            _mm_srai_epi16::<8>(_mm_unpacklo_epi8(bytes, bytes))
        }
    }

    #[inline(always)]
    unsafe fn load_words(self, ptr: *const i16) -> __m128i {
        // SAFETY: the caller promises 8 readable words, and `self` that the instruction exists.
        unsafe { _mm_loadu_si128(ptr.cast()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m128i, a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm_add_epi32(sums, _mm_madd_epi16(a, b)) }
    }

    #[inline(always)]
    fn total(self, sums: __m128i) -> i32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let pair = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b11_10_11_10>(sums));
            _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<0b01>(pair)))
        }
    }

    #[inline(always)]
    fn totals(self, [a, b, c, d]: [__m128i; 4]) -> [i32; 4] {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
            let cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
            bytemuck::cast(_mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd)))
        }
    }
}
