//! Vectors of `f32`: one trait that kernels are written over, one file for each instruction set.
//!
//! An implementation is a token that can only be had where the instructions exist. Its methods are
//! `inline(always)` and become single instructions inside [`Simd::run`], which is compiled with the features
//! of the set.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_tile;
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

/// What a register tile of a product reads and writes: some rows of `a`, each of `k` steps; for every step the
/// columns of one or two panels; as many rows and columns of the output. Counts and strides are in floats.
#[repr(C)]
pub(crate) struct Tile {
    pub(crate) a: *const f32,
    pub(crate) a_stride: usize,
    /// Bytes between the end of sixteen steps of a row and the next sixteen; 0 where a row lies in one piece.
    pub(crate) a_jump: usize,
    pub(crate) w: *const f32,
    pub(crate) k: usize,
    /// From step to step.
    pub(crate) w_stride: usize,
    /// From panel to panel.
    pub(crate) w_panel: usize,
    /// What will be read after this tile, for prefetching; any address.
    pub(crate) next: *const f32,
    /// Added to every row.
    pub(crate) bias: *const f32,
    pub(crate) out: *mut f32,
    pub(crate) out_stride: usize,
    pub(crate) out_panel: usize,
    /// Whether the sums are added to what the output holds.
    pub(crate) add: bool,
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

    /// A register tile: `ROWS` rows of `a` times `VECTORS` vectors of columns of `w`, each element one chain of
    /// multiply-adds over k in ascending order; then the bias, then what the output holds.
    ///
    /// # Safety
    /// The tile must be one of this set: `ROWS` up to `TILE_ROWS`, `VECTORS` those of one or `TILE_PANELS`
    /// panels. Its rows, columns and bias must be readable, its output writable, as [`Tile`] says.
    #[inline(always)]
    unsafe fn tile<const ROWS: usize, const VECTORS: usize>(self, t: &Tile) {
        // SAFETY: what the caller promises; offsets are those of rows and columns of the tile. They wrap rather
        // than check: this is the innermost loop of everything.
        unsafe {
            let mut sums = [[self.splat(0.0); VECTORS]; ROWS];
            let per_panel = 16 / Self::LANES;
            let column = |v: usize, panel: usize| (v / per_panel).wrapping_mul(panel) + v % per_panel * Self::LANES;
            let (mut a, mut w) = (t.a, t.w);
            let mut left = t.k;
            while left > 0 {
                let steps = left.min(16);
                for p in 0..steps {
                    let mut columns = [self.splat(0.0); VECTORS];
                    for (v, column_values) in columns.iter_mut().enumerate() {
                        *column_values = self.load(w.wrapping_add(column(v, t.w_panel)));
                    }
                    for (r, row_sums) in sums.iter_mut().enumerate() {
                        let a = self.splat(*a.wrapping_add(r.wrapping_mul(t.a_stride)).add(p));
                        for v in 0..VECTORS {
                            row_sums[v] = self.mul_add(a, columns[v], row_sums[v]);
                        }
                    }
                    w = w.wrapping_add(t.w_stride);
                }
                a = a.wrapping_add(steps).wrapping_byte_add(t.a_jump);
                left -= steps;
            }
            for (r, row_sums) in sums.iter().enumerate() {
                let out = t.out.wrapping_add(r.wrapping_mul(t.out_stride));
                for (v, &sum) in row_sums.iter().enumerate() {
                    let at = out.wrapping_add(column(v, t.out_panel));
                    let mut value = self.add(sum, self.load(t.bias.add(v * Self::LANES)));
                    if t.add {
                        value = self.add(value, self.load(at));
                    }
                    self.store(at, value);
                }
            }
        }
    }
}

/// 1.5 · 2²³: adding it rounds a float of small magnitude to a whole number, which then stands in the low bits
/// of the sum.
pub(crate) const ROUND: f32 = 12_582_912.0;
