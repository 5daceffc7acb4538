//! Vectors of `f32`: one trait that kernels are written over, one file for each instruction set.
//!
//! An implementation is a token that can only be had where the instructions exist. Its methods are
//! `inline(always)` and become single instructions inside [`Simd::run`], which is compiled with the features
//! of the set.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod portable;
#[cfg(target_arch = "x86_64")]
pub(super) mod sse;

/// A computation that is compiled once for each instruction set. `call` must be `#[inline(always)]`.
pub(crate) trait Kernel {
    /// What the computation returns.
    type Output;

    /// Runs it with the vectors of `simd`.
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
    /// Rows of the largest product tile that stays in registers.
    const TILE_ROWS: usize;
    /// Panels of 16 columns in that tile: 1 or 2.
    const TILE_PANELS: usize;

    /// Runs `kernel` in a function that is compiled with the features of this set.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    /// All lanes `value`.
    fn splat(self, value: f32) -> Self::F;
    /// # Safety
    /// `ptr..ptr + LANES` must be readable floats; no alignment is needed.
    unsafe fn load(self, ptr: *const f32) -> Self::F;
    /// # Safety
    /// `ptr..ptr + LANES` must be writable floats; no alignment is needed.
    unsafe fn store(self, ptr: *mut f32, value: Self::F);
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
    /// The smaller of each lane; `b` where `a` is not a number.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger of each lane; `b` where `a` is not a number.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `2^n · a` for whole `n` in −126 ..= 127, given as floats plus [`ROUND`] (see there).
    fn scale_by_power_of_two(self, a: Self::F, n_plus_round: Self::F) -> Self::F;
    /// The sum of the lanes, added pairwise in a fixed order.
    fn sum(self, a: Self::F) -> f32;
    /// The largest lane.
    fn largest(self, a: Self::F) -> f32;
}

/// 1.5 · 2²³: adding it rounds a float of small magnitude to a whole number, which then stands in the low bits
/// of the sum.
pub(crate) const ROUND: f32 = 12_582_912.0;
