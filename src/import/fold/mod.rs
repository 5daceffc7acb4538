//! Folds norms, scales and tables into the layers of a weights file and packs them.
//!
//! All arithmetic is in f64 and each result is rounded to f32 once. The affine part of a pre-norm goes into the next
//! layer, `w'(k, n) = gamma(k) * w(k, n)` and `b'(n) = b(n) + sum_k beta(k) * w(k, n)`, or `gamma` beside it; the scale of
//! the attention scores goes into the queries, unless they are halves; a LayerScale goes into the layer before it. Sums run over `k` in order, so results
//! depend only on shapes. Convolutions are folded in `conv`.

pub(super) mod conv;
mod fewer_bits;
mod pool;
mod positions;

use rayon::prelude::*;

pub(super) use fewer_bits::{fits_halves, halves, quads, scaled_rows_of_int8};
pub(super) use pool::{Queries, queries};
pub(super) use positions::{biased_positions, sinusoids};

use super::checkpoint::Checkpoint;
use super::error::{Error, printable};
use super::recipes::source::{Affine, BatchNorm, Linear, Names, Norm, Order};
use super::tensor::Tensor;
use crate::threads;
use crate::weights::PANEL;

/// Inputs that are read at a time for the 16 outputs of a panel: 32 KiB of f64, which fit in the first-level cache.
const BLOCK: usize = 256;
/// Elements of a dense tensor per task.
const ROWS_TASK: usize = 1 << 16;

/// Epsilon of every BatchNorm of MobileCLIP and of CLIP's ResNets: PyTorch's default, which no reference changes.
const BATCH_NORM_EPS: f64 = 1e-5;

/// The factors and norm that are folded into a linear layer.
#[derive(Clone, Copy, Default)]
pub(super) struct Fold<'a> {
    /// The norm before it.
    pub norm: Option<&'a Affine>,
    /// Whether the factors of the norm stay out of the weights; [`gains`] has them.
    pub gains_apart: bool,
    /// Number of leading outputs with a factor, and the factor.
    pub scale: Option<(usize, f64)>,
    /// Tensor with a factor for each output.
    pub layer_scale: Option<&'a str>,
    /// The order of the outputs.
    pub outputs: Outputs,
}

/// The order in which the outputs of a linear layer are stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Outputs {
    /// That of the checkpoint.
    #[default]
    Same,
    /// Of queries and keys, the even channels of each head of so many channels before the odd ones; values as they are.
    InPairs(usize),
}

impl Outputs {
    /// The output of the checkpoint that is stored as output `i` of `n`.
    fn source(self, i: usize, n: usize) -> usize {
        match self {
            Outputs::InPairs(head) if i < n / 3 * 2 && head > 0 => {
                let (start, channel) = (i - i % head, i % head);
                let first = head.div_ceil(2);
                start + if channel < first { 2 * channel } else { 2 * (channel - first) + 1 }
            }
            Outputs::Same | Outputs::InPairs(_) => i,
        }
    }
}

/// Scale and shift of each channel of a norm before a linear layer. Of a LayerNorm only the affine part is folded; a
/// BatchNorm is folded completely.
fn affine(checkpoint: &Checkpoint, norm: &Affine) -> Result<(Vec<f64>, Vec<f64>), Error> {
    match norm {
        Affine::Layer(norm) => Ok((vector(checkpoint, &norm.weight)?, vector(checkpoint, &norm.bias)?)),
        Affine::Batch(norm) => batch_norm(checkpoint, norm),
    }
}

