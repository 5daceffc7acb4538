//! Words of NEON.

use std::arch::aarch64::*;

use super::super::neon::Neon;
use super::{WordKernel, Words};

/// Defines methods that are one expression of instructions.
macro_rules! instructions {
    ($($name:ident$(<const $constant:ident>)? ($($operand:ident),*: $from:ty) -> $to:ty = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name$(<const $constant: i32>)?(self, $($operand: $from),*) -> $to {
            // SAFETY: `self` exists only where the instructions do.
            unsafe { $value }
        }
    )*};
}

impl Words for Neon {
    type V = int16x8_t;
    type S = int32x4_t;

    const GROUPS: usize = 1;

    #[inline(always)]
    fn run_words<K: WordKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn with_features<K: WordKernel>(set: Neon, kernel: K) -> K::Output {
            kernel.call(set)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn pairs(self, pair: u32) -> int16x8_t {
        // SAFETY: `self` exists only where the instruction does.
        unsafe { vreinterpretq_s16_u32(vdupq_n_u32(pair)) }
    }

    #[inline(always)]
    fn sums(self, value: i32) -> int32x4_t {
        // SAFETY: `self` exists only where the instruction does.
        unsafe { vdupq_n_s32(value) }
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const i16, _: usize) -> int16x8_t {
        // SAFETY: the caller promises eight readable words, and `self` that the instruction exists.
        unsafe { vld1q_s16(ptr) }
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const u8) -> int16x8_t {
        // SAFETY: the caller promises eight readable bytes, and `self` that the instructions exist.
        unsafe { vreinterpretq_s16_u16(vmovl_u8(vld1_u8(ptr))) }
    }

    #[inline(always)]
    unsafe fn pixels(self, ptr: *const u8) -> int16x8_t {
        // SAFETY: the caller promises ten readable bytes, and `self` that the instructions exist.
        unsafe {
            let both = vld1_u8(ptr);
            let second = vreinterpret_u8_u64(vshr_n_u64::<24>(vreinterpret_u64_u8(both)));
            vreinterpretq_s16_u16(vmovl_u8(vzip1_u8(both, second)))
        }
    }

    #[inline(always)]
    unsafe fn load_sums(self, ptr: *const i32) -> int32x4_t {
        // SAFETY: the caller promises four readable integers, and `self` that the instruction exists.
        unsafe { vld1q_s32(ptr) }
    }

    #[inline(always)]
    unsafe fn store_sums(self, ptr: *mut i32, value: int32x4_t) {
        // SAFETY: the caller promises four writable integers, and `self` that the instruction exists.
        unsafe { vst1q_s32(ptr, value) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, ptr: *mut u8, value: int16x8_t) {
        // SAFETY: the caller promises eight writable bytes, and `self` that the instructions exist.
        unsafe { vst1_u8(ptr, vqmovun_s16(value)) }
    }

    #[inline(always)]
    unsafe fn store_turns(self, ptr: *mut u8, even: int16x8_t, odd: int16x8_t) {
        // SAFETY: the caller promises sixteen writable bytes, and `self` that the instructions exist.
        unsafe { vst1q_s16(ptr.cast(), vorrq_s16(even, vshlq_n_s16::<8>(odd))) }
    }

    #[inline(always)]
    unsafe fn store_rgb(self, ptr: *mut u8, red: int16x8_t, green: int16x8_t, blue: int16x8_t) {
        // SAFETY: the caller promises 24 writable bytes, and `self` that the instructions exist.
        unsafe { vst3_u8(ptr, uint8x8x3_t(vqmovun_s16(red), vqmovun_s16(green), vqmovun_s16(blue))) }
    }

    #[inline(always)]
    unsafe fn store_samples(self, ptr: *mut u8, stride: usize, upper: int16x8_t, lower: int16x8_t) {
        // SAFETY: the caller promises eight writable bytes at both places, and `self` that the instructions exist.
        unsafe {
            let middle = vdup_n_s8(i8::MIN);
            vst1_s8(ptr.cast(), veor_s8(vqmovn_s16(upper), middle));
            vst1_s8(ptr.add(stride).cast(), veor_s8(vqmovn_s16(lower), middle));
        }
    }

    instructions! {
        plus(a, b: int16x8_t) -> int16x8_t = vaddq_s16(a, b);
        minus(a, b: int16x8_t) -> int16x8_t = vsubq_s16(a, b);
        times(a, b: int16x8_t) -> int16x8_t = vmulq_s16(a, b);
        high(a, b: int16x8_t) -> int16x8_t = vuzp2q_s16(
            vreinterpretq_s16_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b))),
            vreinterpretq_s16_s32(vmull_high_s16(a, b))
        );
        shifted<const N>(a: int16x8_t) -> int16x8_t = vshrq_n_s16::<N>(a);
        lower(a, b: int16x8_t) -> int16x8_t = vzip1q_s16(a, b);
        upper(a, b: int16x8_t) -> int16x8_t = vzip2q_s16(a, b);
        dots(a, b: int16x8_t) -> int32x4_t =
            vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
        add(a, b: int32x4_t) -> int32x4_t = vaddq_s32(a, b);
        sub(a, b: int32x4_t) -> int32x4_t = vsubq_s32(a, b);
        drop_bits<const N>(a: int32x4_t) -> int32x4_t = vshrq_n_s32::<N>(a);
        add_bits<const N>(a: int32x4_t) -> int32x4_t = vshlq_n_s32::<N>(a);
        narrow(a, b: int32x4_t) -> int16x8_t = vqmovn_high_s32(vqmovn_s32(a), b);
    }

    #[inline(always)]
    fn total<const N: i32>(self, a: int32x4_t) -> [u8; 4] {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let words = vqmovn_s32(vshrq_n_s32::<N>(a));
            let bytes = vqmovun_s16(vcombine_s16(words, words));
            vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)).to_le_bytes()
        }
    }
}
