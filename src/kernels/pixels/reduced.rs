//! The inverse DCT to fewer samples: 4 x 4, 2 x 2 or 1 x 1 of a block, as the IJG library computes them.
//!
//! A block's lower frequencies alone make up such samples; the odd ones among the others correct for what the samples
//! average. Constants have 13 fractional bits, values between the passes 2, and a pass rounds once, as libjpeg-turbo
//! does.

use super::super::Isa;
use super::super::simd::words::{GROUP, WordKernel, Words};
use super::idct::{BETWEEN, Block, FRACTION, dots, fixed, flat_sample, pairs, squares};

const fn weight(value: f64) -> i32 {
    if value < 0.0 { -fixed(-value) } else { fixed(value) }
}

/// Weights of coefficients 0 and 2 in samples 0 (and 3) and 1 (and 2) of four; of an even sum, twice as large.
const EVEN_02: [[i32; 2]; 2] = [[2 << FRACTION, weight(1.847759065)], [2 << FRACTION, weight(-1.847759065)]];
/// The same of coefficient 6, and of none.
const EVEN_6: [[i32; 2]; 2] = [[weight(-0.765366865), 0], [weight(0.765366865), 0]];
/// Weights of coefficients 1 and 3 in samples 0 and 1 of four; with the opposite sign, in samples 3 and 2.
const ODD_13: [[i32; 2]; 2] = [[weight(2.562915447), weight(0.899976223)], [weight(1.061594337), weight(-2.172734803)]];
const ODD_57: [[i32; 2]; 2] =
    [[weight(-0.601344887), weight(-0.509795579)], [weight(1.451774981), weight(-0.211164243)]];
/// Weights of coefficients 1 and 3, and of 5 and 7, in the first of two samples; with the opposite sign, in the second.
const TWO_13: [i32; 2] = [weight(3.624509785), weight(-1.272758580)];
const TWO_57: [i32; 2] = [weight(0.850430095), weight(-0.720959822)];

/// Bits that the passes drop: of four samples and of two.
const COLUMNS_4: i32 = (FRACTION - BETWEEN + 1) as i32;
const ROWS_4: i32 = (FRACTION + BETWEEN + 3 + 1) as i32;
const COLUMNS_2: i32 = COLUMNS_4 + 1;
const ROWS_2: i32 = ROWS_4 + 1;

/// Computes four samples of each column; drops `SHIFT` fractional bits.
#[inline(always)]
fn four<W: Words, const SHIFT: i32>(w: W, v: &[W::V; 8]) -> [W::V; 4] {
    let zero = w.words(0);
    let half = w.sums(1 << (SHIFT - 1));
    let (p02, p6) = (pairs(w, v[0], v[2]), pairs(w, v[6], zero));
    let (p13, p57) = (pairs(w, v[1], v[3]), pairs(w, v[5], v[7]));
    let mut sums = [[half; 4]; 2];
    for (columns, sums) in sums.iter_mut().enumerate() {
        for i in 0..2 {
            let even = w.add(dots(w, p02[columns], EVEN_02[i]), dots(w, p6[columns], EVEN_6[i]));
            let even = w.add(even, half);
            let odd = w.add(dots(w, p13[columns], ODD_13[i]), dots(w, p57[columns], ODD_57[i]));
            sums[i] = w.add(even, odd);
            sums[3 - i] = w.sub(even, odd);
        }
    }
    let mut out = [zero; 4];
    for (i, out) in out.iter_mut().enumerate() {
        *out = w.narrow(w.drop_bits::<SHIFT>(sums[0][i]), w.drop_bits::<SHIFT>(sums[1][i]));
    }
    out
}

/// Computes two samples of each column.
#[inline(always)]
fn two<W: Words>(w: W, v: &[W::V; 8]) -> [W::V; 2] {
    let zero = w.words(0);
    let half = w.sums(1 << (COLUMNS_2 - 1));
    let p0 = pairs(w, v[0], zero);
    let (p13, p57) = (pairs(w, v[1], v[3]), pairs(w, v[5], v[7]));
    let mut sums = [[half; 2]; 2];
    for (columns, sums) in sums.iter_mut().enumerate() {
        // Four times the coefficient, a bit more than a word holds.
        let even = w.add(w.add_bits::<1>(dots(w, p0[columns], [2 << FRACTION, 0])), half);
        let odd = w.add(dots(w, p13[columns], TWO_13), dots(w, p57[columns], TWO_57));
        *sums = [w.add(even, odd), w.sub(even, odd)];
    }
    let mut out = [zero; 2];
    for (i, out) in out.iter_mut().enumerate() {
        *out = w.narrow(w.drop_bits::<COLUMNS_2>(sums[0][i]), w.drop_bits::<COLUMNS_2>(sums[1][i]));
    }
    out
}

