//! Kernels with their own buffers, for the benches of this crate: not part of its public API, free to change.
//!
//! One function for each kernel returns a [`Probe`] that runs it and states how much work a run is.

use crate::kernels::attention::{self, Shape, Span};
use crate::kernels::depthwise::{Convolution, Maps, Window, depthwise as convolve};
use crate::kernels::gemm::{self, Epilogue, Finish, Lhs, Lines, LinesOf, PANEL, Rhs, gemm as multiply};
use crate::kernels::int8;
use crate::kernels::math;
use crate::kernels::strides::{Strides, blocked_len};
use crate::kernels::{Isa, Out, Team, norm, pool, probe, rotary, strided_stem as stems};
use crate::tensor::AlignedBuf;

/// Everything runs on the calling thread, since results are compared with the peak of one core.
const TEAM: Team<'_> = Team::SERIAL;

/// Bytes of weights that runs cycle through when weights must come from memory: more than the caches of a processor.
const STREAMED: usize = 160 << 20;

/// A kernel with its operands, which the first run allocates.
pub struct Probe {
    /// Operations that the result needs, two for each multiply-add; 0 if they are not counted.
    pub flops: u64,
    /// Minimum number of bytes that a run reads and writes.
    pub bytes: u64,
    prepare: Box<dyn Fn() -> Prepared>,
    prepared: Option<Prepared>,
}

/// The output, and the kernel with its inputs.
type Prepared = (AlignedBuf, Box<dyn FnMut(&mut [f32])>);

impl Probe {
    /// `floats` is the minimum number of floats that a run reads or writes.
    fn new(flops: usize, floats: usize, prepare: impl Fn() -> Prepared + 'static) -> Probe {
        Probe { flops: flops as u64, bytes: 4 * floats as u64, prepare: Box::new(prepare), prepared: None }
    }

    /// Runs the kernel once.
    pub fn run(&mut self) {
        let (out, run) = self.prepared.get_or_insert_with(&self.prepare);
        run(out);
    }

    /// The output of the runs so far.
    pub fn output(&self) -> &[f32] {
        self.prepared.as_ref().map_or(&[], |(out, _)| out)
    }
}

fn prepared(out: AlignedBuf, run: impl FnMut(&mut [f32]) + 'static) -> Prepared {
    (out, Box::new(run))
}

/// The last step of a product, after its bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Stores the sum.
    Store,
    /// GELU with erf.
    Gelu,
    /// QuickGELU, OpenAI's approximation.
    QuickGelu,
    /// Adds the sum to the output.
    Add,
}

impl After {
    fn finish(self) -> Finish {
        match self {
            After::Store => Finish::Store,
            After::Gelu => Finish::Activate(math::Activation::Gelu),
            After::QuickGelu => Finish::Activate(math::Activation::QuickGelu),
            After::Add => Finish::Accumulate,
        }
    }
}

/// Layout of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row by row.
    Rows,
    /// In blocks of sixteen channels.
    Blocks,
}

impl Layout {
    fn strides(self, rows: usize, channels: usize) -> Strides {
        match self {
            Layout::Rows => Strides::rows(channels),
            Layout::Blocks => Strides::blocked(rows),
        }
    }
}

/// A product `[rows, k] · [k, n]` with packed weights and a bias; `layouts` are those of its input and output.
/// `streamed` weights come from memory instead of a cache, as those of a large model do.
pub fn product(isa: Isa, sizes: [usize; 3], after: After, layouts: [Layout; 2], streamed: bool) -> Probe {
    let [rows, k, n] = sizes;
    let added = if after == After::Add { rows * n } else { 0 };
    Probe::new(2 * rows * k * n, rows * k + k * n + n + rows * n + added, move || {
        let weight_len = k * n.next_multiple_of(PANEL);
        let copies = if streamed { (STREAMED / 4).div_ceil(weight_len) } else { 1 };
        let weights = noise(copies * weight_len, 1.0);
        let a = noise(blocked_len(rows, k), 1.0);
        let bias = noise(n, 1.0);
        let mut turn = 0;
        prepared(AlignedBuf::zeros(blocked_len(rows, n)), move |out| {
            let weights = &weights[turn * weight_len..][..weight_len];
            turn = (turn + 1) % copies;
            let a = Lhs { data: &a, strides: layouts[0].strides(rows, k), rows, k };
            let epilogue = Epilogue { bias: Some(&bias), finish: after.finish() };
            let out = Out::new(out, layouts[1].strides(rows, n));
            multiply(isa, TEAM, a, Rhs::packed(weights, k, n), epilogue, None, out);
        })
    })
}

