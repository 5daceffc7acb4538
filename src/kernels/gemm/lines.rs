//! Convolutions of 1 × 1 and 3 × 3 with stride 1 as products of maps and packed weights, without a copy of windows.
//!
//! A register tile reads its rows from neighbouring pixels of one line, so no line of a map needs to follow the one
//! before. Where maps have a border of zeros and the channels of a line lie between its pixels and those of the next
//! line ([`Lines::bordered`]), the three lines of a window are one run of blocks of channels: for each column of the
//! window, the convolution is a product whose `k` runs over these. The columns are added up in the output, which is in
//! the cache.

use std::ops::Range;

use super::super::Isa;
use super::super::output::Out;
use super::super::simd::{Element, Kernel, Simd};
use super::super::strides::Strides;
use super::super::team::Team;
use super::fetch::fetch;
use super::split::Split;
use super::tile::{A_BLOCK, A_RESIDENT, Cell, K_BLOCK, NO_BIAS, balanced, floats};
use super::{Epilogue, PANEL, Rhs};

/// Columns and lines of the larger window.
const SIDE: usize = 3;

/// Where the pixels of maps are: lines of pixels in blocks of sixteen channels. The pixels of a line and block are
/// contiguous. No two pixels share a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    images: usize,
    height: usize,
    width: usize,
    /// Blocks of sixteen channels.
    blocks: usize,
    /// Pixels on each side that are not part of the map, zeros.
    border: usize,
    /// Floats from one image, line or block to the next.
    image: usize,
    line: usize,
    block: usize,
}

impl Lines {
    /// Maps in blocks, the pixels of all images one after the other: [`Strides::blocked`].
    pub(crate) fn flat(images: usize, [height, width]: [usize; 2], channels: usize) -> Lines {
        let line = width.saturating_mul(PANEL);
        let image = height.saturating_mul(line);
        let (blocks, block) = (channels.div_ceil(PANEL), images.saturating_mul(image));
        Lines { images, height, width, blocks, border: 0, image, line, block }
    }

    /// `[images, height + 2, channels / 16, width + 2, 16]`: maps with a border of one pixel, all blocks of a line before
    /// the next line.
    pub(crate) fn bordered(images: usize, [height, width]: [usize; 2], channels: usize) -> Lines {
        let (blocks, block) = (channels.div_ceil(PANEL), width.saturating_add(2).saturating_mul(PANEL));
        let line = blocks.saturating_mul(block);
        let image = height.saturating_add(2).saturating_mul(line);
        Lines { images, height, width, blocks, border: 1, image, line, block }
    }

    /// Floats of the maps.
    pub(crate) fn len(self) -> usize {
        if self.border == 0 { self.blocks.saturating_mul(self.block) } else { self.images.saturating_mul(self.image) }
    }

    /// Lines of all images.
    pub(crate) fn count(self) -> usize {
        self.images * self.height
    }

    /// Pixels of all images.
    pub(crate) fn pixels(self) -> usize {
        self.count() * self.width
    }

    /// Offset of the first pixel of a line; of the first pixel of the border around it, with `around`.
    #[inline(always)]
    fn at(self, line: usize, around: bool) -> usize {
        let border = if around { 0 } else { self.border };
        line / self.height * self.image + (line % self.height + border) * self.line + border * PANEL
    }

    /// Images, and height and width of each.
    pub(crate) fn sizes(self) -> (usize, [usize; 2]) {
        (self.images, [self.height, self.width])
    }

    /// Blocks of sixteen channels.
    pub(in super::super) fn blocks(self) -> usize {
        self.blocks
    }

    /// Offset of the first pixel of a line.
    pub(in super::super) fn start(self, line: usize) -> usize {
        self.at(line, false)
    }

    /// The layout of the pixels of a line.
    #[inline(always)]
    pub(in super::super) fn strides(self) -> Strides {
        Strides::blocked(self.block / PANEL)
    }

