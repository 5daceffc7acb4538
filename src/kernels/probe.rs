//! Pieces of kernels as kernels of their own, so that benches can time them alone.

use super::Isa;
use super::math::{self, Activation};
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

/// The softmax of every row of `width` floats.
pub(crate) fn softmax(isa: Isa, rows: &mut [f32], width: usize) {
    isa.run(Softmax { rows, width });
}

struct Softmax<'a> {
    rows: &'a mut [f32],
    width: usize,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        self.rows.chunks_exact_mut(self.width).for_each(|row| math::softmax(s, row));
    }
}