/// [`product`] with weights that are integers of eight bits.
pub fn integer_product(isa: Isa, sizes: [usize; 3], after: After, layouts: [Layout; 2], streamed: bool) -> Probe {
    let [rows, k, n] = sizes;
    let added = if after == After::Add { rows * n } else { 0 };
    Probe::new(2 * rows * k * n, rows * k + k * n / 4 + 3 * n + rows * n + added, move || {
        let weight_len = int8::packed_len(k, n);
        let copies = if streamed { STREAMED.div_ceil(weight_len) } else { 1 };
        let weights = Integers::new(copies, k, n);
        let a = bell(blocked_len(rows, k));
        let bias = noise(n, 1.0);
        let mut scratch = AlignedBuf::zeros(int8::SCRATCH);
        let mut turn = 0;
        prepared(AlignedBuf::zeros(blocked_len(rows, n)), move |out| {
            let w = weights.copy(turn);
            turn = (turn + 1) % copies;
            let a = Lhs { data: &a, strides: layouts[0].strides(rows, k), rows, k };
            let epilogue = Epilogue { bias: Some(&bias), finish: after.finish() };
            let out = Out::new(out, layouts[1].strides(rows, n));
            int8::gemm(isa, TEAM, a, w, epilogue, None, out, &mut scratch);
        })
    })
}

/// Weights `[k, n]` of integers, some copies of them.
struct Integers {
    data: Vec<i8>,
    scales: AlignedBuf,
    sums: AlignedBuf,
    k: usize,
    n: usize,
}

impl Integers {
    fn new(copies: usize, k: usize, n: usize) -> Integers {
        let data: Vec<i8> = noise(int8::packed_len(k, n), 127.0).iter().map(|&x| x as i8).collect();
        let mut sums = AlignedBuf::zeros(n.next_multiple_of(PANEL));
        let panel = int8::packed_len(k, PANEL);
        for (i, &integer) in data.iter().enumerate() {
            sums[i / panel * PANEL + i / 4 % PANEL] += f32::from(integer);
        }
        let data = data.repeat(copies);
        Integers { data, scales: noise(n.next_multiple_of(PANEL), 0.01), sums, k, n }
    }

    fn copy(&self, index: usize) -> int8::Weights<'_> {
        let Integers { data, scales, sums, k, n } = self;
        let data = &data[index * int8::packed_len(*k, *n)..];
        int8::Weights { data, scales, sums, gains: None, k: *k, n: *n }
    }
}

/// The two products of a feed-forward part with GELU in between, added to the output; in blocks.
pub fn feed_forward(isa: Isa, rows: usize, width: usize, hidden: usize) -> Probe {
    Probe::new(4 * rows * width * hidden, 3 * rows * width + 2 * width * hidden + width + hidden, move || {
        let first = noise(blocked_len(width, hidden), 1.0);
        let second = noise(blocked_len(hidden, width), 1.0);
        let (bias, a) = (noise(hidden.max(width), 1.0), noise(blocked_len(rows, width), 1.0));
        let mut scratch = AlignedBuf::default();
        prepared(AlignedBuf::zeros(blocked_len(rows, width)), move |out| {
            let strides = Strides::blocked(rows);
            let weights = gemm::FeedForward {
                first: (Rhs::packed(&first, width, hidden), Some(&bias)),
                activation: math::Activation::Gelu,
                second: (Rhs::packed(&second, hidden, width), Some(&bias)),
            };
            let len = weights.scratch(rows, TEAM);
            if scratch.len() < len {
                scratch = AlignedBuf::zeros(len);
            }
            let a = Lhs { data: &a, strides, rows, k: width };
            gemm::feed_forward(isa, TEAM, a, weights, Out::new(out, strides), &mut scratch);
        })
    })
}

/// [`feed_forward`] with weights that are integers of eight bits.
pub fn integer_feed_forward(isa: Isa, rows: usize, width: usize, hidden: usize) -> Probe {
    Probe::new(4 * rows * width * hidden, 3 * rows * width + width * hidden / 2 + 3 * (width + hidden), move || {
        let (first, second) = (Integers::new(1, width, hidden), Integers::new(1, hidden, width));
        let (bias, a) = (noise(hidden.max(width), 1.0), bell(blocked_len(rows, width)));
        let mut scratch = AlignedBuf::default();
        prepared(AlignedBuf::zeros(blocked_len(rows, width)), move |out| {
            let strides = Strides::blocked(rows);
            let weights = int8::FeedForward {
                first: (first.copy(0), Some(&bias)),
                activation: math::Activation::Gelu,
                second: (second.copy(0), Some(&bias)),
            };
            let len = weights.scratch(rows, TEAM);
            if scratch.len() < len {
                scratch = AlignedBuf::zeros(len);
            }
            let a = Lhs { data: &a, strides, rows, k: width };
            int8::feed_forward(isa, TEAM, a, weights, Out::new(out, strides), &mut scratch);
        })
    })
}

