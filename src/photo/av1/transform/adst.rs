//! Inverse sine transforms (sections 7.13.2.4 to 7.13.2.8), identities (7.13.2.11 to 7.13.2.14) and the transform of
//! Walsh and Hadamard (7.13.2.10).

use super::butterfly::{Lane, Range, rotate, round, sum};

/// `4096 * 2 sqrt(2) / 3 * sin(pi i / 9)`, rounded (`SINPI_1_9` to `SINPI_4_9`).
const SINES: [i32; 4] = [1321, 2482, 3344, 3803];

pub fn adst4<const L: usize>(t: &mut [Lane<L>; 4], _: Range) {
    let [s1, s2, s3, s4] = SINES;
    let input = *t;
    for lane in 0..L {
        let [a, b, c, d] = input.map(|row| row[lane]);
        // Products of values of 20 bits wrap; those sums of conforming streams that matter do not.
        let times = i32::wrapping_mul;
        let first = times(s1, a).wrapping_add(times(s4, c)).wrapping_add(times(s2, d));
        let second = times(s2, a).wrapping_sub(times(s1, c)).wrapping_sub(times(s4, d));
        let third = times(s3, b);
        let fourth = times(s3, a.wrapping_sub(c).wrapping_add(d));
        t[0][lane] = round(first.wrapping_add(third), 12);
        t[1][lane] = round(second.wrapping_add(third), 12);
        t[2][lane] = round(fourth, 12);
        t[3][lane] = round(first.wrapping_add(second).wrapping_sub(third), 12);
    }
}

/// The order of inputs: from the end and from the beginning by turns.
#[inline(always)]
fn input_order<const L: usize, const N: usize>(t: &[Lane<L>; N]) -> [Lane<L>; N] {
    std::array::from_fn(|i| if i & 1 == 1 { t[i - 1] } else { t[N - 1 - i] })
}

/// The order of outputs, every other one negated.
#[inline(always)]
fn output_order<const L: usize, const N: usize>(t: &[Lane<L>; N]) -> [Lane<L>; N] {
    std::array::from_fn(|i| {
        let bit = |n: usize| (i >> n) & 1;
        let [a, b, c, d] = [bit(3), bit(2) ^ bit(3), bit(1) ^ bit(2), bit(0) ^ bit(1)];
        let from = ((d << 3) | (c << 2) | (b << 1) | a) >> (4 - N.trailing_zeros());
        if i & 1 == 1 { t[from].map(i32::wrapping_neg) } else { t[from] }
    })
}

pub fn adst8<const L: usize>(t: &mut [Lane<L>; 8], range: Range) {
    *t = input_order(t);
    for i in 0..4 {
        rotate(t, 2 * i, 2 * i + 1, 60 - 16 * i, true);
    }
    for i in 0..4 {
        sum(t, i, 4 + i, false, range);
    }
    rotate(t, 4, 5, 48, true);
    rotate(t, 7, 6, 16, true);
    for i in 0..2 {
        for j in 0..2 {
            sum(t, 4 * j + i, 2 + 4 * j + i, false, range);
        }
    }
    rotate(t, 2, 3, 32, true);
    rotate(t, 6, 7, 32, true);
    *t = output_order(t);
}

pub fn adst16<const L: usize>(t: &mut [Lane<L>; 16], range: Range) {
    *t = input_order(t);
    for i in 0..8 {
        rotate(t, 2 * i, 2 * i + 1, 62 - 8 * i, true);
    }
    for i in 0..8 {
        sum(t, i, 8 + i, false, range);
    }
    for i in 0..2 {
        rotate(t, 8 + 2 * i, 9 + 2 * i, 56 - 32 * i, true);
        rotate(t, 13 + 2 * i, 12 + 2 * i, 8 + 32 * i, true);
    }
    for i in 0..4 {
        for j in 0..2 {
            sum(t, 8 * j + i, 4 + 8 * j + i, false, range);
        }
    }
    for j in 0..2 {
        rotate(t, 4 + 8 * j, 5 + 8 * j, 48, true);
        rotate(t, 7 + 8 * j, 6 + 8 * j, 16, true);
    }
    for i in 0..2 {
        for j in 0..4 {
            sum(t, 4 * j + i, 2 + 4 * j + i, false, range);
        }
    }
    for i in 0..4 {
        rotate(t, 2 + 4 * i, 3 + 4 * i, 32, true);
    }
    *t = output_order(t);
}