/// Scale and shift of each channel of a BatchNorm: `s = weight / sqrt(var + eps)` and `t = bias - mean * s`.
fn batch_norm(checkpoint: &Checkpoint, norm: &BatchNorm) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let [mut factors, mut shifts, mean, variance] = [
        vector(checkpoint, &norm.weight)?,
        vector(checkpoint, &norm.bias)?,
        vector(checkpoint, &norm.mean)?,
        vector(checkpoint, &norm.variance)?,
    ];
    for (factor, variance) in factors.iter_mut().zip(&variance) {
        let spread = (variance + BATCH_NORM_EPS).sqrt();
        // The root of a negative variance is NaN.
        if spread.is_nan() || spread <= 0.0 {
            let tensor = checkpoint.tensor(&norm.variance)?;
            return Err(tensor.error(format!("holds {variance}; a variance must not be negative")));
        }
        *factor /= spread;
    }
    for ((shift, mean), factor) in shifts.iter_mut().zip(&mean).zip(&factors) {
        *shift -= mean * factor;
    }
    Ok((factors, shifts))
}

/// Folds and packs `linear` into `out`, `[ceil(n / 16)][k][16]`, and returns its bias, `[n]` padded with zeros to a
/// multiple of 16.
///
/// The content of `out` is replaced. Reusing it for all layers avoids most of the cost of fresh pages (about 1 s of
/// CPU time for a checkpoint of 1.7 GB).
pub(super) fn linear(
    checkpoint: &Checkpoint,
    linear: &Linear,
    fold: Fold<'_>,
    out: &mut Vec<f32>,
) -> Result<Vec<f32>, Error> {
    let Linear { k, n, .. } = *linear;
    let weight = tensors(checkpoint, &linear.weight)?;
    let (mut gamma, beta) = match fold.norm {
        Some(norm) => affine(checkpoint, norm)?,
        None => (vec![1.0; k], vec![0.0; k]),
    };
    if fold.gains_apart {
        gamma.fill(1.0);
    }
    let mut sums = vec![0f64; n];
    let biases = vectors(checkpoint, &linear.bias)?;
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = biases.get(linear.skip + fold.outputs.source(i, n)).copied().unwrap_or(0.0);
    }
    let mut scales = vec![1.0; n];
    if let Some(name) = fold.layer_scale {
        let factors = vector(checkpoint, name)?;
        for (i, scale) in scales.iter_mut().enumerate() {
            *scale = factors.get(fold.outputs.source(i, n)).copied().unwrap_or(1.0);
        }
    }
    let (scaled, scale) = fold.scale.unwrap_or((0, 1.0));
    for factor in scales.iter_mut().take(scaled) {
        *factor *= scale;
    }
    let source = Source { tensors: &weight, order: linear.order, k, n, skip: linear.skip, outputs: fold.outputs };

    resize(checkpoint, out, n.div_ceil(PANEL) * PANEL * k)?;
    let panels = out.par_chunks_mut(PANEL * k.max(1)).zip(sums.par_chunks_mut(PANEL)).zip(scales.par_chunks(PANEL));
    threads::try_for_each(panels.enumerate(), |(panel, ((out, sums), scales))| {
        let first = panel * PANEL;
        let columns = sums.len();
        if columns < PANEL {
            out.fill(0.0);
        }
        let mut finite = true;
        let mut tile = [[0f64; PANEL]; BLOCK];
        let mut dots = [0f64; PANEL];
        let blocks = out.chunks_mut(PANEL * BLOCK).zip(gamma.chunks(BLOCK)).zip(beta.chunks(BLOCK));
        for (block, ((out, gamma), beta)) in blocks.enumerate() {
            source.read(first, columns, block * BLOCK, &mut tile[..gamma.len()])?;
            for (((out, weights), gamma), beta) in out.chunks_exact_mut(PANEL).zip(&tile).zip(gamma).zip(beta) {
                for (dot, weight) in dots.iter_mut().zip(weights) {
                    *dot += beta * weight;
                }
                for ((out, weight), scale) in out.iter_mut().zip(weights).zip(scales) {
                    *out = (gamma * weight * scale) as f32;
                    finite &= out.is_finite();
                }
            }
        }
        for ((sum, dot), scale) in sums.iter_mut().zip(&dots).zip(scales) {
            *sum = (*sum + dot) * scale;
            finite &= (*sum as f32).is_finite();
        }
        if finite { Ok(()) } else { Err(too_large(&weight)) }
    })?;
    let mut bias: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
    bias.resize(n.next_multiple_of(PANEL), 0.0);
    Ok(bias)
}

