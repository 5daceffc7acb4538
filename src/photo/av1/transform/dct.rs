//! Inverse cosine transforms of 4 to 64 values (sections 7.13.2.2 and 7.13.2.3).
//!
//! A transform of `N` values is one of the `N / 2` even ones, a flow of its own for the odd ones, and sums of both. In the
//! order of reversed bits, which [`even4`] to [`even32`] expect, the even values are the first half.

use super::butterfly::{Lane, Range, reversed, rotate, sum};

/// The values in the order of reversed bits.
#[inline(always)]
fn permuted<const L: usize, const N: usize>(t: &[Lane<L>; N]) -> [Lane<L>; N] {
    std::array::from_fn(|i| t[reversed(N.trailing_zeros(), i)])
}

/// The first half of the values.
#[inline(always)]
fn half<const L: usize, const N: usize, const HALF: usize>(t: &mut [Lane<L>; N]) -> &mut [Lane<L>; HALF] {
    const { assert!(HALF * 2 == N) };
    match t.first_chunk_mut() {
        Some(half) => half,
        None => unreachable!("a half of an array"),
    }
}

/// Sums and differences of both halves.
#[inline(always)]
fn join<const L: usize, const N: usize>(t: &mut [Lane<L>; N], range: Range) {
    for i in 0..N / 2 {
        sum(t, i, N - 1 - i, false, range);
    }
}

pub fn dct4<const L: usize>(t: &mut [Lane<L>; 4], range: Range) {
    *t = permuted(t);
    even4(t, range);
}

pub fn dct8<const L: usize>(t: &mut [Lane<L>; 8], range: Range) {
    *t = permuted(t);
    even8(t, range);
}

pub fn dct16<const L: usize>(t: &mut [Lane<L>; 16], range: Range) {
    *t = permuted(t);
    even16(t, range);
}

pub fn dct32<const L: usize>(t: &mut [Lane<L>; 32], range: Range) {
    *t = permuted(t);
    even32(t, range);
}

pub fn dct64<const L: usize>(t: &mut [Lane<L>; 64], range: Range) {
    *t = permuted(t);
    even32(half(t), range);
    for i in 0..16 {
        rotate(t, 32 + i, 63 - i, 63 - 4 * reversed(4, i), false);
    }
    for i in 0..16 {
        sum(t, 32 + i * 2, 33 + i * 2, i & 1 == 1, range);
    }
    for i in 0..4 {
        for j in 0..2 {
            rotate(t, 62 - i * 4 - j, 33 + i * 4 + j, 60 - 16 * reversed(2, i) + 64 * j, true);
        }
    }
    for i in 0..8 {
        for j in 0..2 {
            sum(t, 32 + i * 4 + j, 35 + i * 4 - j, i & 1 == 1, range);
        }
    }
    for i in 0..2 {
        for j in 0..4 {
            rotate(t, 61 - i * 8 - j, 34 + i * 8 + j, 56 - i * 32 + (j >> 1) * 64, true);
        }
    }
    for i in 0..4 {
        for j in 0..4 {
            sum(t, 32 + 8 * i + j, 39 + 8 * i - j, i & 1 == 1, range);
        }
    }
    for i in 0..8 {
        rotate(t, 59 - i, 36 + i, if i < 4 { 48 } else { 112 }, true);
    }
    for i in 0..8 {
        sum(t, 32 + i, 47 - i, false, range);
        sum(t, 48 + i, 63 - i, true, range);
    }
    for i in 0..8 {
        rotate(t, 55 - i, 40 + i, 32, true);
    }
    join(t, range);
}

#[inline(always)]
fn even4<const L: usize>(t: &mut [Lane<L>; 4], range: Range) {
    rotate(t, 0, 1, 32, true);
    rotate(t, 2, 3, 48, false);
    join(t, range);
}

#[inline(always)]
fn even8<const L: usize>(t: &mut [Lane<L>; 8], range: Range) {
    even4(half(t), range);
    rotate(t, 4, 7, 56, false);
    rotate(t, 5, 6, 24, false);
    sum(t, 4, 5, false, range);
    sum(t, 6, 7, true, range);
    rotate(t, 6, 5, 32, true);
    join(t, range);
}

