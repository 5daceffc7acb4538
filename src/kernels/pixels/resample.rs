//! Weighted sums of bytes along rows and along columns: the arithmetic of resizing.
//!
//! A weight is split into two words of sixteen bits, so that vectors of words multiply it. The sums of both parts wrap,
//! which does no harm: the sum that is put together from them is the exact one, because that one fits.

use super::super::Isa;
use super::super::simd::words::{GROUP, WordKernel, Words, pair};

/// Bytes behind its last pixel that a row must have for [`rows`], of any value.
pub(crate) use super::super::simd::words::PIXELS_SLACK as SLACK;

/// Fractional bits of a weight. The magnitudes of the weights of an output sum to less than two.
pub(crate) const FRACTION_BITS: u32 = 22;

/// The initial value of a sum, which makes the final shift round.
pub(crate) const HALF: i32 = 1 << (FRACTION_BITS - 1);

const SHIFT: i32 = FRACTION_BITS as i32;

/// Bits of the lower part of a weight.
const LOW_BITS: i32 = 12;

/// Splits a weight: `upper << LOW_BITS` plus `lower`.
fn split(weight: i32) -> [i16; 2] {
    [(weight >> LOW_BITS) as i16, (weight & ((1 << LOW_BITS) - 1)) as i16]
}

/// Pixels whose weights lie together.
const QUAD: usize = 4;

/// Words of their weights: both parts of each weight for all three channels, in groups as [`Words::pixels`] has them.
const QUAD_WORDS: usize = 4 * GROUP;

/// Most words of weights, 4 MiB. Photos need a tenth of that.
const MOST_WORDS: usize = 1 << 21;

/// The pixels and weights of consecutive output pixels of a row.
pub(crate) struct Taps {
    /// By output pixel: the first byte that it reads, and its quads.
    starts: Vec<(usize, usize)>,
    words: Vec<i16>,
    /// Bytes that a row must have.
    needs: usize,
}

impl Taps {
    /// Takes the first pixel and the weights of each output, for rows of `pixels` pixels. `None` if the rows are too
    /// short for vectors or the weights too many.
    pub(crate) fn new<'w>(windows: impl Iterator<Item = (usize, &'w [i32])>, pixels: usize) -> Option<Taps> {
        let mut taps = Taps { starts: Vec::new(), words: Vec::new(), needs: 0 };
        for (start, weights) in windows {
            let quads = weights.len().div_ceil(QUAD).max(1);
            // Weights of zero fill the last quad; near the end of a row they come first, so that no read passes it.
            let last = pixels.checked_sub(quads * QUAD)?;
            let from = start.min(last);
            let first = taps.words.len();
            if first + quads * QUAD_WORDS > MOST_WORDS {
                return None;
            }
            taps.words.resize(first + quads * QUAD_WORDS, 0);
            for (i, &weight) in (start - from..).zip(weights) {
                let [upper, lower] = split(weight);
                let at = first.checked_add(i / QUAD * QUAD_WORDS + i % QUAD / 2 * GROUP + i % 2)?;
                for channel in 0..3 {
                    *taps.words.get_mut(at + 2 * channel)? = upper;
                    *taps.words.get_mut(at + 2 * GROUP + 2 * channel)? = lower;
                }
            }
            taps.starts.push((3 * from, quads));
            taps.needs = taps.needs.max(3 * (from + quads * QUAD) + SLACK);
        }
        Some(taps)
    }
}

/// Computes an output row of pixels from each of these rows of pixels, which [`SLACK`] bytes follow.
pub(crate) fn rows<const ROWS: usize>(isa: Isa, taps: &Taps, from: [&[u8]; ROWS], to: [&mut [u8]; ROWS]) {
    isa.run_words(RowSums { taps, from, to });
}