/// The factors of the norm before a linear layer with `k` inputs: ones without a norm.
pub(super) fn gains(checkpoint: &Checkpoint, norm: Option<&Affine>, k: usize) -> Result<Vec<f32>, Error> {
    let Some(norm) = norm else { return Ok(vec![1.0; k]) };
    let (gamma, _) = affine(checkpoint, norm)?;
    let mut gains = vec![0f32; gamma.len()];
    let (Affine::Layer(Norm { weight, .. }) | Affine::Batch(BatchNorm { weight, .. })) = norm;
    round(&checkpoint.tensor(weight)?, &gamma, &mut gains)?;
    Ok(gains)
}

/// Reads the dense tensor `name` into `out`, whose content is replaced.
pub(super) fn rows(checkpoint: &Checkpoint, name: &str, out: &mut Vec<f32>) -> Result<(), Error> {
    scaled_rows(checkpoint, name, 1.0, out)
}

/// Reads the dense tensor `name`, times `factor`, into `out`, whose content is replaced.
pub(super) fn scaled_rows(checkpoint: &Checkpoint, name: &str, factor: f64, out: &mut Vec<f32>) -> Result<(), Error> {
    let tensor = checkpoint.tensor(name)?;
    resize(checkpoint, out, tensor.len())?;
    threads::try_for_each(out.par_chunks_mut(ROWS_TASK).enumerate(), |(task, out)| {
        let mut block = [0f64; BLOCK];
        let mut at = task * ROWS_TASK;
        for out in out.chunks_mut(BLOCK) {
            let block = &mut block[..out.len()];
            tensor.read_finite(at, block)?;
            scale(block, factor);
            at += out.len();
            round(&tensor, block, out)?;
        }
        Ok(())
    })
}

fn scale(values: &mut [f64], factor: f64) {
    for value in values {
        *value *= factor;
    }
}

/// Reads the dense tensor `rest` into `out`, whose content is replaced, with the first `row_count` rows of `first`.
pub(super) fn split_rows(
    checkpoint: &Checkpoint,
    first: &str,
    row_count: usize,
    rest: &str,
    out: &mut Vec<f32>,
) -> Result<(), Error> {
    rows(checkpoint, rest, out)?;
    let tensor = checkpoint.tensor(first)?;
    let width = tensor.shape().last().copied().unwrap_or(0);
    let mut head = vec![0f64; row_count.saturating_mul(width).min(out.len())];
    tensor.read_finite(0, &mut head)?;
    round(&tensor, &head, out)
}

/// Resizes `out`; its content is not specified.
fn resize<T: Clone + Default>(checkpoint: &Checkpoint, out: &mut Vec<T>, len: usize) -> Result<(), Error> {
    if out.try_reserve_exact(len.saturating_sub(out.len())).is_err() {
        return Err(no_memory(checkpoint, len));
    }
    out.resize(len, T::default());
    Ok(())
}

/// `len` zeros.
fn zeros(checkpoint: &Checkpoint, len: usize) -> Result<Vec<f64>, Error> {
    let mut zeros = Vec::new();
    match zeros.try_reserve_exact(len) {
        Ok(()) => zeros.resize(len, 0.0),
        Err(_) => return Err(no_memory(checkpoint, len)),
    }
    Ok(zeros)
}

fn no_memory(checkpoint: &Checkpoint, len: usize) -> Error {
    let reason = format!("a tensor of it of {len} numbers does not fit in memory");
    Error::Unsupported { path: checkpoint.path().to_owned(), reason }
}

/// Writes the class token and the positions of an image tower to `out`: the token is added to the first position, or
/// comes before the positions if it has none of its own.
pub(super) fn image_positions(
    checkpoint: &Checkpoint,
    class: &str,
    position: &str,
    class_has_position: bool,
    out: &mut Vec<f32>,
) -> Result<(), Error> {
    rows(checkpoint, position, out)?;
    let tensor = checkpoint.tensor(if class_has_position { position } else { class })?;
    let mut first = vector(checkpoint, class)?;
    if class_has_position {
        let mut position = vec![0f64; first.len()];
        tensor.read_finite(0, &mut position)?;
        for (first, position) in first.iter_mut().zip(&position) {
            *first += position;
        }
    } else {
        out.splice(..0, first.iter().map(|_| 0.0));
    }
    round(&tensor, &first, out)
}