/// A dense convolution with a square window of `kernel` 1 or 3, a bias and ReLU, on square maps; taps beyond the edges are
/// counted.
pub fn convolution(isa: Isa, side: usize, kernel: usize, [inputs, outputs]: [usize; 2]) -> Probe {
    let (pixels, k) = (side * side, kernel * kernel * inputs.next_multiple_of(PANEL));
    let floats = pixels * (inputs + outputs) + k * outputs + outputs;
    Probe::new(2 * pixels * kernel * kernel * inputs * outputs, floats, move || {
        let from = Lines::bordered(1, [side, side], inputs);
        let to = Lines::flat(1, [side, side], outputs);
        let (maps, weights, bias) = (noise(from.len(), 1.0), noise(blocked_len(k, outputs), 1.0), noise(outputs, 1.0));
        prepared(AlignedBuf::zeros(to.len()), move |out| {
            let epilogue = Epilogue { bias: Some(&bias), finish: Finish::Activate(math::Activation::Relu) };
            let maps = LinesOf { data: &maps, lines: from };
            gemm::convolve(isa, TEAM, maps, kernel, Rhs::packed(&weights, k, outputs), epilogue, (out, to));
        })
    })
}

/// The strided stem from an image of `size` pixels to `channels`; taps beyond the edges are counted.
pub fn stem(isa: Isa, size: usize, channels: usize) -> Probe {
    let (half, quarter) = (size.div_ceil(2), size.div_ceil(4));
    let (pixels, rows) = (3 * size * size, quarter * quarter);
    let flops = 2 * channels * (half * half * 27 + rows * (9 + channels));
    Probe::new(flops, pixels + (27 + 9 + 3 + channels + rows) * channels, move || {
        let pixels = noise(pixels, 1.0);
        let (first, second) = (noise(blocked_len(27, channels), 1.0), noise(blocked_len(channels, channels), 0.1));
        let (taps, bias) = (noise(9 * channels, 1.0), noise(channels.next_multiple_of(PANEL), 1.0));
        let mut scratch = AlignedBuf::zeros(stems::scratch(size, channels, TEAM));
        prepared(AlignedBuf::zeros(blocked_len(rows, channels)), move |out| {
            let weights = stems::StridedStem {
                conv: (Rhs::packed(&first, 27, channels), Some(&bias)),
                depthwise: (&taps, &bias),
                pointwise: (Rhs::packed(&second, channels, channels), Some(&bias)),
            };
            let images = stems::Images { pixels: &pixels, count: 1, size };
            stems::strided_stem(isa, TEAM, weights, images, &mut scratch, out);
        })
    })
}

/// Attention of all tokens of a sequence.
pub fn attention(isa: Isa, tokens: usize, heads: usize, head_dim: usize, causal: bool) -> Probe {
    let width = heads * head_dim;
    let pairs = if causal { tokens * (tokens + 1) / 2 } else { tokens * tokens };
    Probe::new(4 * pairs * width, 4 * tokens * width, move || {
        let shape = Shape { width, heads, causal, scale: 1.0 };
        let qkv = noise(tokens * 3 * width + PANEL, 1.0);
        let mut scratch = AlignedBuf::zeros(attention::scratch_len(TEAM, shape, tokens));
        let span = Span { start: 0, tokens, queries: 0..tokens, out_row: 0 };
        prepared(AlignedBuf::zeros(tokens * width), move |out| {
            attention::attention(isa, TEAM, shape, &qkv, std::slice::from_ref(&span), out, &mut scratch);
        })
    })
}

/// Two turns of queries and keys of an image with a class token, there and back, so that every run has the same result.
pub fn turn(isa: Isa, grid: usize, heads: usize, head_dim: usize) -> Probe {
    let shape = rotary::TurnShape { width: heads * head_dim, heads, grid, class_token: true };
    let rows = grid * grid + 1;
    Probe::new(12 * rows * shape.width, 8 * rows * shape.width, move || {
        let angles = noise(grid * head_dim / 4, 3.0);
        let [cos, sin] = [f32::cos, f32::sin].map(|of| angles.iter().map(|&angle| of(angle)).collect::<Vec<f32>>());
        let back: Vec<f32> = sin.iter().map(|sin| -sin).collect();
        prepared(noise(rows * 3 * shape.width, 1.0), move |qkv| {
            rotary::turn(isa, TEAM, shape, (&cos, &sin), qkv);
            rotary::turn(isa, TEAM, shape, (&cos, &back), qkv);
        })
    })
}