    /// Writes zeros to the border of maps.
    pub(crate) fn clear_border(self, maps: &mut [f32]) {
        if self.border == 0 {
            return;
        }
        for image in maps[..self.len()].chunks_exact_mut(self.image) {
            for (y, line) in image.chunks_exact_mut(self.line).enumerate() {
                if y == 0 || y > self.height {
                    line.fill(0.0);
                } else {
                    for block in line.chunks_exact_mut(self.block) {
                        block[..PANEL].fill(0.0);
                        block[self.block - PANEL..].fill(0.0);
                    }
                }
            }
        }
    }
}

/// Maps with their layout.
#[derive(Clone, Copy)]
pub(crate) struct LinesOf<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) lines: Lines,
}

/// Convolves `maps` with a square window of `side` 1 or 3 and applies the epilogue. The weights are packed `[k, n]`: with
/// `side` 1, `k` are the channels; with 3, in this order, the columns of the window, its lines, and the channels, padded
/// to whole blocks. The maps then have a border of zeros and zeros in the channels that pad their last block.
///
/// Panics if a slice is too short for its sizes.
pub(crate) fn convolve<W: Element>(
    isa: Isa,
    team: Team<'_>,
    maps: LinesOf<'_>,
    side: usize,
    w: Rhs<'_, W>,
    epilogue: Epilogue<'_>,
    (out, to): (&mut [f32], Lines),
) {
    let LinesOf { data, lines: from } = maps;
    assert_eq!((from.images, from.height, from.width), (to.images, to.height, to.width));
    match side {
        1 => assert!(w.k.div_ceil(PANEL) <= from.blocks, "more inputs than channels"),
        _ => assert!(side == SIDE && from.border == 1 && w.k == SIDE * SIDE * from.blocks * PANEL, "another window"),
    }
    assert!(data.len() >= from.len(), "maps shorter than their shape");
    assert!(out.len() >= to.len() && w.n.div_ceil(PANEL) <= to.blocks, "output too short");
    assert!(w.data.len() >= w.extent(), "weights shorter than their shape");
    let padded = w.n.next_multiple_of(PANEL);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() >= padded), "bias shorter than its panels");
    if from.pixels() == 0 || w.n == 0 {
        return;
    }
    let split = Split::lines(from.count(), from.width, w.panels(), team);
    let shared = Out::new(out, to.strides()).share();
    team.run(split.tasks(), |task| {
        let (lines, panels) = split.task(task);
        // SAFETY: tasks have disjoint lines or panels and write their own pixels and channels only, which share no floats
        // with others (`Lines`).
        let out = unsafe { shared.out(to.strides()) };
        isa.run(Part { maps, side, w, epilogue, out, to, lines, panels });
    });
}

/// Some lines by some panels of a convolution, on the calling thread.
struct Part<'a, W> {
    maps: LinesOf<'a>,
    side: usize,
    w: Rhs<'a, W>,
    epilogue: Epilogue<'a>,
    out: Out<'a>,
    to: Lines,
    lines: Range<usize>,
    panels: Range<usize>,
}

/// The products that a convolution is the sum of: for each column of the window, all steps of `k` or parts of them.
#[derive(Clone, Copy)]
struct Products {
    columns: usize,
    /// Steps of a column.
    k: usize,
    /// Parts of a column, and the steps of each but the last.
    parts: usize,
    steps: usize,
}

impl Products {
    /// The boundaries depend only on the window and `k`, because they decide the bits.
    fn new(columns: usize, k: usize) -> Products {
        let k = k / columns;
        let parts = k.div_ceil(K_BLOCK).max(1);
        Products { columns, k, parts, steps: k.div_ceil(parts).next_multiple_of(PANEL) }
    }

    fn count(self) -> usize {
        self.columns * self.parts
    }

    /// How many of them run before the next tile: all if their weights together are no more than those of one may be.
    fn group(self) -> usize {
        if self.columns * self.k <= K_BLOCK { self.count() } else { 1 }
    }

    /// Column and steps of a product.
    fn at(self, index: usize) -> (usize, Range<usize>) {
        let (column, part) = (index / self.parts, index % self.parts);
        (column, part * self.steps..((part + 1) * self.steps).min(self.k))
    }

    /// The first row of the weights of a product, which need not exist.
    fn first_row(self, index: usize) -> usize {
        let (column, steps) = self.at(index);
        column * self.k + steps.start
    }
}

