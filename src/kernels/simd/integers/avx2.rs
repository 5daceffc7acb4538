//! Integers of AVX2.

use std::arch::x86_64::*;

use super::super::avx2::Avx2;
use super::{IntegerKernel, Integers};

impl Integers for Avx2 {
    type Words = __m256i;
    type Sums = __m256i;

    const WORDS: usize = 16;
    const ROWS: [usize; 2] = [2, 1];

    #[inline(always)]
    fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn with_features<K: IntegerKernel>(set: Avx2, kernel: K) -> K::Output {
            kernel.call(set)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn zero(self) -> __m256i {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const i8) -> __m256i {
        // SAFETY: the caller promises 16 readable bytes, and `self` that the instructions exist.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(ptr.cast())) }
    }

    #[inline(always)]
    unsafe fn load_words(self, ptr: *const i16) -> __m256i {
        // SAFETY: the caller promises 16 readable words, and `self` that the instruction exists.
        unsafe { _mm256_loadu_si256(ptr.cast()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)) }
    }

    #[inline(always)]
    fn total(self, sums: __m256i) -> i32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
            let pair = _mm_add_epi32(half, _mm_shuffle_epi32::<0b11_10_11_10>(half));
            _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<0b01>(pair)))
        }
    }

    #[inline(always)]
    fn totals(self, [a, b, c, d]: [__m256i; 4]) -> [i32; 4] {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let four = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
            bytemuck::cast(_mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four)))
        }
    }
}
