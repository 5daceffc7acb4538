//! Dense convolutions of maps, with their weights.

use super::linear::{Operand, of_any};
use super::{Exec, Linear};
use crate::kernels::gemm::{Epilogue, Finish, Lines, LinesOf, Rhs, convolve};
use crate::kernels::math::Activation;
use crate::kernels::strided_stem::{Images, WINDOW, strided_conv, strided_conv_scratch};
use crate::tensor::PANEL;

/// A convolution of 1 × 1 or 3 × 3 with stride 1.
pub(crate) struct Convolution {
    weight: Linear, // [side · side · C, D], the larger window ordered x, y, channel, with C padded to whole blocks
    side: usize,
}

impl Convolution {
    pub(crate) fn new(weight: Linear, side: usize) -> Self {
        Convolution { weight, side }
    }

    /// Output channels.
    pub(crate) fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// Convolves `maps`, which have a border of zeros if the window is 3 × 3. Channels that pad the last block get the
    /// activation of zero, so those after ReLU are zeros, as the next convolution needs them.
    pub(crate) fn forward(&self, exec: Exec<'_>, maps: LinesOf<'_>, finish: Finish, out: (&mut [f32], Lines)) {
        let epilogue = Epilogue { bias: self.weight.bias(), finish };
        of_any!(Operand, self.weight.operand(); w => {
            convolve(exec.isa, exec.team, maps, self.side, whole_panels(w), epilogue, out);
        });
    }
}

/// The first convolution of an image tower, 3 × 3 with stride 2 and ReLU, from pixels.
pub(crate) struct FirstConvolution {
    weight: Linear, // [27, C], a window ordered channel, y, x
}

impl FirstConvolution {
    /// The weights must be those of a window of 3 × 3 pixels.
    pub(crate) fn new(weight: Linear) -> Self {
        assert_eq!(weight.inputs(), WINDOW);
        FirstConvolution { weight }
    }

    /// Output channels.
    pub(crate) fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// Floats of scratch for images of `size` pixels per side.
    pub(crate) fn scratch(&self, exec: Exec<'_>, size: usize) -> usize {
        strided_conv_scratch(size, exec.team)
    }

    /// Computes maps of half the side; `scratch` has [`FirstConvolution::scratch`] floats. Channels that pad the last
    /// block get zeros.
    pub(crate) fn forward(&self, exec: Exec<'_>, images: Images<'_>, scratch: &mut [f32], out: (&mut [f32], Lines)) {
        let epilogue = Epilogue { bias: self.weight.bias(), finish: Finish::Activate(Activation::Relu) };
        of_any!(Operand, self.weight.operand(); w => {
            strided_conv(exec.isa, exec.team, whole_panels(w), epilogue, images, scratch, out);
        });
    }
}

/// The weights with the zeros that pad their last panel, and that of their bias.
fn whole_panels<W>(w: Rhs<'_, W>) -> Rhs<'_, W> {
    Rhs { n: w.n.next_multiple_of(PANEL), ..w }
}