/// A square depthwise convolution of a square map in blocks, with GELU or without.
pub fn depthwise(isa: Isa, side: usize, channels: usize, kernel: Kernel, gelu: bool) -> Probe {
    let Kernel { size, stride, multiplier } = kernel;
    let window = Window::square(size, stride, channels, multiplier);
    let (half, (out_side, _)) = (size / 2, window.output(side, side));
    // Taps inside of the map; those beyond its edges are not counted.
    let taps = |at: usize| (at * stride..at * stride + size).filter(|&i| (half..half + side).contains(&i)).count();
    let taps: usize = (0..out_side).map(taps).sum();
    let (rows, out_rows, outputs) = (side * side, out_side * out_side, channels * multiplier);
    let floats = rows * channels + (size * size + 1) * outputs + out_rows * outputs;
    Probe::new(2 * taps * taps * outputs, floats, move || {
        let maps = noise(blocked_len(rows, channels), 1.0);
        let (taps, bias) = (noise(size * size * outputs, 1.0), noise(outputs, 1.0));
        prepared(AlignedBuf::zeros(blocked_len(out_rows, outputs)), move |out| {
            let strides = Strides::blocked(rows);
            let maps = Maps { data: &maps, strides, images: 1, height: side, width: side };
            let activation = gelu.then_some(math::Activation::Gelu);
            let out = Out::new(out, Strides::blocked(out_rows));
            let convolution = Convolution { window, maps, taps: &taps, bias: &bias, activation };
            convolve(isa, TEAM, convolution, out);
        })
    })
}

/// The window of a depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Taps per side.
    pub size: usize,
    /// Along both axes.
    pub stride: usize,
    /// Output channels for each input channel.
    pub multiplier: usize,
}

/// LayerNorm of rows, without weights.
pub fn layer_norm(isa: Isa, rows: usize, width: usize) -> Probe {
    Probe::new(0, 2 * rows * width, move || {
        let x = noise(rows * width, 1.0);
        prepared(AlignedBuf::zeros(rows * width), move |out| {
            norm::layer_norm(
                isa,
                TEAM,
                &x[..rows * width],
                width,
                1e-5,
                norm::Affine::Folded,
                &mut out[..rows * width],
            );
        })
    })
}

/// GELU, or QuickGELU, of `len` numbers.
pub fn gelu(isa: Isa, len: usize, quick: bool) -> Probe {
    Probe::new(0, 2 * len, move || {
        let x = noise(len, 4.0);
        let activation = if quick { math::Activation::QuickGelu } else { math::Activation::Gelu };
        prepared(AlignedBuf::zeros(len), move |out| probe::activate(isa, activation, &x, out))
    })
}

/// Exponentials and sums of a softmax of rows, in place: each run takes the output of the run before.
pub fn softmax(isa: Isa, rows: usize, width: usize) -> Probe {
    Probe::new(0, 2 * rows * width, move || {
        let stride = width.next_multiple_of(PANEL) + PANEL;
        prepared(noise(rows * stride, 10.0), move |out| probe::softmax(isa, &mut out[..rows * stride], width, stride))
    })
}

/// The global means of squeeze-and-excitation over a map in blocks.
pub fn pool_mean(isa: Isa, pixels: usize, channels: usize) -> Probe {
    Probe::new(0, (pixels + 1) * channels, move || {
        let maps = noise(blocked_len(pixels, channels), 1.0);
        prepared(AlignedBuf::zeros(channels), move |out| pool::mean(isa, TEAM, &maps, (1, pixels), channels, out))
    })
}

/// The product of a map and the gates of squeeze-and-excitation, then GELU; in place.
pub fn pool_scale(isa: Isa, pixels: usize, channels: usize) -> Probe {
    Probe::new(0, (2 * pixels + 1) * channels, move || {
        // GELU does not change large numbers, and gates of one do not either, so all runs have the same input.
        let mut maps = noise(blocked_len(pixels, channels), 1.0);
        maps.iter_mut().for_each(|value| *value += 10.0);
        let gates = vec![1.0; channels];
        let gelu = math::Activation::Gelu;
        prepared(maps, move |maps| pool::scale(isa, TEAM, maps, (1, pixels), channels, &gates, gelu))
    })
}

/// Deterministic numbers from -`scale` to `scale`.
fn noise(len: usize, scale: f32) -> AlignedBuf {
    let mut state: u32 = 1;
    let mut buffer = AlignedBuf::zeros(len);
    for value in buffer.iter_mut().take(len) {
        // The linear congruential generator of Knuth and Lewis ("Numerical Recipes", 7.1).
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * scale;
    }
    buffer
}

/// The sums of eight of them each, nearly as a normal distribution has them: with AVX2, the speed of products of integers
/// depends on how many activations are nearly as large as the largest of their row.
fn bell(len: usize) -> AlignedBuf {
    let mut buffer = AlignedBuf::zeros(len);
    let terms = noise(8 * len, 1.0);
    for (value, terms) in buffer.iter_mut().zip(terms.chunks_exact(8)) {
        *value = terms.iter().sum();
    }
    buffer
}
