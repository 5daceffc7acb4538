//! CLIP's ResNet: a stem of three convolutions, four stages of bottlenecks, attention pooling.
//!
//! Sources: He et al., "Deep Residual Learning" (2016) and "Bag of Tricks" (2019); Zhang, "Making Convolutional Networks
//! Shift-Invariant Again" (2019); openai/CLIP `model.py` (`ModifiedResNet`). No convolution but the first has a stride:
//! where maps become smaller, an average of 2 × 2 pixels comes before the last convolution of a bottleneck, and before
//! the one in place of its identity. BatchNorms are folded into the weights.

use super::config::ResnetConfig;
use crate::layers::{
    Activation, Convolution, Exec, Finish, FirstConvolution, Images, Linear, Lines, LinesOf, MeanQueryPool, PANEL,
    Strides, global_mean, halve,
};
use crate::tensor::{Arena, NoScratch};
use crate::weights::TensorView;

const RELU: Finish = Finish::Activate(Activation::Relu);

/// `C` is the width, `E = 32 C` the number of channels after the last stage.
pub(crate) struct Resnet {
    pub(super) config: ResnetConfig,
    pub(super) stem: Stem,
    pub(super) stages: Vec<Vec<Bottleneck>>,
    pub(super) position: TensorView, // [1 + g · g, E], that of the mean first
    pub(super) pool: MeanQueryPool,  // [E, embed_dim]
}

/// From pixels to maps of a quarter of their side; an average of 2 × 2 pixels follows.
pub(super) struct Stem {
    pub(super) first: FirstConvolution, // C / 2, with stride 2
    pub(super) second: Convolution,     // C / 2
    pub(super) third: Convolution,      // C
}

/// `x = relu(identity(x) + expand(halve(relu(conv(relu(reduce(x)))))))`, with `P` channels inside and `4 P` outside.
pub(super) struct Bottleneck {
    pub(super) reduce: Convolution,      // 1 × 1 to P
    pub(super) conv: Convolution,        // 3 × 3
    pub(super) expand: Linear,           // [P, 4 P]
    pub(super) identity: Option<Linear>, // [inputs, 4 P], where the sizes of `x` change
    /// Whether the maps become half as large.
    pub(super) halved: bool,
}

/// Points of a pass at which tests compare with the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TracePoint {
    /// After the pooling.
    Stem,
    Block(usize, usize),
}

/// The buffers of a pass: the current maps, the next ones, maps with a border, others.
struct Buffers<'a> {
    x: &'a mut [f32],
    y: &'a mut [f32],
    a: &'a mut [f32],
    b: &'a mut [f32],
}

impl Resnet {
    /// Size of a pass for one image, comparable with the tokens of a transformer: the pixels of the third stage, which
    /// has the largest share of the work.
    pub(crate) fn rows(&self) -> usize {
        let side = 2 * self.config.grid();
        side * side
    }

    /// Computes `out [images, embed_dim]`, not normalised, from normalised `pixels [images, 3, S, S]`. `trace` gets the
    /// maps in blocks after each step, and the number of their pixels and channels, for tests.
    pub(crate) fn stages(
        &self,
        exec: Exec<'_>,
        pixels: &[f32],
        images: usize,
        arena: &mut Arena,
        out: &mut [f32],
        mut trace: impl FnMut(TracePoint, &[f32], [usize; 2]),
    ) -> Result<(), NoScratch> {
        let (size, last, grid) = (self.config.image_size, self.config.last_width(), self.config.grid());
        let count = grid * grid + 1;
        let lens = self.lens(images);
        let scratch = self.stem.first.scratch(exec, size).max(self.pool.scratch(exec, images, count));
        let tokens = images.saturating_mul(count).saturating_mul(last);
        let lengths = [lens.x, lens.y, lens.a, lens.b, scratch, tokens, images.saturating_mul(last)];
        let [x, y, a, b, scratch, tokens, means] = arena.split(lengths)?;
        let mut buffers = Buffers { x, y, a, b };

        let mut side = self.stem.forward(exec, Images { pixels, count: images, size }, &mut buffers, scratch);
        trace(TracePoint::Stem, buffers.x, [images * side * side, self.stem.third.outputs()]);
        let blocks = self.stages.iter().enumerate();
        let mut blocks = blocks.flat_map(|(i, stage)| stage.iter().enumerate().map(move |(j, block)| ((i, j), block)));
        // The border of `a` stays zero while the sizes of its maps stay the same.
        let mut bordered = None;
        let mut channels = self.stem.third.outputs();
        for ((i, j), block) in &mut blocks {
            (side, channels) = block.forward(exec, (images, side), channels, &mut buffers, &mut bordered);
            trace(TracePoint::Block(i, j), buffers.x, [images * side * side, channels]);
        }

        let pixels = grid * grid;
        global_mean(exec, buffers.x, (images, pixels), last, means);
        let strides = Strides::blocked(images * pixels);
        let (x, means) = (&*buffers.x, &*means);
        exec.rows(&mut tokens[..images * count * last], last, 8, |row, out| {
            let (image, token) = (row / count, row % count);
            let position = &self.position[token * last..][..last];
            for (block, out) in out.chunks_mut(PANEL).enumerate() {
                let from = match token.checked_sub(1) {
                    Some(pixel) => &x[strides.at(image * pixels + pixel, block * PANEL)..],
                    None => &means[image * last + block * PANEL..],
                };
                let position = &position[block * PANEL..];
                out.iter_mut().zip(from.iter().zip(position)).for_each(|(out, (value, place))| *out = value + place);
            }
        });
        self.pool.forward(exec, tokens, (images, count), scratch, out);
        Ok(())
    }

