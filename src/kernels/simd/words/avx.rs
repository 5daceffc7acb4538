//! Words of AVX2, in 256 bits; AVX-512 has the same vectors in twice as many registers.

use std::arch::x86_64::*;

use super::super::avx2::Avx2;
use super::super::avx512::Avx512;
use super::{WordKernel, Words};

/// Where [`Words::pixels`] takes bytes from; the first two pixels of four, then the others.
const PIXELS: [i8; 32] = [
    0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
    6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1,
];

/// Where the pixels of a group take bytes of red (0 to 7) and green (8 to 15) from, and those of blue.
const RED_GREEN: [[i8; 16]; 2] = [
    [0, 8, -1, 1, 9, -1, 2, 10, -1, 3, 11, -1, 4, 12, -1, 5],
    [13, -1, 6, 14, -1, 7, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1],
];
const BLUE: [[i8; 16]; 2] = [
    [-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1],
    [-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1, -1],
];

/// Defines methods that are one expression of instructions.
macro_rules! instructions {
    ($($name:ident$(<const $constant:ident>)? ($($operand:ident),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name$(<const $constant: i32>)?(self, $($operand: __m256i),*) -> __m256i {
            // SAFETY: `self` exists only where the instructions do.
            unsafe { $value }
        }
    )*};
}

macro_rules! words {
    ($token:ident, $features:literal) => {
        impl Words for $token {
            type V = __m256i;
            type S = __m256i;

            const GROUPS: usize = 2;

            #[inline(always)]
            fn run_words<K: WordKernel>(self, kernel: K) -> K::Output {
                #[target_feature(enable = $features)]
                fn with_features<K: WordKernel>(set: $token, kernel: K) -> K::Output {
                    kernel.call(set)
                }
                // SAFETY: `self` exists only where detection found these features.
                unsafe { with_features(self, kernel) }
            }

            #[inline(always)]
            fn pairs(self, pair: u32) -> __m256i {
                self.sums(pair as i32)
            }

            #[inline(always)]
            fn sums(self, value: i32) -> __m256i {
                // SAFETY: `self` exists only where the instruction does.
                unsafe { _mm256_set1_epi32(value) }
            }

            #[inline(always)]
            unsafe fn load(self, ptr: *const i16, apart: usize) -> __m256i {
                // SAFETY: the caller promises eight readable words at both places, and `self` that the instructions
                // exist.
                unsafe {
                    let (first, second) = (ptr.cast(), ptr.wrapping_add(apart).cast());
                    _mm256_inserti128_si256::<1>(
                        _mm256_castsi128_si256(_mm_loadu_si128(first)),
                        _mm_loadu_si128(second),
                    )
                }
            }

            #[inline(always)]
            unsafe fn widen(self, ptr: *const u8) -> __m256i {
                // SAFETY: the caller promises sixteen readable bytes, and `self` that the instructions exist.
                unsafe { _mm256_cvtepu8_epi16(_mm_loadu_si128(ptr.cast())) }
            }

            #[inline(always)]
            unsafe fn pixels(self, ptr: *const u8) -> __m256i {
                // SAFETY: the caller promises sixteen readable bytes, and `self` that the instructions exist.
                unsafe {
                    let bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(ptr.cast()));
                    _mm256_shuffle_epi8(bytes, bytemuck::cast(PIXELS))
                }
            }

            #[inline(always)]
            unsafe fn load_sums(self, ptr: *const i32) -> __m256i {
                // SAFETY: the caller promises eight readable integers, and `self` that the instruction exists.
                unsafe { _mm256_loadu_si256(ptr.cast()) }
            }

            #[inline(always)]
            unsafe fn store_sums(self, ptr: *mut i32, value: __m256i) {
                // SAFETY: the caller promises eight writable integers, and `self` that the instruction exists.
                unsafe { _mm256_storeu_si256(ptr.cast(), value) }
            }

            #[inline(always)]
            unsafe fn store_bytes(self, ptr: *mut u8, value: __m256i) {
                // SAFETY: the caller promises sixteen writable bytes, and `self` that the instructions exist.
                unsafe {
                    let bytes = _mm256_permute4x64_epi64::<0b10_00>(_mm256_packus_epi16(value, value));
                    _mm_storeu_si128(ptr.cast(), _mm256_castsi256_si128(bytes));
                }
            }

            #[inline(always)]
            unsafe fn store_turns(self, ptr: *mut u8, even: __m256i, odd: __m256i) {
                // SAFETY: the caller promises 32 writable bytes, and `self` that the instructions exist.
                unsafe { _mm256_storeu_si256(ptr.cast(), _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd))) }
            }

            #[inline(always)]
            unsafe fn store_rgb(self, ptr: *mut u8, red: __m256i, green: __m256i, blue: __m256i) {
                // SAFETY: `self` says that the instructions exist; the caller promises 48 writable bytes, of which a
                // group has 24.
                unsafe {
                    let (red_green, blue) = (_mm256_packus_epi16(red, green), _mm256_packus_epi16(blue, blue));
                    let mut parts = [red_green; 2];
                    for (i, part) in parts.iter_mut().enumerate() {
                        let of_red_green = _mm256_broadcastsi128_si256(bytemuck::cast(RED_GREEN[i]));
                        let of_blue = _mm256_broadcastsi128_si256(bytemuck::cast(BLUE[i]));
                        *part = _mm256_or_si256(
                            _mm256_shuffle_epi8(red_green, of_red_green),
                            _mm256_shuffle_epi8(blue, of_blue),
                        );
                    }
                    let [first, last] = parts;
                    _mm_storeu_si128(ptr.cast(), _mm256_castsi256_si128(first));
                    _mm_storel_epi64(ptr.add(16).cast(), _mm256_castsi256_si128(last));
                    _mm_storeu_si128(ptr.add(24).cast(), _mm256_extracti128_si256::<1>(first));
                    _mm_storel_epi64(ptr.add(40).cast(), _mm256_extracti128_si256::<1>(last));
                }
            }

            #[inline(always)]
            unsafe fn store_samples(self, ptr: *mut u8, stride: usize, upper: __m256i, lower: __m256i) {
                // SAFETY: the caller promises sixteen writable bytes at both places, and `self` that the instructions
                // exist.
                unsafe {
                    let bytes = _mm256_xor_si256(_mm256_packs_epi16(upper, lower), _mm256_set1_epi8(i8::MIN));
                    let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(bytes);
                    _mm_storeu_si128(ptr.cast(), _mm256_castsi256_si128(bytes));
                    _mm_storeu_si128(ptr.add(stride).cast(), _mm256_extracti128_si256::<1>(bytes));
                }
            }

            instructions! {
                plus(a, b) = _mm256_add_epi16(a, b);
                minus(a, b) = _mm256_sub_epi16(a, b);
                times(a, b) = _mm256_mullo_epi16(a, b);
                high(a, b) = _mm256_mulhi_epi16(a, b);
                shifted<const N>(a) = _mm256_srai_epi16::<N>(a);
                lower(a, b) = _mm256_unpacklo_epi16(a, b);
                upper(a, b) = _mm256_unpackhi_epi16(a, b);
                dots(a, b) = _mm256_madd_epi16(a, b);
                add(a, b) = _mm256_add_epi32(a, b);
                sub(a, b) = _mm256_sub_epi32(a, b);
                drop_bits<const N>(a) = _mm256_srai_epi32::<N>(a);
                add_bits<const N>(a) = _mm256_slli_epi32::<N>(a);
                narrow(a, b) = _mm256_packs_epi32(a, b);
            }

            #[inline(always)]
            fn total<const N: i32>(self, a: __m256i) -> [u8; 4] {
                // SAFETY: `self` exists only where the instructions do.
                unsafe {
                    let sum = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
                    let words = _mm_packs_epi32(_mm_srai_epi32::<N>(sum), sum);
                    _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes()
                }
            }
        }
    };
}

words!(Avx2, "avx2,fma,bmi1,bmi2,lzcnt");
words!(Avx512, "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,bmi1,bmi2,lzcnt");
