//! A tensor of a generated model: name, shape and value range.
//!
//! Knows kinds of tensors (weight, bias, norm, …), not architectures or files. The ranges keep activations of random
//! models as large as trained ones', and no value can hide a mistake: no norm weight is one, no scale is tiny, and no
//! bias is zero except one that some layouts lack.

use half::f16;

use super::random::Stream;

/// Role of a tensor, which determines the range of its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Weight of a linear layer or convolution: standard deviation `gain / sqrt(fan_in)`.
    Weight {
        /// Products summed for one output.
        fan_in: usize,
        /// Standard deviation of an output whose inputs have standard deviation 1.
        gain: f64,
    },
    /// Bias of a linear layer or convolution.
    Bias,
    /// Factor of a LayerNorm or BatchNorm.
    NormWeight,
    /// Bias of a LayerNorm or BatchNorm.
    NormBias,
    /// Token or class embedding.
    Embedding,
    /// Position embedding.
    Position,
    /// Natural logarithm of the factor from cosines to logits.
    LogitScale,
    /// Added to the scaled cosines of a model that was trained with a sigmoid.
    LogitBias,
    /// Bias within a convolutional tower. Such towers are averaged over all pixels, so large biases would hide the
    /// differences between images.
    ConvBias,
    /// Bias of a norm within a convolutional tower, small for the same reason.
    ConvNormBias,
    /// All zeros: a parameter that the other layouts of the model do not have.
    Zero,
    /// Running mean of a BatchNorm.
    RunningMean,
    /// Running variance of a BatchNorm.
    RunningVariance,
    /// Factor per channel of a residual branch.
    LayerScale,
}

impl Kind {
    /// Centre and half width of the values' uniform distribution.
    pub fn range(self) -> (f64, f64) {
        match self {
            // A uniform distribution's standard deviation is its half width over sqrt(3).
            Kind::Weight { fan_in, gain } => (0.0, gain * (3.0 / fan_in as f64).sqrt()),
            Kind::Bias => (0.0, 0.25),
            Kind::NormWeight => (1.0, 0.4),
            Kind::NormBias => (0.0, 0.3),
            Kind::Embedding => (0.0, 1.0),
            Kind::Position => (0.0, 0.5),
            Kind::LogitScale => (4.0, 0.5),
            Kind::LogitBias => (-12.0, 3.0),
            Kind::ConvBias => (0.0, 0.05),
            Kind::ConvNormBias => (0.0, 0.06),
            Kind::Zero => (0.0, 0.0),
            Kind::RunningMean => (0.0, 0.1),
            Kind::RunningVariance => (1.0, 0.5),
            Kind::LayerScale => (0.3, 0.2),
        }
    }
}

/// How a number is stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// IEEE 754 half precision.
    F16,
    /// IEEE 754 single precision.
    F32,
    /// 64-bit integer.
    I64,
}

impl Element {
    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Element::F16 => 2,
            Element::F32 => 4,
            Element::I64 => 8,
        }
    }
}

/// A tensor under its canonical name, that of open_clip's checkpoints where open_clip knows the tower.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Canonical name, which the values depend on.
    pub name: String,
    /// Shape, outermost dimension first; empty for a scalar.
    pub shape: Vec<usize>,
    /// Role of the tensor.
    pub kind: Kind,
    /// Whether OpenAI's archives hold it in half precision. Its values are then representable there, so
    /// that every layout holds the same numbers.
    pub half: bool,
}

impl Tensor {
    /// A tensor that every layout holds in single precision.
    pub fn single(name: impl Into<String>, shape: &[usize], kind: Kind) -> Self {
        Tensor { name: name.into(), shape: shape.to_vec(), kind, half: false }
    }

    /// A tensor that OpenAI's archives hold in half precision.
    pub fn half(name: impl Into<String>, shape: &[usize], kind: Kind) -> Self {
        Tensor { half: true, ..Tensor::single(name, shape, kind) }
    }

    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Value `index` of the flattened tensor, as a function of `index`.
    pub fn values_at(&self, seed: u64) -> impl Fn(usize) -> f32 + Sync + use<> {
        let stream = Stream::new(&self.name, seed);
        let (centre, half_width) = self.kind.range();
        let half = self.half;
        move |index| {
            let value = stream.uniform(index as u64, centre, half_width);
            if half { f16::from_f32(value).to_f32() } else { value }
        }
    }

    /// All values, row-major.
    pub fn values(&self, seed: u64) -> Vec<f32> {
        use rayon::prelude::*;
        let value = self.values_at(seed);
        (0..self.elements()).into_par_iter().map(value).collect()
    }
}
