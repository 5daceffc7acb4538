//! Vectors of integers: products of 16-bit words, summed in 32 bits. One trait, one file for each instruction set.
//!
//! A separate trait, because its best instructions belong to sets of their own (AVX-512 VNNI), and because sums of
//! integers are exact: every set gives the same bits, in any order.

#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
mod avx2;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(all(target_arch = "x86_64", not(fuzzing)))]
mod sse;

/// Divides by the words in a vector of every set.
pub(crate) const WORDS_ALIGN: usize = 64;

/// A computation that is compiled once for each instruction set. `call` must be `#[inline(always)]`.
pub(crate) trait IntegerKernel {
    /// Result of the computation.
    type Output;

    /// Runs the computation with the vectors of `set`.
    fn call<I: Integers>(self, set: I) -> Self::Output;
}

/// Vectors of `WORDS` 16-bit integers, and of their sums in 32 bits. `WORDS` divides [`WORDS_ALIGN`].
pub(crate) trait Integers: Copy + Send + Sync + 'static {
    /// `WORDS` 16-bit integers.
    type Words: Copy;
    /// 32-bit sums.
    type Sums: Copy;

    /// Words in a vector.
    const WORDS: usize;
    /// Rows that are read at once when there are few queries, and when there are more than four.
    const ROWS: [usize; 2];

    /// Runs `kernel` in a function that is compiled with the features of this set.
    fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output;

    /// Asks for bytes that will be read soon.
    #[inline(always)]
    fn prefetch(self, bytes: &[i8]) {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
        for line in bytes.chunks(64) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: the instruction is SSE, which is part of the target, and reads nothing that a program can see.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr()) }
        }
        let _ = bytes;
    }
    /// Sums of zero.
    fn zero(self) -> Self::Sums;
    /// Reads bytes and extends their signs.
    ///
    /// # Safety
    /// `WORDS` bytes must be readable from `ptr` on; no alignment is needed.
    unsafe fn widen(self, ptr: *const i8) -> Self::Words;
    /// # Safety
    /// `WORDS` 16-bit integers must be readable from `ptr` on; no alignment is needed.
    unsafe fn load_words(self, ptr: *const i16) -> Self::Words;
    /// Adds the products of `a` and `b` to `sums`; which product goes to which sum is the set's affair. Wraps.
    fn add_products(self, sums: Self::Sums, a: Self::Words, b: Self::Words) -> Self::Sums;
    /// The sum of all sums; wraps.
    fn total(self, sums: Self::Sums) -> i32;
    /// Four totals.
    #[inline(always)]
    fn totals(self, sums: [Self::Sums; 4]) -> [i32; 4] {
        sums.map(|sums| self.total(sums))
    }
}
