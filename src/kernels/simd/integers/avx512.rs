//! Integers of AVX-512 BW, and of VNNI, which multiplies and adds in one instruction.

use std::arch::x86_64::*;

use super::super::avx512::Avx512;
use super::{IntegerKernel, Integers};

/// Proof that AVX-512 VNNI is available beside what [`Avx512`] proves.
#[derive(Clone, Copy)]
pub(crate) struct Vnni(Avx512);

impl Avx512 {
    /// The token of VNNI, if this machine has it.
    pub(in super::super::super) fn vnni(self) -> Option<Vnni> {
        self.has_vnni().then_some(Vnni(self))
    }
}

impl Integers for Avx512 {
    type Words = __m512i;
    type Sums = __m512i;

    const WORDS: usize = 32;
    const ROWS: [usize; 2] = [1, 2];

    #[inline(always)]
    fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
        fn with_features<K: IntegerKernel>(set: Avx512, kernel: K) -> K::Output {
            kernel.call(set)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const i8) -> __m512i {
        // SAFETY: the caller promises 32 readable bytes, and `self` that the instructions exist.
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(ptr.cast())) }
    }

    #[inline(always)]
    unsafe fn load_words(self, ptr: *const i16) -> __m512i {
        // SAFETY: the caller promises 32 readable words, and `self` that the instruction exists.
        unsafe { _mm512_loadu_si512(ptr.cast()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_add_epi32(sums, _mm512_madd_epi16(a, b)) }
    }

    #[inline(always)]
    fn total(self, sums: __m512i) -> i32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_reduce_add_epi32(sums) }
    }

    #[inline(always)]
    fn totals(self, sums: [__m512i; 4]) -> [i32; 4] {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let mut half = [_mm256_setzero_si256(); 4];
            for (half, sums) in half.iter_mut().zip(sums) {
                *half = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
            }
            let four = _mm256_hadd_epi32(_mm256_hadd_epi32(half[0], half[1]), _mm256_hadd_epi32(half[2], half[3]));
            bytemuck::cast(_mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four)))
        }
    }
}

impl Integers for Vnni {
    type Words = __m512i;
    type Sums = __m512i;

    const WORDS: usize = Avx512::WORDS;
    const ROWS: [usize; 2] = Avx512::ROWS;

    #[inline(always)]
    fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,avx2,fma")]
        fn with_features<K: IntegerKernel>(set: Vnni, kernel: K) -> K::Output {
            kernel.call(set)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn zero(self) -> __m512i {
        self.0.zero()
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const i8) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { self.0.widen(ptr) }
    }

    #[inline(always)]
    unsafe fn load_words(self, ptr: *const i16) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { self.0.load_words(ptr) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { _mm512_dpwssd_epi32(sums, a, b) }
    }

    #[inline(always)]
    fn total(self, sums: __m512i) -> i32 {
        self.0.total(sums)
    }

    #[inline(always)]
    fn totals(self, sums: [__m512i; 4]) -> [i32; 4] {
        self.0.totals(sums)
    }
}
