//! Integers in plain Rust.

use super::super::portable::Portable;
use super::{IntegerKernel, Integers};

impl Integers for Portable {
    type Words = [i16; 8];
    type Sums = [i32; 4];

    const WORDS: usize = 8;
    const ROWS: [usize; 2] = [2, 1];

    #[inline(always)]
    fn run_integers<K: IntegerKernel>(self, kernel: K) -> K::Output {
        kernel.call(self)
    }

    #[inline(always)]
    fn zero(self) -> [i32; 4] {
        [0; 4]
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const i8) -> [i16; 8] {
        // SAFETY: the caller promises eight readable bytes; they are read without alignment.
        unsafe { ptr.cast::<[i8; 8]>().read_unaligned() }.map(i16::from)
    }

    #[inline(always)]
    unsafe fn load_words(self, ptr: *const i16) -> [i16; 8] {
        // SAFETY: the caller promises eight readable words; they are read without alignment.
        unsafe { ptr.cast::<[i16; 8]>().read_unaligned() }
    }

    #[inline(always)]
    fn add_products(self, sums: [i32; 4], a: [i16; 8], b: [i16; 8]) -> [i32; 4] {
        let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
        std::array::from_fn(|i| sums[i].wrapping_add(product(2 * i)).wrapping_add(product(2 * i + 1)))
    }

    #[inline(always)]
    fn total(self, sums: [i32; 4]) -> i32 {
        sums.into_iter().fold(0, i32::wrapping_add)
    }
}
