//! Rows of activations as integers of eight bits.

use std::ops::Range;

use super::super::Isa;
use super::super::gemm::Lhs;
use super::super::simd::{Kernel, QUAD, ROUND, SPLIT_AT, SPLIT_PARTS, Simd, SplitRow};
use super::super::strides::Strides;
use super::super::team::Team;
use super::PANEL;
use crate::tensor::MOST_QUAD_STEPS;

/// Bytes to which a row is padded: what the widest instruction reads at once.
const ALIGN: usize = 64;

/// Floats after the integers of a row, a cache line of its own: its scale, and its [`Split`]. With it, rows are not a power
/// of two apart.
const TAIL: usize = 16;

/// The largest magnitude of an integer.
const LARGEST: f32 = 127.0;

/// Rows whose largest magnitude is smaller are zeros: its reciprocal would be infinite.
const TINY: f32 = 1e-36;

/// Rows of a task.
const ROWS_PER_TASK: usize = 4;

/// Floats of the longest row.
pub(crate) const MOST_ROW_LEN: usize = floats(MOST_QUAD_STEPS);

/// Floats that a row of `k` integers takes, with its scale, and room for second parts of all quads.
pub(crate) fn row_len(k: usize) -> usize {
    floats(padded(k))
}

/// The same, of whole blocks: four bytes of each part of a quad, and two for which quad it is.
const fn floats(padded: usize) -> usize {
    2 * padded / size_of::<f32>() + TAIL + padded / QUAD * size_of::<u16>() / size_of::<f32>()
}

/// Bytes of a row.
fn padded(k: usize) -> usize {
    k.next_multiple_of(ALIGN)
}

/// Rows of integers, each [`row_len`] floats long: the integers, plus what the instruction set adds to them, as bytes, with
/// zeros up to a multiple of 64; the scale; what remains of them where the set splits rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    data: &'a [f32],
    rows: usize,
    k: usize,
}

impl<'a> Rows<'a> {
    /// What [`quantise`] has written to `data`.
    #[inline(always)]
    pub(super) fn new(data: &'a [f32], rows: usize, k: usize) -> Rows<'a> {
        assert!(data.len() >= rows * row_len(k), "fewer rows than stated");
        Rows { data, rows, k }
    }

    #[inline(always)]
    pub(super) fn k(&self) -> usize {
        self.k
    }

    #[inline(always)]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The bytes of a row, and bytes from one row to the next.
    #[inline(always)]
    pub(super) fn at(&self, row: usize) -> (*const u8, usize) {
        let len = row_len(self.k);
        (self.data[row * len..].as_ptr().cast(), len * size_of::<f32>())
    }

    /// Bytes of the integers of a row.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        padded(self.k)
    }

    /// The scale of a row.
    #[inline(always)]
    pub(super) fn scale(&self, row: usize) -> f32 {
        self.data[row * row_len(self.k) + padded(self.k) / size_of::<f32>()]
    }
}

/// Writes `rows` of `a`, times `gains`, as [`Rows`] to `out`.
pub(super) fn quantise(
    isa: Isa,
    team: Team<'_>,
    a: Lhs<'_>,
    rows: Range<usize>,
    gains: Option<&[f32]>,
    out: &mut [f32],
) {
    team.rows(out, row_len(a.k), ROWS_PER_TASK, |row, out| {
        isa.run(Row::new(a, rows.start + row, gains, out));
    });
}

