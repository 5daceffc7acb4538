//! FastViT as MobileCLIP has it: a convolutional stem, stages of RepMixer or attention blocks, a pooled head.
//!
//! Sources: Vasu et al., "FastViT" (2023) and "MobileCLIP" (2024); timm `fastvit.py`. This is the inference form:
//! branches, BatchNorms, LayerScales and residuals of convolutions lie in the weights. Maps have their channels
//! innermost. Where a convolution doubles its channels the even outputs come first, so that output j reads input
//! `j mod C`; the weights that follow are in the same order.

use super::Error;
use super::config::{MciConfig, MciStage, Mixer};
use super::conv_mlp::ConvMlp;
use super::load::Scope;
use crate::kernels::attention::{Shape, Span, attention, scratch_len};
use crate::kernels::depthwise::{Maps, Window};
use crate::kernels::gemm::Finish;
use crate::kernels::math::Activation;
use crate::kernels::norm::layer_norm;
use crate::kernels::pool;
use crate::layers::{Depthwise, Exec, Linear, SqueezeExcite};
use crate::tensor::Arena;
use crate::weights::WeightsFile;

const GELU: Finish = Finish::Activate(Activation::Gelu);

/// `C` are the channels of the first stage, `E` those after the last convolution.
pub(crate) struct Mci {
    config: MciConfig,
    stem: Linear,       // [3·3·3, C], 3 × 3 with stride 2 on pixels
    stem_dw: Depthwise, // 3 × 3 with stride 2
    stem_pw: Linear,    // [C, C]
    stages: Vec<Stage>,
    last: Depthwise,        // 3 × 3, channels doubled to E
    squeeze: SqueezeExcite, // E
    proj: Linear,           // [E, embed_dim]
}

/// A stage and the downsampling in front of it.
struct Stage {
    config: MciStage,
    downsample: Option<Downsample>,
    position: Option<Depthwise>, // 7 × 7, the identity in its centre
    blocks: Vec<Block>,
}

/// Half the side, twice the channels.
struct Downsample {
    dw: Depthwise, // 7 × 7 with stride 2, channels doubled
    squeeze: Option<SqueezeExcite>,
    pw: Linear, // [C, C]
}

struct Block {
    mixer: BlockMixer,
    mlp: ConvMlp,
}

enum BlockMixer {
    Rep(Depthwise), // 3 × 3, the residual in its centre
    Attention { qkv: Linear, out: Linear },
}

/// Stages of a pass, for tests that compare with the reference one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Stem,
    Downsample(usize),
    Position(usize),
    Block(usize, usize),
    /// After the last convolution, its squeeze-and-excitation and GELU; even channels first.
    Last,
}

impl Mci {
    pub(crate) fn load(weights: &WeightsFile, config: &MciConfig, embed_dim: usize) -> Result<Self, Error> {
        let scope = Scope::new(weights, "image");
        let stem = scope.child("stem");
        let (Some(first), Some(last)) = (config.stages.first(), config.stages.last()) else {
            return Err(Error::Config("it has no stages".into()));
        };
        let mut stages = Vec::new();
        for (i, stage) in config.stages.iter().enumerate() {
            stages.push(Stage::load(&scope.child("stages").child(i), stage, i > 0)?);
        }
        let last_scope = scope.child("final");
        let doubled = 2 * last.channels;
        Ok(Mci {
            stem: stem.linear("0", 27, first.channels)?,
            stem_dw: stem.depthwise("1", Window::square(3, 2, first.channels, 1))?,
            stem_pw: stem.linear("2", first.channels, first.channels)?,
            stages,
            last: last_scope.depthwise("dw", Window::square(3, 1, last.channels, 2))?,
            squeeze: last_scope.squeeze_excite(doubled, config.squeeze_width)?,
            proj: scope.linear("proj", doubled, embed_dim)?,
            config: config.clone(),
        })
    }

    /// A measure of the size of a pass for one image, comparable with the tokens of a transformer: pixels of the
    /// first stage, of which later stages have a quarter each.
    pub(crate) fn rows(&self) -> usize {
        let side = self.config.image_size.div_ceil(4);
        side * side
    }