#[inline(always)]
fn even16<const L: usize>(t: &mut [Lane<L>; 16], range: Range) {
    even8(half(t), range);
    for i in 0..4 {
        rotate(t, 8 + i, 15 - i, 12 + (reversed(2, 3 - i) << 4), false);
    }
    for i in 0..4 {
        sum(t, 8 + 2 * i, 9 + 2 * i, i & 1 == 1, range);
    }
    rotate(t, 14, 9, 48, true);
    rotate(t, 13, 10, 112, true);
    for i in 0..2 {
        for j in 0..2 {
            sum(t, 8 + 4 * i + j, 11 + 4 * i - j, i == 1, range);
        }
    }
    rotate(t, 13, 10, 32, true);
    rotate(t, 12, 11, 32, true);
    join(t, range);
}

#[inline(always)]
fn even32<const L: usize>(t: &mut [Lane<L>; 32], range: Range) {
    even16(half(t), range);
    for i in 0..8 {
        rotate(t, 16 + i, 31 - i, 6 + (reversed(3, 7 - i) << 3), false);
    }
    for i in 0..8 {
        sum(t, 16 + 2 * i, 17 + 2 * i, i & 1 == 1, range);
    }
    for i in 0..2 {
        for j in 0..2 {
            rotate(t, 30 - 4 * i - j, 17 + 4 * i + j, 24 + (j << 6) + ((1 - i) << 5), true);
        }
    }
    for i in 0..4 {
        for j in 0..2 {
            sum(t, 16 + 4 * i + j, 19 + 4 * i - j, i & 1 == 1, range);
        }
    }
    for i in 0..4 {
        rotate(t, 29 - i, 18 + i, 48 + (i >> 1) * 64, true);
    }
    for i in 0..2 {
        for j in 0..4 {
            sum(t, 16 + i * 8 + j, 23 + i * 8 - j, i == 1, range);
        }
    }
    for i in 0..4 {
        rotate(t, 27 - i, 20 + i, 32, true);
    }
    join(t, range);
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_1_SQRT_2, PI};

    use super::*;

    /// `sum of c(k) X(k) cos((2 n + 1) k pi / 2 N)`, with `c(0)` of `1 / sqrt(2)`: the scale of the specification's flow.
    fn reference<const N: usize>(input: &[i32; N]) -> [f64; N] {
        std::array::from_fn(|n| {
            let term = |k: usize| {
                let scale = if k == 0 { FRAC_1_SQRT_2 } else { 1.0 };
                scale * f64::from(input[k]) * ((2 * n + 1) as f64 * k as f64 * PI / (2 * N) as f64).cos()
            };
            (0..N).map(term).sum()
        })
    }

    /// Random columns against the definition; every rotation rounds to a half, of which a value meets less than two each step.
    fn check<const N: usize>(transform: fn(&mut [Lane<4>; N], Range)) {
        let mut state = 7u32;
        for _ in 0..50 {
            let input: [[i32; 4]; N] = std::array::from_fn(|_| {
                std::array::from_fn(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 21) as i32 - 1024
                })
            });
            let mut output = input;
            transform(&mut output, Range::of_bits(18));
            for lane in 0..4 {
                let exact = reference::<N>(&input.map(|row| row[lane]));
                for (n, exact) in exact.iter().enumerate() {
                    let error = (f64::from(output[n][lane]) - exact).abs();
                    // The table of cosines is exact to 1 / 8192, the sum of so many values to less than this.
                    let tolerance = 2.0 * f64::from(N.trailing_zeros()) + 0.2 * (N as f64).sqrt();
                    assert!(error < tolerance, "{N} values, {n}: {} is {error} from {exact}", output[n][lane]);
                }
            }
        }
    }

    #[test]
    fn transforms_equal_their_definition() {
        check(dct4);
        check(dct8);
        check(dct16);
        check(dct32);
        check(dct64);
    }
}