    /// Floats of the buffers.
    fn lens(&self, images: usize) -> Lens {
        let side = self.config.image_size / 2;
        let mut lens = self.stem.lens(images, side);
        let (mut side, mut channels) = (side / 2, self.stem.third.outputs());
        for block in self.stages.iter().flatten() {
            let own = block.lens((images, side), channels);
            lens = Lens { x: lens.x.max(own.x), y: lens.y.max(own.y), a: lens.a.max(own.a), b: lens.b.max(own.b) };
            side = if block.halved { side / 2 } else { side };
            channels = block.expand.outputs();
        }
        // A bottleneck may exchange the two.
        let maps = lens.x.max(lens.y);
        Lens { x: maps, y: maps, ..lens }
    }
}

struct Lens {
    x: usize,
    y: usize,
    a: usize,
    b: usize,
}

/// Square maps in blocks.
fn flat(images: usize, side: usize, channels: usize) -> Lines {
    Lines::flat(images, [side, side], channels)
}

/// Square maps with a border.
fn bordered(images: usize, side: usize, channels: usize) -> Lines {
    Lines::bordered(images, [side, side], channels)
}

impl Stem {
    fn lens(&self, images: usize, side: usize) -> Lens {
        Lens {
            x: flat(images, side / 2, self.third.outputs()).len(),
            y: flat(images, side, self.third.outputs()).len(),
            a: bordered(images, side, self.first.outputs()).len(),
            b: bordered(images, side, self.second.outputs()).len(),
        }
    }

    /// Computes the maps in `x`; returns their side.
    fn forward(&self, exec: Exec<'_>, images: Images<'_>, buffers: &mut Buffers<'_>, scratch: &mut [f32]) -> usize {
        let Buffers { x, y, a, b } = buffers;
        let (count, side) = (images.count, images.size / 2);
        let first = bordered(count, side, self.first.outputs());
        let second = bordered(count, side, self.second.outputs());
        let third = flat(count, side, self.third.outputs());
        first.clear_border(a);
        second.clear_border(b);
        self.first.forward(exec, images, scratch, (a, first));
        self.second.forward(exec, LinesOf { data: a, lines: first }, RELU, (b, second));
        self.third.forward(exec, LinesOf { data: b, lines: second }, RELU, (y, third));
        halve(exec, y, third, self.third.outputs(), x);
        side / 2
    }
}

impl Bottleneck {
    /// Floats of the buffers for maps of this side.
    fn lens(&self, (images, side): (usize, usize), channels: usize) -> Lens {
        let (planes, outputs) = (self.conv.outputs(), self.expand.outputs());
        let half = if self.halved { side / 2 } else { side };
        let after = flat(images, half, outputs).len();
        Lens {
            x: flat(images, side, channels).len().max(after),
            y: flat(images, half, channels).len().max(after),
            a: bordered(images, side, planes).len(),
            b: flat(images, side, planes).len(),
        }
    }

    /// Replaces the maps in `x`; returns their side and channels. `border` is the shape for which `a` has a border of
    /// zeros.
    fn forward(
        &self,
        exec: Exec<'_>,
        (images, side): (usize, usize),
        channels: usize,
        buffers: &mut Buffers<'_>,
        border: &mut Option<Lines>,
    ) -> (usize, usize) {
        let Buffers { x, y, a, b } = buffers;
        let (planes, outputs) = (self.conv.outputs(), self.expand.outputs());
        let whole = flat(images, side, channels);
        let (inside, after) = (bordered(images, side, planes), flat(images, side, planes));
        if *border != Some(inside) {
            inside.clear_border(a);
            *border = Some(inside);
        }
        self.reduce.forward(exec, LinesOf { data: x, lines: whole }, RELU, (a, inside));
        self.conv.forward(exec, LinesOf { data: a, lines: inside }, RELU, (b, after));
        let finish = Finish::AccumulateActivate(Activation::Relu);
        let Some(identity) = &self.identity else {
            let strides = Strides::blocked(whole.pixels());
            self.expand.forward_strided(exec, (b, strides), whole.pixels(), finish, (x, strides));
            return (side, outputs);
        };
        if self.halved {
            halve(exec, x, whole, channels, y);
            halve(exec, b, after, planes, a);
            *border = None;
            let rows = flat(images, side / 2, planes).pixels();
            let strides = Strides::blocked(rows);
            identity.forward_strided(exec, (y, strides), rows, Finish::Store, (x, strides));
            self.expand.forward_strided(exec, (a, strides), rows, finish, (x, strides));
            return (side / 2, outputs);
        }
        let (rows, strides) = (whole.pixels(), Strides::blocked(whole.pixels()));
        identity.forward_strided(exec, (x, strides), rows, Finish::Store, (y, strides));
        self.expand.forward_strided(exec, (b, strides), rows, finish, (y, strides));
        std::mem::swap(x, y);
        (side, outputs)
    }
}
