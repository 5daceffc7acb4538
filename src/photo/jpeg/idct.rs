//! The inverse DCT: the accurate integer version of the IJG library ("islow").
//!
//! The factorisation is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), with 13 fractional bits in the
//! constants and 2 between the column and the row pass. It rounds exactly where libjpeg-turbo does; other roundings
//! would differ by a level in places. As in libjpeg-turbo's vector code, products have 16-bit factors; only damaged
//! files exceed them.
//!
//! A pass rounds once, at its end, so its sums are multiplied out to products of 16-bit values and 16-bit constants,
//! for which every vector unit has an instruction.

use crate::kernels::lanes::{I16x8, I32x4};

/// Fractional bits of the constants.
const FRACTION: u32 = 13;
/// Fractional bits between the passes.
const BETWEEN: u32 = 2;

/// Rounds a constant to [`FRACTION`] fractional bits.
const fn fixed(value: f64) -> i32 {
    (value * (1 << FRACTION) as f64 + 0.5) as i32
}

// Constants of the factorisation for even coefficients.
const C6: i32 = fixed(0.541196100);
const C2_MINUS_C6: i32 = fixed(0.765366865);
const C2_PLUS_C6: i32 = fixed(1.847759065);
// Constants for odd coefficients, named after the coefficients that they multiply.
const ALL: i32 = fixed(1.175875602);
const ONE: i32 = fixed(1.501321110);
const THREE: i32 = fixed(3.072711026);
const FIVE: i32 = fixed(2.053119869);
const SEVEN: i32 = fixed(0.298631336);
const ONE_SEVEN: i32 = fixed(0.899976223);
const THREE_FIVE: i32 = fixed(2.562915447);
const THREE_SEVEN: i32 = fixed(1.961570560);
const ONE_FIVE: i32 = fixed(0.390180644);

/// Weights of coefficients 0 and 4 in samples 0, 3, 4 and 7, and in samples 1, 2, 5 and 6.
const EVEN_04: [[i32; 2]; 2] = [[1 << FRACTION, 1 << FRACTION], [1 << FRACTION, -(1 << FRACTION)]];

/// Weights of coefficients 2 and 6 in samples 0 (and 7) and 1 (and 6); with the opposite sign, in 3 (and 4) and 2
/// (and 5).
const EVEN_26: [[i32; 2]; 2] = [[C6 + C2_MINUS_C6, C6], [C6, C6 - C2_PLUS_C6]];

/// Weights of coefficients 1 and 3 in samples 0 to 3; with the opposite sign, in samples 7 to 4.
const ODD_13: [[i32; 2]; 4] = [
    [ONE - ONE_SEVEN + ALL - ONE_FIVE, ALL],
    [ALL, THREE - THREE_FIVE + ALL - THREE_SEVEN],
    [ALL - ONE_FIVE, ALL - THREE_FIVE],
    [ALL - ONE_SEVEN, ALL - THREE_SEVEN],
];

/// Weights of coefficients 5 and 7, alike.
const ODD_57: [[i32; 2]; 4] = [
    [ALL - ONE_FIVE, ALL - ONE_SEVEN],
    [ALL - THREE_FIVE, ALL - THREE_SEVEN],
    [FIVE - THREE_FIVE + ALL - ONE_FIVE, ALL],
    [ALL, SEVEN - ONE_SEVEN + ALL - THREE_SEVEN],
];

/// Sums the products of the places of `pairs` and two weights.
#[inline(always)]
fn dots(pairs: I16x8, weights: [i32; 2]) -> I32x4 {
    pairs.dots(I16x8::alternating(weights.map(|weight| weight as i16)))
}

/// Computes a one-dimensional inverse DCT of eight columns; drops `SHIFT` fractional bits.
///
/// `LOW` assumes that coefficients 4 to 7 are zero.
#[inline(always)]
fn pass<const LOW: bool, const SHIFT: i32>(v: &[I16x8; 8]) -> [I16x8; 8] {
    let half = I32x4::splat(1 << (SHIFT - 1));
    let zero = I16x8::splat(0);
    // Coefficients 4 and 6 are zero as well if `LOW`; said so, they are not loaded.
    let [p04, p26] = [[0, 4], [2, 6]].map(|[a, b]| v[a].interleaved(if LOW { zero } else { v[b] }));
    let [p13, p57] = [[1, 3], [5, 7]].map(|[a, b]| v[a].interleaved(v[b]));
    // Sums of the first four columns and of the last four.
    let mut sums = [[half; 8]; 2];
    for (columns, sums) in sums.iter_mut().enumerate() {
        let [sum, difference] = EVEN_04.map(|weights| dots(p04[columns], weights).plus(half));
        let [outer, inner] = EVEN_26.map(|weights| dots(p26[columns], weights));
        let even = [sum.plus(outer), difference.plus(inner), difference.minus(inner), sum.minus(outer)];
        for i in 0..4 {
            let mut odd = dots(p13[columns], ODD_13[i]);
            if !LOW {
                odd = odd.plus(dots(p57[columns], ODD_57[i]));
            }
            sums[i] = even[i].plus(odd);
            sums[7 - i] = even[i].minus(odd);
        }
    }
    std::array::from_fn(|i| sums[0][i].shifted::<SHIFT>().clamped(sums[1][i].shifted::<SHIFT>()))
}

