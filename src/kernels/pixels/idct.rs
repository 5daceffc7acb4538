//! The inverse DCT: the accurate integer version of the IJG library ("islow").
//!
//! The factorisation is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), with 13 fractional bits in the
//! constants and 2 between the column and the row pass. It rounds exactly where libjpeg-turbo does; other roundings
//! would differ by a level in places. As in libjpeg-turbo's vector code, products have 16-bit factors; only damaged
//! files exceed them.
//!
//! A pass rounds once, at its end, so its sums are multiplied out to products of 16-bit values and 16-bit constants,
//! for which every vector unit has an instruction.

use super::super::simd::words::{GROUP, Words};

/// Coefficients of a block, in row-major order.
pub(crate) type Block = [i16; 64];

/// Fractional bits of the constants.
pub(super) const FRACTION: u32 = 13;
/// Fractional bits between the passes.
pub(super) const BETWEEN: u32 = 2;

/// Rounds a constant to [`FRACTION`] fractional bits.
pub(super) const fn fixed(value: f64) -> i32 {
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

/// Computes a one-dimensional inverse DCT of the columns; drops `SHIFT` fractional bits.
///
/// `LOW` assumes that coefficients 4 to 7 are zero.
#[inline(always)]
fn pass<W: Words, const LOW: bool, const SHIFT: i32>(w: W, v: &[W::V; 8]) -> [W::V; 8] {
    let half = w.sums(1 << (SHIFT - 1));
    let zero = w.words(0);
    // Coefficients 4 and 6 are zero as well if `LOW`; said so, they are not loaded.
    let p04 = pairs(w, v[0], if LOW { zero } else { v[4] });
    let p26 = pairs(w, v[2], if LOW { zero } else { v[6] });
    let (p13, p57) = (pairs(w, v[1], v[3]), pairs(w, v[5], v[7]));
    // Sums of the first four columns and of the last four.
    let mut sums = [[half; 8]; 2];
    for (columns, sums) in sums.iter_mut().enumerate() {
        let sum = w.add(dots(w, p04[columns], EVEN_04[0]), half);
        let difference = w.add(dots(w, p04[columns], EVEN_04[1]), half);
        let (outer, inner) = (dots(w, p26[columns], EVEN_26[0]), dots(w, p26[columns], EVEN_26[1]));
        let even = [w.add(sum, outer), w.add(difference, inner), w.sub(difference, inner), w.sub(sum, outer)];
        for i in 0..4 {
            let mut odd = dots(w, p13[columns], ODD_13[i]);
            if !LOW {
                odd = w.add(odd, dots(w, p57[columns], ODD_57[i]));
            }
            sums[i] = w.add(even[i], odd);
            sums[7 - i] = w.sub(even[i], odd);
        }
    }
    let mut out = [zero; 8];
    for (i, out) in out.iter_mut().enumerate() {
        *out = w.narrow(w.drop_bits::<SHIFT>(sums[0][i]), w.drop_bits::<SHIFT>(sums[1][i]));
    }
    out
}

/// Sums the products of the places of `pairs` and two weights.
#[inline(always)]
pub(super) fn dots<W: Words>(w: W, pairs: W::V, [even, odd]: [i32; 2]) -> W::S {
    w.dots(pairs, w.alternating([even as i16, odd as i16]))
}

/// The words of both in turns: of the first four places, and of the last four.
#[inline(always)]
pub(super) fn pairs<W: Words>(w: W, a: W::V, b: W::V) -> [W::V; 2] {
    [w.lower(a, b), w.upper(a, b)]
}

/// Passes of columns and rows drop these bits; 3 more for the factor of 8 of a two-dimensional transform.
const COLUMNS: i32 = (FRACTION - BETWEEN) as i32;
const ROWS: i32 = (FRACTION + BETWEEN + 3) as i32;

/// Transforms `GROUPS` blocks to squares beside each other.
#[inline(always)]
fn transform<W: Words, const LOW: bool>(w: W, blocks: &[Block], steps: &[u16; 64], out: &mut [u8], stride: usize) {
    assert!(blocks.len() == W::GROUPS && out.len() >= 7 * stride + W::WORDS);
    let (from, steps) = (blocks.as_ptr().cast::<i16>(), steps.as_ptr().cast::<i16>());
    let mut v = [w.words(0); 8];
    for (i, v) in v.iter_mut().enumerate() {
        // SAFETY: each block has eight rows of eight words, and the steps have as many.
        unsafe {
            *v = w.times(w.load(from.wrapping_add(GROUP * i), 64), w.load(steps.wrapping_add(GROUP * i), 0));
        }
    }
    let columns = pass::<W, LOW, COLUMNS>(w, &v);
    let rows = pass::<W, LOW, ROWS>(w, &w.transposed(columns));
    let rows = w.transposed(rows);
    for i in (0..8).step_by(2) {
        // SAFETY: `out` has a vector's words in each of eight rows.
        unsafe { w.store_samples(out.as_mut_ptr().wrapping_add(i * stride), stride, rows[i], rows[i + 1]) };
    }
}

/// Transforms blocks to squares of 8 x 8 samples beside each other, from the top left of `out`, whose rows are `stride`
/// bytes apart.
///
/// `lasts` has the zigzag position of each block's last coefficient that is not zero, or any later position.
#[inline(always)]
pub(super) fn squares<W: Words>(
    w: W,
    blocks: &[Block],
    lasts: &[u8],
    steps: &[u16; 64],
    out: &mut [u8],
    stride: usize,
) {
    let whole = blocks.len() - blocks.len() % W::GROUPS;
    let groups = blocks[..whole].chunks_exact(W::GROUPS).zip(lasts.chunks_exact(W::GROUPS));
    for (i, (group, lasts)) in groups.enumerate() {
        let out = &mut out[i * W::WORDS..];
        match lasts.iter().max() {
            None | Some(0) => {
                for (i, block) in group.iter().enumerate() {
                    flat(block[0], steps[0], &mut out[i * 8..], stride);
                }
            }
            // The first four diagonals: the right and the lower half are zero.
            Some(1..10) => transform::<W, true>(w, group, steps, out, stride),
            _ => transform::<W, false>(w, group, steps, out, stride),
        }
    }
    for (i, block) in (whole..).zip(&blocks[whole..]) {
        let mut squares = [0; 8 * 8 * 2];
        transform::<W, false>(w, &[*block; 2][..W::GROUPS], steps, &mut squares, W::WORDS);
        for (out, square) in out[i * 8..].chunks_mut(stride).zip(squares.chunks_exact(W::WORDS)) {
            out[..8].copy_from_slice(&square[..8]);
        }
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

/// Returns the samples of a block with a DC coefficient only.
#[inline(always)]
pub(super) fn flat_sample(coefficient: i16, step: u16) -> u8 {
    let value = i32::from(coefficient.wrapping_mul(step as i16));
    to_sample(clip((value + 4) >> 3))
}

/// Transforms a block with a DC coefficient only; equal to [`transform`], bit for bit.
#[inline(always)]
fn flat(coefficient: i16, step: u16, out: &mut [u8], stride: usize) {
    let sample = flat_sample(coefficient, step);
    for out in out.chunks_mut(stride).take(8) {
        if let Some(out) = out.first_chunk_mut::<8>() {
            *out = [sample; 8];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Isa;
    use super::super::reduced::transform_blocks;
    use super::*;

    /// Transforms a block on every set; all give the same.
    fn block(coefficients: &Block, steps: &[u16; 64], last: u8, out: &mut [u8; 64]) {
        let mut first = None;
        for isa in Isa::available() {
            // Five beside each other, all of which are this one.
            let mut squares = [0; 8 * 40];
            transform_blocks(isa, 8, &[*coefficients; 5], &[last; 5], steps, &mut squares, 40);
            for square in 0..5 {
                let got = std::array::from_fn(|i| squares[i / 8 * 40 + square * 8 + i % 8]);
                assert_eq!(got, *first.get_or_insert(got), "{isa:?} {square}");
            }
        }
        *out = first.unwrap();
    }

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
            block(&coefficients, &[1; 64], 63, &mut out);
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
                // The first places in zigzag order.
                for (k, &place) in [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25][..=last].iter().enumerate() {
                    coefficients[place] = seed / (1 + 3 * k as i16);
                }
                let (mut full, mut fast) = ([0; 64], [0; 64]);
                block(&coefficients, &[3; 64], 63, &mut full);
                block(&coefficients, &[3; 64], last as u8, &mut fast);
                assert_eq!(full, fast, "{seed} {last}");
            }
        }
    }
}