/// Dequantises blocks, one in each group.
#[inline(always)]
fn dequantised<W: Words>(w: W, blocks: &[Block], steps: &[u16; 64]) -> [W::V; 8] {
    assert!(blocks.len() == W::GROUPS);
    let (from, steps) = (blocks.as_ptr().cast::<i16>(), steps.as_ptr().cast::<i16>());
    let mut v = [w.words(0); 8];
    for (i, v) in v.iter_mut().enumerate() {
        // SAFETY: each block has eight rows of eight words, and the steps have as many.
        unsafe {
            *v = w.times(w.load(from.wrapping_add(GROUP * i), 64), w.load(steps.wrapping_add(GROUP * i), 0));
        }
    }
    v
}

/// Most words of a vector.
const MOST: usize = 2 * GROUP;

/// Transforms blocks, one in each group, to 4 x 4 samples; those of a block follow eight bytes after the one before.
#[inline(always)]
fn transform_4<W: Words>(w: W, blocks: &[Block], steps: &[u16; 64]) -> [[u8; MOST]; 4] {
    let v = dequantised(w, blocks, steps);
    let zero = w.words(0);
    let [a, b, c, d] = four::<W, COLUMNS_4>(w, &v);
    let columns = w.transposed([a, b, c, d, zero, zero, zero, zero]);
    let [a, b, c, d] = four::<W, ROWS_4>(w, &columns);
    let rows = w.transposed([a, b, c, d, zero, zero, zero, zero]);
    let mut out = [[0; MOST]; 4];
    for i in 0..2 {
        // SAFETY: both rows have room for the largest vectors.
        unsafe { w.store_samples(out[2 * i].as_mut_ptr(), MOST, rows[2 * i], rows[2 * i + 1]) };
    }
    out
}

/// Transforms blocks, one in each group, to 2 x 2 samples: a row of two and a row of two.
#[inline(always)]
fn transform_2<W: Words>(w: W, blocks: &[Block], steps: &[u16; 64]) -> [[[u8; 2]; 2]; 2] {
    let v = dequantised(w, blocks, steps);
    let rows = two(w, &v);
    let mut out = [[[0; 2]; 2]; 2];
    for (y, &row) in rows.iter().enumerate() {
        let mut words = [0i32; MOST];
        let (lower, upper) = (w.lower(row, w.words(0)), w.upper(row, w.words(0)));
        let one = w.alternating([1, 0]);
        // SAFETY: there is room for both halves of the largest vectors.
        unsafe {
            w.store_sums(words.as_mut_ptr(), w.dots(lower, one));
            w.store_sums(words.as_mut_ptr().wrapping_add(W::WORDS / 2), w.dots(upper, one));
        }
        for (group, out) in out[..W::GROUPS].iter_mut().enumerate() {
            // Each half has four words of every group.
            let at = |k: usize| words[k / 4 * (W::WORDS / 2) + group * 4 + k % 4];
            let odd = [(1, TWO_13[0]), (3, TWO_13[1]), (5, TWO_57[0]), (7, TWO_57[1])];
            let odd = odd.iter().fold(0i32, |sum, &(k, weight)| sum.wrapping_add(at(k).wrapping_mul(weight)));
            let even = (at(0) << (FRACTION + 2)).wrapping_add(1 << (ROWS_2 - 1));
            out[y] = [even.wrapping_add(odd), even.wrapping_sub(odd)]
                .map(|sum| (sum >> ROWS_2).saturating_add(128).clamp(0, 255) as u8);
        }
    }
    out
}

