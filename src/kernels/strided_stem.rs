//! Three convolutions from pixels to maps of a quarter of their side, in strips that stay in the cache.
//!
//! A 3 × 3 convolution with stride 2, a 3 × 3 depthwise convolution with stride 2 and a pointwise one, GELU after each.
//! The map between the first two is larger than a core's private cache: computed as a whole, it would be written to
//! memory and read back. So a few rows of the output at a time go through all three.

use super::Isa;
use super::depthwise::{Band, Convolution, Maps, Window};
use super::gemm::{Epilogue, Finish, Lhs, Lines, Region, Rhs};
use super::math::Activation;
use super::output::Out;
use super::simd::{Element, Kernel, Simd};
use super::strides::{Strides, blocked_len};
use super::team::Team;
use crate::tensor::PANEL;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Taps of a window of pixels: 3 channels of 3 × 3.
pub(crate) const WINDOW: usize = 27;

/// Rows of the output in a strip. With 64 channels and images of 256 pixels, the rows of the first convolution's output
/// that it reads, two for each and one more, are 295 kB.
const STRIP: usize = 4;

/// Rows of the first convolution's output that a strip reads.
const FIRST_ROWS: usize = 2 * STRIP + 1;

/// The weights, each with its bias, if it has one; `C` channels.
#[derive(Clone, Copy)]
pub(crate) struct StridedStem<'a, W = f32> {
    /// Packed `[27, C]`, a window ordered channel, y, x.
    pub(crate) conv: (Rhs<'a, W>, Option<&'a [f32]>),
    /// `[9, C]`
    pub(crate) depthwise: (&'a [f32], &'a [f32]),
    /// Packed `[C, C]`.
    pub(crate) pointwise: (Rhs<'a, W>, Option<&'a [f32]>),
}

/// Square images of `size` pixels.
#[derive(Clone, Copy)]
pub(crate) struct Images<'a> {
    /// `[count, 3, size, size]`
    pub(crate) pixels: &'a [f32],
    pub(crate) count: usize,
    pub(crate) size: usize,
}

/// Sides of the maps.
#[derive(Clone, Copy)]
struct Sides {
    /// After the first convolution.
    half: usize,
    /// After the second.
    quarter: usize,
}

impl Sides {
    fn new(size: usize) -> Sides {
        let half = size.div_ceil(2);
        Sides { half, quarter: half.div_ceil(2) }
    }

    fn strips(self) -> usize {
        self.quarter.div_ceil(STRIP)
    }

    /// Rows of the output in a strip.
    fn strip(self, index: usize) -> Range<usize> {
        self.quarter * index / self.strips()..self.quarter * (index + 1) / self.strips()
    }
}

/// Floats of each scratch buffer of a thread.
#[derive(Clone, Copy)]
struct Lens {
    zeros: usize,
    windows: usize,
    first: usize,
    second: usize,
}

impl Lens {
    fn new(size: usize, channels: usize) -> Lens {
        let Sides { half, quarter } = Sides::new(size);
        Lens {
            zeros: size.next_multiple_of(PANEL),
            windows: (half * WINDOW).next_multiple_of(PANEL),
            first: blocked_len(FIRST_ROWS * half, channels),
            second: blocked_len(STRIP * quarter, channels),
        }
    }

    fn sum(self) -> usize {
        self.zeros + self.windows + self.first + self.second
    }
}

/// Floats of scratch for images of this size.
pub(crate) fn scratch(size: usize, channels: usize, team: Team<'_>) -> usize {
    team.threads() * Lens::new(size, channels).sum()
}