/// Passes of columns and rows drop these bits; 3 more for the factor of 8 of a two-dimensional transform.
const COLUMNS: i32 = (FRACTION - BETWEEN) as i32;
const ROWS: i32 = (FRACTION + BETWEEN + 3) as i32;

#[inline(always)]
fn transform<const LOW: bool>(coefficients: &[i16; 64], quantisation: &[u16; 64], out: &mut [u8], stride: usize) {
    let (coefficients, _) = coefficients.as_chunks::<8>();
    let (quantisation, _) = quantisation.as_chunks::<8>();
    let v =
        std::array::from_fn(|i| I16x8::new(coefficients[i]).times(I16x8::new(quantisation[i].map(|step| step as i16))));
    let columns = pass::<LOW, COLUMNS>(&v);
    let rows = pass::<LOW, ROWS>(&I16x8::transposed(columns));
    let rows = I16x8::transposed(rows);
    let mut out = out.chunks_mut(stride);
    for pair in rows.chunks_exact(2) {
        let samples = pair[0].to_samples(pair[1]);
        for (samples, out) in samples.as_chunks::<8>().0.iter().zip(&mut out) {
            if let Some(out) = out.first_chunk_mut::<8>() {
                *out = *samples;
            }
        }
    }
}

/// Transforms a block to 8 x 8 samples at the top left of `out`, whose rows are `stride` bytes apart.
///
/// `coefficients` and `quantisation` are in row-major order; `last` is the zigzag position of the last coefficient that
/// is not zero, or any later position.
pub(super) fn block(coefficients: &[i16; 64], quantisation: &[u16; 64], last: usize, out: &mut [u8], stride: usize) {
    match last {
        0 => flat(coefficients[0], quantisation[0], out, stride),
        // The first four diagonals: the right and the lower half are zero.
        1..10 => transform::<true>(coefficients, quantisation, out, stride),
        _ => transform::<false>(coefficients, quantisation, out, stride),
    }
}

#[inline(always)]
fn to_sample(value: i16) -> u8 {
    value.saturating_add(128).clamp(0, 255) as u8
}

/// Clamps to 16 bits.
fn clip(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// Transforms a block with a DC coefficient only; equal to [`transform`], bit for bit.
fn flat(coefficient: i16, quantisation: u16, out: &mut [u8], stride: usize) {
    let value = i32::from(coefficient.wrapping_mul(quantisation as i16));
    let sample = to_sample(clip((value + 4) >> 3));
    for out in out.chunks_mut(stride).take(8) {
        if let Some(out) = out.first_chunk_mut::<8>() {
            *out = [sample; 8];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::segments::ZIGZAG;
    use super::*;

    /// Computes the inverse DCT of T.81, A.3.3, in floating point.
    fn exact(coefficients: &[i16; 64]) -> [f64; 64] {
        let c = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
        let cos = |x: usize, u: usize| ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos();
        std::array::from_fn(|i| {
            let (y, x) = (i / 8, i % 8);
            let mut sum = 0.0;
            for v in 0..8 {
                for u in 0..8 {
                    sum += c(u) * c(v) * f64::from(coefficients[v * 8 + u]) * cos(x, u) * cos(y, v);
                }
            }
            (sum / 4.0 + 128.0).clamp(0.0, 255.0)
        })
    }

    #[test]
    fn close_to_the_definition() {
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            state >> 8
        };
        for round in 0..200 {
            let mut coefficients = [0i16; 64];
            for value in &mut coefficients {
                if random() % 4 <= round % 4 {
                    *value = (random() % 200) as i16 - 100;
                }
            }
            let mut out = [0; 64];
            block(&coefficients, &[1; 64], 63, &mut out, 8);
            for (got, exact) in out.iter().zip(exact(&coefficients)) {
                // Half a level of rounding, plus the error of the fixed point.
                assert!((f64::from(*got) - exact).abs() < 0.6, "{got} {exact}");
            }
        }
    }

    #[test]
    fn fast_paths_equal_the_full_transform() {
        for seed in -2000..2000i16 {
            for last in 0..12 {
                let mut coefficients = [0; 64];
                for (k, &place) in ZIGZAG[..=last].iter().enumerate() {
                    coefficients[usize::from(place)] = seed / (1 + 3 * k as i16);
                }
                let (mut full, mut fast) = ([0; 64], [0; 64]);
                block(&coefficients, &[3; 64], 63, &mut full, 8);
                block(&coefficients, &[3; 64], last, &mut fast, 8);
                assert_eq!(full, fast, "{seed} {last}");
            }
        }
    }
}