/// Scales by `sqrt(N / 8) * sqrt(2)`: the gain of the other transforms of so many values.
///
/// Only the fraction is multiplied, so that 20 bits stay within 32.
pub fn identity<const L: usize, const N: usize>(t: &mut [Lane<L>; N], _: Range) {
    for value in t.as_flattened_mut() {
        *value = match N {
            4 => value.wrapping_add(round(value.wrapping_mul(5793 - 4096), 12)),
            8 => value.wrapping_mul(2),
            16 => value.wrapping_mul(2).wrapping_add(round(value.wrapping_mul(11586 - 8192), 12)),
            _ => value.wrapping_mul(4),
        };
    }
}

/// The lossless transform of four values, divided by `1 << shift` beforehand.
pub fn walsh_hadamard<const L: usize>(t: &mut [Lane<L>; 4], shift: u32) {
    for lane in 0..L {
        let [first, second, third, fourth] = t.map(|row| row[lane] >> shift);
        let a = first.wrapping_add(second);
        let d = third.wrapping_sub(fourth);
        let e = a.wrapping_sub(d) >> 1;
        let b = e.wrapping_sub(fourth);
        let c = e.wrapping_sub(second);
        let output = [a.wrapping_sub(b), b, c, d.wrapping_add(c)];
        for (row, value) in t.iter_mut().zip(output) {
            row[lane] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    fn random(state: &mut u32) -> i32 {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 21) as i32 - 1024
    }

    /// Transforms random columns and compares them with the sum over `basis(n, k)`.
    fn check<const N: usize>(transform: fn(&mut [Lane<4>; N], Range), tolerance: f64, basis: fn(f64, f64) -> f64) {
        let mut state = 3;
        for _ in 0..50 {
            let input: [[i32; 4]; N] = std::array::from_fn(|_| std::array::from_fn(|_| random(&mut state)));
            let mut output = input;
            transform(&mut output, Range::of_bits(18));
            for lane in 0..4 {
                for (n, found) in output.iter().enumerate() {
                    let exact: f64 = (0..N).map(|k| f64::from(input[k][lane]) * basis(n as f64, k as f64)).sum();
                    let error = (f64::from(found[lane]) - exact).abs();
                    assert!(error < tolerance, "{N} values, {n}: {} is {error} from {exact}", found[lane]);
                }
            }
        }
    }

    #[test]
    fn sine_transforms_equal_their_definition() {
        // Sines of four values: the basis of odd frequencies that vanishes before the first sample.
        check(adst4, 1.5, |n, k| 2.0 * 2f64.sqrt() / 3.0 * ((n + 1.0) * (2.0 * k + 1.0) * PI / 9.0).sin());
        check(adst8, 8.0, |n, k| ((2.0 * n + 1.0) * (2.0 * k + 1.0) * PI / 32.0).sin());
        check(adst16, 10.0, |n, k| ((2.0 * n + 1.0) * (2.0 * k + 1.0) * PI / 64.0).sin());
    }

    #[test]
    fn identities_scale_and_do_not_overflow() {
        let range = Range::of_bits(20);
        let ends = [(1 << 19) - 1, -(1 << 19), 100, -1];
        let mut t = [ends; 4];
        identity(&mut t, range);
        let exact = |value: i32, factor: i64| ((i64::from(value) * factor + 2048) >> 12) as i32;
        assert_eq!(t[3], ends.map(|value| exact(value, 5793)));
        let mut t = [ends; 8];
        identity(&mut t, range);
        assert_eq!(t[7], ends.map(|value| exact(value, 2 << 12)));
        let mut t = [ends; 16];
        identity(&mut t, range);
        assert_eq!(t[0], ends.map(|value| exact(value, 11586)));
        let mut t = [ends; 32];
        identity(&mut t, range);
        assert_eq!(t[31], ends.map(|value| exact(value, 4 << 12)));
    }

    /// The forward transform undoes the steps one by one.
    #[test]
    fn walsh_and_hadamard_are_undone() {
        let mut state = 9;
        for _ in 0..100 {
            let input: [[i32; 1]; 4] = std::array::from_fn(|_| [random(&mut state)]);
            let mut output = input;
            walsh_hadamard(&mut output, 0);
            let [a, b, c, d] = output.map(|row| row[0]);
            let (a, d) = (a + b, d - c);
            let e = (a - d) >> 1;
            let (fourth, second) = (e - b, e - c);
            assert_eq!([[a - second], [second], [d + fourth], [fourth]], input);
        }
    }
}