    /// `pixels [images, 3, S, S]`, normalised, to `out [images, embed_dim]`, not normalised. `seen` gets the rows
    /// after every stage, for tests that compare one by one.
    pub(crate) fn stages(
        &self,
        exec: Exec,
        pixels: &[f32],
        images: usize,
        arena: &mut Arena,
        out: &mut [f32],
        mut seen: impl FnMut(Seen, &[f32]),
    ) {
        let lens = self.lens(exec, images);
        let [x, y, wide, scores, squeeze, pooled] =
            arena.split([lens.map, lens.map, lens.wide, lens.scores, lens.squeeze, images * self.proj.inputs()]);
        // The map of the moment is in x after every step; y receives the next.
        let (mut x, mut y) = (x, y);

        let half = self.config.image_size.div_ceil(2);
        let c = self.stem.outputs();
        gather_windows(exec, pixels, images, self.config.image_size, wide);
        self.stem.forward(exec, wide, images * half * half, self.stem.inputs(), GELU, x, c);
        let maps = Maps { data: x, images, height: half, width: half };
        let (mut side, _) = self.stem_dw.forward(exec, maps, Some(Activation::Gelu), y);
        self.stem_pw.forward(exec, y, images * side * side, c, GELU, x, c);
        seen(Seen::Stem, &x[..images * side * side * c]);

        for (i, stage) in self.stages.iter().enumerate() {
            let c = stage.config.channels;
            if let Some(downsample) = &stage.downsample {
                side = downsample.forward(exec, (images, side), x, y, squeeze);
                seen(Seen::Downsample(i), &x[..images * side * side * c]);
            }
            let len = images * side * side * c;
            if let Some(position) = &stage.position {
                position.forward(exec, Maps { data: x, images, height: side, width: side }, None, y);
                std::mem::swap(&mut x, &mut y);
                seen(Seen::Position(i), &x[..len]);
            }
            for (j, block) in stage.blocks.iter().enumerate() {
                match &block.mixer {
                    BlockMixer::Rep(mixer) => {
                        mixer.forward(exec, Maps { data: x, images, height: side, width: side }, None, y);
                        std::mem::swap(&mut x, &mut y);
                    }
                    BlockMixer::Attention { qkv, out } => {
                        self.attention(exec, &stage.config, (qkv, out), images, &mut x[..len], y, wide, scores);
                    }
                }
                block.mlp.forward(exec, &mut x[..len], (images, side, side), y, wide);
                seen(Seen::Block(i, j), &x[..len]);
            }
        }

        self.last.forward(exec, Maps { data: x, images, height: side, width: side }, None, y);
        let e = self.proj.inputs();
        let map = &mut y[..images * side * side * e];
        self.squeeze.forward(exec, map, images, Activation::Gelu, squeeze);
        seen(Seen::Last, map);
        pool::mean(exec.isa, exec.par, map, images, side * side, e, pooled);
        self.proj.forward(exec, pooled, images, e, Finish::Store, out, self.proj.outputs());
    }

    /// `x += out(attention(qkv(norm(x))))` over all pixels of an image.
    #[expect(clippy::too_many_arguments, reason = "a map, its weights and the scratch of a pass")]
    fn attention(
        &self,
        exec: Exec,
        stage: &MciStage,
        (qkv, out): (&Linear, &Linear),
        images: usize,
        x: &mut [f32],
        y: &mut [f32],
        wide: &mut [f32],
        scores: &mut [f32],
    ) {
        let c = stage.channels;
        let rows = x.len() / c;
        let pixels = rows / images;
        let y = &mut y[..rows * c];
        let input = if stage.attention_norm {
            layer_norm(exec.isa, exec.par, x, c, self.config.norm_eps as f32, None, y);
            &*y
        } else {
            &*x
        };
        qkv.forward(exec, input, rows, c, Finish::Store, wide, 3 * c);
        let spans: Vec<Span> = (0..images)
            .map(|i| Span { start: i * pixels, tokens: pixels, queries: 0..pixels, out_row: i * pixels })
            .collect();
        attention(exec.isa, exec.par, stage.shape(), wide, &spans, y, scores);
        out.forward(exec, y, rows, c, Finish::Accumulate, x, c);
    }