/// A row, on the calling thread.
pub(super) struct Row<'a> {
    /// From the row on.
    data: &'a [f32],
    strides: Strides,
    k: usize,
    gains: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl<'a> Row<'a> {
    #[inline(always)]
    pub(super) fn new(a: Lhs<'a>, row: usize, gains: Option<&'a [f32]>, out: &'a mut [f32]) -> Row<'a> {
        let data = &a.data[a.strides.at(row, 0)..];
        assert!(data.len() >= a.strides.extent(1, a.k), "a row shorter than its shape");
        assert!(gains.is_none_or(|gains| gains.len() >= a.k) && out.len() >= row_len(a.k));
        Row { data, strides: a.strides, k: a.k, gains, out }
    }

    /// A vector of activations of the row, from a lane of the block of sixteen that begins at `channel` on.
    ///
    /// # Safety
    /// The row must have the block.
    #[inline(always)]
    unsafe fn load<S: Simd>(&self, s: S, channel: usize, lane: usize) -> S::F {
        let at = self.strides.at(0, channel) + lane;
        // SAFETY: as the caller promises; the gains are as many.
        unsafe {
            let x = s.load(self.data.as_ptr().add(at));
            match self.gains {
                Some(gains) => s.mul(x, s.load(gains.as_ptr().add(channel + lane))),
                None => x,
            }
        }
    }

    /// One activation.
    #[inline(always)]
    fn one(&self, channel: usize) -> f32 {
        let x = self.data[self.strides.at(0, channel)];
        self.gains.map_or(x, |gains| x * gains[channel])
    }
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(mut self, s: S) {
        let out = std::mem::take(&mut self.out);
        let whole = self.k / PANEL * PANEL;
        let zero = s.splat(0.0);
        let (mut largest, mut total) = (zero, zero);
        for channel in (0..whole).step_by(PANEL) {
            for lane in (0..PANEL).step_by(S::LANES) {
                // SAFETY: whole blocks of sixteen channels.
                let x = unsafe { self.load(s, channel, lane) };
                let magnitude = s.max(s.sub(zero, x), x);
                largest = s.max(largest, magnitude);
                total = s.add(total, magnitude);
            }
        }
        let (mut largest, mut total) = (s.largest(largest), s.sum(total));
        for channel in whole..self.k {
            let magnitude = self.one(channel).abs();
            (largest, total) = (largest.max(magnitude), total + magnitude);
        }
        // A row that is not finite has a scale that is not, so that nothing which is computed of it is. The largest
        // magnitude would not tell: NaN is no larger than any other.
        let (scale, factor) = match (total.is_finite(), largest < TINY) {
            (false, _) => (f32::NAN, 0.0),
            (true, true) => (0.0, 0.0),
            (true, false) => (largest / LARGEST, LARGEST / largest),
        };
        let offset = s.quad_shape().offset;
        let (integers, tail) = out.split_at_mut(padded(self.k) / size_of::<f32>());
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(integers);
        tail[0] = scale;
        let (factors, round) = (s.splat(factor), s.splat(ROUND));
        for channel in (0..whole).step_by(PANEL) {
            for lane in (0..PANEL).step_by(S::LANES) {
                // Not fused, so that every instruction set has the same integers.
                // SAFETY: whole blocks of sixteen channels, and as many bytes of the output.
                unsafe {
                    let x = s.mul(self.load(s, channel, lane), factors);
                    s.store_bytes(bytes.as_mut_ptr().add(channel + lane), s.add(x, round), offset);
                }
            }
        }
        for (channel, byte) in bytes.iter_mut().enumerate().take(self.k).skip(whole) {
            // The low byte of the bits is the integer's.
            *byte = (self.one(channel) * factor + ROUND).to_bits() as u8 ^ offset;
        }
        bytes[self.k..].fill(offset);
        split(s, out, self.k);
    }
}

/// Splits a row of integers, if the instruction set wants it so.
#[inline(always)]
pub(super) fn split<S: Simd>(s: S, row: &mut [f32], k: usize) {
    if s.quad_shape().split {
        let (integers, rest) = row.split_at_mut(padded(k) / size_of::<f32>());
        let (tail, rest) = rest.split_at_mut(SPLIT_PARTS / size_of::<f32>());
        let (parts, quads) = rest.split_at_mut(padded(k) / size_of::<f32>());
        let quads = bytemuck::cast_slice_mut(quads);
        let row = SplitRow { steps: bytemuck::cast_slice_mut(integers), parts: bytemuck::cast_slice_mut(parts), quads };
        let at = SPLIT_AT / size_of::<f32>();
        tail[at..at + 2].copy_from_slice(bytemuck::cast_slice::<i32, f32>(&s.split_row(row)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::reference;
    use super::super::super::simd::{MOST_SIGNED, QuadShape, SIGNED};
    use super::*;

    /// The integers of a row, without what the instruction set adds, and its scale.
    fn quantised(
        isa: Isa,
        x: &[f32],
        strides: Strides,
        rows: usize,
        k: usize,
        gains: Option<&[f32]>,
    ) -> Vec<(Vec<i8>, f32)> {
        struct Shape;
        impl Kernel for Shape {
            type Output = QuadShape;

            #[inline(always)]
            fn call<S: Simd>(self, s: S) -> QuadShape {
                s.quad_shape()
            }
        }
        let shape = isa.run(Shape);
        let mut out = vec![f32::NAN; rows * row_len(k)];
        quantise(isa, Team::SERIAL, Lhs { data: x, strides, rows, k }, 0..rows, gains, &mut out);
        let all = Rows::new(&out, rows, k);
        (0..rows)
            .map(|row| {
                let row_of_floats = &out[row * row_len(k)..(row + 1) * row_len(k)];
                let bytes: &[u8] = bytemuck::cast_slice(row_of_floats);
                let mut integers: Vec<i8> = bytes[..padded(k)].iter().map(|byte| (byte ^ shape.offset) as i8).collect();
                if shape.split {
                    let signed = join(&mut integers, row_of_floats);
                    assert_eq!(signed, isa.name() == "avx2" && padded(k) <= MOST_SIGNED, "{isa:?} {k}");
                }
                assert!(integers[k..].iter().all(|&integer| integer == 0), "padding");
                integers.truncate(k);
                (integers, all.scale(row))
            })
            .collect()
    }

    /// Makes integers of the first parts of a row, which has the second, or of magnitudes, and tells whether it had these.
    fn join(steps: &mut [i8], row: &[f32]) -> bool {
        let (tail, rest) = row[steps.len() / 4..].split_at(TAIL);
        let &[_, start, count, ..] = bytemuck::cast_slice::<f32, i32>(tail) else { panic!("no tail") };
        let (parts, quads) = rest.split_at(steps.len() / 4);
        if count == SIGNED {
            for (step, &sign) in steps.iter_mut().zip(bytemuck::cast_slice::<f32, i8>(parts)) {
                assert!(*step >= 0 && (sign == 0 || sign == -1), "a magnitude below zero");
                *step = (*step ^ sign) - sign;
            }
            let negative = steps.iter().filter(|&&step| step < 0).map(|&step| i32::from(step)).sum::<i32>();
            assert_eq!(start, -negative);
            return true;
        }
        let pair = |steps: &[i8], i: usize| i32::from(steps[i]) + i32::from(steps[i + 1]);
        assert!((0..steps.len()).step_by(2).all(|i| pair(steps, i).abs() <= 128), "a pair too large");
        let quads: &[u16] = bytemuck::cast_slice(quads);
        for (quad, part) in quads[..count as usize].iter().zip(parts) {
            let part = part.to_bits().to_le_bytes().map(u8::cast_signed);
            assert!((0..QUAD).step_by(2).all(|i| pair(&part, i).abs() <= 128), "a pair too large");
            steps[usize::from(*quad) * QUAD..].iter_mut().zip(part).for_each(|(step, part)| *step += part);
        }
        let added: i32 =
            steps.iter().enumerate().map(|(i, &step)| i32::from(step) * if i % 2 == 0 { 128 } else { 127 }).sum();
        assert_eq!(start, -added);
        steps.iter_mut().skip(1).step_by(2).for_each(|step| *step = -*step);
        false
    }

    #[test]
    fn integers_are_the_nearest_multiples_of_a_127th_of_the_largest() {
        for k in [1, 3, 15, 16, 17, 63, 64, 65, 100, MOST_SIGNED, MOST_SIGNED + 1, 768] {
            let (rows, x) = (5, reference::noise("x", 5 * k, 3.0));
            let gains = reference::noise("gains", k, 2.0);
            for gains in [None, Some(&gains[..])] {
                let exact: Vec<_> = (0..rows)
                    .map(|row| {
                        let x: Vec<f32> =
                            (0..k).map(|c| x[row * k + c] * gains.map_or(1.0, |gains| gains[c])).collect();
                        let largest = x.iter().fold(0f32, |largest, x| largest.max(x.abs()));
                        let integers =
                            x.iter().map(|x| (x * (127.0 / largest)).round_ties_even() as i8).collect::<Vec<_>>();
                        (integers, largest / 127.0)
                    })
                    .collect();
                let blocks = reference::block(&x, rows, k, k);
                for isa in every_isa() {
                    assert_eq!(quantised(isa, &x, Strides::rows(k), rows, k, gains), exact, "{isa:?} {k}");
                    assert_eq!(quantised(isa, &blocks, Strides::blocked(rows), rows, k, gains), exact, "{isa:?} {k}");
                }
            }
        }
    }

    /// Every set with and without its instructions for products of integers.
    fn every_isa() -> Vec<Isa> {
        super::super::tests::every_isa()
    }

    #[test]
    fn rows_of_zeros_and_rows_that_are_not_finite() {
        for isa in every_isa() {
            for k in [5, 16, 40] {
                for place in [0, 3, k - 1] {
                    let of = |value: f32| {
                        let mut x = vec![1.0; k];
                        x[place] = value;
                        quantised(isa, &x, Strides::rows(k), 1, k, None).remove(0)
                    };
                    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                        assert!(of(value).1.is_nan(), "{isa:?} {value} at {place} of {k}");
                    }
                    assert_eq!(of(-254.0).0[place], -127);
                    assert_eq!(of(1e30).1, 1e30 / 127.0);
                }
                for tiny in [0.0, -0.0, 1e-37, -1e-45] {
                    assert_eq!(quantised(isa, &vec![tiny; k], Strides::rows(k), 1, k, None), [(vec![0; k], 0.0)]);
                }
                let small = quantised(isa, &vec![2e-36; k], Strides::rows(k), 1, k, None);
                assert!(small[0].0.iter().all(|&integer| integer == 127) && small[0].1 > 0.0);
            }
        }
    }
}
