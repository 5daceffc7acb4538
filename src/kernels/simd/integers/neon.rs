//! Integers of NEON.

use std::arch::aarch64::*;

use super::super::neon::Neon;
use super::{IntegerKernel, Integers};

impl Integers for Neon {
    type Words = int16x8_t;
    type Sums = int32x4_t;

    const WORDS: usize = 8;
    const ROWS: [usize; 2] = [4, 2];

    #[inline(always)]
    fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn with_features<K: IntegerKernel>(set: Neon, kernel: K) -> K::Output {
            kernel.call(set)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn zero(self) -> int32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vdupq_n_s32(0) }
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const i8) -> int16x8_t {
        // SAFETY: the caller promises 8 readable bytes, and `self` that the instructions exist.
        unsafe { vmovl_s8(vld1_s8(ptr)) }
    }

    #[inline(always)]
    unsafe fn load_words(self, ptr: *const i16) -> int16x8_t {
        // SAFETY: the caller promises 8 readable words, and `self` that the instruction exists.
        unsafe { vld1q_s16(ptr) }
    }

    #[inline(always)]
    fn add_products(self, sums: int32x4_t, a: int16x8_t, b: int16x8_t) -> int32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vmlal_high_s16(vmlal_s16(sums, vget_low_s16(a), vget_low_s16(b)), a, b) }
    }

    #[inline(always)]
    fn total(self, sums: int32x4_t) -> i32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vaddvq_s32(sums) }
    }

    #[inline(always)]
    fn totals(self, [a, b, c, d]: [int32x4_t; 4]) -> [i32; 4] {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { bytemuck::cast(vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))) }
    }
}