    /// Floats of each piece of scratch.
    fn lens(&self, exec: Exec, images: usize) -> Lens {
        let half = self.config.image_size.div_ceil(2);
        let mut side = half.div_ceil(2);
        let c = self.stem.outputs();
        let mut lens = Lens { map: half * half * c, wide: half * half * self.stem.inputs(), scores: 0, squeeze: 0 };
        for stage in &self.stages {
            let c = stage.config.channels;
            if let Some(downsample) = &stage.downsample {
                side = side.div_ceil(2);
                let squeeze = downsample.squeeze.as_ref().map_or(0, |squeeze| squeeze.scratch(images));
                lens.squeeze = lens.squeeze.max(squeeze);
            }
            let pixels = side * side;
            lens.map = lens.map.max(pixels * c);
            for block in stage.blocks.iter().take(1) {
                lens.wide = lens.wide.max(pixels * block.mlp.hidden());
                if let BlockMixer::Attention { .. } = block.mixer {
                    lens.wide = lens.wide.max(pixels * 3 * c);
                    lens.scores = lens.scores.max(scratch_len(exec.par, stage.config.shape(), images, pixels));
                }
            }
        }
        lens.map = lens.map.max(side * side * self.proj.inputs());
        Lens {
            map: images * lens.map,
            wide: images * lens.wide,
            squeeze: lens.squeeze.max(self.squeeze.scratch(images)),
            ..lens
        }
    }
}

struct Lens {
    map: usize,
    wide: usize,
    scores: usize,
    squeeze: usize,
}

impl MciStage {
    fn shape(&self) -> Shape {
        Shape { width: self.channels, heads: self.heads, causal: false }
    }
}

impl Stage {
    fn load(scope: &Scope<'_>, config: &MciStage, downsampled: bool) -> Result<Self, Error> {
        let c = config.channels;
        let mut blocks = Vec::new();
        for j in 0..config.blocks {
            let block = scope.child("blocks").child(j);
            let mixer = match config.mixer {
                Mixer::RepMixer => BlockMixer::Rep(block.depthwise("mixer", Window::square(3, 1, c, 1))?),
                Mixer::Attention => {
                    BlockMixer::Attention { qkv: block.linear("qkv", c, 3 * c)?, out: block.linear("out", c, c)? }
                }
            };
            let mlp = ConvMlp::load(&block.child("ffn"), Window::square(7, 1, c, 1), config.mlp_width)?;
            blocks.push(Block { mixer, mlp });
        }
        Ok(Stage {
            downsample: match downsampled {
                true => Some(Downsample::load(&scope.child("downsample"), config)?),
                false => None,
            },
            position: match config.position_encoding {
                true => Some(scope.depthwise("position", Window::square(7, 1, c, 1))?),
                false => None,
            },
            blocks,
            config: config.clone(),
        })
    }
}

impl Downsample {
    fn load(scope: &Scope<'_>, config: &MciStage) -> Result<Self, Error> {
        let c = config.channels;
        Ok(Downsample {
            dw: scope.depthwise("dw", Window::square(7, 2, c / 2, 2))?,
            squeeze: match config.squeeze_width {
                Some(width) => Some(scope.squeeze_excite(c, width)?),
                None => None,
            },
            pw: scope.linear("pw", c, c)?,
        })
    }

    /// From x, by way of y, to x; returns the new side.
    fn forward(
        &self,
        exec: Exec,
        (images, side): (usize, usize),
        x: &mut [f32],
        y: &mut [f32],
        scratch: &mut [f32],
    ) -> usize {
        let c = self.pw.outputs();
        let activation = if self.squeeze.is_none() { Some(Activation::Gelu) } else { None };
        let maps = Maps { data: x, images, height: side, width: side };
        let (side, _) = self.dw.forward(exec, maps, activation, y);
        let rows = images * side * side;
        if let Some(squeeze) = &self.squeeze {
            squeeze.forward(exec, &mut y[..rows * c], images, Activation::Gelu, scratch);
        }
        self.pw.forward(exec, y, rows, c, GELU, x, c);
        side
    }
}

/// Rows `[images · h · h, 3·3·3]` of 3 × 3 windows with stride 2 and padding 1, ordered channel, y, x.
fn gather_windows(exec: Exec, pixels: &[f32], images: usize, size: usize, out: &mut [f32]) {
    let half = size.div_ceil(2);
    exec.par.rows(&mut out[..images * half * half * 27], half * 27, 4, |row, out| {
        let (image, y) = (row / half, row % half);
        for (x, window) in out.chunks_exact_mut(27).enumerate() {
            for (i, value) in window.iter_mut().enumerate() {
                let (channel, ky, kx) = (i / 9, i / 3 % 3, i % 3);
                let row = (2 * y + ky).checked_sub(1).filter(|row| *row < size);
                let column = (2 * x + kx).checked_sub(1).filter(|column| *column < size);
                *value = match (row, column) {
                    (Some(row), Some(column)) => pixels[((image * 3 + channel) * size + row) * size + column],
                    _ => 0.0,
                };
            }
        }
    });
}
