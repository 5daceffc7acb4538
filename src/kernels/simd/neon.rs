//! NEON of 64-bit Arm: vectors of four floats, 32 registers.

use std::arch::aarch64::*;
use std::arch::asm;
use std::arch::is_aarch64_feature_detected;

use super::quads::{QuadShape, QuadTile, neon as quads};
use super::{Kernel, ROUND, Simd};
use crate::tensor::Half;

/// Proof that NEON is available.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Neon {
    products: Products,
}

/// The best instructions for products of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Products {
    /// Of words, as part of NEON.
    Plain,
    /// Dot products of four bytes.
    Dot,
    /// Matrix products of sixteen bytes.
    Matrix,
}

impl Neon {
    /// The token, if this machine has the instructions; practically every 64-bit Arm processor does.
    pub(crate) fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then(|| Neon {
            products: match (is_aarch64_feature_detected!("i8mm"), is_aarch64_feature_detected!("dotprod")) {
                (true, _) => Products::Matrix,
                (false, true) => Products::Dot,
                (false, false) => Products::Plain,
            },
        })
    }
}

impl Neon {
    /// The token without the products of bytes, as of a processor that lacks them.
    pub(crate) fn without_dot(self) -> Self {
        Neon { products: Products::Plain }
    }
}

impl Simd for Neon {
    type F = float32x4_t;

    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    /// 24 sums, four vectors of weights and one of activations leave three registers; a seventh row would need
    /// 33.
    const TILE_ROWS: usize = 6;
    const TILE_PANELS: usize = 1;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn with_features<K: Kernel>(simd: Neon, kernel: K) -> K::Output {
            kernel.call(simd)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> float32x4_t {
        // SAFETY: the caller promises 4 readable floats, and `self` that the instruction exists.
        unsafe { vld1q_f32(ptr) }
    }

    #[inline(always)]
    unsafe fn load_halves(self, ptr: *const Half) -> float32x4_t {
        // SAFETY: the caller promises 4 readable halves, and `self` that the instructions exist. The conversion, whose
        // intrinsic is not stable, reads and writes registers alone.
        unsafe {
            let halves = vld1_u16(ptr.cast());
            let floats;
            asm!("fcvtl {floats:v}.4s, {halves:v}.4h", halves = in(vreg) halves, floats = lateout(vreg) floats,
                options(pure, nomem, nostack, preserves_flags));
            floats
        }
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, value: float32x4_t) {
        // SAFETY: the caller promises 4 writable floats, and `self` that the instruction exists.
        unsafe { vst1q_f32(ptr, value) }
    }

    #[inline(always)]
    unsafe fn load_integers(self, ptr: *const i32) -> float32x4_t {
        // SAFETY: the caller promises 4 readable integers, and `self` that the instructions exist.
        unsafe { vcvtq_f32_s32(vld1q_s32(ptr)) }
    }

    #[inline(always)]
    fn quad_shape(self) -> QuadShape {
        let rows = if self.products == Products::Plain { quads::ROWS } else { quads::DOT_ROWS };
        QuadShape { rows, panels: 1, offset: 0, split: false, fixed: false }
    }

    #[inline(always)]
    unsafe fn quads(self, t: &QuadTile) {
        // SAFETY: the operands as the caller promises; `self` exists only where the instructions do, and tells which
        // products do.
        unsafe {
            match self.products {
                Products::Matrix => quads::matrix_tile(t),
                Products::Dot => quads::dot_tile(t),
                Products::Plain => quads::tile(t),
            }
        }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vfmaq_f32(c, a, b) }
    }

    // Not `vminq` and `vmaxq`, which return NaN if only one operand is NaN.
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vminnmq_f32(a, b) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vmaxnmq_f32(a, b) }
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: float32x4_t, n_plus_round: float32x4_t) -> float32x4_t {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let n = vsubq_s32(vreinterpretq_s32_f32(n_plus_round), vdupq_n_s32(ROUND.to_bits() as i32));
            let scaled = vaddq_s32(vreinterpretq_s32_f32(a), vshlq_n_s32::<23>(n));
            vreinterpretq_f32_s32(scaled)
        }
    }

    // Not `vaddvq_f32`, whose order the compiler chooses.
    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vpadds_f32(vadd_f32(vget_low_f32(a), vget_high_f32(a))) }
    }

    #[inline(always)]
    fn largest(self, a: float32x4_t) -> f32 {
        // SAFETY: `self` exists only where the instructions do.
        unsafe { vmaxnmvq_f32(a) }
    }
}
