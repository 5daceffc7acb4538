//! Vectors of eight 16-bit and four 32-bit integers, with the operations of the inverse DCT.
//!
//! Autovectorisation finds pairs of products but loses transpositions: what it makes of those changes with the code
//! around them, by a quarter of the time of the whole transform. So each operation is an instruction that every
//! processor of the target has, or plain code, which is also what the tests compare with.

/// Eight 16-bit integers.
#[derive(Clone, Copy)]
pub(crate) struct I16x8(arch::Words);

/// Four 32-bit integers.
#[derive(Clone, Copy)]
pub(crate) struct I32x4(arch::Doubles);

impl I16x8 {
    #[inline(always)]
    pub(crate) fn new(values: [i16; 8]) -> Self {
        Self(bytemuck::cast(values))
    }

    #[inline(always)]
    pub(crate) fn splat(value: i16) -> Self {
        Self::new([value; 8])
    }

    /// Alternates `even` and `odd`.
    #[inline(always)]
    pub(crate) fn alternating([even, odd]: [i16; 2]) -> Self {
        Self::new([even, odd, even, odd, even, odd, even, odd])
    }

    /// Products, without their upper 16 bits.
    #[inline(always)]
    pub(crate) fn times(self, other: Self) -> Self {
        Self(arch::times(self.0, other.0))
    }

    /// Values of both in turns: of the first four places, and of the last four.
    #[inline(always)]
    pub(crate) fn interleaved(self, other: Self) -> [Self; 2] {
        [Self(arch::interleaved_low(self.0, other.0)), Self(arch::interleaved_high(self.0, other.0))]
    }

    /// Sums of the products of places 0 and 1, 2 and 3, 4 and 5, 6 and 7. Wraps.
    #[inline(always)]
    pub(crate) fn dots(self, other: Self) -> I32x4 {
        I32x4(arch::dots(self.0, other.0))
    }

    /// Adds 128 to the values of both and clamps to bytes.
    #[inline(always)]
    pub(crate) fn to_samples(self, other: Self) -> [u8; 16] {
        bytemuck::cast(arch::to_samples(self.0, other.0))
    }

    /// Transposes a block.
    #[inline(always)]
    pub(crate) fn transposed(mut rows: [Self; 8]) -> [Self; 8] {
        // A step takes the place's last bit into the row's number, and the row's first bit into the place.
        for _ in 0..3 {
            let pairs: [[Self; 2]; 4] = std::array::from_fn(|i| rows[i].interleaved(rows[i + 4]));
            rows = std::array::from_fn(|i| pairs[i / 2][i % 2]);
        }
        rows
    }
}

impl I32x4 {
    #[inline(always)]
    pub(crate) fn splat(value: i32) -> Self {
        Self(bytemuck::cast([value; 4]))
    }

    /// Adds; wraps.
    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(arch::plus(self.0, other.0))
    }

    /// Subtracts; wraps.
    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(arch::minus(self.0, other.0))
    }

    /// Drops the last `SHIFT` bits.
    #[inline(always)]
    pub(crate) fn shifted<const SHIFT: i32>(self) -> Self {
        Self(arch::shifted::<SHIFT>(self.0))
    }

    /// Clamps the values of both to 16 bits.
    #[inline(always)]
    pub(crate) fn clamped(self, other: Self) -> I16x8 {
        I16x8(arch::clamped(self.0, other.0))
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod arch {
    use std::arch::x86_64::*;

    pub(super) type Words = __m128i;
    pub(super) type Doubles = __m128i;

    macro_rules! operations {
        ($($name:ident$(<const $constant:ident>)? ($($operand:ident),*) = $value:expr;)*) => {$(
            #[inline(always)]
            pub(super) fn $name$(<const $constant: i32>)?($($operand: __m128i),*) -> __m128i {
                // SAFETY: the instructions are SSE2, which is part of the target, as the condition of the module says.
                unsafe { $value }
            }
        )*};
    }
    operations! {
        times(a, b) = _mm_mullo_epi16(a, b);
        interleaved_low(a, b) = _mm_unpacklo_epi16(a, b);
        interleaved_high(a, b) = _mm_unpackhi_epi16(a, b);
        dots(a, b) = _mm_madd_epi16(a, b);
        plus(a, b) = _mm_add_epi32(a, b);
        minus(a, b) = _mm_sub_epi32(a, b);
        shifted<const SHIFT>(a) = _mm_srai_epi32::<SHIFT>(a);
        clamped(a, b) = _mm_packs_epi32(a, b);
        to_samples(a, b) = _mm_xor_si128(_mm_packs_epi16(a, b), _mm_set1_epi8(i8::MIN));
    }
}

#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
mod arch {
    use std::arch::aarch64::*;

    pub(super) type Words = int16x8_t;
    pub(super) type Doubles = int32x4_t;

    macro_rules! operations {
        ($($name:ident$(<const $constant:ident>)? ($($operand:ident),*: $from:ty) -> $to:ty = $value:expr;)*) => {$(
            #[inline(always)]
            pub(super) fn $name$(<const $constant: i32>)?($($operand: $from),*) -> $to {
                // SAFETY: the instructions are NEON, which is part of the target, as the condition of the module says.
                unsafe { $value }
            }
        )*};
    }
    operations! {
        times(a, b: Words) -> Words = vmulq_s16(a, b);
        interleaved_low(a, b: Words) -> Words = vzip1q_s16(a, b);
        interleaved_high(a, b: Words) -> Words = vzip2q_s16(a, b);
        dots(a, b: Words) -> Doubles = vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
        plus(a, b: Doubles) -> Doubles = vaddq_s32(a, b);
        minus(a, b: Doubles) -> Doubles = vsubq_s32(a, b);
        shifted<const SHIFT>(a: Doubles) -> Doubles = vshrq_n_s32::<SHIFT>(a);
        clamped(a, b: Doubles) -> Words = vqmovn_high_s32(vqmovn_s32(a), b);
        to_samples(a, b: Words) -> int8x16_t = veorq_s8(vqmovn_high_s16(vqmovn_s16(a), b), vdupq_n_s8(i8::MIN));
    }
}

#[cfg(any(
    test,
    not(any(
        all(target_arch = "x86_64", target_feature = "sse2"),
        all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
    ))
))]
mod plain {
    use std::array::from_fn;

