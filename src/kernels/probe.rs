//! Parts of kernels as separate kernels, for benches.

use super::Isa;
use super::attention::softmax::Scores;
use super::math::Activation;
use super::simd::{Kernel, Simd};

/// Computes `out = activation(x)` for as many whole vectors as both hold.
pub(crate) fn activate(isa: Isa, activation: Activation, x: &[f32], out: &mut [f32]) {
    isa.run(Activate { activation, x, out });
}

struct Activate<'a> {
    activation: Activation,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        for (x, out) in self.x.chunks_exact(S::LANES).zip(self.out.chunks_exact_mut(S::LANES)) {
            // SAFETY: both chunks hold LANES floats.
            unsafe { s.store(out.as_mut_ptr(), self.activation.apply(s, s.load(x.as_ptr()))) };
        }
    }
}

/// Rows that are computed together; the benches have multiples of it.
const BLOCK: usize = 4;

/// Computes the exponentials of the first `width` of every `stride` floats, which are at least sixteen more, and their
/// sum.
pub(crate) fn softmax(isa: Isa, rows: &mut [f32], width: usize, stride: usize) {
    isa.run(Softmax { rows, width, stride });
}

struct Softmax<'a> {
    rows: &'a mut [f32],
    width: usize,
    stride: usize,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let mut scales = [0.0; BLOCK];
        for rows in self.rows.chunks_exact_mut(self.stride * BLOCK) {
            Scores::new(rows, self.stride, BLOCK, (self.width, 0), self.width).exponentials(s, 1.0, &mut scales);
        }
    }
}