struct RowSums<'a, const ROWS: usize> {
    taps: &'a Taps,
    from: [&'a [u8]; ROWS],
    to: [&'a mut [u8]; ROWS],
}

impl<const ROWS: usize> WordKernel for RowSums<'_, ROWS> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        let RowSums { taps, from, to } = self;
        assert!(from.iter().all(|row| row.len() >= taps.needs));
        let mut to = to.map(|row| row.as_chunks_mut::<3>().0.iter_mut());
        let mut words = taps.words.as_slice();
        for &(start, quads) in &taps.starts {
            let (weights, rest) = words.split_at(quads * QUAD_WORDS);
            words = rest;
            let mut uppers = [w.sums(0); ROWS];
            // Each group begins with its share.
            let mut lowers = [w.sums(HALF / W::GROUPS as i32); ROWS];
            let mut at = start;
            for weights in weights.as_chunks::<QUAD_WORDS>().0 {
                for group in (0..2).step_by(W::GROUPS) {
                    // SAFETY: a quad has four groups of words. The pixels and the slack are in the row, whose length
                    // was compared with what all outputs need. Offsets wrap instead of being checked, because this is
                    // the innermost loop.
                    unsafe {
                        let upper = w.load(weights.as_ptr().wrapping_add(group * GROUP), GROUP);
                        let lower = w.load(weights.as_ptr().wrapping_add((2 + group) * GROUP), GROUP);
                        for r in 0..ROWS {
                            let pixels = w.pixels(from[r].as_ptr().wrapping_add(at));
                            uppers[r] = w.add_dots(uppers[r], pixels, upper);
                            lowers[r] = w.add_dots(lowers[r], pixels, lower);
                        }
                    }
                    at = at.wrapping_add(6 * W::GROUPS);
                }
            }
            for r in 0..ROWS {
                if let Some(pixel) = to[r].next() {
                    let sum = w.add(w.add_bits::<LOW_BITS>(uppers[r]), lowers[r]);
                    let [red, green, blue, _] = w.total::<SHIFT>(sum);
                    *pixel = [red, green, blue];
                }
            }
        }
    }
}

/// Rows of bytes, `stride` bytes apart.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) stride: usize,
}

/// The weights of consecutive rows for [`add_rows`].
pub(crate) struct RowWeights(Vec<[u32; 2]>, usize);

impl RowWeights {
    pub(crate) fn new(weights: &[i32]) -> RowWeights {
        let pairs = weights.chunks(2).map(|both| {
            let ([upper, lower], [next_upper, next_lower]) = (split(both[0]), split(*both.get(1).unwrap_or(&0)));
            [pair(upper, next_upper), pair(lower, next_lower)]
        });
        RowWeights(pairs.collect(), weights.len())
    }
}

/// Adds rows times their weights to the sums of columns, which are kept in an order of this module's own.
pub(crate) fn add_rows(isa: Isa, lines: Lines<'_>, weights: &RowWeights, sums: &mut [i32]) {
    isa.run_words(AddRows { lines, weights, sums });
}

struct AddRows<'a> {
    lines: Lines<'a>,
    weights: &'a RowWeights,
    sums: &'a mut [i32],
}

impl WordKernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        let AddRows { lines: Lines { data, stride }, weights: &RowWeights(ref weights, rows), sums } = self;
        let Some(last) = rows.checked_sub(1) else { return };
        assert!(data.len() - last * stride >= sums.len());
        let whole = sums.len() - sums.len() % W::WORDS;
        let half = W::WORDS / 2;
        for column in (0..whole).step_by(W::WORDS) {
            let sums = &mut sums[column..column + W::WORDS];
            let mut uppers = [w.sums(0); 2];
            // SAFETY: `sums` has a vector's words.
            let mut lowers = unsafe { [w.load_sums(sums.as_ptr()), w.load_sums(sums.as_ptr().wrapping_add(half))] };
            let mut at = data[column..].as_ptr();
            for (i, &[upper, lower]) in (0..).step_by(2).zip(weights) {
                // The last of an odd number of rows stands for the next, whose weight is zero.
                let next = if i < last { at.wrapping_add(stride) } else { at };
                // SAFETY: both rows are among those whose last byte was compared with the length.
                let (a, b) = unsafe { (w.widen(at), w.widen(next)) };
                let (upper, lower) = (w.pairs(upper), w.pairs(lower));
                let both = [w.lower(a, b), w.upper(a, b)];
                for half in 0..2 {
                    uppers[half] = w.add_dots(uppers[half], both[half], upper);
                    lowers[half] = w.add_dots(lowers[half], both[half], lower);
                }
                at = next.wrapping_add(stride);
            }
            for i in 0..2 {
                let sum = w.add(w.add_bits::<LOW_BITS>(uppers[i]), lowers[i]);
                // SAFETY: `sums` has a vector's words.
                unsafe { w.store_sums(sums.as_mut_ptr().wrapping_add(i * half), sum) };
            }
        }
        for (column, sum) in (whole..).zip(&mut sums[whole..]) {
            for (i, &[upper, lower]) in weights.iter().enumerate() {
                for (row, shift) in [(2 * i, 0), ((2 * i + 1).min(last), 16)] {
                    let part = |pair: u32| i32::from((pair >> shift) as i16);
                    let weight = (part(upper) << LOW_BITS).wrapping_add(part(lower));
                    *sum = sum.wrapping_add(weight.wrapping_mul(data[row * stride + column].into()));
                }
            }
        }
    }
}