    pub(crate) type Words = [i16; 8];
    pub(crate) type Doubles = [i32; 4];

    pub(crate) fn times(a: Words, b: Words) -> Words {
        from_fn(|i| a[i].wrapping_mul(b[i]))
    }

    pub(crate) fn interleaved_low(a: Words, b: Words) -> Words {
        from_fn(|i| [a, b][i % 2][i / 2])
    }

    pub(crate) fn interleaved_high(a: Words, b: Words) -> Words {
        from_fn(|i| [a, b][i % 2][4 + i / 2])
    }

    pub(crate) fn dots(a: Words, b: Words) -> Doubles {
        let product = |i: usize| i32::from(a[i]) * i32::from(b[i]);
        from_fn(|i| product(2 * i).wrapping_add(product(2 * i + 1)))
    }

    pub(crate) fn plus(a: Doubles, b: Doubles) -> Doubles {
        from_fn(|i| a[i].wrapping_add(b[i]))
    }

    pub(crate) fn minus(a: Doubles, b: Doubles) -> Doubles {
        from_fn(|i| a[i].wrapping_sub(b[i]))
    }

    pub(crate) fn shifted<const SHIFT: i32>(a: Doubles) -> Doubles {
        a.map(|value| value >> SHIFT)
    }

    pub(crate) fn clamped(a: Doubles, b: Doubles) -> Words {
        from_fn(|i| [a, b][i / 4][i % 4].clamp(i16::MIN.into(), i16::MAX.into()) as i16)
    }

    pub(crate) fn to_samples(a: Words, b: Words) -> [u8; 16] {
        from_fn(|i| [a, b][i / 8][i % 8].saturating_add(128).clamp(0, 255) as u8)
    }
}

#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
)))]
use plain as arch;

#[cfg(test)]
mod tests {
    use super::{arch, plain};

    /// Values of all sizes, the ends among them.
    fn words(seed: u32) -> [i16; 8] {
        std::array::from_fn(|i| {
            let random = seed.wrapping_add(i as u32).wrapping_mul(0x9e37_79b9);
            match random >> 29 {
                0 => i16::MIN,
                1 => i16::MAX,
                2 => (random >> 16) as i16 % 200,
                _ => (random >> 13) as i16,
            }
        })
    }

    #[test]
    fn instructions_equal_the_plain_code() {
        for seed in 0..20_000 {
            let (a, b) = (words(2 * seed), words(7 * seed + 100));
            let (x, y): (arch::Words, arch::Words) = (bytemuck::cast(a), bytemuck::cast(b));
            let of = |words: arch::Words| bytemuck::cast::<_, [i16; 8]>(words);
            assert_eq!(of(arch::times(x, y)), plain::times(a, b));
            assert_eq!(of(arch::interleaved_low(x, y)), plain::interleaved_low(a, b));
            assert_eq!(of(arch::interleaved_high(x, y)), plain::interleaved_high(a, b));
            assert_eq!(bytemuck::cast::<_, [u8; 16]>(arch::to_samples(x, y)), plain::to_samples(a, b));

            let of = |doubles: arch::Doubles| bytemuck::cast::<_, [i32; 4]>(doubles);
            assert_eq!(of(arch::dots(x, y)), plain::dots(a, b));
            let (c, d) = (bytemuck::cast::<_, [i32; 4]>(a), bytemuck::cast::<_, [i32; 4]>(b));
            let (x, y): (arch::Doubles, arch::Doubles) = (bytemuck::cast(c), bytemuck::cast(d));
            assert_eq!(of(arch::plus(x, y)), plain::plus(c, d));
            assert_eq!(of(arch::minus(x, y)), plain::minus(c, d));
            assert_eq!(of(arch::shifted::<11>(x)), plain::shifted::<11>(c));
            assert_eq!(bytemuck::cast::<_, [i16; 8]>(arch::clamped(x, y)), plain::clamped(c, d));
        }
    }
}
