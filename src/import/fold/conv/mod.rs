//! Folds the branches of a convolution into one kernel and packs it.
//!
//! Computes in f64 and rounds each result to f32 once. A BatchNorm after a convolution scales its outputs and gives it
//! a bias; a branch without a kernel is an identity; smaller kernels are placed in the centre; the residual is an
//! identity too, so that a RepMixer, `x + scale * (mixer(x) - norm(x))`, becomes one convolution. Kernels are small
//! enough (16 million weights in the largest model) to be folded in memory.

use super::super::checkpoint::Checkpoint;
use super::super::error::Error;
use super::super::recipes::source::{Branch, Conv, Order};
use super::{batch_norm, elements, vector};
use crate::models::{EvenFirst, WindowOrder};
use crate::weights::PANEL;

/// A folded kernel, row-major `[outputs, inputs, height, width]`, and its bias.
struct Kernel {
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// Folds and packs a depthwise convolution: `out` gets `[height * width, outputs]`; returns the bias.
pub(in crate::import) fn depthwise(
    checkpoint: &Checkpoint,
    conv: &Conv,
    even_first: EvenFirst,
    out: &mut Vec<f32>,
) -> Result<Vec<f32>, Error> {
    let kernel = fold(checkpoint, conv)?;
    let order = order(conv.outputs, even_first.outputs);
    let taps = conv.kernel[0] * conv.kernel[1];
    out.clear();
    for tap in 0..taps {
        out.extend(order.iter().map(|output| kernel.weight.get(output * taps + tap).map_or(0.0, |&w| w as f32)));
    }
    let bias = pick(&kernel.bias, &order);
    finite(checkpoint, conv, out, &bias)?;
    Ok(bias)
}

/// Folds and packs a dense convolution: `out` gets panels `[inputs * height * width, outputs]`; returns the bias,
/// padded with zeros to whole panels.
///
/// The kernel's elements are in the given order; a channel that pads a block has zeros.
pub(in crate::import) fn dense(
    checkpoint: &Checkpoint,
    conv: &Conv,
    even_first: EvenFirst,
    order_of_window: WindowOrder,
    out: &mut Vec<f32>,
) -> Result<Vec<f32>, Error> {
    let kernel = fold(checkpoint, conv)?;
    let outputs = order(conv.outputs, even_first.outputs);
    let inputs = order(conv.inputs, even_first.inputs);
    let taps = conv.kernel[0] * conv.kernel[1];
    // For each element of a packed column, its index in the kernel of an output.
    let at = |tap: usize, input: usize| Some(input * taps + tap);
    let elements: Vec<Option<usize>> = match order_of_window {
        WindowOrder::ChannelsFirst => inputs.iter().flat_map(|&i| (0..taps).map(move |tap| at(tap, i))).collect(),
        WindowOrder::ChannelsLast => (0..taps).flat_map(|tap| inputs.iter().map(move |&i| at(tap, i))).collect(),
        WindowOrder::ColumnsFirst => {
            let [height, width] = conv.kernel;
            let columns = (0..width).flat_map(|x| (0..height).map(move |y| y * width + x));
            let channels = inputs.len().next_multiple_of(PANEL);
            columns
                .flat_map(|tap| (0..channels).map(move |i| (tap, i)))
                .map(|(tap, i)| at(tap, *inputs.get(i)?))
                .collect()
        }
    };
    let (k, size) = (elements.len(), inputs.len() * taps);
    out.clear();
    super::resize(checkpoint, out, conv.outputs.div_ceil(PANEL) * PANEL * k)?;
    for (panel, outputs) in out.chunks_exact_mut(PANEL * k.max(1)).zip(outputs.chunks(PANEL)) {
        for (column, output) in outputs.iter().enumerate() {
            let weights = kernel.weight.get(output * size..).unwrap_or_default();
            for (row, element) in panel.chunks_exact_mut(PANEL).zip(&elements) {
                if let Some(to) = row.get_mut(column) {
                    *to = element.and_then(|element| weights.get(element)).map_or(0.0, |&weight| weight as f32);
                }
            }
        }
    }
    let mut bias = pick(&kernel.bias, &outputs);
    bias.resize(conv.outputs.next_multiple_of(PANEL), 0.0);
    finite(checkpoint, conv, out, &bias)?;
    Ok(bias)
}

/// The stored order of the channels.
fn order(channels: usize, evens_first: bool) -> Vec<usize> {
    match evens_first {
        true => (0..channels).step_by(2).chain((1..channels).step_by(2)).collect(),
        false => (0..channels).collect(),
    }
}

fn pick(values: &[f64], order: &[usize]) -> Vec<f32> {
    order.iter().map(|&i| values.get(i).map_or(0.0, |&value| value as f32)).collect()
}

fn finite(checkpoint: &Checkpoint, conv: &Conv, weight: &[f32], bias: &[f32]) -> Result<(), Error> {
    if weight.iter().chain(bias).fold(true, |all, value| all & value.is_finite()) {
        return Ok(());
    }
    let reason = "gives values beyond the range of f32 when it is folded with its norm or factor".to_owned();
    match conv.branches.iter().find_map(|branch| branch.weight.as_ref()) {
        Some(kernel) => Err(checkpoint.tensor(&kernel.name)?.error(reason)),
        None => Err(Error::Option { reason: format!("a convolution {reason}") }),
    }
}

/// The sum of all branches.
fn fold(checkpoint: &Checkpoint, conv: &Conv) -> Result<Kernel, Error> {
    let size = conv.inputs * conv.kernel[0] * conv.kernel[1];
    let mut kernel = Kernel { weight: super::zeros(checkpoint, conv.outputs * size)?, bias: vec![0.0; conv.outputs] };
    for branch in &conv.branches {
        kernel.add(checkpoint, conv, branch)?;
    }
    if let Some(scale) = &conv.scale {
        let scale = vector(checkpoint, scale)?;
        let outputs = kernel.weight.chunks_exact_mut(size.max(1)).zip(&mut kernel.bias).zip(&scale);
        for ((weights, bias), scale) in outputs {
            weights.iter_mut().for_each(|weight| *weight *= scale);
            *bias *= scale;
        }
    }
    if conv.residual {
        kernel.add_identity(conv, &vec![1.0; conv.outputs]);
    }
    Ok(kernel)
}

impl Kernel {
    fn add(&mut self, checkpoint: &Checkpoint, conv: &Conv, branch: &Branch) -> Result<(), Error> {
        let (mut factors, mut shifts) = match &branch.norm {
            Some(norm) => batch_norm(checkpoint, norm)?,
            None => (vec![1.0; conv.outputs], vec![0.0; conv.outputs]),
        };
        if let Some(bias) = &branch.bias {
            let bias = vector(checkpoint, bias)?;
            for ((shift, bias), factor) in shifts.iter_mut().zip(&bias).zip(&factors) {
                *shift += bias * factor;
            }
        }
        if branch.negative {
            factors.iter_mut().chain(&mut shifts).for_each(|value| *value = -*value);
        }
        for (bias, shift) in self.bias.iter_mut().zip(&shifts) {
            *bias += shift;
        }

        let Some(weight) = &branch.weight else {
            self.add_identity(conv, &factors);
            return Ok(());
        };
        let values = elements(checkpoint, &super::weight(checkpoint, &weight.name)?)?;
        let [height, width] = weight.sides;
        let [top, left] = [(conv.kernel[0] - height) / 2, (conv.kernel[1] - width) / 2];
        let (outputs, inputs) = (conv.outputs, conv.inputs);
        let mut at = |output: usize, input: usize, row: usize, column: usize, value: f64| {
            let index = ((output * inputs + input) * conv.kernel[0] + row) * conv.kernel[1] + column;
            if let (Some(to), Some(factor)) = (self.weight.get_mut(index), factors.get(output)) {
                *to += factor * value;
            }
        };
        for (i, value) in values.into_iter().enumerate() {
            match weight.order {
                Order::OutIn => {
                    let (column, row, rest) = (i % width, i / width % height, i / width / height);
                    at(rest / inputs, rest % inputs, row + top, column + left, value);
                }
                Order::InOut => at(i % outputs, i / outputs, top, left, value),
            }
        }
        Ok(())
    }

    /// Adds input `o mod inputs` times a factor to output `o`.
    fn add_identity(&mut self, conv: &Conv, factors: &[f64]) {
        let [height, width] = conv.kernel;
        for (output, factor) in factors.iter().enumerate() {
            let input = output % conv.inputs.max(1);
            let index = ((output * conv.inputs + input) * height + height / 2) * width + width / 2;
            if let Some(weight) = self.weight.get_mut(index) {
                *weight += factor;
            }
        }
    }
}

#[cfg(test)]
mod tests;