/// Converts the sums of [`add_rows`] to bytes; both have the same length.
pub(crate) fn to_bytes(isa: Isa, sums: &[i32], out: &mut [u8]) {
    isa.run_words(ToBytes { sums, out });
}

struct ToBytes<'a> {
    sums: &'a [i32],
    out: &'a mut [u8],
}

impl WordKernel for ToBytes<'_> {
    type Output = ();

    #[inline(always)]
    fn call<W: Words>(self, w: W) {
        let mut sums = self.sums.chunks_exact(W::WORDS);
        let mut out = self.out.chunks_exact_mut(W::WORDS);
        for (sums, out) in (&mut sums).zip(&mut out) {
            // SAFETY: both have a vector's words.
            unsafe {
                let lower = w.load_sums(sums.as_ptr());
                let upper = w.load_sums(sums.as_ptr().wrapping_add(W::WORDS / 2));
                w.store_bytes(out.as_mut_ptr(), w.narrow(w.drop_bits::<SHIFT>(lower), w.drop_bits::<SHIFT>(upper)));
            }
        }
        for (out, &sum) in out.into_remainder().iter_mut().zip(sums.remainder()) {
            *out = to_byte(sum);
        }
    }
}

/// Converts a sum to a byte.
pub(crate) fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of both signs whose magnitudes sum to less than two.
    fn weights(count: usize, seed: usize) -> Vec<i32> {
        let value = |i: usize| ((i * 7919 + seed * 104_729) % 9973) as i32 - 2000;
        (0..count).map(|i| value(i) * ((1 << FRACTION_BITS) / 8192) / count as i32).collect()
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|i| (i * i * 31 + i * 7 + (i >> 3)) as u8).collect()
    }

    #[test]
    fn rows_are_exact_on_every_set() {
        let pixels = 40;
        let photo = bytes(5 * pixels * 3 + SLACK);
        // At both ends, where weights of zero are on either side, and of every remainder of four.
        let windows: Vec<(usize, Vec<i32>)> =
            (1..=14).flat_map(|n| [0, 1, 17, pixels - n].map(|start| (start, weights(n, start)))).collect();
        let taps = Taps::new(windows.iter().map(|(start, weights)| (*start, weights.as_slice())), pixels).unwrap();
        assert!(Taps::new([(0, [0; 9].as_slice())].into_iter(), 11).is_none());
        let plain = |row: &[u8]| -> Vec<u8> {
            let sums = windows.iter().flat_map(|(start, weights)| {
                (0..3).map(move |channel| {
                    let values = row[start * 3 + channel..].iter().step_by(3);
                    values.zip(weights).fold(HALF, |sum, (&value, weight)| sum + weight * i32::from(value))
                })
            });
            sums.map(to_byte).collect()
        };
        let photo: [&[u8]; 5] = std::array::from_fn(|y| &photo[y * pixels * 3..][..pixels * 3 + SLACK]);
        for isa in Isa::available() {
            let mut out = vec![vec![0; windows.len() * 3]; 5];
            let [a, b, c, d, e] = out.as_mut_slice() else { unreachable!() };
            rows(isa, &taps, [photo[0], photo[1], photo[2], photo[3]], [a, b, c, d]);
            rows(isa, &taps, [photo[4]], [e]);
            for (row, out) in photo.iter().zip(&out) {
                assert_eq!(*out, plain(row), "{isa:?}");
            }
        }
    }

    #[test]
    fn columns_are_exact_on_every_set() {
        for (width, stride) in [(1, 1), (15, 20), (16, 16), (70, 71)] {
            for count in [1, 2, 3, 9] {
                let photo = bytes((count - 1) * stride + width);
                let (upper, lower) = (weights(count, 5), weights(count, 8));
                let value = |x: usize| {
                    let of = |weights: &[i32]| {
                        let terms = weights.iter().enumerate().map(|(y, w)| w * i32::from(photo[y * stride + x]));
                        terms.sum::<i32>()
                    };
                    to_byte(HALF + of(&upper) + of(&lower))
                };
                let expected: Vec<u8> = (0..width).map(value).collect();
                for isa in Isa::available() {
                    let (mut sums, mut out) = (vec![HALF; width], vec![0; width]);
                    let lines = Lines { data: &photo, stride };
                    add_rows(isa, lines, &RowWeights::new(&upper), &mut sums);
                    add_rows(isa, lines, &RowWeights::new(&lower), &mut sums);
                    to_bytes(isa, &sums, &mut out);
                    assert_eq!(out, expected, "{isa:?} {width} {count}");
                }
            }
        }
    }
}
