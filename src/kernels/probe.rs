//! Pieces of kernels as kernels of their own, so that benches can time them alone.

use super::Isa;
use super::attention::softmax::Scores;
use super::math::Activation;
use super::simd::{Kernel, Simd};

/// `out = activation(x)`, for as many whole vectors as both hold.
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

/// Rows that are done together: all that the benches have are multiples of it.
const BLOCK: usize = 4;

/// Exponentials and their sum of the first `width` of every `stride` floats, of which sixteen more must be there.
pub(crate) fn softmax(isa: Isa, rows: &mut [f32], width: usize, stride: usize) {
    assert!(stride >= width + 16);
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
            let (data, stride, visible) = (rows.as_mut_ptr(), self.stride, self.width);
            // SAFETY: rows are longer than their width by sixteen floats.
            unsafe { Scores { data, stride, rows: BLOCK, visible, more: 0 }.exponentials(s, visible, &mut scales) };
        }
    }
}
