//! A stem of strided convolutions with its weights.

use super::{Depthwise, Exec, Linear};
use crate::kernels::depthwise::Window;
use crate::kernels::strided_stem::{self as kernel, Images, WINDOW, strided_stem};

/// Three convolutions, GELU after each, from pixels to `C` channels on a quarter of the side.
pub(crate) struct StridedStem {
    conv: Linear,         // [27, C], 3 × 3 with stride 2
    depthwise: Depthwise, // [9, C], 3 × 3 with stride 2
    pointwise: Linear,    // [C, C]
}

impl StridedStem {
    /// The depthwise convolution must be a square one of 3 × 3 with stride 2 and have as many channels as the others, whose
    /// weights must be floats.
    pub(crate) fn new(conv: Linear, depthwise: Depthwise, pointwise: Linear) -> Self {
        let c = conv.outputs();
        assert_eq!(depthwise.window(), Window::square(3, 2, c, 1));
        assert_eq!((conv.inputs(), pointwise.inputs(), pointwise.outputs()), (WINDOW, c, c));
        StridedStem { conv, depthwise, pointwise }
    }

    /// `C`
    pub(crate) fn outputs(&self) -> usize {
        self.conv.outputs()
    }

    /// Floats of scratch for images of `size` pixels per side.
    pub(crate) fn scratch(&self, exec: Exec<'_>, size: usize) -> usize {
        kernel::scratch(size, self.outputs(), exec.team)
    }

    /// Computes maps in blocks of sixteen channels from images; `scratch` has [`StridedStem::scratch`] floats.
    pub(crate) fn forward(&self, exec: Exec<'_>, images: Images<'_>, scratch: &mut [f32], out: &mut [f32]) {
        let weights = kernel::StridedStem {
            conv: (self.conv.floats(), self.conv.bias()),
            depthwise: self.depthwise.weights(),
            pointwise: (self.pointwise.floats(), self.pointwise.bias()),
        };
        strided_stem(exec.isa, exec.team, weights, images, scratch, out);
    }
}
