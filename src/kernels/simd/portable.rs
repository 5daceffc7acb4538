//! Vectors of four floats in plain Rust, for machines without a specific implementation.

use super::{HALF_INFINITY, HALF_SCALE, Kernel, ROUND, Simd};
use crate::tensor::Half;

/// Needs no instruction set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Portable;

type F = [f32; 4];

#[inline(always)]
fn map2(a: F, b: F, f: impl Fn(f32, f32) -> f32) -> F {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Portable {
    type F = F;

    const LANES: usize = 4;
    const FUSED: bool = false;
    const REGISTERS: usize = 16;
    const TILE_ROWS: usize = 3;
    const TILE_PANELS: usize = 1;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.call(self)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> F {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const f32) -> F {
        // SAFETY: the caller promises four readable floats; `F` is read without alignment.
        unsafe { ptr.cast::<F>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_halves(self, ptr: *const Half) -> F {
        // SAFETY: the caller promises four readable halves; they are read without alignment.
        let halves = unsafe { ptr.cast::<[Half; 4]>().read_unaligned() };
        halves.map(|Half(bits)| {
            let rest = u32::from(bits & 0x7fff) << 13;
            let exponent = if rest < HALF_INFINITY { 0 } else { f32::INFINITY.to_bits() };
            let sign = u32::from(bits & 0x8000) << 16;
            f32::from_bits((f32::from_bits(rest) * HALF_SCALE).to_bits() | exponent | sign)
        })
    }

    #[inline(always)]
    unsafe fn store(self, ptr: *mut f32, value: F) {
        // SAFETY: the caller promises four writable floats; `F` is written without alignment.
        unsafe { ptr.cast::<F>().write_unaligned(value) }
    }

    #[inline(always)]
    unsafe fn load_integers(self, ptr: *const i32) -> F {
        // SAFETY: the caller promises four readable integers; they are read without alignment.
        unsafe { ptr.cast::<[i32; 4]>().read_unaligned() }.map(|integer| integer as f32)
    }

    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        map2(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        // Two roundings: `f32::mul_add` would be a library call on machines without the instruction.
        map2(map2(a, b, |a, b| a * b), c, |ab, c| ab + c)
    }

    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        map2(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        map2(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: F, n_plus_round: F) -> F {
        map2(a, n_plus_round, |a, n| {
            let n = n.to_bits().wrapping_sub(ROUND.to_bits());
            f32::from_bits(a.to_bits().wrapping_add(n << 23))
        })
    }

    #[inline(always)]
    fn sum(self, a: F) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }

    #[inline(always)]
    fn largest(self, a: F) -> f32 {
        a[0].max(a[1]).max(a[2].max(a[3]))
    }
}
