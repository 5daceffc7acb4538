//! The inverse DCT: the accurate integer version of the IJG library ("islow").
//!
//! The factorisation is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), with 13 fractional bits in the
//! constants and 2 between the column and the row pass. It rounds exactly where libjpeg-turbo does; other roundings
//! would differ by a level in places. As in libjpeg-turbo's vector code, products have 16-bit factors; only damaged
//! files exceed them.
//!
//! A pass rounds once, at its end, so its sums are multiplied out to products of 16-bit values and 16-bit constants,
//! for which every vector unit has an instruction.

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

/// Weights of coefficients 2 and 6 in samples 0 (and 7) and 1 (and 6).
const EVEN: [[i32; 2]; 2] = [[C6 + C2_MINUS_C6, C6], [C6, C6 - C2_PLUS_C6]];

/// Weights of coefficients 1, 3, 5 and 7 in samples 0 to 3; with the opposite sign, in samples 7 to 4.
const ODD: [[i32; 4]; 4] = [
    [ONE - ONE_SEVEN + ALL - ONE_FIVE, ALL, ALL - ONE_FIVE, ALL - ONE_SEVEN],
    [ALL, THREE - THREE_FIVE + ALL - THREE_SEVEN, ALL - THREE_FIVE, ALL - THREE_SEVEN],
    [ALL - ONE_FIVE, ALL - THREE_FIVE, FIVE - THREE_FIVE + ALL - ONE_FIVE, ALL],
    [ALL - ONE_SEVEN, ALL - THREE_SEVEN, ALL, SEVEN - ONE_SEVEN + ALL - THREE_SEVEN],
];

/// One value of each column (or row) of the block.
type Lanes = [i16; 8];

/// Clamps to 16 bits.
#[inline(always)]
fn clip(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// Computes a one-dimensional inverse DCT of eight columns; drops `shift` fractional bits.
///
/// `LOW` assumes that coefficients 4 to 7 are zero.
#[inline(always)]
fn pass<const LOW: bool>(v: &[Lanes; 8], shift: u32) -> [Lanes; 8] {
    let half = 1 << (shift - 1);
    let mut out = [[0; 8]; 8];
    for lane in 0..8 {
        let at = |i: usize| {
            if LOW && i >= 4 { 0 } else { i32::from(v[i][lane]) }
        };
        let dot = |k: [i32; 2], a: i32, b: i32| a.wrapping_mul(k[0]).wrapping_add(b.wrapping_mul(k[1]));
        let sum = at(0).wrapping_add(at(4)).wrapping_shl(FRACTION).wrapping_add(half);
        let difference = at(0).wrapping_sub(at(4)).wrapping_shl(FRACTION).wrapping_add(half);
        let outer = dot(EVEN[0], at(2), at(6));
        let inner = dot(EVEN[1], at(2), at(6));
        let even = [
            sum.wrapping_add(outer),
            difference.wrapping_add(inner),
            difference.wrapping_sub(inner),
            sum.wrapping_sub(outer),
        ];
        for i in 0..4 {
            let [k1, k3, k5, k7] = ODD[i];
            let odd = dot([k1, k3], at(1), at(3)).wrapping_add(dot([k5, k7], at(5), at(7)));
            out[i][lane] = clip(even[i].wrapping_add(odd) >> shift);
            out[7 - i][lane] = clip(even[i].wrapping_sub(odd) >> shift);
        }
    }
    out
}

/// Transposes a block.
#[inline(always)]
fn transposed<T: Copy>(v: &[[T; 8]; 8]) -> [[T; 8]; 8] {
    let mut out = *v;
    for (i, row) in v.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            out[j][i] = value;
        }
    }
    out
}

#[inline(always)]
fn to_sample(value: i16) -> u8 {
    value.saturating_add(128).clamp(0, 255) as u8
}

#[inline(always)]
fn transform<const LOW: bool>(coefficients: &[i16; 64], quantisation: &[u16; 64], out: &mut [u8], stride: usize) {
    let v: [Lanes; 8] = std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let i = row * 8 + column;
            coefficients[i].wrapping_mul(quantisation[i] as i16)
        })
    });
    let columns = pass::<LOW>(&v, FRACTION - BETWEEN);
    // 3 more bits for the factor of 8 of a two-dimensional transform.
    let rows = pass::<LOW>(&transposed(&columns), FRACTION + BETWEEN + 3);
    let samples: [[u8; 8]; 8] = std::array::from_fn(|i| std::array::from_fn(|j| to_sample(rows[i][j])));
    let samples = transposed(&samples);
    for (samples, out) in samples.iter().zip(out.chunks_mut(stride)) {
        if let Some(out) = out.first_chunk_mut::<8>() {
            *out = *samples;
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