/// Computes maps in blocks from `images`, `ceil(ceil(size / 2) / 2)` pixels per side; `scratch` as planned.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn strided_stem<W: Element>(
    isa: Isa,
    team: Team<'_>,
    weights: StridedStem<'_, W>,
    images: Images<'_>,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let Images { count, size, .. } = images;
    let channels = weights.conv.0.n;
    let (sides, lens) = (Sides::new(size), Lens::new(size, channels));
    let (strips, piece) = (count * sides.strips(), lens.sum());
    assert!(images.pixels.len() >= count * 3 * size * size, "pixels shorter than their shape");
    let (rows, channels) = (count * sides.quarter * sides.quarter, weights.pointwise.0.n);
    let out = Out::new(out, Strides::blocked(rows));
    out.check(rows, channels);

    let tasks = team.tasks_of(strips);
    // The strip after the last that a worker has finished; strip 0 before its first task, which nothing precedes.
    let next: Vec<AtomicUsize> = (0..team.threads()).map(|_| AtomicUsize::new(0)).collect();
    let (strides, shared) = (out.strides(), out.share());
    team.run_with_scratch(tasks, (scratch, piece), |task, worker, scratch| {
        let strips = strips * task / tasks..strips * (task + 1) / tasks;
        let follows = next[worker].swap(strips.end, Ordering::Relaxed) == strips.start;
        // SAFETY: tasks have disjoint strips, a strip writes its own rows only, and rows of the output do not overlap
        // (checked).
        let out = unsafe { shared.out(strides) };
        isa.run(Strips { weights, images, sides, lens, strips, follows, scratch, out });
    });
}

fn gelu(bias: Option<&[f32]>) -> Epilogue<'_> {
    Epilogue { bias, finish: Finish::Activate(Activation::Gelu) }
}

/// Some strips, on the calling thread.
struct Strips<'a, W> {
    weights: StridedStem<'a, W>,
    images: Images<'a>,
    sides: Sides,
    lens: Lens,
    strips: Range<usize>,
    /// Whether the scratch still holds the strip before the first of these.
    follows: bool,
    scratch: &'a mut [f32],
    out: Out<'a>,
}

impl<W: Element> Kernel for Strips<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Strips { weights, images, sides, lens, mut out, .. } = self;
        let Sides { half, quarter } = sides;
        let (zeros, rest) = self.scratch.split_at_mut(lens.zeros);
        let (windows, rest) = rest.split_at_mut(lens.windows);
        let (first, second) = rest.split_at_mut(lens.first);
        zeros.fill(0.0);
        let (first_strides, second_strides) = (Strides::blocked(FIRST_ROWS * half), Strides::blocked(STRIP * quarter));
        let mut follows = self.follows;
        for strip in self.strips {
            let (image, rows) = (strip / sides.strips(), sides.strip(strip % sides.strips()));
            // Row i of `first` is row 2 · rows.start + i - 1 of the map. The strip before this one has computed row 0.
            let count = 2 * rows.len() + 1;
            let mut known = 0;
            if follows && rows.start > 0 {
                let row = 2 * sides.strip(strip % sides.strips() - 1).len();
                for block in first.chunks_exact_mut(first_strides.block()) {
                    block.copy_within(row * half * PANEL..(row + 1) * half * PANEL, 0);
                }
                known = 1;
            }
            for i in known..count {
                match (2 * rows.start + i).checked_sub(1).filter(|&y| y < half) {
                    Some(y) => {
                        gather(images, image, y, zeros, windows);
                        let (w, bias) = weights.conv;
                        let a = Lhs { data: windows, strides: Strides::rows(WINDOW), rows: half, k: WINDOW };
                        let mut out = Out::new(first, first_strides);
                        s.run(Region::new(a, w, gelu(bias), out.from(i * half, 0)));
                    }
                    None => first.chunks_exact_mut(first_strides.block()).for_each(|block| {
                        block[i * half * PANEL..(i + 1) * half * PANEL].fill(0.0);
                    }),
                }
            }
            let (taps, bias) = weights.depthwise;
            let channels = weights.conv.0.n;
            let convolution = Convolution {
                window: Window { pad_y: 0, ..Window::square(3, 2, channels, 1) },
                maps: Maps { data: first, strides: first_strides, images: 1, height: count, width: half },
                taps,
                bias,
                activation: Some(Activation::Gelu),
            };
            for block in 0..channels.div_ceil(PANEL) {
                s.run(Band::new(convolution, Out::new(second, second_strides), 0, block, 0..rows.len()));
            }
            let (w, bias) = weights.pointwise;
            let a = Lhs { data: second, strides: second_strides, rows: rows.len() * quarter, k: w.k };
            s.run(Region::new(a, w, gelu(bias), out.from((image * quarter + rows.start) * quarter, 0)));
            follows = true;
        }
    }
}

