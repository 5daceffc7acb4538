//! The stem of FastViT with its weights.

use super::{Depthwise, Exec, Linear};
use crate::kernels::Team;
use crate::kernels::depthwise::Window;
use crate::kernels::strided_stem::{self as kernel, Images, StridedStem, WINDOW};

/// Three convolutions, each with GELU behind it, from pixels to `C` channels on a quarter of the side.
pub(crate) struct Stem {
    conv: Linear,         // [27, C], 3 × 3 with stride 2
    depthwise: Depthwise, // [9, C], 3 × 3 with stride 2
    pointwise: Linear,    // [C, C]
}

impl Stem {
    /// The depthwise convolution must be a square one of 3 × 3 with stride 2, of as many channels as the others have.
    pub(crate) fn new(conv: Linear, depthwise: Depthwise, pointwise: Linear) -> Self {
        let c = conv.outputs();
        assert_eq!(depthwise.window(), Window::square(3, 2, c, 1));
        assert_eq!((conv.inputs(), pointwise.inputs(), pointwise.outputs()), (WINDOW, c, c));
        Stem { conv, depthwise, pointwise }
    }

    /// `C`
    pub(crate) fn outputs(&self) -> usize {
        self.conv.outputs()
    }

    /// Floats of scratch for images of `size` pixels a side.
    pub(crate) fn scratch(&self, size: usize, team: Team<'_>) -> usize {
        kernel::scratch(size, self.outputs(), team)
    }

    /// Images to maps in blocks of sixteen channels; `scratch` of [`Stem::scratch`] floats.
    pub(crate) fn forward(&self, exec: Exec<'_>, images: Images<'_>, scratch: &mut [f32], out: &mut [f32]) {
        let weights = StridedStem {
            conv: self.conv.parts(),
            depthwise: self.depthwise.parts(),
            pointwise: self.pointwise.parts(),
        };
        kernel::strided_stem(exec.isa, exec.team, weights, images, scratch, out);
    }
}