impl<W: Element> Kernel for Part<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, s: S) {
        let Part { maps: LinesOf { lines: from, .. }, w, .. } = self;
        let products = Products::new(self.side, w.k);
        let (count, group) = (products.count(), products.group());
        let (groups, pairs) = (count / group, self.panels.len().div_ceil(S::TILE_PANELS));
        // Floats of a line that a product reads: of a larger window, all channels.
        let all = from.width * from.blocks * PANEL;
        let read = if self.side == 1 { from.width * products.steps } else { all };
        let most = (floats(A_BLOCK) / read.max(1)).max(1);
        for lines in balanced(self.lines.clone(), most) {
            // As in other products: either all products of a pair of panels, or all pairs for a product.
            let resident = lines.len() * all <= floats(A_RESIDENT);
            let visit = |i: usize| {
                let (pair, g) = if resident { (i / groups, i % groups) } else { (i % pairs, i / pairs) };
                (self.panels.start + pair * S::TILE_PANELS, g * group)
            };
            for i in 0..pairs * groups {
                let (panel, first) = visit(i);
                let (next_panel, next_first) = visit(i + 1);
                // SAFETY: the lines, panels and products are inside of the operands, whose lengths `convolve` has checked;
                // only this part writes its lines and panels.
                unsafe {
                    self.run(s, products, lines.clone(), (panel, first..first + group), (next_panel, next_first));
                }
            }
        }
    }
}

