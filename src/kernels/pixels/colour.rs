//! Rows of chroma at twice the size, and rows of samples as pixels.
//!
//! Weights and roundings are those of libjpeg-turbo's default ("fancy") upsampling, and its 16 fractional bits of
//! colours, so that pixels are equal to its pixels.

use super::super::Isa;
use super::super::simd::words::{WordKernel, Words};

/// Most words of a vector.
const MOST: usize = 16;

/// Upsamples a row of at least two samples twice horizontally: weights 3/4 and 1/4.
pub(crate) fn across(isa: Isa, row: &[u8], out: &mut [u8]) {
    let (out, last) = (out.as_chunks_mut::<2>().0, row.len() - 1);
    let between = |near: u8, far: u8, bias: u16| ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
    out[0] = [row[0], between(row[0], row[1], 2)];
    out[last] = [between(row[last], row[last - 1], 1), row[last]];
    isa.run_words(Across { row, out: &mut out[..=last] });
}

/// The samples between the first and the last.
struct Across<'a> {
    row: &'a [u8],
    out: &'a mut [[u8; 2]],
}

impl WordKernel for Across<'_> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        let Across { row, out } = self;
        let last = row.len() - 1;
        assert!(out.len() == row.len());
        let (one, two, three) = (w.words(1), w.words(2), w.words(3));
        for i in starts(1, last, W::WORDS) {
            // SAFETY: `i` is 1 to `last - WORDS`, so that there are a sample before and one after.
            unsafe {
                let at = row.as_ptr().wrapping_add(i);
                let (before, after) = (w.widen(at.wrapping_sub(1)), w.widen(at.wrapping_add(1)));
                let near = w.times(w.widen(at), three);
                let even = w.shifted::<2>(w.plus(w.plus(near, before), one));
                let odd = w.shifted::<2>(w.plus(w.plus(near, after), two));
                w.store_turns(out.as_mut_ptr().wrapping_add(i).cast(), even, odd);
            }
        }
        for (out, window) in out[1..].iter_mut().zip(row.windows(3)).take(remainder(1, last, W::WORDS)) {
            let near = 3 * u16::from(window[1]);
            *out = [((near + u16::from(window[0]) + 1) >> 2) as u8, ((near + u16::from(window[2]) + 2) >> 2) as u8];
        }
    }
}

/// Where vectors of `words` begin that cover `first..end`; the last two may overlap. None if there is no room for one.
#[inline(always)]
fn starts(first: usize, end: usize, words: usize) -> impl Iterator<Item = usize> {
    let last = end.checked_sub(words).filter(|&last| last >= first);
    last.into_iter().flat_map(move |last| (first..last).step_by(words).chain([last]))
}

/// How many of `first..end` no vector covers: all, if they are too few.
#[inline(always)]
fn remainder(first: usize, end: usize, words: usize) -> usize {
    let count = end.saturating_sub(first);
    if count < words { count } else { 0 }
}

/// Upsamples two rows of at least two samples, with weights 3/4 and 1/4, to one of twice as many; sums of rows are not
/// rounded.
pub(crate) fn both(isa: Isa, near: &[u8], far: &[u8], out: &mut [u8]) {
    let (out, last) = (out.as_chunks_mut::<2>().0, near.len() - 1);
    let sum = |i: usize| 3 * u16::from(near[i]) + u16::from(far[i]);
    out[0] = [((4 * sum(0) + 8) >> 4) as u8, ((3 * sum(0) + sum(1) + 7) >> 4) as u8];
    out[last] = [((3 * sum(last) + sum(last - 1) + 8) >> 4) as u8, ((4 * sum(last) + 7) >> 4) as u8];
    isa.run_words(Both { near, far, out: &mut out[..=last] });
}

/// The samples between the first and the last.
struct Both<'a> {
    near: &'a [u8],
    far: &'a [u8],
    out: &'a mut [[u8; 2]],
}