/// Reads all elements of the tensor `name`.
pub(super) fn vector(checkpoint: &Checkpoint, name: &str) -> Result<Vec<f64>, Error> {
    elements(checkpoint, &checkpoint.tensor(name)?)
}

fn elements(checkpoint: &Checkpoint, tensor: &Tensor<'_>) -> Result<Vec<f64>, Error> {
    let mut out = zeros(checkpoint, tensor.len())?;
    tensor.read_finite(0, &mut out)?;
    Ok(out)
}

fn vectors(checkpoint: &Checkpoint, names: &Names) -> Result<Vec<f64>, Error> {
    let mut all = Vec::new();
    for name in names {
        all.extend(vector(checkpoint, name)?);
    }
    Ok(all)
}

/// The tensor `name`, a matrix, table or kernel; see [`Tensor::refuse_zeros`].
fn weight<'a>(checkpoint: &'a Checkpoint, name: &str) -> Result<Tensor<'a>, Error> {
    let tensor = checkpoint.tensor(name)?;
    tensor.refuse_zeros()?;
    Ok(tensor)
}

fn tensors<'a>(checkpoint: &'a Checkpoint, names: &Names) -> Result<Vec<Tensor<'a>>, Error> {
    names.iter().map(|name| weight(checkpoint, name)).collect()
}

fn round(tensor: &Tensor<'_>, from: &[f64], to: &mut [f32]) -> Result<(), Error> {
    let mut finite = true;
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from as f32;
        finite &= to.is_finite();
    }
    if finite { Ok(()) } else { Err(tensor.error("holds values beyond the range of f32".to_owned())) }
}

fn too_large(weight: &[Tensor<'_>]) -> Error {
    match weight.first() {
        Some(tensor) => tensor.error(format!(
            "gives values beyond the range of f32 when `{}` is folded with its norm",
            printable(tensor.name())
        )),
        None => Error::Option { reason: "a linear layer has no weight".to_owned() },
    }
}

/// The weight of a linear layer, possibly in several tensors.
struct Source<'a> {
    tensors: &'a [Tensor<'a>],
    order: Order,
    k: usize,
    n: usize,
    skip: usize,
    outputs: Outputs,
}

impl Source<'_> {
    /// Reads `tile[i][j] = w(k + i, n + j)` for `j < columns`.
    fn read(&self, n: usize, columns: usize, k: usize, tile: &mut [[f64; PANEL]]) -> Result<(), Error> {
        match self.order {
            Order::OutIn => {
                let mut line = [0f64; BLOCK];
                let line = &mut line[..tile.len()];
                // Stacked tensors have the same number of rows each.
                let rows = ((self.n + self.skip) / self.tensors.len().max(1)).max(1);
                for column in 0..columns {
                    let row = self.skip + self.outputs.source(n + column, self.n);
                    if let Some(tensor) = self.tensors.get(row / rows) {
                        tensor.read_finite(row % rows * self.k + k, line)?;
                    }
                    for (tile, &weight) in tile.iter_mut().zip(&*line) {
                        if let Some(to) = tile.get_mut(column) {
                            *to = weight;
                        }
                    }
                }
            }
            Order::InOut => {
                for (i, tile) in tile.iter_mut().enumerate() {
                    let line = (k + i) * self.n;
                    for tensor in self.tensors {
                        match self.outputs {
                            Outputs::Same => tensor.read_finite(line + n, &mut tile[..columns])?,
                            Outputs::InPairs(_) => {
                                for (column, to) in tile[..columns].iter_mut().enumerate() {
                                    let from = line + self.outputs.source(n + column, self.n);
                                    tensor.read_finite(from, std::slice::from_mut(to))?;
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