/// Transforms blocks to squares of `side` x `side` samples beside each other, from the top left of `out`, whose rows are
/// `stride` bytes apart; `side` is 8, 4, 2 or 1.
///
/// `lasts` has the zigzag position of each block's last coefficient that is not zero, or any later position.
#[inline(always)]
pub(crate) fn squares_of<W: Words>(
    w: W,
    side: usize,
    blocks: &[Block],
    lasts: &[u8],
    steps: &[u16; 64],
    out: &mut [u8],
    stride: usize,
) {
    match side {
        8 => squares(w, blocks, lasts, steps, out, stride),
        1 => fill::<1>(blocks, steps, out, stride),
        _ => {
            for (i, (group, lasts)) in blocks.chunks(W::GROUPS).zip(lasts.chunks(W::GROUPS)).enumerate() {
                let out = &mut out[i * W::GROUPS * side..];
                match (side, lasts.iter().all(|&last| last == 0)) {
                    (4, true) => fill::<4>(group, steps, out, stride),
                    (_, true) => fill::<2>(group, steps, out, stride),
                    (4, false) => {
                        let rows = transform_4(w, &whole::<W>(group)[..W::GROUPS], steps);
                        for (out, row) in out.chunks_mut(stride).zip(&rows) {
                            let squares = out.as_chunks_mut::<4>().0.iter_mut().zip(row.chunks(8));
                            for (out, samples) in squares.take(group.len()) {
                                out.copy_from_slice(&samples[..4]);
                            }
                        }
                    }
                    _ => {
                        let samples = transform_2(w, &whole::<W>(group)[..W::GROUPS], steps);
                        for (y, out) in out.chunks_mut(stride).take(2).enumerate() {
                            let squares = out.as_chunks_mut::<2>().0.iter_mut().zip(&samples);
                            for (out, samples) in squares.take(group.len()) {
                                *out = samples[y];
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Repeats a block where it has none beside it.
#[inline(always)]
fn whole<W: Words>(group: &[Block]) -> [Block; 2] {
    match group {
        &[first, second] => [first, second],
        _ => [group[0]; 2],
    }
}

/// Fills the squares of blocks with the sample of their DC coefficient.
#[inline(always)]
fn fill<const SIDE: usize>(blocks: &[Block], steps: &[u16; 64], out: &mut [u8], stride: usize) {
    for out in out.chunks_mut(stride).take(SIDE) {
        for (out, block) in out.as_chunks_mut::<SIDE>().0.iter_mut().zip(blocks) {
            *out = [flat_sample(block[0], steps[0]); SIDE];
        }
    }
}

/// [`squares_of`] as a kernel of its own.
pub(crate) fn transform_blocks(
    isa: Isa,
    side: usize,
    blocks: &[Block],
    lasts: &[u8],
    steps: &[u16; 64],
    out: &mut [u8],
    stride: usize,
) {
    isa.run_words(Squares { side, blocks, lasts, steps, out, stride });
}

struct Squares<'a> {
    side: usize,
    blocks: &'a [Block],
    lasts: &'a [u8],
    steps: &'a [u16; 64],
    out: &'a mut [u8],
    stride: usize,
}

impl WordKernel for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        squares_of(w, self.side, self.blocks, self.lasts, self.steps, self.out, self.stride);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain version of four samples, by the definition of the factorisation, for one column.
    fn plain(v: [i64; 8], side: usize, shift: u32) -> Vec<i64> {
        let f = |x: f64| (x.abs() * 8192.0 + 0.5).floor() as i64 * if x < 0.0 { -1 } else { 1 };
        let round = |x: i64| (x + (1 << (shift - 1))) >> shift;
        if side == 4 {
            let sums = [
                (1.847759065, -0.765366865, [2.562915447, 0.899976223, -0.601344887, -0.509795579]),
                (-1.847759065, 0.765366865, [1.061594337, -2.172734803, 1.451774981, -0.211164243]),
            ]
            .map(|(two, six, odd)| {
                let even = (v[0] << 14) + v[2] * f(two) + v[6] * f(six);
                (even, odd.iter().zip([1, 3, 5, 7]).map(|(&c, k)| v[k] * f(c)).sum::<i64>())
            });
            let [(a, b), (c, d)] = sums;
            return [a + b, c + d, c - d, a - b].map(round).to_vec();
        }
        let odd = [3.624509785, -1.272758580, 0.850430095, -0.720959822];
        let odd: i64 = odd.iter().zip([1, 3, 5, 7]).map(|(&c, k)| v[k] * f(c)).sum();
        [(v[0] << 15) + odd, (v[0] << 15) - odd].map(round).to_vec()
    }

    #[test]
    fn every_set_equals_plain_fixed_point() {
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            state >> 8
        };
        for round in 0..200 {
            let mut block = [0i16; 64];
            for (i, value) in block.iter_mut().enumerate() {
                if random() % 4 <= round % 4 {
                    *value = (random() % 160) as i16 - 80;
                }
                if i == 0 {
                    *value *= 8;
                }
            }
            for side in [1, 2, 4] {
                let expected: Vec<u8> = if side == 1 {
                    vec![(((i64::from(block[0]) * 3 + 4) >> 3) + 128).clamp(0, 255) as u8]
                } else {
                    let extra = if side == 4 { 0 } else { 1 };
                    let columns: [Vec<i64>; 8] = std::array::from_fn(|x| {
                        plain(std::array::from_fn(|y| i64::from(block[8 * y + x]) * 3), side, 12 + extra)
                    });
                    let row = |y: usize| plain(std::array::from_fn(|x| columns[x][y]), side, 19 + extra);
                    (0..side).flat_map(row).map(|sample| (sample + 128).clamp(0, 255) as u8).collect()
                };
                for isa in Isa::available() {
                    // Five beside each other, all of which are this one.
                    let (mut out, stride) = (vec![0; 5 * side * side], 5 * side);
                    transform_blocks(isa, side, &[block; 5], &[63; 5], &[3; 64], &mut out, stride);
                    for (i, sample) in out.iter().enumerate() {
                        assert_eq!(*sample, expected[i / stride * side + i % side], "{isa:?} {side} {round}");
                    }
                }
            }
        }
    }
}
