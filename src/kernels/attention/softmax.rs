//! The softmax of rows of scores without its division: the caller divides after weighting the values, which are fewer
//! numbers.

use super::super::simd::Simd;
use crate::tensor::PANEL;

/// Scores of a block of queries. The first row sees `visible` keys; every other row sees `more` keys more than the row
/// before it.
pub(in super::super) struct Scores<'a> {
    data: &'a mut [f32],
    stride: usize,
    rows: usize,
    visible: usize,
    more: usize,
    used: usize,
}

impl<'a> Scores<'a> {
    /// Rows of scores, `stride` floats apart, of which the first `used` are used. `(visible, more)` are the keys that
    /// the first row sees and that each further row adds.
    ///
    /// Panics if `data` is too short: every row needs sixteen floats after what it uses.
    #[inline(always)]
    pub(in super::super) fn new(
        data: &'a mut [f32],
        stride: usize,
        rows: usize,
        (visible, more): (usize, usize),
        used: usize,
    ) -> Scores<'a> {
        let last = rows.saturating_sub(1);
        let longest = last.saturating_mul(more).saturating_add(visible).max(used);
        assert!(
            stride >= longest.saturating_add(PANEL) && data.len() >= rows.saturating_mul(stride),
            "scores too short"
        );
        Scores { data, stride, rows, visible, more, used }
    }

    /// Replaces the visible scores of each row by `exp(factor · (score − largest))` and the others of those used by zeros,
    /// and writes one over the sum of a row to `scales`. The factor is positive; it takes no time, because scores are
    /// multiplied with a constant anyway.
    ///
    /// The order of a sum, and so its bits, depends only on the number of visible scores. Each step handles all rows
    /// before the next step, because the steps of a single row are one long dependency chain.
    #[inline(always)]
    pub(in super::super) fn exponentials<S: Simd>(self, s: S, factor: f32, scales: &mut [f32]) {
        let log2_e = std::f32::consts::LOG2_E * factor;
        let data = self.data.as_mut_ptr();
        let row = |r: usize| (data.wrapping_add(r * self.stride), self.visible + r * self.more);
        let scales = &mut scales[..self.rows];
        // SAFETY: a vector begins at most at the last visible or used score, or right after it, and so ends at most
        // LANES ≤ 16 floats further, which belong to the row (`new`).
        unsafe {
            for r in 0..self.rows {
                // Invisible scores have no weight.
                let (row, visible) = row(r);
                s.store(row.wrapping_add(visible), s.splat(f32::NEG_INFINITY));
            }
            for (r, shift) in scales.iter_mut().enumerate() {
                let (row, visible) = row(r);
                let mut largest = s.splat(f32::NEG_INFINITY);
                for i in (0..visible).step_by(S::LANES) {
                    largest = s.max(s.load(row.wrapping_add(i)), largest);
                }
                *shift = -log2_e * s.largest(largest);
            }
            for (r, scale) in scales.iter_mut().enumerate() {
                let (row, visible) = row(r);
                let (log2_e, shift) = (s.splat(log2_e), s.splat(*scale));
                let mut total = s.splat(0.0);
                for i in (0..visible).step_by(S::LANES) {
                    let at = row.wrapping_add(i);
                    let e = s.exp2(s.mul_add(s.load(at), log2_e, shift));
                    total = s.add(total, e);
                    s.store(at, e);
                }
                for i in (visible..self.used).step_by(S::LANES) {
                    s.store(row.wrapping_add(i), s.splat(0.0));
                }
                *scale = s.sum(total);
            }
        }
        scales.iter_mut().for_each(|scale| *scale = 1.0 / *scale);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::isa::Isa;
    use super::super::super::reference;
    use super::super::super::simd::Kernel;
    use super::*;

    /// Three rows: visible scores of the last, used scores, the factor, and the data.
    struct Softmax<'a>(usize, usize, f32, &'a mut [f32]);

    impl Kernel for Softmax<'_> {
        type Output = [f32; 3];

        #[inline(always)]
        fn call<S: Simd>(self, s: S) -> [f32; 3] {
            let Softmax(visible, seen, factor, rows) = self;
            let (mut scales, stride) = ([f32::NAN; 3], rows.len() / 3);
            Scores::new(rows, stride, 3, (visible - 2, 1), seen).exponentials(s, factor, &mut scales);
            scales
        }
    }

    #[test]
    fn softmax_of_every_length() {
        for isa in Isa::available() {
            for len in [1usize, 2, 3, 4, 5, 15, 16, 17, 31, 50, 77, 197] {
                let scores: Vec<f32> = (0..len + 2).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.3).collect();
                let (factors, used) = ([1.0f32, 0.2], [len + 2, len + 3, len + 30]);
                for (factor, seen) in factors.into_iter().flat_map(|factor| used.map(|seen| (factor, seen))) {
                    let scaled: Vec<f32> = scores.iter().map(|score| factor * score).collect();
                    let mut row = scores.clone();
                    row.resize(seen + 16, f32::NAN);
                    let mut rows = row.repeat(3);
                    let scales = isa.run(Softmax(len + 2, seen, factor, &mut rows));
                    for (r, (row, scale)) in rows.chunks_exact(seen + 16).zip(scales).enumerate() {
                        let exact = reference::softmax(&scaled[..len + r]);
                        for (v, e) in row.iter().zip(&exact) {
                            let error = (f64::from(*v) * f64::from(scale) - e).abs();
                            assert!(error <= 1e-6 * e + 1e-9, "{isa:?} {len} {r}");
                        }
                        assert!(row[len + r..seen].iter().all(|&v| v == 0.0), "{isa:?} {len} {r} {seen}");
                    }
                }
            }
        }
    }

    #[test]
    fn short_rows_are_refused() {
        let refused = |len: usize, stride: usize, visible: (usize, usize), seen: usize| {
            let mut data = vec![0.0; len];
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                _ = Scores::new(&mut data, stride, 3, visible, seen);
            }))
            .is_err()
        };
        assert!(!refused(3 * 24, 24, (6, 1), 8));
        assert!(refused(3 * 24 - 1, 24, (6, 1), 8));
        assert!(refused(3 * 24, 24, (6, 1), 9));
        assert!(refused(3 * 24, 24, (7, 1), 8));
        assert!(refused(3 * 24, 24, (6, usize::MAX), 8));
    }
}