impl WordKernel for Both<'_> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        let Both { near, far, out } = self;
        let last = near.len() - 1;
        assert!(far.len() == near.len() && out.len() == near.len());
        let (three, seven, eight) = (w.words(3), w.words(7), w.words(8));
        let mut sums = [three; 3];
        for i in starts(1, last, W::WORDS) {
            // SAFETY: `i` is 1 to `last - WORDS`, so that there are a sample before and one after.
            unsafe {
                for (k, sum) in sums.iter_mut().enumerate() {
                    let (near, far) = (near.as_ptr().wrapping_add(i + k - 1), far.as_ptr().wrapping_add(i + k - 1));
                    *sum = w.plus(w.times(w.widen(near), three), w.widen(far));
                }
                let [before, this, after] = sums;
                let this = w.times(this, three);
                let even = w.shifted::<4>(w.plus(w.plus(this, before), eight));
                let odd = w.shifted::<4>(w.plus(w.plus(this, after), seven));
                w.store_turns(out.as_mut_ptr().wrapping_add(i).cast(), even, odd);
            }
        }
        let left = remainder(1, last, W::WORDS);
        for ((out, near), far) in out[1..].iter_mut().zip(near.windows(3)).zip(far.windows(3)).take(left) {
            let sum = |i: usize| 3 * u16::from(near[i]) + u16::from(far[i]);
            let this = 3 * sum(1);
            *out = [((this + sum(0) + 8) >> 4) as u8, ((this + sum(2) + 7) >> 4) as u8];
        }
    }
}

/// Weights two rows 3/4 and 1/4. `bias`, 1 or 2, is added before the last two bits are dropped.
pub(crate) fn down(isa: Isa, near: &[u8], far: &[u8], bias: u8, out: &mut [u8]) {
    let out = &mut out[..near.len()];
    isa.run_words(Down { near, far, bias, out });
}

struct Down<'a> {
    near: &'a [u8],
    far: &'a [u8],
    bias: u8,
    out: &'a mut [u8],
}

impl WordKernel for Down<'_> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        let Down { near, far, bias, out } = self;
        assert!(far.len() == near.len() && out.len() == near.len());
        let (three, add) = (w.words(3), w.words(bias.into()));
        for i in starts(0, near.len(), W::WORDS) {
            // SAFETY: a vector from `i` on is in the rows.
            unsafe {
                let (near, far) = (w.widen(near.as_ptr().wrapping_add(i)), w.widen(far.as_ptr().wrapping_add(i)));
                let sum = w.plus(w.plus(w.times(near, three), far), add);
                w.store_bytes(out.as_mut_ptr().wrapping_add(i), w.shifted::<2>(sum));
            }
        }
        let left = remainder(0, near.len(), W::WORDS);
        for ((out, &near), &far) in out.iter_mut().zip(near).zip(far).take(left) {
            *out = ((3 * u16::from(near) + u16::from(far) + u16::from(bias)) >> 2) as u8;
        }
    }
}

/// Converts rows of YCbCr (BT.601 as in JFIF) to pixels; rows have at least as many samples.
pub(crate) fn ycbcr_to_rgb(isa: Isa, rows: [&[u8]; 3], pixels: &mut [u8]) {
    isa.run_words(Convert::<true> { rows, pixels });
}

/// Puts rows of red, green and blue together; rows have at least as many samples.
pub(crate) fn interleave(isa: Isa, rows: [&[u8]; 3], pixels: &mut [u8]) {
    isa.run_words(Convert::<false> { rows, pixels });
}

struct Convert<'a, const YCBCR: bool> {
    rows: [&'a [u8]; 3],
    pixels: &'a mut [u8],
}

impl<const YCBCR: bool> WordKernel for Convert<'_, YCBCR> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        let count = self.pixels.len() / 3;
        let rows = self.rows.map(|row| &row[..count]);
        for i in starts(0, count, W::WORDS) {
            // SAFETY: a vector from `i` on is in the rows, which have as many samples as there are pixels.
            unsafe {
                let mut samples = [w.words(0); 3];
                for (samples, row) in samples.iter_mut().zip(&rows) {
                    *samples = w.widen(row.as_ptr().wrapping_add(i));
                }
                let [red, green, blue] = if YCBCR { convert(w, samples) } else { samples };
                w.store_rgb(self.pixels.as_mut_ptr().wrapping_add(3 * i), red, green, blue);
            }
        }
        let left = remainder(0, count, W::WORDS);
        if left > 0 {
            let padded = rows.map(|row| std::array::from_fn::<u8, MOST, _>(|i| *row.get(i).unwrap_or(&0)));
            let mut out = [0; 3 * MOST];
            // SAFETY: all have room for the largest vectors.
            unsafe {
                let mut samples = [w.words(0); 3];
                for (samples, row) in samples.iter_mut().zip(&padded) {
                    *samples = w.widen(row.as_ptr());
                }
                let [red, green, blue] = if YCBCR { convert(w, samples) } else { samples };
                w.store_rgb(out.as_mut_ptr(), red, green, blue);
            }
            self.pixels[..3 * left].copy_from_slice(&out[..3 * left]);
        }
    }
}