/// Gathers windows `[half, 27]` for row `y` of the first convolution's output, with `zeros` outside of the image.
#[inline(always)]
fn gather(images: Images<'_>, image: usize, y: usize, zeros: &[f32], out: &mut [f32]) {
    let Images { pixels, size, .. } = images;
    let lines: [&[f32]; 9] = std::array::from_fn(|i| {
        let plane = image * 3 + i / 3;
        match (2 * y + i % 3).checked_sub(1).filter(|row| *row < size) {
            Some(row) => &pixels[(plane * size + row) * size..][..size],
            None => &zeros[..size],
        }
    });
    let half = size.div_ceil(2);
    for x in 0..half {
        if x > 0 && 2 * x + 3 <= size && x + 1 < half {
            // Four floats are one vector; the next copy overwrites the last of them.
            let window = &mut out[WINDOW * x..][..WINDOW + 1];
            for (i, line) in lines.iter().enumerate() {
                window[3 * i..][..4].copy_from_slice(&line[2 * x - 1..][..4]);
            }
        } else {
            for (i, value) in out[WINDOW * x..][..WINDOW].iter_mut().enumerate() {
                let column = (2 * x + i % 3).checked_sub(1);
                *value = column.and_then(|column| lines[i / 3].get(column)).copied().unwrap_or(0.0);
            }
        }
    }
}

/// Floats of scratch of [`strided_conv`] for images of this size.
pub(crate) fn strided_conv_scratch(size: usize, team: Team<'_>) -> usize {
    let Lens { zeros, windows, .. } = Lens::new(size, 0);
    team.threads() * (zeros + windows)
}

/// The first convolution alone, 3 × 3 with stride 2, to maps of half the side; `scratch` as planned. The weights are
/// packed `[27, C]`, a window ordered channel, y, x.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn strided_conv<W: Element>(
    isa: Isa,
    team: Team<'_>,
    w: Rhs<'_, W>,
    epilogue: Epilogue<'_>,
    images: Images<'_>,
    scratch: &mut [f32],
    (out, to): (&mut [f32], Lines),
) {
    let Images { count, size, pixels } = images;
    let half = size.div_ceil(2);
    assert!(pixels.len() >= count * 3 * size * size, "pixels shorter than their shape");
    assert_eq!(to.sizes(), (count, [half, half]));
    assert!(out.len() >= to.len() && w.n.div_ceil(PANEL) <= to.blocks(), "output too short");
    let tasks = team.tasks_of(to.count());
    let piece = strided_conv_scratch(size, Team::SERIAL);
    let shared = Out::new(out, to.strides()).share();
    team.run_with_scratch(tasks, (scratch, piece), |task, _, scratch| {
        let lines = to.count() * task / tasks..to.count() * (task + 1) / tasks;
        // SAFETY: tasks have disjoint lines, write their own only, and lines share no floats (`Lines`).
        let out = unsafe { shared.out(to.strides()) };
        isa.run(FirstLines { w, epilogue, images, scratch, out, to, lines });
    });
}

/// Some lines of the first convolution, on the calling thread.
struct FirstLines<'a, W> {
    w: Rhs<'a, W>,
    epilogue: Epilogue<'a>,
    images: Images<'a>,
    scratch: &'a mut [f32],
    out: Out<'a>,
    to: Lines,
    lines: Range<usize>,
}