impl<W: Element> Part<'_, W> {
    /// The address of a panel's weights from a row on, which need not exist.
    #[inline(always)]
    fn weights_at(&self, panel: usize, row: usize) -> *const W {
        let offset = panel.wrapping_mul(self.w.panel_stride).wrapping_add(row.wrapping_mul(self.w.k_stride));
        self.w.data.as_ptr().wrapping_add(offset)
    }

    /// Some lines by a panel or a pair of them: some products. `next` is the panel and the first product after these.
    ///
    /// # Safety
    /// Lines, panels and products must be inside of the operands, and nothing else may access their output.
    #[inline(always)]
    unsafe fn run<S: Simd>(
        &self,
        s: S,
        products: Products,
        lines: Range<usize>,
        (panel, run): (usize, Range<usize>),
        next: (usize, usize),
    ) {
        let Part { maps: LinesOf { data, lines: from }, w, to, epilogue: Epilogue { finish, .. }, .. } = *self;
        let panel_bytes = w.panel_stride.wrapping_mul(size_of::<W>());
        let panels = S::TILE_PANELS.min(self.panels.end - panel);
        let columns = (panels * PANEL).min(w.n - panel * PANEL);
        let bias = self.epilogue.bias.map_or(NO_BIAS.as_ptr(), |bias| bias.as_ptr().wrapping_add(panel * PANEL));
        let tiles = lines.len() * from.width.div_ceil(S::TILE_ROWS);
        let mut tile = 0;
        for line in lines {
            let (a, out) = (from.at(line, self.side == SIDE), to.at(line, false) + panel * to.block);
            for pixels in balanced(0..from.width, S::TILE_ROWS) {
                for index in run.clone() {
                    let (column, steps) = products.at(index);
                    let row = products.first_row(index);
                    let last = index + 1 == products.count();
                    let after = products.first_row(next.1) + (row - products.first_row(run.start));
                    let half = steps.len() * PANEL / 2 * size_of::<W>();
                    let weights = self.weights_at(panel, row);
                    let following = (self.weights_at(next.0, after).addr(), panel_bytes);
                    let offset = a + (pixels.start + column) * PANEL + steps.start / PANEL * from.block;
                    // SAFETY: as the caller promises. A window's lines and columns are inside of the border. Of the bias,
                    // all panels exist.
                    unsafe {
                        let cell = Cell::new(
                            (data.as_ptr().add(offset), from.strides()),
                            (weights, w.k_stride, w.panel_stride),
                            steps.len(),
                            if last { bias } else { NO_BIAS.as_ptr() },
                            (self.out.offset(out + pixels.start * PANEL), to.strides()),
                            (index > 0 || finish.adds(), finish.activation().filter(|_| last)),
                            fetch::<S>((weights.addr(), panel_bytes), following, None, half, (tile, tiles)),
                        );
                        cell.run(s, pixels.len(), panels, columns);
                    }
                }
                tile += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::math::Activation;
    use super::super::super::{Workers, reference};
    use super::super::Finish;
    use super::*;

    /// As for other products: see there.
    fn tolerance(k: usize) -> f64 {
        1e-7 * k as f64 + 1e-6
    }

    /// Writes maps `[pixels, channels]` in a layout: zeros in the border and in channels that pad a block.
    fn lay(maps: &[f32], lines: Lines, channels: usize) -> Vec<f32> {
        let mut out = vec![0.0; lines.len()];
        for (i, &value) in maps.iter().enumerate() {
            let (pixel, c) = (i / channels, i % channels);
            let at = lines.at(pixel / lines.width, false) + lines.strides().at(pixel % lines.width, c);
            out[at] = value;
        }
        out
    }

    fn read(data: &[f32], lines: Lines, channels: usize) -> Vec<f32> {
        let at = |i: usize| {
            let (pixel, c) = (i / channels, i % channels);
            lines.at(pixel / lines.width, false) + lines.strides().at(pixel % lines.width, c)
        };
        (0..lines.pixels() * channels).map(|i| data[at(i)]).collect()
    }

    /// A convolution of `[images, height, width, channels]` with `w [outputs][side][side][channels]`, y before x.
    fn plain(maps: &[f32], images: usize, [height, width]: [usize; 2], side: usize, w: &[f32], n: usize) -> Vec<f64> {
        let (channels, reach) = (maps.len() / images / height / width, side / 2);
        let mut out = vec![0.0; images * height * width * n];
        for (i, out) in out.iter_mut().enumerate() {
            let (o, x, y, image) = (i % n, i / n % width, i / n / width % height, i / n / width / height);
            for (tap, w) in w[o * side * side * channels..][..side * side * channels].chunks_exact(channels).enumerate()
            {
                let (row, column) = ((y + tap / side).wrapping_sub(reach), (x + tap % side).wrapping_sub(reach));
                if row < height && column < width {
                    let pixel = &maps[((image * height + row) * width + column) * channels..][..channels];
                    *out += pixel.iter().zip(w).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
                }
            }
        }
        out
    }

    /// The weights as rows in the order that a convolution reads, packed.
    fn pack(w: &[f32], side: usize, channels: usize, n: usize) -> (Vec<f32>, usize) {
        let padded = if side == 1 { channels } else { channels.next_multiple_of(PANEL) };
        let k = side * side * padded;
        let mut rows = vec![0.0; k * n];
        for (i, value) in w.iter().enumerate() {
            let (c, tap, o) = (i % channels, i / channels % (side * side), i / channels / side / side);
            let (y, x) = (tap / side, tap % side);
            rows[((x * side + y) * padded + c) * n + o] = *value;
        }
        (reference::pack(&rows, k, n), k)
    }

    fn check(images: usize, sides: [usize; 2], side: usize, channels: usize, n: usize, finish: Finish) {
        let scale = 1.0 / ((side * side * channels) as f32).sqrt();
        let maps = reference::noise("maps", images * sides[0] * sides[1] * channels, 1.0);
        let w = reference::noise("w", n * side * side * channels, scale);
        let mut bias = reference::noise("bias", n, 1.0);
        bias.resize(n.next_multiple_of(PANEL), 0.0);
        let (packed, k) = pack(&w, side, channels, n);
        let exact = plain(&maps, images, sides, side, &w, n);
        let before = reference::noise("before", exact.len(), 1.0);
        for isa in Isa::available() {
            let bordered = Lines::bordered(images, sides, channels);
            let froms = if side == 1 { vec![Lines::flat(images, sides, channels), bordered] } else { vec![bordered] };
            let mut first: Option<Vec<f32>> = None;
            for from in froms {
                for to in [Lines::flat(images, sides, n), Lines::bordered(images, sides, n)] {
                    for team in [Team::SERIAL, Workers::leader_only(3).team(), Workers::without_delay().team()] {
                        let data = lay(&maps, from, channels);
                        let mut out = lay(&before, to, n);
                        let epilogue = Epilogue { bias: Some(&bias), finish };
                        let maps = LinesOf { data: &data, lines: from };
                        convolve(isa, team, maps, side, Rhs::packed(&packed, k, n), epilogue, (&mut out, to));
                        let got = read(&out, to, n);
                        assert_eq!(lay(&got, to, n), out, "the border or the padding was written");
                        for (i, (got, exact)) in got.iter().zip(&exact).enumerate() {
                            let sum = exact + f64::from(bias[i % n]);
                            let exact = match finish {
                                Finish::Store => sum,
                                Finish::Accumulate => sum + f64::from(before[i]),
                                Finish::Activate(kind) => reference::activation(kind, sum),
                                Finish::AccumulateActivate(kind) => {
                                    reference::activation(kind, sum + f64::from(before[i]))
                                }
                            };
                            let off = (f64::from(*got) - exact).abs();
                            assert!(off <= tolerance(k), "{isa:?} {sides:?} {side} {channels} {n} at {i}: {off:e}");
                        }
                        // Layouts and threads do not change the bits.
                        assert_eq!(*first.get_or_insert_with(|| got.clone()), got);
                    }
                }
            }
            // Nor do the other images of a batch.
            if images > 1 {
                let [from, to] = [channels, n].map(|c| Lines::bordered(1, sides, c));
                let len = maps.len() / images;
                let mut out = lay(&before[before.len() - before.len() / images..], to, n);
                let data = lay(&maps[maps.len() - len..], from, channels);
                let (maps, epilogue) = (LinesOf { data: &data, lines: from }, Epilogue { bias: Some(&bias), finish });
                convolve(isa, Team::SERIAL, maps, side, Rhs::packed(&packed, k, n), epilogue, (&mut out, to));
                let all = first.unwrap_or_default();
                assert_eq!(read(&out, to, n), all[all.len() - all.len() / images..]);
            }
        }
    }

    #[test]
    fn equals_the_plain_convolution() {
        let relu = Finish::Activate(Activation::Relu);
        for side in [1, 3] {
            for (images, sides, channels, n) in [
                (1, [1, 1], 16, 16),
                (1, [2, 3], 5, 7),
                (2, [3, 7], 16, 32),
                (3, [7, 7], 24, 40),
                (1, [5, 15], 32, 48),
                (2, [4, 29], 33, 17),
            ] {
                for finish in [Finish::Store, relu, Finish::Accumulate] {
                    check(images, sides, side, channels, n, finish);
                }
            }
            // Several parts of `k`, in both orders of the loops.
            check(2, [3, 4], side, 800, 20, Finish::AccumulateActivate(Activation::Relu));
            check(1, [40, 14], side, 208, 20, relu);
        }
    }

    #[test]
    fn short_operands_are_refused() {
        let lines = Lines::bordered(1, [3, 4], 16);
        let (maps, w, bias) = (vec![0.0; lines.len()], vec![0.0; 9 * 16 * 16], vec![0.0; 16]);
        let run = |maps: &[f32], w: &[f32], bias: &[f32], len: usize, from: Lines, to: Lines| {
            let epilogue = Epilogue { bias: Some(bias), finish: Finish::Store };
            let mut out = vec![0.0; len];
            let maps = LinesOf { data: maps, lines: from };
            let call = || {
                convolve(Isa::available()[0], Team::SERIAL, maps, 3, Rhs::packed(w, 144, 16), epilogue, (&mut out, to))
            };
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err()
        };
        let len = lines.len();
        assert!(!run(&maps, &w, &bias, len, lines, lines));
        assert!(run(&maps[1..], &w, &bias, len, lines, lines));
        assert!(run(&maps, &w[1..], &bias, len, lines, lines));
        assert!(run(&maps, &w, &bias[1..], len, lines, lines));
        assert!(run(&maps, &w, &bias, len - 1, lines, lines));
        assert!(run(&maps, &w, &bias, len, Lines::flat(1, [3, 4], 16), lines), "no border");
        assert!(run(&maps, &w, &bias, len, lines, Lines::bordered(1, [4, 3], 16)), "another size");
        assert_eq!(Lines::flat(usize::MAX / 4, [9, 9], 9).len(), usize::MAX, "a length must not wrap");
    }
}
