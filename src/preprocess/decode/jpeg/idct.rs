//! From coefficients to samples: the accurate integer inverse DCT of the IJG's library ("islow").
//!
//! The factorisation is Loeffler's, Ligtenberg's and Moschytz's (ICASSP 1989) with 13 fractional bits in the
//! constants and 2 in what passes between the columns and the rows. Decoders that round elsewhere differ
//! by one level here and there; this one rounds where libjpeg-turbo does, so that samples are equal.

/// Fractional bits of the constants.
const FRACTION: u32 = 13;
/// Fractional bits kept between the passes.
const BETWEEN: u32 = 2;

/// A constant with [`FRACTION`] bits, rounded.
const fn fixed(value: f64) -> i32 {
    (value * (1 << FRACTION) as f64 + 0.5) as i32
}

// Sums of the cosines c(k) = cos(k pi / 16) * sqrt(2), as the factorisation pairs them.
const C6: i32 = fixed(0.541196100);
const C2_MINUS_C6: i32 = fixed(0.765366865);
const C2_PLUS_C6: i32 = fixed(1.847759065);
const C3: i32 = fixed(1.175875602);
const ODD_7: i32 = fixed(0.298631336);
const ODD_5: i32 = fixed(2.053119869);
const ODD_3: i32 = fixed(3.072711026);
const ODD_1: i32 = fixed(1.501321110);
const ODD_17: i32 = fixed(0.899976223);
const ODD_35: i32 = fixed(2.562915447);
const ODD_37: i32 = fixed(1.961570560);
const ODD_15: i32 = fixed(0.390180644);

/// Eight values side by side, one of each column (or row) of the block.
type Lanes = [i32; 8];

#[inline(always)]
fn map(a: &Lanes, f: impl Fn(i32) -> i32) -> Lanes {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(always)]
fn zip(a: &Lanes, b: &Lanes, f: impl Fn(i32, i32) -> i32) -> Lanes {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn add(a: &Lanes, b: &Lanes) -> Lanes {
    zip(a, b, i32::wrapping_add)
}

#[inline(always)]
fn sub(a: &Lanes, b: &Lanes) -> Lanes {
    zip(a, b, i32::wrapping_sub)
}

#[inline(always)]
fn scale(a: &Lanes, by: i32) -> Lanes {
    map(a, |value| value.wrapping_mul(by))
}

/// A one-dimensional inverse DCT of eight columns at once; drops `shift` fractional bits.
#[inline(always)]
fn pass(v: &[Lanes; 8], shift: u32) -> [Lanes; 8] {
    // Even coefficients.
    let z = scale(&add(&v[2], &v[6]), C6);
    let low = sub(&z, &scale(&v[6], C2_PLUS_C6));
    let high = add(&z, &scale(&v[2], C2_MINUS_C6));
    let sum = map(&add(&v[0], &v[4]), |value| value.wrapping_shl(FRACTION));
    let difference = map(&sub(&v[0], &v[4]), |value| value.wrapping_shl(FRACTION));
    let even = [add(&sum, &high), add(&difference, &low), sub(&difference, &low), sub(&sum, &high)];

    // Odd coefficients.
    let z = scale(&add(&add(&v[7], &v[3]), &add(&v[5], &v[1])), C3);
    let z37 = sub(&z, &scale(&add(&v[7], &v[3]), ODD_37));
    let z15 = sub(&z, &scale(&add(&v[5], &v[1]), ODD_15));
    let z17 = scale(&add(&v[7], &v[1]), -ODD_17);
    let z35 = scale(&add(&v[5], &v[3]), -ODD_35);
    let odd = [
        add(&scale(&v[1], ODD_1), &add(&z17, &z15)),
        add(&scale(&v[3], ODD_3), &add(&z35, &z37)),
        add(&scale(&v[5], ODD_5), &add(&z35, &z15)),
        add(&scale(&v[7], ODD_7), &add(&z17, &z37)),
    ];

    let half = 1 << (shift - 1);
    let end = |value: i32| value.wrapping_add(half) >> shift;
    let mut out = [[0; 8]; 8];
    for i in 0..4 {
        out[i] = map(&add(&even[i], &odd[i]), end);
        out[7 - i] = map(&sub(&even[i], &odd[i]), end);
    }
    out
}

#[inline(always)]
fn transpose(v: &[Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|i| std::array::from_fn(|j| v[j][i]))
}

#[inline(always)]
fn to_sample(value: i32) -> u8 {
    value.wrapping_add(128).clamp(0, 255) as u8
}

/// Writes the 8 x 8 samples of a block to the top left of `out`, whose rows are `stride` apart.
///
/// `coefficients` are in row-major order, `quantisation` is its table in the same order.
pub(super) fn block(coefficients: &[i16; 64], quantisation: &[u16; 64], out: &mut [u8], stride: usize) {
    let v: [Lanes; 8] = std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            let i = row * 8 + column;
            i32::from(coefficients[i]).wrapping_mul(i32::from(quantisation[i]))
        })
    });
    let columns = pass(&v, FRACTION - BETWEEN);
    // 3 bits more for the factor of 8 of a two-dimensional transform.
    let rows = transpose(&pass(&transpose(&columns), FRACTION + BETWEEN + 3));
    for (row, out) in rows.iter().zip(out.chunks_mut(stride)) {
        if let Some(out) = out.first_chunk_mut::<8>() {
            *out = row.map(to_sample);
        }
    }
}

/// As [`block`], for a block whose only coefficient is the first: the same to the bit.
pub(super) fn flat(coefficient: i16, quantisation: u16, out: &mut [u8], stride: usize) {
    let value = i32::from(coefficient).wrapping_mul(i32::from(quantisation));
    let sample = to_sample(value.wrapping_add(4) >> 3);
    for out in out.chunks_mut(stride).take(8) {
        if let Some(out) = out.first_chunk_mut::<8>() {
            *out = [sample; 8];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inverse DCT as T.81 defines it (A.3.3), in floating point.
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
            block(&coefficients, &[1; 64], &mut out, 8);
            for (got, exact) in out.iter().zip(exact(&coefficients)) {
                // Half a level of rounding, and a little of the fixed point.
                assert!((f64::from(*got) - exact).abs() < 0.6, "{got} {exact}");
            }
        }
    }

    #[test]
    fn flat_blocks_take_a_short_way_to_the_same_place() {
        for value in -2000..2000i16 {
            let mut coefficients = [0; 64];
            coefficients[0] = value;
            let (mut long, mut short) = ([0; 64], [0; 64]);
            block(&coefficients, &[3; 64], &mut long, 8);
            flat(value, 3, &mut short, 8);
            assert_eq!(long, short, "{value}");
        }
    }
}
