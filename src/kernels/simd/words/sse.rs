//! Words of SSE2.

use std::arch::x86_64::*;

use super::super::sse::Sse;
use super::{WordKernel, Words};

/// Defines methods that are one expression of instructions.
macro_rules! instructions {
    ($($name:ident$(<const $constant:ident>)? ($($operand:ident),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name$(<const $constant: i32>)?(self, $($operand: __m128i),*) -> __m128i {
            // SAFETY: `self` exists only where the instructions do.
            unsafe { $value }
        }
    )*};
}

impl Words for Sse {
    type V = __m128i;
    type S = __m128i;

    const GROUPS: usize = 1;

    #[inline(always)]
    fn run_words<K: WordKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "sse,sse2")]
        fn with_features<K: WordKernel>(set: Sse, kernel: K) -> K::Output {
            kernel.call(set)
        }
        // SAFETY: `self` exists only where detection found these features.
        unsafe { with_features(self, kernel) }
    }

    #[inline(always)]
    fn pairs(self, pair: u32) -> __m128i {
        self.sums(pair as i32)
    }

    #[inline(always)]
    fn sums(self, value: i32) -> __m128i {
        // SAFETY: `self` exists only where the instruction does.
        unsafe { _mm_set1_epi32(value) }
    }

    #[inline(always)]
    unsafe fn load(self, ptr: *const i16, _: usize) -> __m128i {
        // SAFETY: the caller promises eight readable words, and `self` that the instruction exists.
        unsafe { _mm_loadu_si128(ptr.cast()) }
    }

    #[inline(always)]
    unsafe fn widen(self, ptr: *const u8) -> __m128i {
        // SAFETY: the caller promises eight readable bytes, and `self` that the instructions exist.
        unsafe { _mm_unpacklo_epi8(_mm_loadl_epi64(ptr.cast()), _mm_setzero_si128()) }
    }

    #[inline(always)]
    unsafe fn pixels(self, ptr: *const u8) -> __m128i {
        // SAFETY: the caller promises ten readable bytes, and `self` that the instructions exist.
        unsafe {
            let both = _mm_loadl_epi64(ptr.cast());
            let turns = _mm_unpacklo_epi8(both, _mm_srli_epi64::<24>(both));
            _mm_unpacklo_epi8(turns, _mm_setzero_si128())
        }
    }

    #[inline(always)]
    unsafe fn load_sums(self, ptr: *const i32) -> __m128i {
        // SAFETY: the caller promises four readable integers, and `self` that the instruction exists.
        unsafe { _mm_loadu_si128(ptr.cast()) }
    }

    #[inline(always)]
    unsafe fn store_sums(self, ptr: *mut i32, value: __m128i) {
        // SAFETY: the caller promises four writable integers, and `self` that the instruction exists.
        unsafe { _mm_storeu_si128(ptr.cast(), value) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, ptr: *mut u8, value: __m128i) {
        // SAFETY: the caller promises eight writable bytes, and `self` that the instructions exist.
        unsafe { _mm_storel_epi64(ptr.cast(), _mm_packus_epi16(value, value)) }
    }

    #[inline(always)]
    unsafe fn store_turns(self, ptr: *mut u8, even: __m128i, odd: __m128i) {
        // SAFETY: the caller promises sixteen writable bytes, and `self` that the instructions exist.
        unsafe { _mm_storeu_si128(ptr.cast(), _mm_or_si128(even, _mm_slli_epi16::<8>(odd))) }
    }

    #[inline(always)]
    unsafe fn store_rgb(self, ptr: *mut u8, red: __m128i, green: __m128i, blue: __m128i) {
        // SAFETY: `self` says that the instructions exist; the caller promises 24 writable bytes. The stores of eight
        // bytes begin at multiples of six up to 12, the last one, of six bytes, at 18.
        unsafe {
            let (red_green, blue) = (_mm_packus_epi16(red, green), _mm_packus_epi16(blue, blue));
            let red_green = _mm_unpacklo_epi8(red_green, _mm_srli_si128::<8>(red_green));
            let blue = _mm_unpacklo_epi8(blue, _mm_setzero_si128());
            let quads = [_mm_unpacklo_epi16(red_green, blue), _mm_unpackhi_epi16(red_green, blue)];
            let first = _mm_set1_epi64x(0xff_ffff);
            let second = _mm_set1_epi64x(0xffff_ff00_0000);
            for (i, quad) in quads.into_iter().enumerate() {
                let pairs = _mm_or_si128(_mm_and_si128(quad, first), _mm_and_si128(_mm_srli_epi64::<8>(quad), second));
                let to = ptr.add(12 * i);
                _mm_storel_epi64(to.cast(), pairs);
                let last = _mm_unpackhi_epi64(pairs, pairs);
                if i == 0 {
                    _mm_storel_epi64(to.add(6).cast(), last);
                } else {
                    let bytes = _mm_cvtsi128_si64(last).to_le_bytes();
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.add(6), 6);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn store_samples(self, ptr: *mut u8, stride: usize, upper: __m128i, lower: __m128i) {
        // SAFETY: the caller promises eight writable bytes at both places, and `self` that the instructions exist.
        unsafe {
            let bytes = _mm_xor_si128(_mm_packs_epi16(upper, lower), _mm_set1_epi8(i8::MIN));
            _mm_storel_epi64(ptr.cast(), bytes);
            _mm_storel_epi64(ptr.add(stride).cast(), _mm_unpackhi_epi64(bytes, bytes));
        }
    }

    instructions! {
        plus(a, b) = _mm_add_epi16(a, b);
        minus(a, b) = _mm_sub_epi16(a, b);
        times(a, b) = _mm_mullo_epi16(a, b);
        high(a, b) = _mm_mulhi_epi16(a, b);
        shifted<const N>(a) = _mm_srai_epi16::<N>(a);
        lower(a, b) = _mm_unpacklo_epi16(a, b);
        upper(a, b) = _mm_unpackhi_epi16(a, b);
        dots(a, b) = _mm_madd_epi16(a, b);
        add(a, b) = _mm_add_epi32(a, b);
        sub(a, b) = _mm_sub_epi32(a, b);
        drop_bits<const N>(a) = _mm_srai_epi32::<N>(a);
        add_bits<const N>(a) = _mm_slli_epi32::<N>(a);
        narrow(a, b) = _mm_packs_epi32(a, b);
    }

    #[inline(always)]
    fn total<const N: i32>(self, a: __m128i) -> [u8; 4] {
        // SAFETY: `self` exists only where the instructions do.
        unsafe {
            let words = _mm_packs_epi32(_mm_srai_epi32::<N>(a), a);
            _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes()
        }
    }
}
