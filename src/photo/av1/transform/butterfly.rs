//! Rotations and sums of two values (section 7.13.2.1), each for several columns at once.
//!
//! Arithmetic wraps: streams that conform never exceed 32 bits after a rotation, and others may have any pixels.

/// One value of each of `L` columns.
pub type Lane<const L: usize> = [i32; L];

/// What sums are clamped to.
#[derive(Clone, Copy)]
pub struct Range {
    pub low: i32,
    pub high: i32,
}

impl Range {
    /// Values of `bits` bits with their sign.
    pub fn of_bits(bits: u32) -> Self {
        let high = (1 << (bits - 1)) - 1;
        Self { low: -high - 1, high }
    }

    #[inline(always)]
    pub fn clamp(self, value: i32) -> i32 {
        value.max(self.low).min(self.high)
    }
}

/// `4096 cos(pi i / 128)` of a quarter turn, rounded (`Cos128_Lookup`).
const QUARTER: [i32; 65] = [
    4096, 4095, 4091, 4085, 4076, 4065, 4052, 4036, 4017, 3996, 3973, 3948, 3920, 3889, 3857, 3822, 3784, 3745, 3703,
    3659, 3612, 3564, 3513, 3461, 3406, 3349, 3290, 3229, 3166, 3102, 3035, 2967, 2896, 2824, 2751, 2675, 2598, 2520,
    2440, 2359, 2276, 2191, 2106, 2019, 1931, 1842, 1751, 1660, 1567, 1474, 1380, 1285, 1189, 1092, 995, 897, 799, 700,
    601, 501, 401, 301, 201, 101, 0,
];

/// The cosine of a whole turn.
const COSINE: [i32; 256] = {
    let mut turn = [0; 256];
    let mut i = 0;
    while i < 256 {
        turn[i] = match i {
            0..=64 => QUARTER[i],
            65..=128 => -QUARTER[128 - i],
            129..=192 => -QUARTER[i - 128],
            _ => QUARTER[256 - i],
        };
        i += 1;
    }
    turn
};

/// `Round2` of a value that may have wrapped.
#[inline(always)]
pub fn round(value: i32, bits: u32) -> i32 {
    if bits == 0 { value } else { value.wrapping_add(1 << (bits - 1)) >> bits }
}

/// `B(a, b, angle, flip)`: rotates a pair by `angle` / 128 of half a turn; exchanges them if `flip`.
#[inline(always)]
pub fn rotate<const L: usize, const N: usize>(t: &mut [Lane<L>; N], a: usize, b: usize, angle: usize, flip: bool) {
    let cosine = COSINE[angle & 255];
    let sine = COSINE[angle.wrapping_sub(64) & 255];
    let [x, y] = [t[a], t[b]];
    let [mut first, mut second] = [[0; L]; 2];
    for lane in 0..L {
        let across = x[lane].wrapping_mul(cosine).wrapping_sub(y[lane].wrapping_mul(sine));
        let down = x[lane].wrapping_mul(sine).wrapping_add(y[lane].wrapping_mul(cosine));
        first[lane] = round(across, 12);
        second[lane] = round(down, 12);
    }
    [t[a], t[b]] = if flip { [second, first] } else { [first, second] };
}

/// `H(a, b, flip)`: sum and difference of a pair, clamped; with `flip`, of `b` and `a`.
#[inline(always)]
pub fn sum<const L: usize, const N: usize>(t: &mut [Lane<L>; N], a: usize, b: usize, flip: bool, range: Range) {
    let [a, b] = if flip { [b, a] } else { [a, b] };
    let [x, y] = [t[a], t[b]];
    for lane in 0..L {
        t[a][lane] = range.clamp(x[lane].wrapping_add(y[lane]));
        t[b][lane] = range.clamp(x[lane].wrapping_sub(y[lane]));
    }
}

/// The lowest `bits` bits of a number in reverse (`brev`).
pub const fn reversed(bits: u32, number: usize) -> usize {
    number.reverse_bits() >> (usize::BITS - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_rounded() {
        for (i, &cosine) in COSINE.iter().enumerate() {
            let exact = 4096.0 * (i as f64 * std::f64::consts::PI / 128.0).cos();
            assert_eq!(cosine, exact.round() as i32, "{i}");
        }
    }

    #[test]
    fn pairs_are_rotated_exchanged_and_clamped() {
        let mut t = [[1000], [200]];
        rotate(&mut t, 0, 1, 32, false);
        // (1000 - 200) and (1000 + 200), times 2896 / 4096.
        assert_eq!(t, [[566], [848]]);
        rotate(&mut t, 0, 1, 64, true);
        assert_eq!(t, [[566], [-848]]);
        sum(&mut t, 0, 1, true, Range::of_bits(11));
        assert_eq!(t, [[-1024], [-282]]);
        assert_eq!(reversed(4, 0b0010), 0b0100);
    }
}
