//! The weights of a linear layer whose products are computed with 8-bit integers.
//!
//! The inputs are quantised on the fly, with a scale for each row; so are the weights at conversion, with a scale for each
//! output. Nothing here has been checked against hostile files but the lengths: integers may be -128, scales and sums
//! anything. The first use of a tower refuses impossible scales, sums and gains after its first pass.

use crate::weights::TensorView;

/// Quantised weights from `inputs` to `outputs` channels.
pub(crate) struct Int8Weights {
    /// `[inputs, outputs]` in quads: `[ceil(outputs / 16)][ceil(inputs / 4)][16][4]`, zeros where there is no such element.
    pub(crate) weight: TensorView<i8>,
    /// `[outputs]`, padded with zeros to whole panels: an element is its integer times the scale of its output.
    pub(crate) scales: TensorView,
    /// `[outputs]`, padded likewise: the sum of the integers of each output, exact.
    pub(crate) sums: TensorView,
    /// `[inputs]`, not padded: what the inputs are multiplied with before they are quantised, the factors of the norm before
    /// this layer.
    pub(crate) gains: Option<TensorView>,
}