/// Converts YCbCr with 16 fractional bits; results are not clamped yet.
///
/// Has products of 16 bits only: for a coefficient above one, `(c * x + half) >> 16` is split into a whole multiple of
/// `x` and a remainder. The remainder is rounded in two steps, which is exact because the first step drops only bits
/// that the second would drop.
#[inline(always)]
fn convert<W: Words>(w: W, [luma, blue, red]: [W::V; 3]) -> [W::V; 3] {
    /// 1.402 - 1 in 16 bits.
    const RED: i16 = (91881 - 65536) as i16;
    /// 1.772 - 2 in 16 bits.
    const BLUE: i16 = (116130 - 2 * 65536) as i16;
    /// -0.344136, and -0.714136 + 1, in 16 bits.
    const GREEN: [i16; 2] = [-22554, (-46802 + 65536) as i16];
    let middle = w.words(128);
    let (cb, cr) = (w.minus(blue, middle), w.minus(red, middle));
    let (weights, half) = (w.alternating(GREEN), w.sums(1 << 15));
    let lower = w.add_dots(half, w.lower(cb, cr), weights);
    let upper = w.add_dots(half, w.upper(cb, cr), weights);
    let green = w.narrow(w.drop_bits::<16>(lower), w.drop_bits::<16>(upper));
    [
        w.plus(w.plus(luma, cr), half_step(w, cr, RED)),
        w.plus(w.minus(luma, cr), green),
        w.plus(w.plus(luma, w.plus(cb, cb)), half_step(w, cb, BLUE)),
    ]
}

/// Computes `(x * by + 32768) >> 16`.
#[inline(always)]
fn half_step<W: Words>(w: W, x: W::V, by: i16) -> W::V {
    let product = w.high(w.plus(x, x), w.words(by));
    w.shifted::<1>(w.plus(product, w.words(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_equals_plain_fixed_point() {
        let clamp = |value: i32| value.clamp(0, 255) as u8;
        let all: Vec<u8> = (0..=255).collect();
        for isa in Isa::available() {
            for y in [0u8, 1, 100, 128, 254, 255] {
                for red in 0..=255u8 {
                    let mut pixels = [0; 3 * 256];
                    ycbcr_to_rgb(isa, [&[y; 256], &all, &[red; 256]], &mut pixels);
                    for (&cb, pixel) in all.iter().zip(pixels.as_chunks::<3>().0) {
                        let (x, z) = (i32::from(cb) - 128, i32::from(red) - 128);
                        let expected = [
                            clamp(i32::from(y) + ((91881 * z + 32768) >> 16)),
                            clamp(i32::from(y) + ((-22554 * x - 46802 * z + 32768) >> 16)),
                            clamp(i32::from(y) + ((116130 * x + 32768) >> 16)),
                        ];
                        assert_eq!(*pixel, expected, "{isa:?} {y} {cb} {red}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_length_is_alike_on_every_set() {
        let sample = |i: usize, k: usize| (i * i * 37 + i * 11 + k * 91) as u8;
        for length in 3..70 {
            let rows: [Vec<u8>; 3] = std::array::from_fn(|k| (0..length).map(|i| sample(i, k)).collect());
            let [a, b, c] = rows.each_ref().map(Vec::as_slice);
            let run = |isa| {
                let mut out = vec![vec![0; 3 * length]; 5];
                across(isa, a, &mut out[0]);
                both(isa, a, b, &mut out[1]);
                down(isa, a, b, 2, &mut out[2]);
                ycbcr_to_rgb(isa, [a, b, c], &mut out[3]);
                interleave(isa, [a, b, c], &mut out[4]);
                out
            };
            let portable = run(Isa::named("portable").unwrap());
            assert!((0..length).all(|i| portable[4][3 * i..3 * i + 3] == [a[i], b[i], c[i]]));
            for isa in Isa::available() {
                assert_eq!(run(isa), portable, "{isa:?} {length}");
            }
        }
    }
}
