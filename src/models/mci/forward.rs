//! FastViT in MobileCLIP's form: a convolutional stem, stages of RepMixer or attention blocks, a pooled head.
//!
//! Sources: Vasu et al., "FastViT" (2023) and "MobileCLIP" (2024); timm `fastvit.py`. This is the inference form:
//! branches, BatchNorms, LayerScales and residuals of convolutions are folded into the weights. Channels are innermost
//! in maps. A convolution that doubles its channels stores its even outputs first, so that output `j` reads input
//! `j mod C`; the inputs of the layers after it are in the same order.

use super::config::{MciConfig, MciStage};
use crate::layers::{
    Activation, Attention, Depthwise, Exec, Finish, Images, LayerNorm, Linear, Maps, Span, SqueezeExcite, StridedStem,
    Strides, blocked_len, global_mean, unblock,
};
use crate::models::conv_mlp::ConvMlp;
use crate::tensor::{Arena, NoScratch};

const GELU: Finish = Finish::Activate(Activation::Gelu);

/// `C` is the number of channels of the first stage, `E` that after the last convolution.
pub(crate) struct Mci {
    pub(super) config: MciConfig,
    pub(super) stem: StridedStem, // C
    pub(super) stages: Vec<Stage>,
    pub(super) last: Depthwise,        // 3 × 3, channels doubled to E
    pub(super) squeeze: SqueezeExcite, // E
    pub(super) proj: Linear,           // [E, embed_dim]
}

/// A stage and the downsampling before it.
pub(super) struct Stage {
    pub(super) config: MciStage,
    pub(super) downsample: Option<Downsample>,
    pub(super) position: Option<Depthwise>, // 7 × 7, with the residual folded in
    pub(super) blocks: Vec<Block>,
}

/// Half the side, twice the channels.
pub(super) struct Downsample {
    pub(super) dw: Depthwise, // 7 × 7 with stride 2, channels doubled
    pub(super) squeeze: Option<SqueezeExcite>,
    pub(super) pw: Linear, // [C, C]
}

pub(super) struct Block {
    pub(super) mixer: BlockMixer,
    pub(super) mlp: ConvMlp,
}

pub(super) enum BlockMixer {
    Rep(Depthwise), // 3 × 3, with the residual folded in
    Attention { qkv: Linear, out: Linear },
}

impl Block {
    /// The linear layer whose weights are read first, for prefetching.
    fn first(&self) -> &Linear {
        match &self.mixer {
            BlockMixer::Rep(_) => self.mlp.first(),
            BlockMixer::Attention { qkv, .. } => qkv,
        }
    }
}

/// Points of a pass at which tests compare with the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TracePoint {
    Stem,
    Downsample(usize),
    Position(usize),
    Block(usize, usize),
    /// After the last convolution, its squeeze-and-excitation and GELU; even channels first.
    Last,
}

/// The blocked maps at a [`TracePoint`]: `rows` pixels of all images.
#[derive(Clone, Copy)]
#[cfg_attr(not(all(test, feature = "import")), expect(dead_code, reason = "only tests read them"))]
pub(crate) struct TraceMap<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) channels: usize,
}

/// Views data as square blocked maps.
fn maps(data: &[f32], images: usize, side: usize) -> Maps<'_> {
    Maps { data, strides: Strides::blocked(images * side * side), images, height: side, width: side }
}

impl Mci {
    /// Size of a pass for one image, comparable with the tokens of a transformer: the pixels of the first stage (each
    /// later stage has a quarter of the stage before).
    pub(crate) fn rows(&self) -> usize {
        let side = self.config.image_size.div_ceil(4);
        side * side
    }

