//! The softmax of a row of scores, but for its last step: dividing by the sum is left to whoever has weighted the
//! values, since those are fewer numbers.

use super::super::simd::Simd;

/// Scores of a block of queries: `rows` rows, `stride` floats apart, of which the first sees `visible` keys and
/// every other `more` more than the one before.
#[derive(Clone, Copy)]
pub(in super::super) struct Scores {
    pub(in super::super) data: *mut f32,
    pub(in super::super) stride: usize,
    pub(in super::super) rows: usize,
    pub(in super::super) visible: usize,
    pub(in super::super) more: usize,
}

impl Scores {
    /// Turns the visible scores of each row to `exp(score − largest)`, zeros behind them up to `seen`, and gives
    /// one over their sum in `scales`.
    ///
    /// The order of a sum, and so its bits, depends on the number of visible scores alone. Each step goes over all
    /// rows before the next: a row by itself is one long chain of steps that wait for each other.
    ///
    /// # Safety
    /// Each row must be writable for `seen` floats and for sixteen behind its visible ones.
    #[inline(always)]
    pub(in super::super) unsafe fn exponentials<S: Simd>(self, s: S, seen: usize, scales: &mut [f32]) {
        let row = |r: usize| (self.data.wrapping_add(r * self.stride), self.visible + r * self.more);
        let scales = &mut scales[..self.rows];
        // SAFETY: vectors of visible scores begin before the last of them, and end LANES ≤ 16 floats behind it at
        // most, as those that begin there do; vectors of zeros begin before `seen`.
        unsafe {
            for r in 0..self.rows {
                // What is not visible weighs nothing.
                let (row, visible) = row(r);
                s.store(row.wrapping_add(visible), s.splat(f32::NEG_INFINITY));
            }
            for (r, shift) in scales.iter_mut().enumerate() {
                let (row, visible) = row(r);
                let mut largest = s.splat(f32::NEG_INFINITY);
                for i in (0..visible).step_by(S::LANES) {
                    largest = s.max(s.load(row.wrapping_add(i)), largest);
                }
                *shift = -std::f32::consts::LOG2_E * s.largest(largest);
            }
            for (r, scale) in scales.iter_mut().enumerate() {
                let (row, visible) = row(r);
                let (log2_e, shift) = (s.splat(std::f32::consts::LOG2_E), s.splat(*scale));
                let mut total = s.splat(0.0);
                for i in (0..visible).step_by(S::LANES) {
                    let at = row.wrapping_add(i);
                    let e = s.exp2(s.mul_add(s.load(at), log2_e, shift));
                    total = s.add(total, e);
                    s.store(at, e);
                }
                for i in (visible..seen).step_by(S::LANES) {
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

    /// Visible scores of the last of three rows, all of its scores; the rows.
    struct Softmax<'a>(usize, usize, &'a mut [f32]);

    impl Kernel for Softmax<'_> {
        type Output = [f32; 3];

        #[inline(always)]
        fn call<S: Simd>(self, s: S) -> [f32; 3] {
            let Softmax(visible, seen, rows) = self;
            let (mut scales, stride) = ([f32::NAN; 3], rows.len() / 3);
            assert!(stride >= seen.max(visible) + 16);
            // SAFETY: as asserted.
            unsafe {
                Scores { data: rows.as_mut_ptr(), stride, rows: 3, visible: visible - 2, more: 1 }.exponentials(
                    s,
                    seen,
                    &mut scales,
                )
            }
            scales
        }
    }

    #[test]
    fn softmax_of_every_length() {
        for isa in Isa::available() {
            for len in [1usize, 2, 3, 4, 5, 15, 16, 17, 31, 50, 77, 197] {
                let scores: Vec<f32> = (0..len + 2).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.3).collect();
                for seen in [len + 2, len + 3, len + 30] {
                    let mut row = scores.clone();
                    row.resize(seen + 16, f32::NAN);
                    let mut rows = row.repeat(3);
                    let scales = isa.run(Softmax(len + 2, seen, &mut rows));
                    for (r, (row, scale)) in rows.chunks_exact(seen + 16).zip(scales).enumerate() {
                        let exact = reference::softmax(&scores[..len + r]);
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
}