impl<W: Element> Kernel for FirstLines<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(mut self, s: S) {
        let half = self.images.size.div_ceil(2);
        let (zeros, windows) = self.scratch.split_at_mut(Lens::new(self.images.size, 0).zeros);
        zeros.fill(0.0);
        for line in self.lines {
            gather(self.images, line / half, line % half, zeros, windows);
            let a = Lhs { data: windows, strides: Strides::rows(WINDOW), rows: half, k: WINDOW };
            s.run(Region::new(a, self.w, self.epilogue, self.out.skip(self.to.start(line), self.to.strides())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Workers, reference};
    use super::*;

    /// Roundings of three products of up to 64 values below one, and of GELU.
    const TOLERANCE: f64 = 2e-5;

    /// One convolution after the other, in f64 except for the input of the plain depthwise convolution.
    fn plain(images: Images<'_>, channels: usize, w: [&[f32]; 3], bias: [&[f32]; 3]) -> Vec<f64> {
        let Images { pixels, count, size } = images;
        let Sides { half, quarter } = Sides::new(size);
        let pixel = |plane: usize, y: isize, x: isize| {
            let inside = (0..size as isize).contains(&y) && (0..size as isize).contains(&x);
            if inside { pixels[(plane * size + y as usize) * size + x as usize] } else { 0.0 }
        };
        let mut windows = Vec::new();
        for row in 0..count * half * half {
            let (image, y, x) = (row / half / half, (row / half % half) as isize, (row % half) as isize);
            for tap in 0..WINDOW {
                let (ky, kx) = ((tap / 3 % 3) as isize, (tap % 3) as isize);
                windows.push(pixel(image * 3 + tap / 9, 2 * y + ky - 1, 2 * x + kx - 1));
            }
        }
        let gelu = |product: Vec<f64>, bias: &[f32]| -> Vec<f32> {
            let sums = product.iter().enumerate().map(|(i, v)| v + f64::from(bias[i % channels]));
            sums.map(|v| reference::activation(Activation::Gelu, v) as f32).collect()
        };
        let map = gelu(reference::matmul(&windows, w[0], count * half * half, WINDOW, channels), bias[0]);
        let maps = Maps { data: &map, strides: Strides::rows(channels), images: count, height: half, width: half };
        let window = Window::square(3, 2, channels, 1);
        let map: Vec<f32> = reference::depthwise(window, maps, w[1], bias[1], Some(Activation::Gelu))
            .iter()
            .map(|&v| v as f32)
            .collect();
        let product = reference::matmul(&map, w[2], count * quarter * quarter, channels, channels);
        gelu(product, bias[2]).iter().map(|&v| v.into()).collect()
    }

    #[test]
    fn equals_the_plain_convolutions() {
        for (size, channels, count) in [
            (1, 3, 1),
            (2, 16, 1),
            (3, 5, 2),
            (7, 16, 1),
            (8, 24, 3),
            (16, 64, 1),
            (31, 24, 2),
            (36, 16, 1),
            (66, 40, 1),
        ] {
            let pixels = reference::noise("pixels", count * 3 * size * size, 1.0);
            let scaled = |name: &str, k: usize, len: usize| reference::noise(name, len, 1.0 / (k as f32).sqrt());
            let w = [
                scaled("conv", WINDOW, WINDOW * channels),
                scaled("depthwise", 9, 9 * channels),
                scaled("pointwise", channels, channels * channels),
            ];
            let padded = channels.next_multiple_of(PANEL);
            let bias = ["first", "second", "third"].map(|name| {
                let mut bias = reference::noise(name, channels, 1.0);
                bias.resize(padded, 0.0);
                bias
            });
            let packed = (reference::pack(&w[0], WINDOW, channels), reference::pack(&w[2], channels, channels));
            let weights = StridedStem {
                conv: (Rhs::packed(&packed.0, WINDOW, channels), Some(&bias[0])),
                depthwise: (&w[1], &bias[1][..channels]),
                pointwise: (Rhs::packed(&packed.1, channels, channels), Some(&bias[2])),
            };
            let images = Images { pixels: &pixels, count, size };
            let exact = plain(images, channels, [&w[0], &w[1], &w[2]], [&bias[0], &bias[1], &bias[2]]);
            let rows = exact.len() / channels;
            let run = |isa, team: Team<'_>| {
                let mut space = vec![f32::NAN; scratch(size, channels, team)];
                let mut out = vec![f32::NAN; blocked_len(rows, channels)];
                strided_stem(isa, team, weights, images, &mut space, &mut out);
                (0..rows * channels)
                    .map(|i| out[Strides::blocked(rows).at(i / channels, i % channels)])
                    .collect::<Vec<_>>()
            };
            for isa in Isa::available() {
                let alone = run(isa, Team::SERIAL);
                for (i, (got, exact)) in alone.iter().zip(&exact).enumerate() {
                    let close = (f64::from(*got) - exact).abs() <= TOLERANCE;
                    assert!(close, "{isa:?} {size} {channels} {count} at {i}: {got} {exact}");
                }
                for threads in [2, 3, 16] {
                    assert_eq!(alone, run(isa, Workers::leader_only(threads).team()));
                }
                assert_eq!(alone, run(isa, Workers::without_delay().team()));
            }
        }
    }
}