    /// Computes `out [images, embed_dim]`, not normalised, from normalised `pixels [images, 3, S, S]`. `trace` gets the
    /// maps after each stage, for tests.
    pub(crate) fn stages(
        &self,
        exec: Exec<'_>,
        pixels: &[f32],
        images: usize,
        arena: &mut Arena,
        out: &mut [f32],
        mut trace: impl FnMut(TracePoint, TraceMap<'_>),
    ) -> Result<(), NoScratch> {
        let lens = self.lens(exec, images);
        let [x, y, wide, scores, squeeze, pooled] =
            arena.split([lens.map, lens.map, lens.wide, lens.scores, lens.squeeze, images * self.proj.inputs()])?;
        // `x` holds the current maps, `y` receives those of the next step.
        let (mut x, mut y) = (x, y);

        let size = self.config.image_size;
        let mut side = size.div_ceil(4);
        let mut rows = images * side * side;
        self.stem.forward(exec, Images { pixels, count: images, size }, wide, x);
        trace(TracePoint::Stem, TraceMap { data: x, rows, channels: self.stem.outputs() });

        for (i, stage) in self.stages.iter().enumerate() {
            let channels = stage.config.channels;
            if let Some(downsample) = &stage.downsample {
                side = downsample.forward(exec, (images, side), x, y, squeeze);
                rows = images * side * side;
                trace(TracePoint::Downsample(i), TraceMap { data: x, rows, channels });
            }
            let blocked = Strides::blocked(rows);
            if let Some(position) = &stage.position {
                position.forward(exec, maps(x, images, side), None, (&mut *y, blocked));
                std::mem::swap(&mut x, &mut y);
                trace(TracePoint::Position(i), TraceMap { data: x, rows, channels });
            }
            for (j, block) in stage.blocks.iter().enumerate() {
                match &block.mixer {
                    BlockMixer::Rep(mixer) => {
                        mixer.forward(exec, maps(x, images, side), None, (&mut *y, blocked));
                        std::mem::swap(&mut x, &mut y);
                    }
                    BlockMixer::Attention { qkv, out } => {
                        let exec = exec.prefetching(block.mlp.first());
                        self.attention(exec, &stage.config, (qkv, out), (images, rows), x, y, wide, scores);
                    }
                }
                let exec = stage.blocks.get(j + 1).map_or(exec, |next| exec.prefetching(next.first()));
                block.mlp.forward(exec, x, maps(&[], images, side), y, wide);
                trace(TracePoint::Block(i, j), TraceMap { data: x, rows, channels });
            }
        }

        let e = self.proj.inputs();
        self.last.forward(exec, maps(x, images, side), None, (&mut *y, Strides::blocked(rows)));
        let pixels = (images, side * side);
        self.squeeze.forward(exec, y, pixels, Activation::Gelu, squeeze);
        trace(TracePoint::Last, TraceMap { data: y, rows, channels: e });
        global_mean(exec, y, pixels, e, pooled);
        self.proj.forward(exec, pooled, images, Finish::Store, out, self.proj.outputs());
        Ok(())
    }

    /// `x += out(attention(qkv(norm(x))))` over all pixels of an image.
    #[expect(clippy::too_many_arguments, reason = "a map, its weights and the scratch of a pass")]
    fn attention(
        &self,
        exec: Exec<'_>,
        stage: &MciStage,
        (qkv, out): (&Linear, &Linear),
        (images, rows): (usize, usize),
        x: &mut [f32],
        y: &mut [f32],
        wide: &mut [f32],
        scores: &mut [f32],
    ) {
        let c = stage.channels;
        let (pixels, blocked) = (rows / images, Strides::blocked(rows));
        let y = &mut y[..rows * c];
        let input = if stage.attention_norm {
            unblock(x, rows, c, y);
            LayerNorm::new(c, self.config.norm_eps).forward_in_place_before(qkv, exec, y);
            (&*y, Strides::rows(c))
        } else {
            (&*x, blocked)
        };
        qkv.forward_strided(exec.prefetching(out), input, rows, Finish::Store, (&mut *wide, Strides::rows(3 * c)));
        let spans: Vec<Span> = (0..images)
            .map(|i| Span { start: i * pixels, tokens: pixels, queries: 0..pixels, out_row: i * pixels })
            .collect();
        stage.attention().after(qkv).forward(exec, wide, &spans, y, scores);
        out.forward_strided(exec, (&*y, Strides::rows(c)), rows, Finish::Accumulate, (x, blocked));
    }

    /// Floats of each scratch buffer.
    fn lens(&self, exec: Exec<'_>, images: usize) -> Lens {
        let size = self.config.image_size;
        let mut side = size.div_ceil(4);
        let wide = self.stem.scratch(exec, size);
        let mut lens = Lens { map: blocked_len(side * side, self.stem.outputs()), wide, scores: 0, squeeze: 0 };
        for stage in &self.stages {
            let c = stage.config.channels;
            if let Some(downsample) = &stage.downsample {
                side = side.div_ceil(2);
                let squeeze = downsample.squeeze.as_ref().map_or(0, |squeeze| squeeze.scratch(images));
                lens.squeeze = lens.squeeze.max(squeeze);
            }
            let pixels = side * side;
            lens.map = lens.map.max(blocked_len(pixels, c));
            // The weights of each block may be of another type, which needs other scratch.
            for block in &stage.blocks {
                lens.wide = lens.wide.max(block.mlp.scratch(exec, images * pixels));
                if let BlockMixer::Attention { .. } = block.mixer {
                    lens.wide = lens.wide.max((images * pixels).saturating_mul(3 * c));
                    lens.scores = lens.scores.max(stage.config.attention().scratch(exec, pixels));
                }
            }
        }
        lens.map = lens.map.max(blocked_len(side * side, self.proj.inputs()));
        Lens { map: images.saturating_mul(lens.map), squeeze: lens.squeeze.max(self.squeeze.scratch(images)), ..lens }
    }
}

struct Lens {
    map: usize,
    wide: usize,
    scores: usize,
    squeeze: usize,
}

impl MciStage {
    fn attention(&self) -> Attention {
        Attention::new(self.channels, self.heads, false)
    }
}

impl Downsample {
    /// Replaces the maps in `x`, with `y` as scratch; returns the new side.
    fn forward(
        &self,
        exec: Exec<'_>,
        (images, side): (usize, usize),
        x: &mut [f32],
        y: &mut [f32],
        scratch: &mut [f32],
    ) -> usize {
        let activation = if self.squeeze.is_none() { Some(Activation::Gelu) } else { None };
        let half = side.div_ceil(2);
        let rows = images * half * half;
        let blocked = Strides::blocked(rows);
        self.dw.forward(exec, maps(x, images, side), activation, (&mut *y, blocked));
        if let Some(squeeze) = &self.squeeze {
            squeeze.forward(exec, y, (images, half * half), Activation::Gelu, scratch);
        }
        self.pw.forward_strided(exec, (&*y, blocked), rows, GELU, (x, blocked));
        half
    }
}
