//! Naive versions that every kernel is tested against: slow, in f64, and short.

use super::attention::Shape;
use super::depthwise::{Maps, Window};
use super::math::Activation;
use super::norm::Affine;
use super::strides::{Strides, blocked_len};

/// Deterministic values in −scale ..= scale.
pub(crate) fn noise(name: &str, len: usize, scale: f32) -> Vec<f32> {
    let mut state =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u32 << 23) as f32 - 1.0) * scale
        })
        .collect()
}

/// `a [m, k] · w [k, n]`, row-major.
pub(crate) fn matmul(a: &[f32], w: &[f32], m: usize, k: usize, n: usize) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for p in 0..k {
            for j in 0..n {
                out[i * n + j] += f64::from(a[i * k + p]) * f64::from(w[p * n + j]);
            }
        }
    }
    out
}

/// `w [k, n]` row-major as panels of sixteen columns.
pub(crate) fn pack(w: &[f32], k: usize, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n.div_ceil(16) * 16 * k];
    for p in 0..k {
        for j in 0..n {
            out[(j / 16) * k * 16 + p * 16 + j % 16] = w[p * n + j];
        }
    }
    out
}

/// erf by its power series near zero and by the continued fraction of erfc beyond.
pub(crate) fn erf(x: f64) -> f64 {
    let z = x.abs();
    let value = if z < 3.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..120 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    } else {
        let fraction = (1..80).rev().fold(z, |f, n| z + f64::from(n) / 2.0 / f);
        1.0 - (-z * z).exp() / std::f64::consts::PI.sqrt() / fraction
    };
    value.copysign(x)
}

pub(crate) fn activation(kind: Activation, x: f64) -> f64 {
    match kind {
        Activation::Gelu => x * 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            x * 0.5 * (1.0 + u.tanh())
        }
        Activation::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
        Activation::Relu => x.max(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

pub(crate) fn softmax(row: &[f32]) -> Vec<f64> {
    let largest = row.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(f64::from(b)));
    let exp: Vec<f64> = row.iter().map(|&v| (f64::from(v) - largest).exp()).collect();
    let total: f64 = exp.iter().sum();
    exp.iter().map(|e| e / total).collect()
}

pub(crate) fn layer_norm(x: &[f32], width: usize, eps: f64, affine: Affine<'_>) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(width) {
        let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / width as f64;
        let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / width as f64;
        for (i, &v) in row.iter().enumerate() {
            let n = (f64::from(v) - mean) / (variance + eps).sqrt();
            out.push(match affine {
                Affine::Folded => n,
                Affine::Factors(gamma) => n * f64::from(gamma[i]),
                Affine::Both(gamma, beta) => n * f64::from(gamma[i]) + f64::from(beta[i]),
            });
        }
    }
    out
}

/// Multi-head attention of one sequence, `qkv [tokens, 3 · width]`.
pub(crate) fn attention(qkv: &[f32], tokens: usize, shape: Shape) -> Vec<f64> {
    let Shape { width, heads, causal, scale } = shape;
    let d = width / heads;
    let at = |t: usize, part: usize, c: usize| f64::from(qkv[t * 3 * width + part * width + c]);
    let mut out = vec![0.0; tokens * width];
    for h in 0..heads {
        for i in 0..tokens {
            let seen = if causal { i + 1 } else { tokens };
            let score = |j: usize| (0..d).map(|c| at(i, 0, h * d + c) * at(j, 1, h * d + c)).sum::<f64>();
            let scores: Vec<f64> = (0..seen).map(|j| f64::from(scale) * score(j)).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let exp: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
            let total: f64 = exp.iter().sum();
            for c in 0..d {
                let sum: f64 = (0..seen).map(|j| exp[j] * at(j, 2, h * d + c)).sum();
                out[i * width + h * d + c] = sum / total;
            }
        }
    }
    out
}

/// Rows of `channels` channels, `stride` apart, as blocks of sixteen channels. The last block is padded with NaN.
pub(crate) fn block(data: &[f32], rows: usize, channels: usize, stride: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; blocked_len(rows, channels)];
    for i in 0..rows * channels {
        out[Strides::blocked(rows).at(i / channels, i % channels)] = data[i / channels * stride + i % channels];
    }
    out
}

/// Depthwise convolution with channels innermost; output column j reads input channel j mod channels.
pub(crate) fn depthwise(
    window: Window,
    maps: Maps<'_>,
    taps: &[f32],
    bias: &[f32],
    kind: Option<Activation>,
) -> Vec<f64> {
    let (height, width) = window.output(maps.height, maps.width);
    let outputs = window.channels * window.multiplier;
    let mut out = Vec::with_capacity(maps.images * height * width * outputs);
    for image in 0..maps.images {
        for (y, x, o) in (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..outputs).map(move |o| (y, x, o)))) {
            let mut sum = f64::from(bias[o]);
            for ky in 0..window.kernel_height {
                for kx in 0..window.kernel_width {
                    let row = (y * window.stride + ky) as isize - window.pad_y as isize;
                    let column = (x * window.stride + kx) as isize - window.pad_x as isize;
                    if (0..maps.height as isize).contains(&row) && (0..maps.width as isize).contains(&column) {
                        let pixel = (image * maps.height + row as usize) * maps.width + column as usize;
                        let value = maps.data[maps.strides.at(pixel, o % window.channels)];
                        sum += f64::from(value) * f64::from(taps[(ky * window.kernel_width + kx) * outputs + o]);
                    }
                }
            }
            out.push(kind.map_or(sum, |kind| activation(kind, sum)));
        }
    }
    out
}

/// The turn of queries and keys by rotary positions, in images of `grid · grid` patches and maybe a class token.
pub(crate) fn turn(
    qkv: &[f32],
    width: usize,
    heads: usize,
    (grid, class_token): (usize, bool),
    (cos, sin): (&[f32], &[f32]),
) -> Vec<f64> {
    let (d, row, skip) = (width / heads, 3 * width, usize::from(class_token));
    let tokens = grid * grid + skip;
    let mut out: Vec<f64> = qkv.iter().map(|&v| f64::from(v)).collect();
    for r in (0..qkv.len() / row).filter(|r| r % tokens >= skip) {
        let patch = r % tokens - skip;
        for (head, pair) in (0..2 * heads).flat_map(|head| (0..d / 2).map(move |pair| (head, pair))) {
            let position = if pair < d / 4 { patch % grid } else { patch / grid };
            let angle = position * (d / 4) + pair % (d / 4);
            let (c, s) = (f64::from(cos[angle]), f64::from(sin[angle]));
            let at = r * row + head * d + pair;
            let (a, b) = (f64::from(qkv[at]), f64::from(qkv[at + d / 2]));
            out[at] = a * c - b * s;
            out[at + d / 2] = a * s + b * c;
        }
    }
    out
}
